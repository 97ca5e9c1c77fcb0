"""Prints from the card when things do not go as planned: seen from the machine's ledger, and word by word."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, OrderResult, PrintPhase, PrintReport
from gateway.domain.orders import CancelPrint
from gateway.drivers.marlin.sd import CardWatch
from gateway.protocol.marlin.parsing import parse_reply
from tests.support.marlin_stand import MarlinStand, on_virtual_time

WITH_CARD = ["marlin-full", "marlin-sd"]
SLOW = b"G28\n" + b"G1 X1 F3000\nG1 X150 F3000\n" * 90
QUICK = b"M104 S60\nG28\n" + b"".join(b"G1 X%d F3000\n" % (i % 150) for i in range(300)) + b"M104 S0\n"
FILES = {"slow.gco": SLOW, "quick.gco": QUICK}


class Card:
    """A CardWatch that is told lines."""

    def __init__(self, *lines: str) -> None:
        self.keys = 0
        self.watch = CardWatch(self._key)
        self.ends: list[PrintReport] = []
        self.say(*lines)

    def _key(self) -> str:
        self.keys += 1
        return f"local-{self.keys}"

    def say(self, *lines: str) -> Card:
        for line in lines:
            self.watch.hear(parse_reply(line.encode()))
            ended = self.watch.take_ended()
            if ended is not None:
                self.ends.append(ended)
        return self

    def connects(self) -> Card:
        self.watch.connection_began()
        return self

    @property
    def phase(self) -> PrintPhase | None:
        return self.watch.report.phase if self.watch.report else None

    @property
    def ended(self) -> list[PrintPhase]:
        return [report.phase for report in self.ends]


SELECTED = ("File opened: a.gco Size: 61", "File selected")
PRINTING = ("Not SD printing", *SELECTED, "//action:resume", "SD printing byte 20/61")


def test_found_behind_its_last_line_it_is_told_when_it_is_done() -> None:
    card = Card("SD printing byte 61/61")
    assert card.phase is None, "it may be over for long"
    assert card.watch.may_be_finishing
    card.say("Done printing file", "Not SD printing")
    assert card.ended == [PrintPhase.COMPLETED]
    assert card.ends[0].size == 61
    assert not card.watch.may_be_finishing


def test_found_at_its_end_long_after_it_was_done_it_is_nothing() -> None:
    card = Card("SD printing byte 61/61")
    card.watch.stands_at_end()
    card.say("SD printing byte 61/61", "Not SD printing")
    assert (card.phase, card.ended) == (None, [])


def test_an_end_that_is_heard_before_anything_else_was_a_print() -> None:
    assert Card("Done printing file").ended == [PrintPhase.COMPLETED]
    assert Card("Not SD printing", "Done printing file").ended == [], "an idle card ends nothing"
    assert Card("Done printing file", "Done printing file").ended == [PrintPhase.COMPLETED]


def test_at_its_end_after_a_lost_connection_the_standstill_decides() -> None:
    card = Card(*PRINTING).connects().say("SD printing byte 61/61")
    assert card.phase is PrintPhase.PRINTING
    card.watch.stands_at_end()
    assert card.watch.take_ended() is not None
    other = Card(*PRINTING).connects().say("SD printing byte 40/61")
    other.watch.stands_at_end()
    assert other.phase is PrintPhase.PRINTING


@pytest.mark.parametrize(
    ("lines", "ends", "phase"),
    [
        (("Not SD printing",), [], PrintPhase.HELD),
        (("SD printing byte 25/61",), [], PrintPhase.PRINTING),
        (("Not SD printing", "SD printing byte 25/61"), [], PrintPhase.PRINTING),
        (("Done printing file",), [PrintPhase.COMPLETED], None),
        (("File opened: other.gco Size: 9",), [PrintPhase.CANCELED], None),
        (("SD printing byte 30/61", "Not SD printing"), [PrintPhase.CANCELED], None),
    ],
)
def test_after_a_lost_connection(
    lines: tuple[str, ...], ends: list[PrintPhase], phase: PrintPhase | None
) -> None:
    card = Card(*PRINTING).connects().say(*lines)
    assert (card.ended, card.phase) == (ends, phase)


def test_a_cancel_that_did_not_get_through_is_not_blamed_for_a_later_end() -> None:
    card = Card(*PRINTING)
    card.watch.cancel_asked()
    card.connects().say("SD printing byte 30/61", "SD printing byte 35/61")
    assert card.phase is PrintPhase.PRINTING
    assert not card.watch.is_canceling
    card.say("Not SD printing")
    assert [(end.phase, end.reason) for end in card.ends] == [(PrintPhase.CANCELED, "job-canceled-at-device")]


def test_a_cancel_that_got_through_unheard_is_ours() -> None:
    card = Card(*PRINTING)
    card.watch.cancel_asked()
    card.connects().say("Not SD printing")
    assert [(end.phase, end.reason) for end in card.ends] == [(PrintPhase.CANCELED, "job-canceled-by-user")]


def test_only_a_held_print_is_given_up() -> None:
    card = Card(*PRINTING)
    assert not card.watch.give_up("local-1")
    card.connects().say("Not SD printing")
    assert not card.watch.give_up("local-2")
    assert card.watch.give_up("local-1")
    assert card.phase is None
    assert Card(*PRINTING).say("//action:paused").watch.give_up("local-1") is False


def test_pauses_and_resumes_heard_twice_change_nothing() -> None:
    card = Card(*PRINTING)
    for _ in range(3):
        card.say("//action:pause", "//action:paused")
        assert card.phase is PrintPhase.PAUSED
    for _ in range(3):
        card.say("//action:resume", "//action:resumed")
        assert card.phase is PrintPhase.PRINTING
    assert card.keys == 1


# -- with a machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, 20, 60, 150])
@pytest.mark.parametrize("name", ["slow.gco", "quick.gco"])
@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_found_at_any_moment_of_a_print_it_is_followed_to_its_end(
    personality: str, name: str, seconds: int
) -> None:
    """Behind slow moves every line of ours waits for four of the card's."""
    stand = MarlinStand(personality, sd_files=FILES)
    stand.wire.is_plugged = False
    async with stand:
        await asyncio.sleep(1)
        stand.panel("start", name)
        await asyncio.sleep(seconds)
        stand.wire.plug()
        await stand.ready()
        assert stand.wire.opened == 1
        if stand.board.card.printing:
            report = await stand.phase(PrintPhase.PRINTING, 60)
            assert report.is_local
            assert (await stand.start(Path(__file__))).result is OrderResult.REFUSED
        await stand.until(lambda: stand.ledger.count("sd_done") == 1, 1200)
        await asyncio.sleep(60)
        shot = stand.driver.snapshot()
        assert [end.phase for end in shot.ended] in ([PrintPhase.COMPLETED], [])
        assert shot.current is None
        assert shot.activity is Activity.READY


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_nothing_starts_on_the_last_moves_of_a_print(personality: str, gcode: Path) -> None:
    card = b"G28\nG1 X150 F300\nG1 X1 F300\nG1 X100 F300\n"
    stand = MarlinStand(personality, sd_files={"short.gco": card})
    stand.wire.is_plugged = False
    async with stand:
        await asyncio.sleep(1)
        stand.panel("start", "short.gco")
        await asyncio.sleep(19)
        stand.wire.plug()
        await stand.ready()
        await stand.until(lambda: stand.driver.card._position is not None or stand.board.is_idle)
        if not stand.board.is_idle:
            assert stand.driver.snapshot().activity is not Activity.READY
            assert (await stand.start(gcode)).result is OrderResult.REFUSED
        await stand.until(lambda: stand.ledger.count("sd_done") == 1)
        await stand.phase(PrintPhase.COMPLETED, 60)
        await asyncio.sleep(10)
        assert (await stand.start(gcode)).result is OrderResult.ACCEPTED


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_canceled_many_times_it_is_canceled_once_and_no_other_print_is(
    personality: str,
) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "quick.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 30)
        for index in range(4):
            stand.driver.submit(CancelPrint("mk3", f"c{index}", key))
        await stand.phase(PrintPhase.CANCELED, 120)
        for index in range(4):
            assert (await stand.answered(f"c{index}")).result is OrderResult.ACCEPTED
        assert stand.ledger.executed("host").count("M524") == 1
        assert stand.board.hotend.target == 0
        stand.acknowledge(key)
        stand.panel("start", "slow.gco")
        report = await stand.phase(PrintPhase.PRINTING)
        assert report.key != key
        assert (await stand.cancel(key)).result is OrderResult.REFUSED
        await stand.phase(PrintPhase.COMPLETED, 1500)
        assert stand.ledger.count("sd_abort") == 1


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_ended_unseen_it_is_held_until_a_person_says_how(personality: str, gcode: Path) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "slow.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 6)
        stand.wire.unplug()
        stand.panel("cancel")
        await asyncio.sleep(120)
        stand.wire.plug()
        report = await stand.phase(PrintPhase.HELD, 60)
        assert (report.key, report.is_local) == (key, True)
        assert (await stand.start(gcode)).result is OrderResult.REFUSED
        stand.acknowledge(key)
        assert stand.driver.snapshot().current is None
        assert (await stand.start(gcode)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert "M524" not in stand.ledger.executed("host"), "a person's word sends nothing"


@pytest.mark.parametrize("ends", ["cancel", "resume"])
@on_virtual_time
async def test_an_order_the_firmware_cannot_hear_is_refused_and_changes_nothing(ends: str) -> None:
    """A build without emergency parser waits for the button: nothing that we send is read."""
    card = b"G28\nG1 X10 F3000\nM0\n" + b"G1 X20 F3000\nG1 X30 F3000\n" * 20
    async with MarlinStand("marlin-sd", sd_files={"m.gco": card}) as stand:
        await stand.ready()
        stand.panel("start", "m.gco")
        key = (await stand.phase(PrintPhase.PRINTING)).key
        await stand.until(lambda: stand.driver.view.waits_for_person(stand.wire.now))
        answer = await (stand.cancel(key) if ends == "cancel" else stand.resume(key))
        assert answer.result is OrderResult.REFUSED
        assert "button" in (answer.message or "")
        stand.panel("click")
        if ends == "cancel":
            await stand.until(lambda: len(stand.ledger.executed("sd")) > 12)
            stand.panel("cancel")
            report = await stand.phase(PrintPhase.CANCELED, 60)
            assert report.reason == "job-canceled-at-device", "the refused order is not to blame"
            assert "M84" not in stand.ledger.executed("host")
        else:
            await stand.phase(PrintPhase.COMPLETED, 300)


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_a_reset_while_the_card_prints_fails_it(personality: str) -> None:
    async with MarlinStand(personality, sd_files=FILES) as stand:
        await stand.ready()
        stand.panel("start", "quick.gco")
        await stand.phase(PrintPhase.PRINTING)
        await stand.until(lambda: len(stand.ledger.executed("sd")) > 30)
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.FAILED, 30)
        assert "reset" in (report.message or "")
        await stand.ready()
        await asyncio.sleep(20)
        assert stand.driver.snapshot().current is None
        stand.panel("start", "quick.gco")
        assert (await stand.phase(PrintPhase.PRINTING)).key != report.key
