"""Files that do not get onto a printer's card: why, and that nothing of them was run or stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult
from tests.drivers.marlin.uploads import ran
from tests.support.marlin_stand import MarlinStand, on_virtual_time

ACCEPTED, REFUSED = OrderResult.ACCEPTED, OrderResult.REFUSED


@pytest.mark.parametrize(
    ("personality", "why"),
    [
        ("klipper", "not known to take files"),
        ("repetier", "not known to take files"),
        ("marlin-stock", "does not say that it has a card reader"),
    ],
)
@on_virtual_time
async def test_firmware_that_cannot(personality: str, why: str, part: Path) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        answer = await stand.upload(part)
        assert answer.result is REFUSED
        assert why in (answer.message or "")
        assert not any(line.startswith("M28") for line in stand.ledger.executed())


@on_virtual_time
async def test_no_card_in_the_slot(part: Path) -> None:
    async with MarlinStand("marlin-sd") as stand:
        await stand.ready()
        stand.board.card.pull()
        answer = await stand.upload(part)
        assert (answer.result, answer.message) == (
            REFUSED, "The printer has no card, or cannot read it. Put one in, then upload again."
        )  # fmt: skip


@on_virtual_time
async def test_a_card_that_was_put_in_and_not_looked_at_is_mounted(part: Path) -> None:
    async with MarlinStand("marlin-sd") as stand:
        await stand.ready()
        stand.board.card.mounted = False
        assert (await stand.upload(part)).result is ACCEPTED


@on_virtual_time
async def test_not_while_something_is_printed_here_or_from_the_card(part: Path) -> None:
    async with MarlinStand("marlin-full", sd_files={"A.GCO": b"G4 S30\n"}) as stand:
        await stand.ready()
        await stand.start(part)
        answer = await stand.upload(part)
        assert answer.message == "A print is on the machine (Cal cube.gcode). Upload again when it is over."
        await stand.stop()
    async with MarlinStand("marlin-full", sd_files={"A.GCO": b"G4 S30\n"}) as stand:
        await stand.ready()
        stand.panel("start", "A.GCO")
        await stand.until(lambda: stand.driver.current() is not None)
        assert "A print is on the machine" in ((await stand.upload(part)).message or "")
        assert stand.ledger.count("sd_abort") == 0


@on_virtual_time
async def test_not_without_a_printer_and_not_another_file_than_the_ordered_one(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        assert (await stand.upload(part)).result is REFUSED, "not connected yet"
        await stand.ready()
        answer = await stand.upload(part, sha256="0" * 64)
        assert answer.result is REFUSED
        assert "its file was replaced by another one" in (answer.message or "")
        assert (await stand.upload(part, size=5)).result is REFUSED
        gone = stand.upload_order(part)
        part.unlink()
        assert "not there any more" in ((await stand.give(gone)).message or "")


@pytest.mark.parametrize("line", ["M29", "m29", "M117 see M29", "M29 ; end"])
@on_virtual_time
async def test_a_file_that_would_end_its_own_upload_is_not_sent_and_nothing_stays(
    line: str, part: Path
) -> None:
    part.write_text("G28\n" * 300 + f"{line}\nG28\n")
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        answer = await stand.upload(part)
        assert answer.result is REFUSED
        assert "line 301 says M29" in (answer.message or "")
        assert stand.board.card.files == []
        assert ran(stand) == []


@pytest.mark.parametrize("line", ["M112 ; emergency", "5 M112", "-M 112"])
@on_virtual_time
async def test_a_file_that_would_stop_a_printer_while_it_is_sent(line: str, part: Path) -> None:
    part.write_text(f"G28\n{line}\n")
    async with MarlinStand("prusa") as stand:
        await stand.ready()
        answer = await stand.upload(part)
        assert answer.result is REFUSED
        assert "line 2 is an emergency stop" in (answer.message or "")
        assert (stand.ledger.count("kill"), stand.board.card.files) == (0, [])


@on_virtual_time
async def test_a_file_without_a_printable_line(part: Path) -> None:
    part.write_text("; nothing\n" * 50)
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        answer = await stand.upload(part)
        assert (answer.result, stand.board.card.files) == (REFUSED, [])


@on_virtual_time
async def test_texts_with_a_star_are_cut_where_the_firmware_cuts_them(part: Path) -> None:
    part.write_text("M117 five * six\nG28\n")
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        assert (await stand.upload(part)).result is ACCEPTED
        assert stand.on_card("CAL_CUBE.GCO") == b"M117 five\r\nG28\r\n"
