"""Decides what of the printers goes out now: what changed, what is a minute old, what has to be taken away.

state          when it changed, at most once a look; the same again after STATE_SECONDS
availability   when it changed
discovery      when the printer's name, firmware or sensors changed, at most every DISCOVERY_SECONDS
gone printer   all its retained topics are emptied; also those that lie there from before a restart
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.publish.mqtt.discovery import Announced, Discovery
from gateway.publish.mqtt.documents import encoded, has_chamber, state_document
from gateway.publish.mqtt.outbox import Outbox
from gateway.publish.mqtt.settings import DEFAULT_DISCOVERY_PREFIX, Hardware, NorthboundSettings
from gateway.publish.mqtt.sight import Sight
from gateway.publish.mqtt.topics import OFFLINE, ONLINE, Topics

#: Seconds after which an unchanged state is told again, so that its age tells whether anybody is there.
STATE_SECONDS: Final = 60.0
#: Seconds between two documents of a printer. Home Assistant loses parts of one that follows too soon.
DISCOVERY_SECONDS: Final = 10.0
_NO_HARDWARE: Final = Hardware()


@dataclass(slots=True)
class _Told:
    """What the broker has of a printer, as far as this connection told it."""

    sight: Sight | None = None
    state: dict[str, Any] | None = None
    state_at: float = 0.0
    is_offline: bool | None = None
    announced: Announced | None = None
    announced_at: float = 0.0


class Announcer:
    """Fills the outbox of one gateway."""

    def __init__(
        self, topics: Topics, settings: NorthboundSettings, outbox: Outbox, version: str, public_url: str
    ) -> None:
        self._topics = topics
        self._described = replace(topics, discovery=topics.discovery or DEFAULT_DISCOVERY_PREFIX)
        self._hardware = settings.hardware
        self._takes_commands = settings.allow_commands
        self._outbox = outbox
        self._discovery = Discovery(topics, version, public_url, settings.allow_commands)
        self._told: dict[int, _Told] = {}
        self._leftovers: dict[str, int] = {}  # topic -> printer; of a former process
        self._later: dict[str, int] = {}  # the same; to be emptied with the next look
        self._must_greet = True

    def begin(self) -> None:
        """A new connection: everything is to be told, the gateway's own device first."""
        self._told.clear()
        self._later.clear()
        self._must_greet = True
        if self._topics.discovery:
            device = self._topics.gateway_device
            self._outbox.keep(self._topics.config(device), encoded(self._discovery.gateway()))

    def greet(self) -> None:
        """After a look at all printers: "online" is said when it is true of what is read."""
        if self._must_greet:
            self._must_greet = False
            self._outbox.keep(self._topics.status, ONLINE)

    def show(self, sight: Sight, now: float) -> None:
        """A look at one printer."""
        told = self._told.setdefault(sight.printer.printer_id, _Told())
        self._show_state(sight, told, now)
        if self._topics.discovery:
            self._announce(sight, told, now)

    def repeat(self) -> None:
        """Tell availabilities and states again: somebody has come who did not hear them."""
        self._must_greet = True
        for told in self._told.values():
            told.sight = told.state = told.is_offline = None

    def take_away(self, gone: Iterable[int]) -> None:
        """Empty what was told of printers that are gone: the document now, the rest with the next look.

        Home Assistant reads states until it has worked off the document, and an empty one is an error to it.
        """
        for topic, printer_id in self._later.items():
            if printer_id not in self._told:
                self._outbox.keep(topic, b"")
        self._later.clear()
        for printer_id in gone:
            if self._told.pop(printer_id, None) is not None:
                for topic in self._retained_of(printer_id):
                    self._empty(topic, printer_id)

    def leftovers(self, present: Iterable[int], gone: Iterable[int]) -> list[str]:
        """Topics where something may lie that a former process retained; `found` takes it away.

        With discovery switched off these are the documents under the default prefix.
        """
        self._leftovers = {topic: number for number in gone for topic in self._retained_of(number)}
        if not self._topics.discovery:
            documents = {self._document(printer_id): printer_id for printer_id in present}
            self._leftovers |= {**documents, self._described.config(self._topics.gateway_device): 0}
        return list(self._leftovers)

    def found(self, topic: str, payload: bytes) -> None:
        """A retained message that lay there when the connection was made."""
        if topic in self._leftovers and payload:
            self._empty(topic, self._leftovers[topic])

    def _empty(self, topic: str, printer_id: int) -> None:
        if topic.endswith("/config"):
            self._outbox.keep(topic, b"")
        else:
            self._later[topic] = printer_id

    def _document(self, printer_id: int) -> str:
        """Where the printer's discovery document lies, or lay while there was any."""
        return self._described.config(self._topics.printer_device(printer_id))

    def _retained_of(self, printer_id: int) -> list[str]:
        topics = self._topics
        return [self._document(printer_id), topics.availability(printer_id), topics.state(printer_id)]

    def _show_state(self, sight: Sight, told: _Told, now: float) -> None:
        is_due = now - told.state_at >= STATE_SECONDS
        if told.sight is not None and sight.is_same(told.sight) and not is_due:
            return
        told.sight = sight
        printer_id = sight.printer.printer_id
        if sight.is_offline is not told.is_offline:
            told.is_offline = sight.is_offline
            self._outbox.keep(self._topics.availability(printer_id), OFFLINE if sight.is_offline else ONLINE)
        document = state_document(sight, takes_commands=self._takes_commands)
        if document != told.state or is_due:
            told.state, told.state_at = document, now
            self._outbox.keep(self._topics.state(printer_id), encoded(document))

    def _announce(self, sight: Sight, told: _Told, now: float) -> None:
        printer = sight.printer
        chamber = has_chamber(sight) or (told.announced is not None and told.announced.has_chamber)
        wanted = Announced(
            printer.printer_id, printer.shown_name, printer.driver, sight.presence.firmware, chamber
        )
        if wanted == told.announced or (told.announced and now - told.announced_at < DISCOVERY_SECONDS):
            return
        told.announced, told.announced_at = wanted, now
        document = self._discovery.printer(wanted, self._hardware.get(printer.name, _NO_HARDWARE))
        self._outbox.keep(self._document(printer.printer_id), encoded(document))
