"""The process under test on a core of its own: the gateway on a filled store, or the floor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.daemon import _cpu_s, _free_port, _peak_mb
from tests.benchmarks.http_probed import HeldFile
from tests.benchmarks.responder import BenchmarkBroken

#: Seconds for a process to begin to listen, and to end.
PATIENCE = 60.0


def _cores() -> tuple[set[int], set[int]]:
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, set(allowed[1:]) or {allowed[0]}


#: The server's, and the clients': different ones, where there are two.
SERVER_CORE, CLIENT_CORES = _cores()


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens."""

    port: int
    pid: int
    held: HeldFile | None = None  # with a stopwatch: its longest turn

    def cpu_s(self) -> float:
        """Seconds of processor time, all threads, user and system."""
        return _cpu_s(self.pid)

    def peak_mb(self) -> float:
        """The most resident memory it ever had."""
        return _peak_mb(self.pid)


@contextmanager
def gateway(folder: Path, *, is_probed: bool = False) -> Iterator[Server]:
    """`print-gateway serve` on the store in `folder`: requests are counted, but none is one too many."""
    port = _free_port()
    (folder / "files").mkdir(exist_ok=True)
    (folder / "config.toml").write_text(
        f'[server]\nlisten = "127.0.0.1:{port}"\nsocket = "{folder}/api.sock"\n'
        'rate_limit = "100000000/second"\n'
        f'[store]\nurl = "sqlite:///{folder}/gateway.db"\nfiles = "{folder}/files"\n'
        f'[streamer]\nsocket = "{folder}/streamer.sock"\nrecords = "{folder}/records"\n'
        "[forge]\nlenient_faye = true\n"
    )
    module = "tests.benchmarks.http_probed" if is_probed else "gateway"
    held = HeldFile(folder / "held") if is_probed else None
    words = [module, "serve", "--config", f"{folder}/config.toml"]
    with _running(folder, words, port, {"HELD_FILE": f"{folder}/held"}) as process:
        yield Server(port, process.pid, held)


@contextmanager
def floor(folder: Path, body_bytes: int) -> Iterator[Server]:
    """A bare server whose answers have so many bytes."""
    port = _free_port()
    with _running(folder, ["tests.benchmarks.http_floor", str(port), str(body_bytes)], port, {}) as process:
        yield Server(port, process.pid)


@contextmanager
def _running(
    folder: Path, words: Sequence[str], port: int, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    path = folder / "server.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env=os.environ | environment,
            preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CORE),
        )  # fmt: skip
    try:
        _until_listening(process, port, path)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise BenchmarkBroken(f"the server does not listen\n{log.read_text()[-1500:]}") from None
            time.sleep(0.05)
