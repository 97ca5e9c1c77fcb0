"""The worker on the user's own broker: tells what the printers do, hears commands.

    once a second   committed events, state --> documents that changed --> outbox
    connection      subscribe -> outbox is filled anew -> senders   outbox --> broker
                                                       -> receiver  commands, births, own messages back
    no connection   events are heard and nothing is kept: a broker that is back gets everything as it is then

Nobody waits for the broker: what it does not take is replaced by what is newer. What others publish in the
gateway's name is answered: a will of a former connection that comes late says "offline", and is put right.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from gateway.domain.commands import Command
from gateway.domain.job import Job
from gateway.domain.printer import Printer
from gateway.domain.state import State
from gateway.engine.ports import Batch, Clock, Queries, StoredEvent, Subscription
from gateway.publish.mqtt.announcing import Announcer
from gateway.publish.mqtt.commands import Commands
from gateway.publish.mqtt.documents import event_document, named
from gateway.publish.mqtt.fleet import Fleet
from gateway.publish.mqtt.happenings import CHANGES_OF_JOBS, happened, has_ended
from gateway.publish.mqtt.outbox import Outbox
from gateway.publish.mqtt.rights import NorthboundStatus, Proofs
from gateway.publish.mqtt.settings import NorthboundSettings
from gateway.publish.mqtt.topics import OFFLINE, ONLINE, Topics
from gateway.transport.mqtt import Connection, ConnectMqtt, MqttLost, MqttMessage, Will
from gateway.transport.mqtt_session import Session

log = logging.getLogger(__name__)

#: Seconds between two looks: a state goes out at most this often.
TICK: Final = 1.0
#: Seconds until the next look after one that failed: its trace is in the log often enough.
AGAIN_SECONDS: Final = 60.0
#: Publishes that wait for their acknowledgement at the same time: 200 a second through a line of 80 ms.
SENDERS: Final = 16
#: Printers looked at in one go: a millisecond, or three while documents of discovery are written.
BREATH: Final = 20
#: Seconds after Home Assistant's birth message: it is still subscribing, and would miss what comes first.
BIRTH_SECONDS: Final = 2.0
#: Seconds for the last word of a gateway that stops; the broker's will says it otherwise.
GOODBYE_SECONDS: Final = 2.0
#: Filters in one subscription packet.
_FILTERS: Final = 100


@dataclass(slots=True)
class _Talk:
    """One connection's: whether it is made, and what it has proven."""

    proofs: Proofs
    repeat_at: float | None = None  # monotonic seconds: everything is told again then
    greetings: int = 0  # of this gateway, on their way to the broker and back


