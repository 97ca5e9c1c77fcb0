"""Canceled while it is brought back to a layer: the board does not know where it stands, so nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import RecoverPrint
from gateway.drivers.marlin.settings import MarlinSettings, ParkSettings, ScriptSettings
from gateway.gcode.recovery import plan_recovery
from tests.drivers.marlin.test_parking import PART
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
ASIDE = MarlinSettings(
    park=ParkSettings(x=5.0, y=190.0, height=200.0), scripts=ScriptSettings(cancel=("G0 X100 Y100",))
)
HOT = PART.replace("S180", "S200")


async def on_its_way_back(stand: MarlinStand, file: Path) -> None:
    """A print whose board was reset behind its fourth layer, heating up to go on."""
    await stand.ready()
    await stand.start(file)
    await stand.until(lambda: len(stand.moves()) > 90)
    stand.board.reset(stand.wire.now)
    stand.wire.turn()
    held = await stand.phase(PrintPhase.HELD)
    await asyncio.sleep(60)
    order = stand.start_order(file)
    with file.open("rb") as opened:
        plan = plan_recovery(opened, order.sha256, held.position or 0)
    recover = RecoverPrint(
        "mk3", stand.new_order_id(), "mark-1", order.path, order.sha256, order.size, order.name,
        held.position or 0, plan.offset, plan.line, plan.heat_lines, plan.move_lines,
    )  # fmt: skip
    assert (await stand.give(recover)).result is OrderResult.ACCEPTED
    await stand.until(lambda: stand.board.bed.target == 45)


@pytest.mark.parametrize("dies", [False, True], ids=["alive", "host dies"])
@on_virtual_time
async def test_a_cancel_while_it_heats_moves_nothing(dies: bool, file_of: FileOf) -> None:
    stand = await MarlinStand("marlin-stock", settings=ASIDE).__aenter__()
    await on_its_way_back(stand, file_of(HOT))
    begin = len(stand.ledger.executed("host"))
    assert (await stand.cancel()).result is OrderResult.ACCEPTED
    if dies:
        await stand.__aexit__()
        stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=ASIDE).__aenter__()
    await stand.phase(PrintPhase.CANCELED)
    after = stand.ledger.executed("host")[begin:]
    assert not [line for line in after if line.startswith(("G0", "G1", "G28"))]
    assert stand.board.hotend.target == stand.board.bed.target == 0
    await stand.__aexit__()
