"""Real processes: the streamer outlives its gateway, and its own death is noticed and survived."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    Observation,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
)
from gateway.domain.orders import PausePrint
from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient
from gateway.transport.backoff import Backoff

ROOT = Path(__file__).resolve().parents[2]

#: A streamer whose printer counts lines, 100 a second, and answers no order.
STREAMER = """
import asyncio, sys, uuid
from dataclasses import replace
from random import Random
from gateway.domain.observations import LinkState, PrinterObserved, PrintPhase, PrintReport
from gateway.streamer.host import StreamerHost
from gateway.streamer.server import StreamerServer

class Counting:
    printer = "mk3"
    line = 0
    def snapshot(self):
        report = PrintReport("a1", PrintPhase.PRINTING, False, line=self.line, progress=0.5)
        return PrinterObserved("mk3", LinkState.UP, current=report)
    def submit(self, order):
        pass
    async def run(self, sink):
        while True:
            self.line += 1
            sink(self.snapshot())
            await asyncio.sleep(0.01)

host = StreamerHost("printhost", str(uuid.uuid4()), {"mk3": Counting}, chance=Random())
asyncio.run(StreamerServer(host, sys.argv[1]).run(lambda: print("ready", flush=True)))
"""

#: A gateway that says what it hears: the line of each snapshot.
GATEWAY = """
import asyncio, sys
from random import Random
from gateway.domain.observations import DriverAttached, PrinterObserved
from gateway.streamer.channel import unix_channel
from gateway.streamer.client import StreamerClient

def say(fact):
    for printer in fact.printers if isinstance(fact, DriverAttached) else (fact,):
        if isinstance(printer, PrinterObserved):
            print(printer.current.line, flush=True)

asyncio.run(StreamerClient(unix_channel(sys.argv[1]), say, instance="g", chance=Random()).run())
"""


def launch(source: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def launch_streamer(path: Path) -> subprocess.Popen[str]:
    process = launch(STREAMER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "streamer.sock"


@pytest.fixture
def streamer(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = launch_streamer(path)
    yield process
    kill(process)


def test_the_streamer_does_not_notice_the_death_of_its_gateway(
    path: Path, streamer: subprocess.Popen[str]
) -> None:
    line = 0
    for _ in range(3):
        gateway = launch(GATEWAY, path)
        assert gateway.stdout is not None
        for _ in range(3):
            while (now := int(gateway.stdout.readline())) == line:
                pass  # a sign of life may tell of the same line again
            assert now > line, "the print goes on, whoever watches"
            line = now
        kill(gateway)
    assert streamer.poll() is None


async def test_the_death_of_the_streamer_is_noticed_and_its_successor_found(path: Path) -> None:
    heard: asyncio.Queue[Observation] = asyncio.Queue()
    client = StreamerClient(
        unix_channel(str(path)),
        heard.put_nowait,
        instance="g1",
        chance=Random(0),
        backoff=Backoff(first=0.05, limit=0.2),
    )

    async def until(kind: type) -> Observation:
        async with asyncio.timeout(60):
            while not isinstance(fact := await heard.get(), kind):
                pass
            return fact

    task = asyncio.create_task(client.run(), name="client")
    first = launch_streamer(path)
    attached = await until(DriverAttached)
    assert isinstance(attached, DriverAttached)
    await until(PrinterObserved)
    client.submit(PausePrint("mk3", "o1", "a1"))
    await until(PrinterObserved)
    kill(first)
    answer = await until(OrderAnswered)
    assert isinstance(answer, OrderAnswered)
    assert answer.result is OrderResult.UNCLEAR
    await until(DriverDetached)
    assert path.exists(), "a killed streamer leaves its socket file"
    second = launch_streamer(path)
    successor = await until(DriverAttached)
    assert isinstance(successor, DriverAttached)
    assert successor.instance != attached.instance
    task.cancel()
    await asyncio.wait({task})
    kill(second)