class Northbound:
    """`run` it for as long as the gateway lives. `may_command`: see `commands.Commands`."""

    def __init__(
        self,
        *,
        connect: ConnectMqtt,
        settings: NorthboundSettings,
        state: Callable[[], State],
        queries: Queries,
        subscribe: Callable[[], Subscription],
        execute: Callable[[Command], Awaitable[Any]],
        may_command: Callable[[Job, Printer], bool],
        clock: Clock,
        chance: Random,
        version: str,
        public_url: str,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.base_topic, settings.gateway_id, settings.discovery_prefix)
        self._subscribe = subscribe
        self._clock = clock
        self._fleet = Fleet(state, queries)
        self._outbox = Outbox()
        self._announcer = Announcer(self._topics, settings, self._outbox, version, public_url)
        self._commands = Commands(
            state=state, execute=execute, may_command=may_command, monotonic=clock.monotonic
        )
        self._talk: _Talk | None = None
        self._is_refused = False  # the last connection ended while it asked to listen outside its own topics
        self._since, self._reason = clock.wall(), "not connected yet"
        self._session = Session(
            connect,
            monotonic=clock.monotonic,
            chance=chance,
            on_down=self._is_down,
            will=Will(self._topics.status, OFFLINE),
        )

    @property
    def status(self) -> NorthboundStatus:
        """How it goes, for `doctor`."""
        if self._talk is None:
            return NorthboundStatus(False, self._since, self._reason)
        return NorthboundStatus(True, self._since, None, self._talk.proofs.rights)

    async def run(self) -> None:
        """Until cancelled; then it says goodbye to the broker."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="mqtt: watch")
            group.create_task(self._session.run(self._attend), name="mqtt: session")

    # ---------------------------------------------------------------- what is to be told

    async def _watch(self) -> None:
        events = self._subscribe()
        try:
            await self._fleet.recall()
            while True:
                await asyncio.sleep(TICK)
                try:
                    await self._look(events)
                except Exception:  # a bug here must not end the process that prints
                    log.exception("MQTT: what the printers do could not be told; it is tried again")
                    await asyncio.sleep(AGAIN_SECONDS)
        finally:
            events.close()

    async def _look(self, events: Subscription) -> None:
        batch = await _heard(events)
        if batch is not None:
            await self._hear(batch)
        if self._talk is not None:
            await self._tell(self._talk)

    async def _hear(self, batch: Batch) -> None:
        if batch.overflowed:
            await self._fleet.recall()
        for event in batch.events:
            if event.kind in CHANGES_OF_JOBS:
                self._fleet.jobs_changed()
                await self._happened(event)

    async def _happened(self, event: StoredEvent) -> None:
        word = happened(event)
        if word is None or event.work_id is None or event.printer_id is None:
            return
        is_end = has_ended(event)
        if self._talk is None and not is_end:
            return
        job = await self._fleet.job(event.work_id)
        if job is None:
            return
        if is_end:
            self._fleet.ended(job)
        if self._talk is not None:
            message = event.details.get("message")
            document = event_document(word, event.at, named(job), message)
            self._outbox.tell(self._topics.event(event.printer_id), document)

    async def _tell(self, talk: _Talk) -> None:
        now = self._clock.monotonic()
        if talk.repeat_at is not None and now >= talk.repeat_at:
            talk.repeat_at = None
            self._announcer.repeat()
        for number, sight in enumerate(list(self._fleet.sights(now)), start=1):
            self._announcer.show(sight, now)
            if number % BREATH == 0:
                await asyncio.sleep(0)
            if self._talk is not talk:
                return  # the connection ended meanwhile
        self._announcer.greet()
        self._announcer.take_away(self._fleet.gone())
        for right in talk.proofs.overdue(now):
            log.warning("MQTT: %s", right.advice)

    # ---------------------------------------------------------------- the connection

    async def _attend(self, connection: Connection) -> None:
        now = self._clock.monotonic()
        try:
            await self._begin(connection)
            self._talk = talk = _Talk(Proofs(self._proofs_wanted(), now))
            self._since = self._clock.wall()
            log.info("MQTT: connected; the printers are told below %s/", self._topics.own)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection, talk), name="mqtt: receive")
                for number in range(SENDERS):
                    group.create_task(self._send(connection, talk), name=f"mqtt: send {number}")
        except asyncio.CancelledError:
            with suppress(MqttLost, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await connection.publish(self._topics.status, OFFLINE, qos=1, retain=True)
            raise

    async def _begin(self, connection: Connection) -> None:
        """Listen, then fill the outbox with all there is to say."""
        self._outbox.clear()
        commands = [self._topics.all_commands] if self._settings.allow_commands else []
        await connection.subscribe(self._topics.status, *commands, qos=1)
        await self._listen_elsewhere(connection)
        self._announcer.begin()

    async def _listen_elsewhere(self, connection: Connection) -> None:
        """To what it can do without. A broker that refuses it hangs up: the next connection goes without."""
        if self._is_refused:
            self._is_refused = False
            return
        wanted = self._announcer.leftovers(self._fleet.present(), self._fleet.gone())
        if self._topics.discovery:
            wanted += [self._topics.birth, self._topics.config(self._topics.gateway_device)]
        self._is_refused = True
        for begin in range(0, len(wanted), _FILTERS):
            await connection.subscribe(*wanted[begin : begin + _FILTERS], qos=1)
        self._is_refused = False

    def _proofs_wanted(self) -> dict[str, str]:
        wanted = {self._topics.status: self._topics.own}
        if self._topics.discovery:
            wanted[self._topics.config(self._topics.gateway_device)] = self._topics.discovery
        return wanted

    async def _send(self, connection: Connection, talk: _Talk) -> None:
        while True:
            message = await self._outbox.take()
            talk.greetings += message.topic == self._topics.status and message.payload == ONLINE
            await connection.publish(message.topic, message.payload, qos=1, retain=message.is_retained)

    async def _receive(self, connection: Connection, talk: _Talk) -> None:
        while True:
            message = await connection.receive()
            try:
                await self._take(message, talk)
            except Exception:  # as above
                log.exception("MQTT: a message to %s could not be read", message.topic)

    async def _take(self, message: MqttMessage, talk: _Talk) -> None:
        printer_id = self._topics.commanded(message.topic)
        if printer_id is not None:
            answer = await self._commands.answer(printer_id, message)
            if answer is not None:
                self._outbox.tell(self._topics.result(printer_id), answer)
        elif message.retain:
            self._announcer.found(message.topic, message.payload)
        else:
            self._noticed(message, talk)

    def _noticed(self, message: MqttMessage, talk: _Talk) -> None:
        """What is said now, by the gateway itself, a former connection's will, or Home Assistant."""
        if message.topic == self._topics.birth and message.payload == ONLINE:
            talk.repeat_at = self._clock.monotonic() + BIRTH_SECONDS
        elif message.topic == self._topics.status and message.payload == OFFLINE:
            self._outbox.keep(self._topics.status, ONLINE)
        else:
            if message.topic == self._topics.status and message.payload == ONLINE:
                self._greeted(talk)
            talk.proofs.came_back(message.topic)

    def _greeted(self, talk: _Talk) -> None:
        """This gateway's own greeting, or one of another gateway with the same id, which hears ours then."""
        if talk.greetings > 0:
            talk.greetings -= 1
            return
        right = talk.proofs.taken(self._topics.own, self._topics.gateway)
        if right is not None:
            log.warning("MQTT: %s", right.advice)
            self._outbox.keep(self._topics.status, ONLINE)

    def _is_down(self, reason: str) -> None:
        if self._talk is not None:
            self._talk, self._since = None, self._clock.wall()
            log.warning("MQTT: %s", reason)
        elif reason != self._reason:
            log.warning("MQTT: %s", reason)
        self._reason = reason


async def _heard(events: Subscription) -> Batch | None:
    """What waits to be heard now; None: nothing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            return await events.take()
    return None
