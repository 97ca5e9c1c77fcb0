"""Implicit FTPS as Bambu Lab's printers speak it (port 990): TLS from the first byte, and on data channels.

RFC 959 and RFC 4217, with what these printers need (OpenBambuAPI ftp.md; X1C and P1S run vsftpd): the TLS
session of the control channel is used again on the data channel, or it is refused (522); a data channel
ends without waiting for the other side's goodbye, which A1 never says; a 426 after all bytes arrived means
nothing, so that the size decides.
"""

from __future__ import annotations

import contextlib
import ftplib
import select
import socket
import ssl
from collections.abc import Iterator
from typing import Final

#: Bytes of one piece: a printer takes 75 to 150 kB a second.
PIECE: Final = 32 * 1024
#: Seconds without any progress on a socket: printers pause while they write to their card.
STALL_SECONDS: Final = 30.0
#: Seconds for a TCP connection and its handshake.
CONNECT_SECONDS: Final = 10.0
#: Seconds until the last bytes have left this host, so that the goodbye of TLS can follow them.
_FLUSH_SECONDS: Final = 10.0
#: Lines that one login may hear on its control channel: some twenty replies, of which few have several lines.
MOST_LINES: Final = 1000


class Aborted(ConnectionError):
    """Somebody does not want it any more."""


class Nonsense(ftplib.Error):
    """What no FTP server says."""


class FtpsClient(ftplib.FTP_TLS):
    """One login, for one transfer. Used by one thread; `abort` may be called by another."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context, timeout=CONNECT_SECONDS)
        self._sockets: list[socket.socket] = []
        self._is_aborted = False
        self._lines = 0

    def open(self, host: str, port: int, username: str, password: str) -> None:
        """Connect, log in, ask for protected data channels. Raises OSError, ftplib.Error, EOFError."""
        self.host, self.port = host, port
        plain = self._kept(socket.create_connection((host, port), timeout=CONNECT_SECONDS))
        self.sock = self._kept(self._wrapped(plain))
        self.sock.settimeout(STALL_SECONDS)
        self.timeout = STALL_SECONDS
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding, errors="replace")
        self.welcome = self.getresp()
        self.login(username, password)
        self.prot_p()
        self.voidcmd("TYPE I")

    def getline(self) -> str:
        """ftplib's, which would collect the lines of an endless reply."""
        self._lines += 1
        if self._lines > MOST_LINES:
            raise Nonsense(f"more than {MOST_LINES} lines of replies")
        return super().getline()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """ftplib's, with the TLS session of the control channel."""
        plain, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        self._kept(plain)
        assert isinstance(self.sock, ssl.SSLSocket)
        return self._kept(self._wrapped(plain, self.sock.session)), size

    def send(self, name: str, pieces: Iterator[bytes]) -> str:
        """Upload; the reply to the transfer, also one that says 426.

        The data channel stays open until the reply is there: over TLS 1.3 it holds tickets that nobody has
        read, and TCP tells the other side to forget what it has not read when such a socket is closed.
        """
        with self.transfercmd(f"STOR {name}") as channel:
            try:
                for piece in pieces:
                    channel.sendall(piece)
                _say_goodbye(channel)
            except (ConnectionError, ssl.SSLEOFError):
                if self._is_aborted:
                    raise
                # It hung up on the data: it says why on the other channel.
            try:
                return self.voidresp()
            except ftplib.error_temp as answer:
                if str(answer).startswith("426"):
                    return str(answer)
                raise

    def receive(self, name: str, most_bytes: int) -> bytes:
        """Download; it stops when it has more than `most_bytes`."""
        return self._read(f"RETR {name}", most_bytes)

    def read_names(self, most_bytes: int) -> None:
        """What is in the folder of the login, for no other reason than to have used a data channel.

        Servers answer 550 for a folder that is empty (RFC 959 lists it for NLST).
        """
        try:
            self._read("NLST", most_bytes)
        except ftplib.error_perm as answer:
            if not str(answer).startswith("550"):
                raise

    def _read(self, command: str, most_bytes: int) -> bytes:
        found = bytearray()
        with self.transfercmd(command) as channel:
            while len(found) <= most_bytes and (piece := channel.recv(PIECE)):
                found += piece
        if len(found) <= most_bytes:
            with contextlib.suppress(ftplib.error_temp):
                self.voidresp()
        return bytes(found)

    def size_of(self, name: str) -> int | None:
        """In bytes; None: there is no such file."""
        try:
            return self.size(name)
        except ftplib.error_perm as answer:
            if str(answer).startswith("550"):
                return None
            raise
        except ValueError:
            raise Nonsense("a size that is no number") from None

    def abort_all(self) -> None:
        """Whatever the other thread waits for, fails now. A file may stay there unfinished."""
        self._is_aborted = True
        for held in self._sockets:
            with contextlib.suppress(OSError):
                # Not of SSLSocket: that one would go on in clear text.
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all sockets. Idempotent."""
        super().close()
        for held in self._sockets:
            held.close()

    def _wrapped(self, plain: socket.socket, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        return self.context.wrap_socket(plain, server_hostname=self.host, session=session)

    def _kept(self, sock: socket.socket) -> socket.socket:
        self._sockets.append(sock)
        if self._is_aborted:
            raise Aborted
        return sock


def _say_goodbye(channel: socket.socket) -> None:
    """The end of the data, in TLS and in TCP, without waiting for an answer to it."""
    if isinstance(channel, ssl.SSLSocket):
        select.select([], [channel], [], _FLUSH_SECONDS)
        channel.setblocking(False)
        with contextlib.suppress(OSError, ValueError):
            channel.unwrap()
    with contextlib.suppress(OSError):
        socket.socket.shutdown(channel, socket.SHUT_WR)
