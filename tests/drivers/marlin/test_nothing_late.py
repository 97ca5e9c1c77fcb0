"""Nothing of a former order comes when something else has the machine: panel prints, and prints from here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import Adjust, SendGcode
from tests.support.marlin_stand import MarlinStand, on_virtual_time
from tests.support.mortal import MortalStand

WITH_CARD = ["marlin-full", "marlin-sd"]
CARD_MOVES = [f"G1 X{20 + n % 30} Y{20 + n // 30} F2900" for n in range(300)]
CARD = {"CLIP.GCO": "\n".join(["G28", *CARD_MOVES, ""]).encode()}
JOG = ("G28", *(f"G1 X{20 + n} Y50 F1800" for n in range(100)))


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_a_macro_gives_way_to_a_print_from_the_card(personality: str) -> None:
    async with MarlinStand(personality, sd_files=CARD) as stand:
        await stand.ready()
        order = SendGcode("mk3", stand.new_order_id(), JOG)
        stand.driver.submit(order)
        await stand.until(lambda: any(line in JOG[1:] for line in stand.ledger.executed("host")))
        stand.panel("start", "CLIP.GCO")
        answer = await stand.answered(order.order_id)
        assert answer.result is OrderResult.UNCLEAR
        assert "from the printer's card in the middle of this" in (answer.message or "")
        await stand.until(lambda: stand.ledger.count("sd_done") == 1)
        ran = [entry.line for entry in stand.ledger.events("executed")]
        first = ran.index(CARD_MOVES[0])
        late = [line for line in ran[first:] if line in JOG]
        assert len(late) <= 8, "what the board had in its queue, and nothing after that"
        assert [line for line in ran if line in CARD_MOVES] == CARD_MOVES


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_a_torn_file_is_not_deleted_in_the_middle_of_a_print(personality: str, tmp_path: Path) -> None:
    """Marlin's M30 closes the file that is open, whichever that is: the print would end there."""
    part = tmp_path / "part.gcode"
    part.write_text("\n".join(f"G1 X{n % 150} F6000" for n in range(500)))
    async with MortalStand(tmp_path, personality, board_options={"sd_files": CARD}) as stand:
        await stand.ready()
        stand.driver.submit(stand.upload_order(part))
        await stand.until(lambda: stand.ledger.count("sd_write") > 100)
        await stand.kill()
        for step in ("its M29 is read", "start", "it prints"):
            await asyncio.sleep(5)
            stand.wire.turn()
            if step == "start":
                stand.panel("start", "CLIP.GCO")
        assert stand.board.card.printing
        await stand.rise()
        await stand.until(lambda: stand.mark.left() is None)
        assert "half of it may be left on the printer's card" in (stand.driver.snapshot().message or "")
        await stand.until(lambda: stand.ledger.count("sd_done") == 1)
        await asyncio.sleep(60)
        assert not [line for line in stand.ledger.executed() if line.startswith("M30")]
        assert [line for line in stand.ledger.executed() if line in CARD_MOVES] == CARD_MOVES


@on_virtual_time
async def test_an_order_that_waits_is_not_carried_out_behind_a_print(file_of: Callable[[str], Path]) -> None:
    """A nozzle heated when the print is over, hours after somebody asked for it, heats for nobody."""
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        changes = [Adjustment(fan=10), Adjustment(hotend=60), Adjustment(bed=50)]
        for change in changes:
            stand.driver.submit(Adjust("mk3", stand.new_order_id(), "", change))
        start = stand.start_order(file_of("G28\nG1 X50 F3000\nM104 S0\nM140 S0\n"))
        stand.driver.submit(start)
        answer = await stand.answered(start.order_id)
        assert answer.result is OrderResult.REFUSED
        assert "what it was told last" in (answer.message or "")
        await stand.until(lambda: len(stand.answers) == len(changes) + 1)
        again = stand.start_order(Path(start.path), "mark-2")
        stand.driver.submit(again)
        await stand.until(
            lambda: any(end.phase is PrintPhase.COMPLETED for end in stand.driver.ended.values())
        )
        await asyncio.sleep(60)
        ran = stand.ledger.executed("host")
        assert ran.index("M104 S60") < ran.index("G28") < ran.index("M104 S0")
        assert ran.count("M104 S60") == ran.count("M140 S50") == 1
