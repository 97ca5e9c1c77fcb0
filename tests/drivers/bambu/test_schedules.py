"""Seeded nights of one printer: bad luck of its own, outages, dead drivers, other people's prints.

What must hold is read from the printer's ledger: a job starts once at most, and is told once at most.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from firmware_sim.bambu.faults import BambuFaults
from firmware_sim.bambu.panel import NotNow
from gateway.domain.orders import CancelPrint
from gateway.drivers.left import mark_number
from tests.contract.stand import on_virtual_time
from tests.support.bambu_stand import BambuStand

MODELS = ("a1", "a1-mini", "p1s", "x1c", "h2d-like")
RATES: Mapping[str, float] = {
    "no-echo": 0.1,
    "echo-late": 0.1,
    "refused": 0.05,
    "vanished": 0.05,
    "half-dead": 0.05,
    "lost-before": 0.05,
    "lost-after": 0.1,
    "connection-lost": 0.003,
    "non-utf8": 0.02,
    "file-truncated": 0.03,
    "upload-cut": 0.05,
}
ACTS = ("nothing", "nothing", "cut", "kill", "panel", "cancel", "drop")
JOBS = 4


async def act(stand: BambuStand, chance: Random, key: str) -> None:
    """Something happens to the printer, the network or the driver."""
    what = chance.choice(ACTS)
    if what == "cut":
        stand.cut("network")
        await asyncio.sleep(chance.uniform(1, 200))
        stand.mend("network")
    elif what == "drop":
        stand.wire.drop()
    elif what == "kill":
        await stand.kill_host()
        await asyncio.sleep(chance.uniform(0, 300))
        await stand.raise_host()
    elif what == "panel":
        try:
            stand.panel_start()
        except NotNow:
            pass
    elif what == "cancel":
        await stand.submit(CancelPrint(stand.printer, stand.new_order_id(), key))


async def night(stand: BambuStand, chance: Random) -> None:
    """Jobs one after the other, as the engine sends them: none while one is on the printer."""
    for _ in range(JOBS):
        key = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        await asyncio.sleep(chance.uniform(0, 100))
        await stand.submit(stand.start_order(stand.print_file(f"job{chance.randrange(3)}"), key))
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(chance.choice((0.0, 0.02, 1.0, 5.0, 40.0)))
            await act(stand, chance, key)
        await asyncio.sleep(400)
        for end in stand.snapshot().ended:
            stand.acknowledge(end.key)
        if stand.snapshot().current is not None:
            stand.acknowledge(key)


def told_starts(stand: BambuStand) -> Counter[str]:
    """How often each mark was published."""
    found = [json.loads(payload).get("print", {}) for _, payload in stand.wire.published]
    return Counter(body["sequence_id"] for body in found if body.get("command") == "project_file")


@on_virtual_time
async def one_night(folder: Path, seed: int) -> None:
    chance = Random(seed)
    async with BambuStand(folder, chance.choice(MODELS), upload_rate=chance.choice((200.0, 1e5))) as stand:
        stand.bambu.faults = BambuFaults(rates=RATES, seed=seed)
        await night(stand, chance)
        stand.check_alive()
        begun = stand.ledger.events("print-started")
        started = Counter(entry.line for entry in begun if entry.source == "mqtt")
        assert max(started.values(), default=0) <= 1
        assert max(told_starts(stand).values(), default=0) <= 1
        marks = {mark_number(key) for key in stand.ordered()}
        assert {int(mark) for mark in told_starts(stand)} <= marks


@pytest.mark.parametrize("seed", range(6))
def test_a_night(tmp_path: Path, seed: int) -> None:
    one_night(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_nights(tmp_path: Path, seed: int) -> None:
    one_night(tmp_path, seed)
