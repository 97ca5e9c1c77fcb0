"""Printers that are clients of one broker: one connection that speaks for all of them.

    python -m tests.benchmarks.mqtt_moonraker_load PORT COUNTS_FILE --count 100 --printing 25 [--per-second 1]

Number 7 is the instance `bench7`. The first ones print, the others are idle. Requests are answered by the
template of the printer that was asked; ids are told apart while it has them. The same connection counts what
the gateway says northbound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.moonraker.printer import MoonrakerPrinter
from firmware_sim.moonraker.settings import MoonrakerConfig
from tests.benchmarks.mqtt_load import Counts, a_long_part, run_until_told, take_turns

INSTANCE = "bench"
REQUESTS = "+/moonraker/api/request"
NORTHBOUND = ("print-gateway/#", "homeassistant/#")
#: What an idle printer tells: its sensors' noise.
QUIET = b'{"eventtime":4711.5,"status":{"extruder":{"temperature":21.42},"heater_bed":{"temperature":20.97}}}'
#: Seconds between two looks at the templates: klippy looks as often.
LOOK = 0.05


class Template:
    """One simulated printer, and what it says of itself."""

    def __init__(self, *, is_printing: bool) -> None:
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        config = MoonrakerConfig(instance="template", interval=1.0)
        self._printer = MoonrakerPrinter(config, files={"part.gcode": a_long_part()})
        self._printer.broker_up(0.0)
        if is_printing:
            for second in range(1, 10):  # klippy starts first
                self._printer.poll(float(second))
            self._printer.panel.start("part.gcode", 10.0)
        self._began -= 10.0
        self._asked: dict[int, tuple[int, object]] = {}
        self._last_id = 0
        self._is_printing = is_printing
        self.said = QUIET

    def _at(self) -> float:
        return self._now() - self._began

    def ask(self, number: int, payload: bytes) -> None:
        """A request to printer `number`; answered by `live`."""
        request = json.loads(payload)
        self._last_id += 1
        self._asked[self._last_id] = number, request.get("id")
        request["id"] = self._last_id
        self._printer.receive(self._printer.request_topic, json.dumps(request).encode(), self._at())

    def live(self) -> list[tuple[int, bytes]]:
        """Up to now; answers by the printer that was asked."""
        answers = []
        for message in self._printer.poll(self._at()):
            if message.topic == "template/klipper/status" and self._is_printing:
                self.said = message.payload
            elif message.topic == self._printer.response_topic:
                answer = json.loads(message.payload)
                asked = self._asked.pop(answer.get("id"), None)
                if asked is not None:
                    answers.append((asked[0], json.dumps({**answer, "id": asked[1]}).encode()))
        return answers


class Load:
    """All the printers on one connection."""

    def __init__(
        self,
        counts: Counts,
        count: int,
        printing: int,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._counts = counts
        self._count, self._printing = count, printing
        self._templates = Template(is_printing=False), Template(is_printing=True)
        self._reader, self._writer = streams

    async def hear(self) -> None:
        """Requests, and what the gateway tells the world."""
        packets = mqtt.PacketReader()
        self._writer.write(mqtt.encode(mqtt.Connect("moonraker load", keep_alive=0)))
        filters = tuple((topic, 0) for topic in (REQUESTS, *NORTHBOUND))
        self._writer.write(mqtt.encode(mqtt.Subscribe(1, filters)))
        for number in range(self._count):
            self._publish(f"{INSTANCE}{number}/moonraker/status", b'{"server": "online"}', retain=True)
        while data := await self._reader.read(262144):
            packets.feed(data)
            while (packet := packets.next_packet()) is not None:
                if isinstance(packet, mqtt.Publish):
                    self._take(packet)
        raise ConnectionError("the broker hung up")

    def _take(self, packet: mqtt.Publish) -> None:
        instance, _, rest = packet.topic.partition("/")
        if rest != "moonraker/api/request":
            self._counts.told += 1
            return
        self._counts.received += 1
        number = int(instance.removeprefix(INSTANCE))
        self._templates[number < self._printing].ask(number, packet.payload)

    async def answer(self) -> None:
        """Let the templates live."""
        while True:
            for template in self._templates:
                for number, payload in template.live():
                    self._publish(f"{INSTANCE}{number}/moonraker/api/response", payload)
            await asyncio.sleep(LOOK)

    async def report(self, number: int) -> None:
        """This printer's turn to tell how it stands."""
        template = self._templates[number < self._printing]
        self._publish(f"{INSTANCE}{number}/klipper/status", template.said)
        await self._writer.drain()

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        packet = mqtt.encode(mqtt.Publish(topic, payload, retain=retain))
        self._counts.sent += 1
        self._counts.bytes_sent += len(packet)
        self._writer.write(packet)


async def serve(arguments: argparse.Namespace) -> None:
    """Connect, and report in turns."""
    counts = Counts(arguments.counts)
    streams = await asyncio.open_connection("127.0.0.1", arguments.port)
    load = Load(counts, arguments.count, arguments.printing, streams)
    counts.connections = 1
    async with asyncio.TaskGroup() as group:
        group.create_task(counts.keep())
        group.create_task(load.hear())
        group.create_task(load.answer())
        group.create_task(take_turns(arguments.count, arguments.per_second, load.report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--printing", type=int, required=True)
    parser.add_argument("--per-second", type=float, default=1.0)
    given = parser.parse_args()
    run_until_told(lambda: serve(given))
