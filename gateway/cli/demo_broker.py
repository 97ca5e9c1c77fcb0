"""The demo as a client of the broker on which the gateway tells what its printers do, as Home Assistant is.

It listens to the events of all prints while they happen, and looks at the end what somebody finds who comes
only now: what the broker keeps (retained messages).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from gateway.cli.demo_children import DemoFailed
from gateway.cli.demo_proof import Ended
from gateway.cli.demo_waiting import until

Row = Mapping[str, Any]
HOST = "127.0.0.1"
#: The gateway's id on the broker.
GATEWAY = "demo"
OWN = f"print-gateway/{GATEWAY}"
#: Where Home Assistant looks for devices.
DISCOVERY = "homeassistant/device"
#: Filters. What comes is held against them: amqtt (0.12) also sends kept messages that others asked for.
_STATUS = f"{OWN}/status"
_EVENTS, _STATES, _DEVICES = f"{OWN}/printer/+/event", f"{OWN}/printer/+/state", f"{DISCOVERY}/+/config"
#: Seconds without another message after which what the broker keeps has been heard.
QUIET = 0.5
#: Seconds until it is told how the last print ended: states are looked at once a second.
TOLD_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """Kept messages by topic; events as (printer's number, document), in their order."""

    kept: Mapping[str, Row] = field(default_factory=dict)
    events: Sequence[tuple[int, Row]] = ()

    def faults(self, ends: Sequence[Ended]) -> list[str]:
        """What does not agree with the prints, in the order in which they ended on each printer."""
        last = {end.job.printer_id: end for end in ends}
        found = [self._fault_of_events(end) for end in ends]
        found += [self._fault_of_printer(end) for end in last.values()]
        return [fault for fault in found if fault]

    def _fault_of_events(self, end: Ended) -> str:
        job = end.job
        words = [
            str(event["event_type"])
            for printer_id, event in self.events
            if (printer_id, event["job"]["id"]) == (job.printer_id, job.id)
        ]
        begin = "adopted" if job.is_local else "started"
        is_whole = words[:1] == [begin] and words[-1:] == ["finished"]
        return (
            "" if is_whole else f'of {job.name} on "{end.printer}" it heard {", ".join(words) or "nothing"}'
        )

    def _fault_of_printer(self, end: Ended) -> str:
        number = end.job.printer_id
        state = self.kept.get(f"{OWN}/printer/{number}/state", {})
        device = self.kept.get(f"{DISCOVERY}/print-gateway_{GATEWAY}_{number}/config", {})
        shown = (state.get("job") or {}).get("id")
        if (state.get("state"), shown) != ("finished", end.job.id):
            return f'the broker keeps of "{end.printer}": {state.get("state", "nothing")}, job {shown}'
        if device.get("dev", {}).get("name") != end.printer or not device.get("cmps"):
            return f'nobody announced "{end.printer}" to Home Assistant'
        return ""

    def verdict(self, ends: Sequence[Ended]) -> str:
        """One line for people."""
        faults = self.faults(ends)
        if faults:
            return f"FAILED: a subscriber on the MQTT broker: {'; '.join(faults)}"
        names = list(dict.fromkeys(f'"{end.printer}"' for end in ends))
        return (
            f"PROVEN: a subscriber on the MQTT broker: heard {len(ends)} prints begin and finish; "
            f"{len(names)} printers have a retained state and a Home Assistant device"
        )

    def row(self) -> tuple[str, str, str]:
        """Beside what the APIs say."""
        states = [row["state"] for topic, row in self.kept.items() if topic.endswith("/state")]
        told = [f"{states.count(word)} {word}" for word in dict.fromkeys(states)]
        devices = sum(topic.startswith(f"{DISCOVERY}/") for topic in self.kept)
        return ("MQTT", f"{OWN}/#", ", ".join([*told, f"{devices} devices for Home Assistant"]))


class Subscriber:
    """Listens to events for as long as its block runs; see `listening`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._events: list[tuple[int, Row]] = []
        self._is_told = False  # whether the gateway is on the broker: before that nobody hears events

    async def is_told(self) -> bool | None:
        """Whether what happens now will be heard."""
        return self._is_told or None

    async def hear(self, client: aiomqtt.Client) -> None:
        """Until the connection ends. Raises aiomqtt.MqttError."""
        async for message in client.messages:
            if message.topic.matches(_STATUS):
                self._is_told = message.payload == b"online"
            if not message.topic.matches(_EVENTS):
                continue
            number = str(message.topic).removeprefix(f"{OWN}/printer/").partition("/")[0]
            self._events.append((int(number), json.loads(bytes(message.payload))))

    async def heard(self, ends: Sequence[Ended]) -> Heard:
        """All of it, as soon as it agrees with the prints; what there is when it never does."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + TOLD_WITHIN
        while True:
            found = Heard(await kept(self._port), tuple(self._events))
            if not found.faults(ends) or loop.time() >= give_up:
                return found


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Subscriber]:
    """A subscriber to the events of all printers. DemoFailed: there is no broker, or no gateway on it."""
    subscriber = Subscriber(port)
    try:
        async with aiomqtt.Client(HOST, port) as client:
            await client.subscribe([(_STATUS, 1), (_EVENTS, 1)])
            hearing = asyncio.create_task(subscriber.hear(client))
            try:
                await until("the gateway did not come to its broker", "gateway", subscriber.is_told)
                yield subscriber
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
    except aiomqtt.MqttError as error:
        raise DemoFailed(f"the broker on port {port} cannot be used: {error}", "gateway") from error


async def kept(port: int) -> dict[str, Row]:
    """What the broker keeps for whoever comes: JSON documents by topic. Raises aiomqtt.MqttError."""
    found: dict[str, Row] = {}
    async with aiomqtt.Client(HOST, port) as client:
        await client.subscribe([(_STATES, 1), (_DEVICES, 1)])
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(QUIET):
                    message = await anext(client.messages)
                if message.retain and any(map(message.topic.matches, (_STATES, _DEVICES))):
                    found[str(message.topic)] = json.loads(bytes(message.payload))
    return found
