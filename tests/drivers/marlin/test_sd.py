"""Prints from the printer's card: what counts as one, and how it ends."""

from __future__ import annotations

import pytest

from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.drivers.marlin.sd import CardWatch
from gateway.protocol.marlin.parsing import parse_reply
from tests.support.marlin_stand import MarlinStand, on_virtual_time

CARD = (
    b"G28\nM104 S60\n"
    + b"".join(b"G1 X%d Y%d F3000\n" % (i % 150, i % 90) for i in range(300))
    + b"M104 S0\n"
)
FILES = {"model.gco": CARD}


def watch(*lines: str, card: CardWatch | None = None) -> CardWatch:
    ids = iter(range(1, 100))
    card = card or CardWatch(lambda: f"local-{next(ids)}")
    for line in lines:
        card.hear(parse_reply(line.encode()))
    return card


SELECTED = ("File opened: test.gco Size: 61", "File selected")
PRINTING = (*SELECTED, "//action:resume")


@pytest.mark.parametrize(
    ("lines", "phase"),
    [
        ((), None),
        (SELECTED, None),
        ((*SELECTED, "SD printing byte 0/61", "SD printing byte 0/61"), None),
        (
            ("Not SD printing", *SELECTED, "SD printing byte 0/61", "SD printing byte 10/61"),
            PrintPhase.PRINTING,
        ),
        (PRINTING, PrintPhase.PRINTING),
        (("//action:resume",), None),
        (('echo:enqueueing "M23 test.gco"', 'echo:enqueueing "M24"', *SELECTED), PrintPhase.PRINTING),
        (("SD printing byte 20/61",), PrintPhase.PRINTING),
        (("SD printing byte 61/61",), None),
        (("SD printing byte 0/61",), None),
        ((*PRINTING, *["SD printing byte 20/61"] * 50), PrintPhase.PRINTING),
        ((*PRINTING, "//action:paused"), PrintPhase.PAUSED),
        (
            (*PRINTING, "//action:pause", "SD printing byte 20/61", "SD printing byte 20/61"),
            PrintPhase.PAUSED,
        ),
        (
            (*PRINTING, "//action:paused", "SD printing byte 20/61", "SD printing byte 30/61"),
            PrintPhase.PRINTING,
        ),
        ((*PRINTING, "//action:paused", "//action:resumed"), PrintPhase.PRINTING),
        ((*PRINTING, "//action:paused", "Not SD printing."), PrintPhase.PAUSED),
        ((*PRINTING, "//action:paused", "SD printing byte 9/61", "Not SD printing"), PrintPhase.CANCELED),
        ((*PRINTING, "Not SD printing"), PrintPhase.CANCELED),
        ((*PRINTING, "File opened: other.gco Size: 5"), PrintPhase.CANCELED),
        ((*PRINTING, "Done printing file"), PrintPhase.COMPLETED),
        ((*PRINTING, "Done printing file", "Not SD printing"), PrintPhase.COMPLETED),
        (("Done printing file",), None),
    ],
)
def test_what_counts_as_what(lines: tuple[str, ...], phase: PrintPhase | None) -> None:
    # A report of an idle card first: without it the first position is that of a print already running.
    card = watch(*(() if lines and lines[0].startswith("SD printing") else ("Not SD printing",)), *lines)
    assert (card.report.phase if card.report else None) is phase


def test_a_finished_file_that_goes_on_reporting_its_end_is_no_new_print() -> None:
    card = watch(*PRINTING, "SD printing byte 61/61", "Done printing file")
    ended = card.take_ended()
    assert ended is not None
    assert ended.progress == 1.0
    watch("SD printing byte 61/61", "SD printing byte 61/61", "//action:resume", card=card)
    assert card.report is None
    watch(*PRINTING, card=card)
    assert card.report is not None
    assert card.report.key == "local-2"


def test_the_name_size_and_progress_are_the_firmwares() -> None:
    card = watch(*PRINTING, "SD printing byte 30/61")
    assert card.report is not None
    assert (card.report.name, card.report.size, card.report.position) == ("test.gco", 61, 30)
    assert card.report.progress == pytest.approx(30 / 61)
    assert card.report.is_local


def test_what_ended_while_nobody_listened_is_held() -> None:
    card = watch("Not SD printing", *PRINTING, "SD printing byte 30/61")
    card.connection_began()
    watch("Not SD printing", card=card)
    assert card.report is not None
    assert card.report.phase is PrintPhase.HELD
    done = watch("Not SD printing", *PRINTING, "SD printing byte 61/61")
    done.connection_began()
    watch("Not SD printing", card=done)
    assert done.report is not None
    assert done.report.phase is PrintPhase.COMPLETED


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
@on_virtual_time
async def test_a_print_started_at_the_panel(personality: str) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        began = stand.wire.now
        report = await stand.phase(PrintPhase.PRINTING)
        assert stand.wire.now - began < 5
        assert report.is_local
        assert report.key.startswith("local-")
        assert (report.name or "").lower() == "model.gco"
        assert stand.driver.snapshot().activity is Activity.PRINTING
        report = await stand.phase(PrintPhase.COMPLETED)
        assert stand.ledger.count("sd_done") == 1
        assert report.progress == 1.0
        assert stand.driver.snapshot().current is None
        shots = len(stand.seen)
        later = stand.wire.now + 20
        await stand.until(lambda: stand.wire.now > later)
        assert all(shot.ended for shot in stand.seen[shots:]), "repeated until acknowledged"
        assert len(stand.driver.snapshot().ended) == 1
        stand.acknowledge(report.key)
        assert stand.driver.snapshot().ended == ()


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
@on_virtual_time
async def test_paused_and_canceled_at_the_panel(personality: str) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        await stand.phase(PrintPhase.PRINTING)
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 50)
        stand.panel("pause")
        await stand.phase(PrintPhase.PAUSED, 60)
        if personality == "marlin-full":  # it parks first
            await stand.until(lambda: stand.driver.view.waits_for_person(stand.wire.now), 60)
        stand.panel("resume")
        await stand.phase(PrintPhase.PRINTING, 60)
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 100)
        stand.panel("cancel")
        report = await stand.phase(PrintPhase.CANCELED, 60)
        assert report.reason == "job-canceled-at-device"
        assert stand.ledger.count("sd_abort") == 1


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
@on_virtual_time
async def test_orders_for_a_print_from_the_card(personality: str) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 50)
        stand.driver.submit(pause := _pause(key))
        await stand.phase(PrintPhase.PAUSED, 120)
        await stand.until(lambda: stand.board.card.paused)
        assert (await stand.resume(key)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.PRINTING, 60)
        assert (await stand.answered(pause.order_id)).result is OrderResult.ACCEPTED
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 100)
        assert (await stand.cancel(key)).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.CANCELED, 120)
        assert report.reason == "job-canceled-by-user"
        assert stand.ledger.count("sd_abort") == 1
        assert stand.board.is_idle
        assert "M104 S0" in stand.ledger.executed("host")
        assert stand.driver.snapshot().current is None


def _pause(key: str):  # type: ignore[no-untyped-def]
    from gateway.domain.orders import PausePrint

    return PausePrint("mk3", "pause-1", key)


@on_virtual_time
async def test_cancel_of_a_paused_print_from_the_card() -> None:
    async with MarlinStand("marlin-full", sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 50)
        stand.driver.submit(_pause(key))
        await stand.phase(PrintPhase.PAUSED, 120)
        await stand.until(lambda: stand.driver.view.waits_for_person(stand.wire.now), 60)
        assert (await stand.cancel(key)).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.CANCELED, 120)
        assert report.reason == "job-canceled-by-user"
        assert not stand.board.card.printing


@on_virtual_time
async def test_while_the_card_prints_nothing_else_starts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.gcode"
    path.write_text("G28\n")
    async with MarlinStand("marlin-sd", sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        await stand.phase(PrintPhase.PRINTING)
        answer = await stand.start(path)
        assert answer.result is OrderResult.REFUSED
        assert "from its card" in (answer.message or "")


@on_virtual_time
async def test_found_in_the_middle_when_the_driver_comes() -> None:
    first = MarlinStand("marlin-sd", sd_files=FILES)
    async with first:
        await first.ready()
        first.panel("start", "model.gco")
        await first.until(lambda: len(first.ledger.executed("sd")) > 60)
    async with MarlinStand(wire=first.wire) as stand:
        report = await stand.phase(PrintPhase.PRINTING)
        assert report.is_local
        assert report.size == len(CARD)
        report = await stand.phase(PrintPhase.COMPLETED)
        assert stand.ledger.count("sd_done") == 1


@on_virtual_time
async def test_the_cable_is_pulled_while_the_card_prints() -> None:
    async with MarlinStand("marlin-sd", sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 60)
        stand.wire.unplug()
        await stand.until(lambda: stand.driver.snapshot().link.value == "down")
        stand.wire.plug()
        await stand.ready()
        report = await stand.phase(PrintPhase.COMPLETED)
        assert report.key == key


@on_virtual_time
async def test_the_board_is_killed_while_the_card_prints() -> None:
    async with MarlinStand("marlin-sd", sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "model.gco")
        await stand.phase(PrintPhase.PRINTING)
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.FAILED)
        assert report.is_local
        assert stand.board.is_halted
