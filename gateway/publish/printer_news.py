"""Tells the driver of printers that call in which of them got an owner, a member, or lost them.

A printer that calls for the first time is a line in the log: nobody owns it yet who could be told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from gateway.domain.call_in import CodeKind
from gateway.domain.events import Event, PrinterContacted, PrinterRegistered, PrinterUnregistered
from gateway.engine.ports import Publisher, StoredEvent

log = logging.getLogger(__name__)


class Registrations(Protocol):
    """Who is told (`drivers.forge.driver.ForgeDriver`)."""

    def registered(self, printer_id: int) -> None:
        """A member owns it now."""

    def unregistered(self, printer_id: int) -> None:
        """Nobody owns it any more."""

    def welcome(self, printer_id: int, member_id: str, kind: CodeKind) -> None:
        """A code of this printer was typed in."""


class PrinterNews:
    """A Publisher (`engine.ports`) in front of another one: what it hears is committed."""

    def __init__(self, behind: Publisher, driver: Registrations) -> None:
        self._behind = behind
        self._driver = driver

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        """Pass everything on, and tell the driver. Never blocks, never raises."""
        self._behind.publish(events, fleeting)
        for event in events:
            try:
                self._tell(event)
            except Exception:
                log.exception("the driver could not be told of a registration")

    def _tell(self, event: StoredEvent) -> None:
        if event.kind == PrinterContacted.kind and event.details["is_new"]:
            how = "to own it: `print-gateway printers register CODE`, with the code on its display"
            log.info("printer %s called for the first time; %s", event.printer_id, how)
        if event.kind not in (PrinterRegistered.kind, PrinterUnregistered.kind) or event.printer_id is None:
            return
        kind = CodeKind(event.details["registration"])
        if event.kind == PrinterUnregistered.kind:
            if kind is CodeKind.PRIMARY:
                self._driver.unregistered(event.printer_id)
            return
        if kind is CodeKind.PRIMARY:
            self._driver.registered(event.printer_id)
        self._driver.welcome(event.printer_id, event.member_id or "", kind)
