"""A driver that dies in a start, and its record: refused behind it if it never left, else unclear."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.drivers.left import LeftPrint
from gateway.drivers.start_record import NEVER_SENT, never_sent
from tests.contract.stand import MARK, SECOND, on_virtual_time
from tests.support.bambu_stand import BambuStand
from tests.support.moonraker_stand import MoonrakerStand
from tests.support.start_records import KeptStartRecord

STANDS = (BambuStand, MoonrakerStand)
Stand = BambuStand | MoonrakerStand
both = pytest.mark.parametrize("kind", STANDS, ids=["bambu", "moonraker"])


async def died(stand: Stand, place: str) -> None:
    """A start whose driver dies at this place of its record."""
    await stand.ready()
    stand.record.stops_at = place
    await stand.submit(stand.start_order(stand.print_file()))
    await asyncio.wait_for(stand.record.stopped.wait(), 600)
    await stand.kill_host()
    stand.record.stops_at = ""


@both
@pytest.mark.parametrize("place", ["behind preparing", "before sending"])
@on_virtual_time
async def test_one_that_never_left_is_refused_and_may_be_tried_again(
    tmp_path: Path, kind: type[Stand], place: str
) -> None:
    async with kind(tmp_path) as stand:
        before = set(stand.stored())
        await died(stand, place)
        assert (set(stand.stored()) > before) == (place == "before sending"), "the file is there, whole"
        await stand.raise_host()
        answer = await stand.answered(MARK)
        assert (answer.result, answer.message, answer.is_final) == (OrderResult.REFUSED, NEVER_SENT, False)
        await asyncio.sleep(5)
        assert (stand.physical_starts(), set(stand.stored())) == ([], before)
        await stand.ready()
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert len(stand.physical_starts()) == 1
        assert [given.order_id for given in stand.answers] == [MARK, SECOND]


@both
@pytest.mark.parametrize("place", ["before preparing", "behind sending"])
@on_virtual_time
async def test_one_that_may_have_left_is_unclear(tmp_path: Path, kind: type[Stand], place: str) -> None:
    async with kind(tmp_path) as stand:
        await died(stand, place)
        await stand.raise_host()
        assert (await stand.answered(MARK)).result is OrderResult.UNCLEAR
        assert stand.physical_starts() == []


@both
@on_virtual_time
async def test_a_record_of_another_start_proves_nothing(tmp_path: Path, kind: type[Stand]) -> None:
    async with kind(tmp_path) as stand:
        await died(stand, "behind preparing")
        await stand.record.preparing(SECOND)
        await stand.raise_host()
        assert (await stand.answered(MARK)).result is OrderResult.UNCLEAR


@pytest.mark.parametrize(
    ("left", "is_it"),
    [
        (LeftPrint(MARK, False, None, False, "part", None, None, None, None), True),
        (LeftPrint(MARK, False, PrintPhase.STARTING, False, "part", None, None, None, None), True),
        (LeftPrint(MARK, False, PrintPhase.PRINTING, False, "part", None, None, None, None), False),
        (LeftPrint(MARK, True, PrintPhase.STARTING, False, "part", "part", None, None, None), False),
        (LeftPrint(MARK, False, None, True, "part", None, None, "look at it", None), False),
    ],
    ids=["sent", "starting", "printing", "local", "a person was asked"],
)
async def test_whose_word_counts(left: LeftPrint, is_it: bool) -> None:
    record = KeptStartRecord()
    await record.preparing(MARK)
    assert never_sent(record, left) is is_it


@both
@on_virtual_time
async def test_a_printer_that_prints_it_by_itself_proves_it(tmp_path: Path, kind: type[Stand]) -> None:
    """Some start what they find on their card when they are switched on (bambuddy #374)."""
    async with kind(tmp_path) as stand:
        before = set(stand.stored())
        await died(stand, "before sending")
        [name] = set(stand.stored()) - before
        if isinstance(stand, BambuStand):
            stand.bambu.panel.start(name, stand.wire.now)
            stand.wire.turn()
        else:
            stand.wire.act(stand.machine.panel.start, name)
        await stand.raise_host()
        assert (await stand.answered(MARK)).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert len(stand.physical_starts()) == 1


@both
@on_virtual_time
async def test_somebody_elses_print_meanwhile_goes_on(tmp_path: Path, kind: type[Stand]) -> None:
    async with kind(tmp_path) as stand:
        await died(stand, "behind preparing")
        stand.panel_start()
        await stand.raise_host()
        answer = await stand.answered(MARK, 30)
        assert (answer.result, answer.message) == (OrderResult.REFUSED, NEVER_SENT)
        assert (await stand.phase(PrintPhase.COMPLETED)).is_local
        assert len(stand.physical_starts()) == 1


@both
@pytest.mark.parametrize("full_at", ["preparing", "sending"])
@on_virtual_time
async def test_what_cannot_be_noted_is_not_sent(tmp_path: Path, kind: type[Stand], full_at: str) -> None:
    async with kind(tmp_path) as stand:
        before = set(stand.stored())
        await stand.ready()
        stand.record.full_at = {full_at}
        await stand.submit(stand.start_order(stand.print_file()))
        answer = await stand.answered(MARK)
        assert (answer.result, answer.is_final) == (OrderResult.REFUSED, False)
        assert "No space left on device" in (answer.message or "")
        await asyncio.sleep(5)
        assert (stand.physical_starts(), set(stand.stored())) == ([], before)
        stand.record.full_at.clear()
        await stand.ready()
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED
