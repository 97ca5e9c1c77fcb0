"""Running under systemd: what is told, when the watchdog is fed, and who notices a death."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.virtual_loop import VirtualLoop
from gateway.running import FIRST_INHERITED, GOOD_SECONDS, Notifier, Service, inherited_fds, revived
from gateway.system import SystemClock, SystemIds


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A notify socket, as systemd has one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def notifier(listening: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": listening.getsockname(), **more})


def told(listening: socket.socket) -> list[str]:
    words = []
    while True:
        try:
            words.append(listening.recv(4096).decode())
        except BlockingIOError:
            return words


def test_words_go_as_one_datagram_of_lines(systemd: socket.socket) -> None:
    notifier(systemd).tell(READY="1", STATUS="2 printers")
    assert told(systemd) == ["READY=1\nSTATUS=2 printers"]


def test_a_descriptor_goes_with_the_words(systemd: socket.socket) -> None:
    ours, theirs = os.pipe()
    notifier(systemd).hand_over({"FDSTORE": "1", "FDNAME": "port-mk3"}, (theirs,))
    words, (copy,), _, _ = socket.recv_fds(systemd, 4096, 4)
    assert words == b"FDSTORE=1\nFDNAME=port-mk3"
    os.write(copy, b"the same pipe")
    assert os.read(ours, 100) == b"the same pipe"
    for fd in (ours, theirs, copy):
        os.close(fd)


def test_a_supervisor_that_is_behind_is_not_waited_for_long(
    systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    teller = notifier(systemd)
    while not caplog.records:
        teller.tell(WATCHDOG="1")  # until its queue is full
    assert "could not be notified" in caplog.text


def test_inherited_descriptors_are_for_this_process_only() -> None:
    said = {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": ""}
    assert inherited_fds({}) == inherited_fds(said) == inherited_fds({**said, "LISTEN_FDS": "x"}) == {}
    assert inherited_fds({**said, "LISTEN_FDS": "2"}, pid=1) == {}
    was_inheritable = os.get_inheritable(FIRST_INHERITED)
    assert inherited_fds({**said, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "port-mk3"}) == {"port-mk3": [3]}
    assert inherited_fds({**said, "LISTEN_FDS": "1", "LISTEN_FDNAMES": ""}) == {"": [3]}
    os.set_inheritable(FIRST_INHERITED, was_inheritable)


def test_an_abstract_address_begins_with_a_zero_byte() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"print-gateway-test-{os.getpid()}"
        listening.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).tell(READY="1")
        assert listening.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_told_and_a_deaf_one_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).tell(READY="1")
    assert not caplog.records
    Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).tell(READY="1")
    assert "could not be notified" in caplog.text


def test_the_watchdog_period_is_given_in_microseconds() -> None:
    assert Notifier({"WATCHDOG_USEC": "3000000"}).watchdog_period == 3.0
    assert Notifier({}).watchdog_period is None


async def test_ready_is_told_and_a_signal_ends_in_good_order(systemd: socket.socket) -> None:
    service = Service(notifier(systemd))
    waiting = asyncio.ensure_future(service.until_ended())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await waiting
    assert told(systemd) == ["READY=1\nSTATUS=running", "STOPPING=1"]
    assert service.failure is None


async def test_a_signal_counts_before_it_is_waited_for(systemd: socket.socket) -> None:
    """It may come as soon as somebody can reach the process, and that is before all is ready."""
    service = Service(notifier(systemd))
    service.heed_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    await service.until_ended()
    assert told(systemd) == ["READY=1\nSTATUS=running", "STOPPING=1"]


async def test_the_death_of_a_task_is_the_death_of_the_service(
    systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(notifier(systemd))

    async def dies() -> None:
        raise ValueError("no more")

    service.spawn(dies(), "the engine")
    await service.until_ended()
    assert isinstance(service.failure, ValueError)
    assert "the engine died" in caplog.text


async def test_a_canceled_task_is_no_death(systemd: socket.socket) -> None:
    service = Service(notifier(systemd))
    task = service.spawn(asyncio.Event().wait(), "waits")
    service.end()
    await service.until_ended()
    await service.cancel()
    assert task.cancelled()
    assert service.failure is None


async def test_what_others_need_for_their_goodbyes_ends_last(systemd: socket.socket) -> None:
    service = Service(notifier(systemd))
    ended: list[str] = []

    async def lives(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # a goodbye takes a while
            ended.append(name)

    service.spawn(lives("broker"), "broker", is_last=True)
    service.spawn(lives("client"), "client")
    await asyncio.sleep(0)
    await service.cancel()
    assert ended == ["client", "broker"]


async def test_the_watchdog_is_fed_only_while_all_is_well(systemd: socket.socket) -> None:
    service = Service(notifier(systemd, WATCHDOG_USEC="3000"))  # 3 ms
    asked = 0

    def healthy() -> bool:
        nonlocal asked
        asked += 1
        if asked == 4:
            service.end()
        return asked <= 2

    await service.until_ended(healthy)
    assert told(systemd).count("WATCHDOG=1") == 2


def test_the_clock_gives_aware_utc_in_milliseconds() -> None:
    now = SystemClock().wall()
    assert now.utcoffset() is not None
    assert now.microsecond % 1000 == 0
    assert SystemClock().monotonic() <= SystemClock().monotonic()


def test_ids_have_the_shapes_of_their_dialects() -> None:
    ids = SystemIds()
    assert len({ids.uuid() for _ in range(100)}) == 100
    assert len(ids.member_id()) == 13
    assert ids.member_id().isalnum()
    assert ids.member_id().upper() != ids.member_id()
    assert [len(ids.hex(n)) for n in (24, 32, 7)] == [24, 32, 7]


async def test_what_dies_as_it_is_cancelled_is_not_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Before Python 3.13 a TaskGroup forgets that it was cancelled when one of its tasks fails then."""
    begun = asyncio.Event()

    async def dies_of_it() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("at the same time")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(dies_of_it())

    caplog.set_level(logging.INFO)
    running = asyncio.create_task(revived("the worker", work, lambda deaths: 3600.0))
    await begun.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=30)
    assert running.cancelled()
    assert "it died as it was cancelled: ExceptionGroup" in caplog.text


def test_what_dies_is_begun_anew_later_and_later() -> None:
    """Until it has gone well for a while; an end by itself is no better than a death."""
    begun: list[float] = []
    lives = iter([0.0, 0.0, GOOD_SECONDS, None])
    asked: list[int] = []

    async def work() -> None:
        begun.append(asyncio.get_running_loop().time())
        life = next(lives, 1e9)
        if life is None:
            return
        await asyncio.sleep(life)
        raise RuntimeError("a bug")

    def waits(deaths: int) -> float:
        asked.append(deaths)
        return 10.0 * deaths

    async def a_while() -> None:
        async with asyncio.timeout(1000):
            await revived("a worker", work, waits)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(TimeoutError):
        runner.run(a_while())
    after_good = 30 + GOOD_SECONDS + 10
    assert [at - begun[0] for at in begun] == pytest.approx([0, 10, 30, after_good, after_good + 20])
    assert asked == [1, 2, 1, 2]
