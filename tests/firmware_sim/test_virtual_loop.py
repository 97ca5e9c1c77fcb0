"""Time that costs nothing: the asyncio loop and the small world."""

from __future__ import annotations

import asyncio
import random
import socket
import time

import pytest

from firmware_sim import Board, Deadlock, OutOfBudget, VirtualLoop, World
from firmware_sim.endpoints.pump import Pump

WEEK = 7 * 24 * 3600.0


def run(main: object, **budget: float) -> object:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(**budget)) as runner:  # type: ignore[arg-type]
        return runner.run(main)  # type: ignore[arg-type]


def test_a_week_of_sleep_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(WEEK)
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert run(main()) == pytest.approx(WEEK)
    assert time.monotonic() - before < 1.0


def test_timeouts_and_task_groups_work() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def worker(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            log.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(worker("late", 3600.0))
            group.create_task(worker("early", 1.0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await asyncio.sleep(50.0)
        return log

    assert run(main()) == ["early", "late"]


def test_waiting_for_nobody_is_a_deadlock_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(main())


def test_virtual_seconds_are_a_budget() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(3600.0)

    with pytest.raises(OutOfBudget, match="seconds"):
        run(main(), max_seconds=WEEK)


def test_steps_are_a_budget_because_a_live_lock_takes_no_time() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(OutOfBudget, match="steps"):
        run(main(), max_steps=5000)


def test_an_executor_runs_inline_and_hands_on_errors() -> None:
    async def main() -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        value = await asyncio.to_thread(lambda: 6 * 7)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 / 0)
        return value, "done"

    assert run(main()) == (42, "done")


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace(seed: int) -> list[tuple[float, int]]:
        dice = random.Random(seed)
        seen: list[tuple[float, int]] = []

        async def worker(index: int) -> None:
            for _ in range(20):
                await asyncio.sleep(dice.uniform(0.0, 10.0))
                seen.append((asyncio.get_running_loop().time(), index))

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                for index in range(5):
                    group.create_task(worker(index))

        run(main())
        return seen

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def test_real_sockets_are_served_before_the_clock_jumps() -> None:
    async def main() -> tuple[bytes, float]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await asyncio.sleep(3600.0)
            writer.write(b"AND AN HOUR LATER\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with asyncio.timeout(7200.0):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello\n")
            answer = await reader.readline() + await reader.readline()
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer, asyncio.get_running_loop().time()

    answer, seconds = run(main())  # type: ignore[misc]
    assert answer == b"HELLO\nAND AN HOUR LATER\n"
    assert seconds == pytest.approx(3600.0)


def test_a_socket_that_stays_silent_is_a_deadlock_too() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            await asyncio.get_running_loop().sock_recv(ours, 1)

    with pytest.raises(Deadlock):
        run(main())


def test_a_board_on_the_virtual_loop_heats_up_in_no_time() -> None:
    async def main() -> tuple[list[bytes], float]:
        heard: list[bytes] = []
        done = asyncio.Event()

        def write(data: bytes) -> None:
            heard.append(data)
            if data.endswith(b"\nok\n") or data == b"ok\n":
                done.set()

        pump = Pump(Board("marlin-sd"), write)
        pump.turn()
        pump.feed(b"M190 S60\n")
        await done.wait()
        pump.stop()
        return heard, asyncio.get_running_loop().time()

    heard, seconds = run(main())  # type: ignore[misc]
    assert b" W:0\n" in b"".join(heard)
    assert 50.0 < seconds < 120.0


def test_speed_lets_machine_time_run_faster_than_the_loop() -> None:
    async def main() -> float:
        done = asyncio.Event()
        board = Board("marlin-stock")
        pump = Pump(board, lambda data: done.set() if data.endswith(b"ok\n") else None, speed=60.0)
        pump.feed(b"G4 S600\n")
        await done.wait()
        pump.stop()
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(10.0, abs=0.01)
    with pytest.raises(ValueError, match="speed"):
        Pump(Board("marlin-stock"), lambda _data: None, speed=0.0, loop=VirtualLoopStub())


class VirtualLoopStub(asyncio.AbstractEventLoop):
    """Never used: the argument is refused first."""


def test_the_world_runs_events_in_order_of_time_then_of_planning() -> None:
    world, log = World(), list[str]()
    world.after(2.0, lambda: log.append("c"))
    world.at(1.0, lambda: log.append("a"))
    world.at(1.0, lambda: log.append("b"))
    world.run_until(1.5)
    assert (log, world.now) == (["a", "b"], 1.5)
    assert world.next_event() == 2.0
    assert world.run_until_true(lambda: "c" in log, limit=10.0)
    assert not world.run_until_true(lambda: False, limit=10.0), "nothing is left"
    assert not world.step()


def test_the_world_has_both_budgets() -> None:
    def forever(world: World, seconds: float) -> None:
        world.after(seconds, lambda: forever(world, seconds))

    spinning = World(max_steps=100)
    forever(spinning, 0.0)
    with pytest.raises(OutOfBudget, match="100 steps"):
        spinning.run_until(1.0)
    endless = World(max_seconds=100.0)
    forever(endless, 30.0)
    with pytest.raises(OutOfBudget, match="100 virtual seconds"):
        endless.run_until(1e9)
