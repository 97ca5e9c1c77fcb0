"""An app's own server that hears of its jobs by callback, on a real port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.house import PATIENCE


class Receiver(ThreadingHTTPServer):
    """An app's own server; while `is_hanging` it takes an update and says nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_hanging = threading.Event()
        self.released = threading.Event()
        self.probes: list[str] = []
        self.begun: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self.server.probes.append(self.path)
        self._answer(200, b'{"callback": "supported"}')

    def do_POST(self) -> None:
        update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.begun.append(update)
        if self.server.is_hanging.is_set():
            self.server.released.wait(PATIENCE)
            return
        self.server.taken.append(update)
        self._answer(204, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that answers until the block ends."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
