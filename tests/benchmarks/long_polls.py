"""What open Bayeux long-polls cost the gateway: CPU time of its process while many clients only wait.

`measure` takes any server whose `/faye` lets clients in without a token (`lenient`). By hand, on an app of
its own, whole but without printers:

    python -m tests.benchmarks.long_polls --clients 500 --seconds 90
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.api.forge.dialect import FORGE
from gateway.api.forge.faye.hub import BayeuxHub
from gateway.api.http.app import build_app, runner_options
from gateway.api.native.dialect import NATIVE
from gateway.system import SystemClock, SystemIds
from tests.api.host import Host
from tests.benchmarks.responder import BenchmarkBroken

CLIENTS: Final = 500
#: Seconds measured: twice the longest poll, so that every client came again.
SECONDS: Final = 90.0
#: Seconds between the last client's first connect and the first look.
SETTLING: Final = 3.0
#: Connects that are opened at a time.
AT_ONCE: Final = 50
_PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True, slots=True)
class LongPolls:
    """What was measured."""

    clients: int
    seconds: float
    polls: int  # answered while it was measured
    idle_percent: float  # of a core, before the first client
    percent: float  # of a core, with all of them waiting
    megabytes: float  # that the process grew by

    def shown(self) -> dict[str, Any]:
        """For the JSON object."""
        return asdict(self)


class Client:
    """One printer: shakes hands, subscribes, and connects for ever; raw HTTP/1.1 on one connection."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.polls = 0

    async def open(self, port: int) -> None:
        own = f"127.0.{1 + self._number // 250}.{1 + self._number % 250}"  # as printers have
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(own, 0))
        types = {"version": "1.0", "supportedConnectionTypes": ["long-polling"]}
        [hello] = await self._ask({"channel": "/meta/handshake", **types})
        self._client = {"clientId": hello["clientId"]}
        channel = f"/printers/{self._number}/command"
        [subscribed] = await self._ask(
            {"channel": "/meta/subscribe", **self._client, "subscription": channel}
        )
        if not subscribed["successful"]:
            raise BenchmarkBroken(f"a client may not subscribe: {subscribed['error']}")

    async def poll(self) -> None:
        while True:
            kind = {"connectionType": "long-polling"}
            [answer] = await self._ask({"channel": "/meta/connect", **self._client, **kind})
            if not answer["successful"]:
                raise BenchmarkBroken(f"a connect failed: {answer['error']}")
            self.polls += 1

    async def _ask(self, message: dict[str, Any]) -> Any:
        body = json.dumps([message]).encode()
        head = "POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}"
        self._writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        self._writer.close()


async def measure(port: int, pid: int, clients: int = CLIENTS, seconds: float = SECONDS) -> LongPolls:
    """Let `clients` wait at the server of process `pid` for `seconds`. Raises BenchmarkBroken."""
    idle = await _share(pid, min(seconds, 10.0))
    before = _megabytes(pid)
    printers = [Client(number) for number in range(1, clients + 1)]
    async with asyncio.TaskGroup() as group:
        for start in range(0, clients, AT_ONCE):
            await asyncio.gather(*(printer.open(port) for printer in printers[start : start + AT_ONCE]))
        polling = [group.create_task(printer.poll()) for printer in printers]
        await asyncio.sleep(SETTLING)
        begun = sum(printer.polls for printer in printers)
        share = await _share(pid, seconds)
        polls = sum(printer.polls for printer in printers) - begun
        grown = _megabytes(pid) - before
        for task in polling:
            task.cancel()
    for printer in printers:
        printer.close()
    return LongPolls(clients, seconds, polls, 100 * idle, 100 * share, grown)


async def _share(pid: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    cpu, began = _cpu_seconds(pid), loop.time()
    await asyncio.sleep(seconds)
    return (_cpu_seconds(pid) - cpu) / (loop.time() - began)


def _cpu_seconds(pid: int) -> float:
    """Of all threads, to the nanosecond where clock ticks would be 10 ms (proc_pid_schedstat)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB


async def _serve() -> None:
    """An app of its own, until it is killed. Prints its port."""
    with tempfile.TemporaryDirectory() as folder:
        async with Host(Path(folder)) as host:
            hub = BayeuxHub(
                may_subscribe=lambda channel, token: False,
                on_listening=lambda channel, is_heard: None,
                clock=SystemClock(),
                ids=SystemIds(),
                lenient=True,
            )
            app = build_app(host.services, [FORGE, NATIVE], extra_routes=hub.routes)
            runner = web.AppRunner(app, access_log=None, **runner_options())
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            print(runner.addresses[0][1], flush=True)
            await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="What open Bayeux long-polls cost.")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(_serve())
        return
    command = [sys.executable, "-m", "tests.benchmarks.long_polls", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            found = asyncio.run(measure(port, server.pid, arguments.clients, arguments.seconds))
        finally:
            server.terminate()
    print(json.dumps(found.shown(), indent=2))


if __name__ == "__main__":
    main()
