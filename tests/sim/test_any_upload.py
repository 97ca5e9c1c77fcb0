"""An upload to the printer's card on a bad cable, with deaths, resets and people: a seed tells all of it.

Judged by the machine: not one line of the file is run, whatever happens and when; what the driver calls saved
is saved byte for byte; what it does not is not on the card, or it says that it may be; the file of somebody
else stays as it was; and the board is not left saving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from firmware_sim.faults import catalogue
from firmware_sim.faults.random_plan import RandomPlan, Rate
from gateway.domain.observations import Activity, LinkState, OrderAnswered, OrderResult
from gateway.domain.orders import AbortUpload, HeatersOff, UploadFile
from tests.support.marlin_stand import on_virtual_time
from tests.support.mortal import MortalStand

FIRMWARES = ["marlin-full", "marlin-sd", "prusa"]
#: All different, none of them one of the driver's own commands.
LINES = [f"G1 X{10 + n % 40} Y{10 + n // 40} F{(3000, 6000, 1200)[n % 3]}" for n in range(250)]
AS_WRITTEN = b"".join(f"{line}\r\n".encode() for line in LINES)
THEIRS = {"PART.GCO": b"G4 S1\n", "PART_2.GCO": b"G4 S2\n"}
#: Noise that checksums see; the little that they do not see the ledger labels.
NOISE: Mapping[str, Rate] = {
    "line-corrupted": 0.02,
    "byte-lost to-board": 1e-4,
    "byte-flipped to-host": 2e-4,
    "byte-lost to-host": 2e-4,
    "ok-lost": 0.01,
    "ok-garbled": 0.005,
    "ok-doubled": 0.005,
    "report-in-mid-answer": 0.003,
    "resend-repeated": 0.1,
    "resend-without-ok": 0.1,
}


class Course:
    """One seeded run on one board."""

    def __init__(self, stand: MortalStand, path: Path, seed: str) -> None:
        self.stand = stand
        self.path = path
        self.chance = Random(seed)

    async def play(self) -> None:
        """An upload, up to three mishaps in it, and the peace behind them."""
        stand, chance = self.stand, self.chance
        await stand.ready()
        order = stand.upload_order(self.path, "part.gcode")
        stand.driver.submit(order)
        mishaps = [self.death, self.death, self.cable, self.reset, self.abort, self.cool, self.card]
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            await asyncio.sleep(chance.choice([chance.uniform(0.0, 0.02), chance.uniform(0.0, 1.5)]))
            await chance.choice(mishaps)(order)
        await stand.until(self.is_quiet, 900.0)
        self.judge(await self.answer(order))

    def is_quiet(self) -> bool:
        """Whether everything was told, and cleaned up."""
        shot = self.stand.driver.snapshot()
        is_idle = shot.link is LinkState.UP and shot.activity is Activity.READY
        return is_idle and self.stand.driver.upload is None and self.stand.mark.left() is None

    async def death(self, _: UploadFile) -> None:
        """The driver host dies, between two writes or in the middle of one."""
        chance = self.chance
        if chance.random() < 0.5:
            self.stand.wire.spoil = lambda data: b""  # not even its last words leave
        await self.stand.kill(after_bytes=chance.choice([None, None, chance.randrange(1, 60)]))
        await asyncio.sleep(chance.choice([0.0, 0.02, 3.0]))
        await self.stand.rise()

    async def cable(self, _: UploadFile) -> None:
        self.stand.wire.unplug(self.chance.choice([0.1, 5.0]))

    async def reset(self, _: UploadFile) -> None:
        self.stand.board.reset(self.stand.wire.now)
        self.stand.wire.turn()

    async def abort(self, order: UploadFile) -> None:
        self.stand.driver.submit(AbortUpload("mk3", self.stand.new_order_id(), order.order_id))

    async def cool(self, _: UploadFile) -> None:
        self.stand.driver.submit(HeatersOff("mk3", self.stand.new_order_id(), ""))

    async def card(self, _: UploadFile) -> None:
        self.stand.board.faults.arm(catalogue.sd_full())
        self.stand.wire.turn()

    async def answer(self, order: UploadFile) -> OrderAnswered | None:
        """What was answered; None: whoever had to is dead."""
        mine = [answer for answer in self.stand.answers if answer.order_id == order.order_id]
        assert len(mine) <= 1
        return mine[0] if mine else None

    def judge(self, answer: OrderAnswered | None) -> None:
        """By the machine."""
        stand = self.stand
        excused = any("undetectable" in (entry.effect or "") for entry in stand.ledger)
        ran = [entry for entry in stand.ledger.events("executed") if entry.line in LINES]
        assert not ran, "a line of the file moved the machine"
        assert not stand.board.card.saving
        assert {name: stand.on_card(name) for name in THEIRS} == THEIRS
        ours = [file for file in stand.board.card.files if file.short not in THEIRS]
        if answer is not None and answer.result is OrderResult.ACCEPTED:
            assert [file.content for file in ours] == [AS_WRITTEN] or excused
        elif answer is not None and answer.result is OrderResult.UNCLEAR:
            assert not ours or "may be left" in (answer.message or "") or self.was_reset_in_vain()
        else:
            assert not ours or self.was_reset_in_vain()

    def was_reset_in_vain(self) -> bool:
        """Whether the deletion on a new connection was lost: it is tried once."""
        return not any(line.startswith("M30") for line in self.stand.ledger.executed())


async def run_course(folder: Path, personality: str, seed: int) -> None:
    path = folder / "part.gcode"
    path.write_text("; a part\n" + "\n".join(LINES) + "\n")
    chance = Random(f"rates {personality} {seed}")
    plan = RandomPlan(seed, NOISE if chance.random() < 0.7 else {})
    options = {"sd_files": THEIRS, "faults": plan, "seed": seed}
    async with MortalStand(folder, personality, board_options=options) as stand:
        await Course(stand, path, f"{personality} {seed}").play()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_any_upload(personality: str, seed: int, tmp_path: Path) -> None:
    await run_course(tmp_path, personality, seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1000, 1500))
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_many_uploads(personality: str, seed: int, tmp_path: Path) -> None:
    await run_course(tmp_path, personality, seed)
