"""What of committed events printers that call in make known, and to whom."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from gateway.domain.call_in import CodeKind
from gateway.domain.events import Event, PrinterContacted, PrinterRegistered, PrinterUnregistered
from gateway.engine.ports import StoredEvent
from gateway.publish.printer_news import PrinterNews
from tests.support.stand import ANA, START


class Listener:
    """The driver and the publisher behind; it writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def registered(self, printer_id: int) -> None:
        self.told.append(("registered", printer_id))

    def unregistered(self, printer_id: int) -> None:
        self.told.append(("unregistered", printer_id))

    def welcome(self, printer_id: int, member_id: str, kind: CodeKind) -> None:
        self.told.append(("welcome", printer_id, member_id, kind))

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        self.told.append([event.seq for event in events])


def an_event(kind: str, **details: object) -> StoredEvent:
    return StoredEvent(7, kind, START, 1, ANA.member_id, 58, None, {"printer": "studio", **details})


@pytest.mark.parametrize(
    ("kind", "registration", "told"),
    [
        (PrinterRegistered, "primary", [("registered", 58), ("welcome", 58, ANA.member_id, "primary")]),
        (PrinterRegistered, "secondary", [("welcome", 58, ANA.member_id, "secondary")]),
        (PrinterUnregistered, "primary", [("unregistered", 58)]),
        (PrinterUnregistered, "secondary", []),
    ],
)
def test_the_driver_hears_who_owns_its_printers(
    kind: type[Event], registration: str, told: list[object]
) -> None:
    listener = Listener()
    PrinterNews(listener, listener).publish([an_event(kind.kind, registration=registration)], [])
    assert listener.told == [[7], *told]


@pytest.mark.parametrize(("is_new", "lines"), [(True, 1), (False, 0)])
def test_a_printer_nobody_owns_is_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture, is_new: bool, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    listener = Listener()
    PrinterNews(listener, listener).publish([an_event(PrinterContacted.kind, is_new=is_new)], [])
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == lines
    assert all("printer 58" in line and "printers register CODE" in line for line in said)
