"""A Unix socket for orders: one text command a line, one JSON object a line back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path


class ControlRefused(OSError):
    """No socket can be made at the path."""


class LineSocket:
    """Answers each line with `{"ok": true, ...}`, or `{"ok": false, "error": "..."}`.

    obey: carries an order out and returns what else is to be said; raises ValueError or FileNotFoundError.
    """

    def __init__(self, obey: Callable[[str], dict[str, object]], path: Path) -> None:
        self._obey_line = obey
        self._path = path
        self._server: asyncio.AbstractServer | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; a stale socket file of an earlier run is replaced. Raises ControlRefused."""
        try:
            self._make_way()
            self._server = await asyncio.start_unix_server(self._talk, self._path)
        except OSError as error:
            raise ControlRefused(f"no control socket at {self._path}: {error.strerror or error}") from error

    def _make_way(self) -> None:
        if self._path.is_socket():
            self._path.unlink()
        elif os.path.lexists(self._path):
            raise FileExistsError("it exists and is not a socket; it is left alone")

    async def close(self) -> None:
        """Stop listening, hang up, and remove the socket file, if it is ours."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()
        if self._talks:  # on Python 3.11 wait_closed does not wait for them, and a cancelled one is reported
            await asyncio.wait(self._talks)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        try:
            while line := await reader.readline():
                answer = self._answer(line.decode("utf-8", "replace").strip())
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, text: str) -> dict[str, object]:
        try:
            answer = self._obey_line(text)
        except (ValueError, FileNotFoundError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, **answer}
