"""The printer's file server on a port: implicit FTPS, one data connection at a time for each client.

What arrived of a file that broke off is kept, as vsftpd keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from firmware_sim.bambu.broker import Crank, ListenRefused
from firmware_sim.bambu.ftp_session import (
    MOST_LINE_BYTES,
    REPLY_BROKEN,
    REPLY_COMPLETE,
    REPLY_FULL,
    REPLY_NO_DATA,
    REPLY_NO_REUSE,
    FtpSession,
    Passive,
    Transfer,
    Way,
)
from firmware_sim.bambu.printer import NotServed
from firmware_sim.bambu.storage import StorageFull

MOST_FILE_BYTES = 1 << 30
"""A longer file is none that these printers print."""
CHUNK_BYTES = 1 << 16
IDLE_SECONDS = 300.0
"""Without a command the client is hung up on (vsftpd's idle_session_timeout)."""
DATA_SECONDS = 300.0
"""From PASV to the data connection, and between two pieces of a file (vsftpd's data_connection_timeout)."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FileServer:
    """Listens. rate: bytes a second in either direction, None for as fast as it goes."""

    def __init__(self, crank: Crank, context: ssl.SSLContext, *, rate: float | None = None) -> None:
        self.crank = crank
        self.context = context
        self.rate = rate
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        crank.listen(self._turned)

    async def open(self, host: str, port: int) -> None:
        """Port 0 takes any. Raises ListenRefused."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, ssl=self.context)
        except OSError as error:
            raise ListenRefused(f"cannot listen on {host}:{port}: {error.strerror or error}") from error

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is None:
            return
        self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    def _turned(self) -> None:
        """The power has failed: connections end where they are."""
        if not self.crank.printer.is_on:
            for task in self._clients:
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if self.crank.printer.is_on:
                await _Client(self, reader, writer).talk()
        except (ConnectionError, TimeoutError, ssl.SSLError, ValueError):
            pass  # the client is gone, silent, or sends lines without end
        except asyncio.CancelledError:
            pass  # the server closes, or its power failed
        finally:
            self._clients.discard(task)
            writer.transport.abort()


class _Client:
    """One control connection, and its data connection."""

    def __init__(
        self, server: FileServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._session = FtpSession(server.crank.printer)
        self._port: asyncio.Server | None = None
        self._data: asyncio.Future[Streams] | None = None

    async def talk(self) -> None:
        """Until the client leaves."""
        try:
            await self._reply(self._session.greeting())
            while not self._session.is_over and self._server.crank.printer.is_on:
                async with asyncio.timeout(IDLE_SECONDS):
                    line = await self._reader.readline()
                if not line or len(line) > MOST_LINE_BYTES:
                    return
                act = self._session.obey(line.decode("utf-8", "replace"))
                if isinstance(act, Passive):
                    act = await self._open_port(act)
                elif isinstance(act, Transfer):
                    act = await self._transfer(act)
                await self._reply(act)
        finally:
            self._close_port()

    async def _reply(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    # -- the data connection ------------------------------------------------------------------------------

    async def _open_port(self, act: Passive) -> str:
        self._close_port()
        data: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
        self._data = data

        def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if data.done():
                writer.transport.abort()
            else:
                data.set_result((reader, writer))

        host = self._server.address[0]
        self._port = await asyncio.start_server(came, host, 0, ssl=self._server.context)
        port = self._port.sockets[0].getsockname()[1]
        if act.is_extended:
            return f"229 Entering Extended Passive Mode (|||{port}|)"
        shown = self._writer.get_extra_info("sockname")[0].replace(".", ",")
        return f"227 Entering Passive Mode ({shown},{port >> 8},{port & 255})."

    def _close_port(self) -> None:
        if self._port is not None:
            self._port.close()
        if self._data is not None and self._data.done() and not self._data.cancelled():
            self._data.result()[1].transport.abort()
        self._port = self._data = None

    async def _transfer(self, transfer: Transfer) -> str:
        if self._data is None:
            return REPLY_NO_DATA
        await self._reply("150 Ok to send data.")
        try:
            async with asyncio.timeout(DATA_SECONDS):
                reader, writer = await self._data
            if transfer.way is Way.STORE:
                return await self._store(transfer.path, reader, writer)
            return await self._send(transfer.content, writer)
        except (ConnectionError, TimeoutError, ssl.SSLError):
            return REPLY_BROKEN
        finally:
            self._close_port()

    def _lacks_reuse(self, writer: asyncio.StreamWriter) -> bool:
        """vsftpd's `require_ssl_reuse`: the data connection resumes a TLS session of this server.

        What came over one that does not is read and thrown away, so that the client hears why.
        """
        ssl_object = writer.get_extra_info("ssl_object")
        needs_reuse = self._server.crank.printer.personality.ftps_session_reuse
        return needs_reuse and not ssl_object.session_reused

    async def _store(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        content, broke_off = bytearray(), False
        try:
            while chunk := await _piece(reader):
                content += chunk
                if len(content) > MOST_FILE_BYTES:
                    return REPLY_FULL
                await self._pace(len(chunk))
        except (ConnectionError, TimeoutError, ssl.SSLError):
            broke_off = True
        if self._lacks_reuse(writer):
            reply = REPLY_NO_REUSE
        elif broke_off:
            self._server.crank.printer.keep_part(path, bytes(content), self._server.crank.now())
            reply = REPLY_BROKEN
        else:
            reply = self._keep(path, bytes(content))
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        return reply

    def _keep(self, path: str, content: bytes) -> str:
        crank = self._server.crank
        try:
            crank.printer.store_file(path, content, crank.now())
        except StorageFull:
            return REPLY_FULL
        except NotServed:
            self._session.is_over = True
            return REPLY_BROKEN
        finally:
            crank.turn()
        return REPLY_BROKEN if crank.printer.personality.ftps_426 else REPLY_COMPLETE

    async def _send(self, content: bytes, writer: asyncio.StreamWriter) -> str:
        if self._lacks_reuse(writer):
            writer.close()
            return REPLY_NO_REUSE
        for start in range(0, len(content), CHUNK_BYTES):
            chunk = content[start : start + CHUNK_BYTES]
            writer.write(chunk)
            await writer.drain()
            await self._pace(len(chunk))
        writer.close()
        await writer.wait_closed()
        return REPLY_COMPLETE

    async def _pace(self, count: int) -> None:
        if self._server.rate is not None:
            await asyncio.sleep(count / self._server.rate)


async def _piece(reader: asyncio.StreamReader) -> bytes:
    """What comes next; nothing at the end. Raises TimeoutError."""
    async with asyncio.timeout(DATA_SECONDS):
        return await reader.read(CHUNK_BYTES)
