"""The Unix socket: who gets it, with which rights, and what is left behind. Real sockets, no waiting."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from random import Random

import pytest

from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient
from gateway.streamer.host import StreamerHost
from gateway.streamer.server import SOCKET_MODE, StreamerServer
from gateway.transport.unix_socket import SocketUnavailable
from tests.streamer.fakes import Engine, FakeDriver, start


class Running:
    """A server with one fake printer at `path`."""

    def __init__(self, path: Path) -> None:
        self.driver = FakeDriver("mk3")
        self.host = StreamerHost("printhost", "i1", {"mk3": lambda: self.driver}, chance=Random(0))
        self.server = StreamerServer(self.host, str(path))

    async def __aenter__(self) -> Running:
        ready = asyncio.Event()
        self.task = asyncio.create_task(self.server.run(ready.set), name="server")
        waiting = asyncio.create_task(ready.wait(), name="ready")
        await asyncio.wait({self.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=60)
        assert self.task.done(), "it ends; within 2 s, as test_host has it on virtual time"


class WaitingEngine(Engine):
    """An engine a test can wait with."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def __call__(self, fact: object) -> None:
        super().__call__(fact)  # type: ignore[arg-type]
        self.changed.set()

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(60):
            while not getattr(self, kind):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "streamer.sock"


async def test_a_gateway_attaches_orders_and_is_answered(path: Path) -> None:
    async with Running(path) as running:
        assert stat.S_IMODE(path.stat().st_mode) == SOCKET_MODE
        engine = WaitingEngine()
        client = StreamerClient(unix_channel(str(path)), engine, instance="g1", chance=Random(0))
        task = asyncio.create_task(client.run(), name="client")
        await engine.until("attached")
        client.submit(start())
        await engine.until("answers")
        assert running.driver.orders == [start()]
        running.driver.printing("a1", progress=0.25)
        await engine.until("printers")
        assert engine.printers[-1].current.progress == 0.25
        running.task.cancel()
        await engine.until("detached")
        assert engine.detached[0].reason.startswith("the streamer stops")
        task.cancel()
        await asyncio.wait({task})
    assert running.driver.was_cancelled
    assert not path.exists()


async def test_a_second_streamer_is_refused_and_harms_nothing(path: Path) -> None:
    async with Running(path):
        before = path.stat().st_ino
        with pytest.raises(SocketUnavailable, match="another streamer is running"):
            async with Running(path):
                pass
        assert path.stat().st_ino == before
        channel = await unix_channel(str(path))()
        assert (await channel.receive()).type == "hello"
        channel.close()
        await asyncio.sleep(0)


async def test_the_file_of_a_killed_streamer_is_replaced(path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.listen()
    dead.close()  # the file stays, as after SIGKILL
    async with Running(path):
        channel = await unix_channel(str(path))()
        assert (await channel.receive()).type == "hello"
        channel.close()
        await asyncio.sleep(0)


async def test_a_successors_socket_is_not_removed(path: Path) -> None:
    async with Running(path):
        os.unlink(path)
        theirs = socket.socket(socket.AF_UNIX)
        theirs.bind(str(path))
    assert path.exists()
    theirs.close()


async def test_stopping_with_a_gateway_that_never_reads(path: Path) -> None:
    async with Running(path) as running:
        silent = socket.socket(socket.AF_UNIX)
        silent.setblocking(False)
        await asyncio.get_running_loop().sock_connect(silent, str(path))
        await asyncio.get_running_loop().sock_sendall(
            silent, b'{"type":"hello","version":1,"instance":"g"}\n'
        )
        for n in range(2000):
            running.driver.show(message=f"{n} " + "x" * 1000)
            await asyncio.sleep(0)
    silent.close()
