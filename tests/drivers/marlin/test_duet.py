"""Random nights: a driver, a machine, people at both, and everything that can go wrong, drawn from a seed.

Judged by the machine's ledger: the lines of a job run at most once, in order and without a gap; COMPLETED
means all of them; behind CANCELED none runs and the heaters are off; every order is answered exactly once;
every print that was accepted ends, or is held until somebody cancels it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import OrderAnswered, OrderResult, PrinterObserved, PrintPhase
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    Order,
    PausePrint,
    ResumePrint,
    SendGcode,
)
from tests.support.marlin_stand import MarlinStand, on_virtual_time

EVERYONE = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]
STEPS = 40
SETTLE_SECONDS = 900.0


class Night:
    """One seed on one personality."""

    def __init__(self, personality: str, seed: int, folder: Path) -> None:
        self.rng = random.Random(f"{personality} {seed}")
        self.stand = MarlinStand(personality)
        self.folder = folder
        self.given: list[Order] = []
        self.files: dict[str, list[str]] = {}
        self.ended: dict[str, tuple[float, PrintPhase]] = {}
        self.story: list[str] = []
        self.actions: list[tuple[int, Callable[[], None]]] = [
            (10, self.start),
            (5, self.pause),
            (6, self.resume),
            (3, self.cancel),
            (2, self.order_for_another),
            (2, self.macro),
            (3, self.acknowledge),
            (1, self.stop),
            (4, self.lose_oks),
            (4, self.corrupt_lines),
            (2, self.go_silent),
            (2, self.unplug),
            (4, self.plug),
            (1, self.reset),
            (3, self.mend),
            (1, self.kill_button),
            (4, self.press),
        ]

    async def live(self) -> None:
        """The night, its morning, and the judgement."""
        sink = self.stand._sink
        self.stand._sink = lambda fact: (self.watch(fact), sink(fact))[1]  # type: ignore[method-assign]
        async with self.stand:
            await self.stand.ready()
            weights = [weight for weight, _ in self.actions]
            for _ in range(STEPS):
                ((_, act),) = self.rng.choices(self.actions, weights)
                self.story.append(f"{self.stand.wire.now:.2f} {act.__name__}")
                act()
                await asyncio.sleep(self.rng.choice((0.0, 0.003, 0.1, 1.0, 5.0, 20.0)))
            await self.morning()
        self.judge()

    def watch(self, fact: PrinterObserved | OrderAnswered) -> None:
        """Note when an end is said first, and look at the heaters at that moment."""
        if isinstance(fact, OrderAnswered):
            return
        for report in fact.ended:
            if report.key in self.ended:
                assert self.ended[report.key][1] is report.phase, "an end does not change"
                continue
            self.ended[report.key] = (self.stand.wire.now, report.phase)
            if report.phase is PrintPhase.CANCELED:
                board = self.stand.board
                assert board.hotend.target == board.bed.target == 0, "canceled is cold"

    async def morning(self) -> None:
        """Somebody puts the cable back, presses reset if need be, and cancels what is left."""
        self.plug()
        self.mend()
        await asyncio.sleep(60)
        for _ in range(6):
            self.plug()
            self.mend()
            await asyncio.sleep(200)
            current = self.stand.driver.snapshot().current
            if current is None:
                break
            for _ in range(2):  # the first one may only heat the nozzle again
                self.stand.panel("click")
                await asyncio.sleep(30)
            self.give(CancelPrint("mk3", self.order_id(), current.key))
        await self.stand.until(lambda: self.stand.driver.snapshot().current is None, SETTLE_SECONDS)
        await asyncio.sleep(400)

    def judge(self) -> None:
        answered = Counter(answer.order_id for answer in self.stand.answers)
        asked = [order.order_id for order in self.given if not isinstance(order, Acknowledge)]
        assert answered == Counter(asked), self.story
        results = {answer.order_id: answer.result for answer in self.stand.answers}
        rows = [entry for entry in self.stand.ledger if entry.event == "executed" and entry.source == "host"]
        for index, (key, lines) in enumerate(self.files.items()):
            mine = [entry for entry in rows if (entry.line or "").endswith(f"Z{index} F9000")]
            ran = [entry.line for entry in mine]
            assert ran == lines[: len(ran)], (key, self.story)
            accepted = OrderResult.ACCEPTED in [
                results[o.order_id] for o in self.given if self.starts(o, key)
            ]
            assert accepted or not ran, (key, "ran without a start", self.story)
            if not accepted:
                continue
            assert key in self.ended, (key, "vanished", self.story)
            at, phase = self.ended[key]
            if phase is PrintPhase.COMPLETED:
                assert ran == lines, (key, self.story)
            if phase in (PrintPhase.COMPLETED, PrintPhase.CANCELED):
                assert all(entry.t <= at for entry in mine), (key, "ran on", self.story)

    @staticmethod
    def starts(order: Order, key: str) -> bool:
        return getattr(order, "key", None) == key and not isinstance(order, Acknowledge)

    # -- what can happen -----------------------------------------------------------------------------------

    def order_id(self) -> str:
        return f"o{len(self.given)}"

    def give(self, order: Order) -> None:
        self.given.append(order)
        self.stand.driver.submit(order)

    def current_key(self) -> str:
        current = self.stand.driver.snapshot().current
        return current.key if current else "nothing"

    def start(self) -> None:
        index = len(self.files)
        key = f"mark-{index}"
        moves = [f"G1 X{i % 150} Y{i % 90} Z{index} F9000" for i in range(self.rng.choice((5, 60, 200)))]
        before = self.rng.choice(("M104 S45\n", "M140 S30\nG28\n", "M109 S30\n", ""))
        path = self.folder / f"{index}.gcode"
        path.write_text(before + "\n".join(moves) + "\n" + self.rng.choice(("", "M104 S0\nM140 S0\n")))
        self.files[key] = moves
        self.give(self.stand.start_order(path, key, order_id=self.order_id()))
        if self.rng.random() < 0.2:
            self.give(self.stand.start_order(path, key, order_id=self.order_id()))

    def pause(self) -> None:
        self.give(PausePrint("mk3", self.order_id(), self.current_key()))

    def resume(self) -> None:
        self.give(ResumePrint("mk3", self.order_id(), self.current_key()))

    def cancel(self) -> None:
        for _ in range(self.rng.choice((1, 1, 2))):
            self.give(CancelPrint("mk3", self.order_id(), self.current_key()))

    def order_for_another(self) -> None:
        kind = self.rng.choice((PausePrint, ResumePrint, CancelPrint))
        self.give(kind("mk3", self.order_id(), "mark-999"))

    def macro(self) -> None:
        self.give(SendGcode("mk3", self.order_id(), ("M106 S9", "G4 P300", "M107")))

    def acknowledge(self) -> None:
        for report in self.stand.driver.snapshot().ended:
            self.give(Acknowledge("mk3", self.order_id(), report.key))

    def stop(self) -> None:
        self.give(EmergencyStop("mk3", self.order_id()))

    def lose_oks(self) -> None:
        self.stand.board.fault_lose_ok(self.rng.randint(1, 3))

    def corrupt_lines(self) -> None:
        self.stand.board.fault_corrupt_line(self.rng.randint(1, 2))

    def go_silent(self) -> None:
        self.stand.board.fault_silent(self.rng.choice((0.5, 4.0, 25.0)), self.stand.wire.now)
        self.stand.wire.turn()

    def unplug(self) -> None:
        self.stand.wire.unplug()

    def plug(self) -> None:
        self.stand.wire.plug()

    def reset(self) -> None:
        self.stand.board.reset(self.stand.wire.now)
        self.stand.wire.turn()

    def mend(self) -> None:
        if self.stand.board.is_halted:
            self.reset()

    def kill_button(self) -> None:
        self.stand.board.kill_button(self.stand.wire.now)
        self.stand.wire.turn()

    def press(self) -> None:
        self.stand.panel(self.rng.choice(("pause", "resume", "resume", "cancel", "click")))


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_night(personality: str, seed: int, tmp_path: Path) -> None:
    await Night(personality, seed, tmp_path).live()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_many_nights(personality: str, tmp_path: Path) -> None:
    for seed in range(1000, 1300):
        await Night(personality, seed, tmp_path).live()
