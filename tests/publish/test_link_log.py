"""Which changes of printers' links are lines in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from gateway.domain.events import Event, JobMoved, PrinterChanged
from gateway.engine.ports import StoredEvent
from gateway.publish.link_log import MOST_REASONS, LinkLog
from tests.support.stand import ANA, START


class Behind:
    """A publisher that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        self.heard += [event.kind for event in events]


def changed(link: str, message: str | None = None, printer: str = "a1", number: int = 4) -> StoredEvent:
    details = {"printer": printer, "link": link, "activity": None, "message": message}
    return StoredEvent(1, PrinterChanged.kind, START, 1, ANA.member_id, number, None, details)


def lines(caplog: pytest.LogCaptureFixture, *events: StoredEvent) -> list[tuple[str, str]]:
    caplog.set_level(logging.INFO)
    linklog = LinkLog(Behind())
    for event in events:
        linklog.publish([event], [])
    return [(record.levelname, record.message) for record in caplog.records]


ONLINE = ("INFO", "printer a1 is online")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([changed("connecting", "not reached yet"), changed("up")], [ONLINE]),
        ([changed("up"), changed("up", "the bed is cold"), changed("up")], [ONLINE]),
        ([changed("down", "no way to it")], [("WARNING", "printer a1 is offline: no way to it")]),
        ([changed("down")], [("WARNING", "printer a1 is offline")]),
        (
            [
                changed("up"),
                changed("down", "it hung up"),
                changed("connecting", "it hung up"),
                changed("up"),
            ],
            [ONLINE, ("WARNING", "printer a1 is offline: it hung up"), ONLINE],
        ),
        (
            [changed("down", "A"), changed("down", "B"), changed("down", "A"), changed("down", "B")],
            [("WARNING", "printer a1 is offline: A"), ("WARNING", "printer a1 is still offline: B")],
        ),
        (
            [changed("down", "A"), changed("up"), changed("down", "A")],
            [("WARNING", "printer a1 is offline: A"), ONLINE, ("WARNING", "printer a1 is offline: A")],
        ),
    ],
)
def test_a_line_for_each_change(
    events: list[StoredEvent], expected: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    assert lines(caplog, *events) == expected


def test_each_printer_has_its_own_lines(caplog: pytest.LogCaptureFixture) -> None:
    found = lines(caplog, changed("up"), changed("up", printer="mk3", number=1), changed("down", "gone"))
    assert [message for _, message in found] == [
        "printer a1 is online",
        "printer mk3 is online",
        "printer a1 is offline: gone",
    ]


def test_one_outage_is_a_few_lines_however_it_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    found = lines(caplog, changed("up"), *(changed("down", f"error {number}") for number in range(100)))
    assert len(found) == 1 + MOST_REASONS


def test_words_of_a_printer_are_one_line_and_short(caplog: pytest.LogCaptureFixture) -> None:
    ((_, message),) = lines(caplog, changed("down", "a\nWARNING root: all is well\x1b[2J" + "x" * 10_000))
    assert message.isprintable()
    assert len(message) < 600


def test_all_is_passed_on() -> None:
    behind = Behind()
    linklog = LinkLog(behind)
    moved = StoredEvent(2, JobMoved.kind, START, 1, ANA.member_id, 4, 7, {})
    linklog.publish([changed("up"), moved], [])
    assert behind.heard == [PrinterChanged.kind, JobMoved.kind]
