"""Printers that are brokers themselves: one TLS port that is as many of them as clients connect.

    python -m tests.benchmarks.mqtt_bambu_load PORT COUNTS_FILE --count 100 --printing 25 [--per-second 1]

A client says which printer it wants by the serial it subscribes to: number 7 is `BENCH0007`. The first ones
print, the others are idle. Requests are answered by the template of the printer that was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.bambu.certificates import make_identity
from firmware_sim.bambu.personality import load_bambu_personality
from firmware_sim.bambu.printer import BambuPrinter
from tests.benchmarks.mqtt_load import Counts, a_long_part, run_until_told, take_turns

SERIAL = "BENCH"
ACCESS_CODE = "12345678"
#: What most reports of an idle printer are: how well it hears the access point.
QUIET = b'{"print":{"wifi_signal":"-51dBm","command":"push_status","msg":1,"sequence_id":"1"}}'


def serial_of(number: int) -> str:
    """Of printer `number` of the load."""
    return f"{SERIAL}{number:04d}"


class Template:
    """One simulated printer, and what it says of itself."""

    def __init__(self, personality: str, *, is_printing: bool) -> None:
        loop = asyncio.get_running_loop()
        chosen = replace(load_bambu_personality(personality), report_seconds=1.0)
        self._printer = BambuPrinter(chosen, files={"part.gcode": a_long_part()}, access_code=ACCESS_CODE)
        self._now = loop.time
        self._seat = self._printer.attach("template", self._now())
        self._printer.subscribe(self._seat, self._printer.report_topic, self._now())
        if is_printing:
            self._printer.panel.start("part.gcode", self._now())
        self.said = QUIET

    def live(self) -> bytes:
        """Up to now; its last report."""
        self._printer.poll(self._now())
        reports = self._seat.take()
        if reports:
            self.said = reports[-1]
        return self.said

    def answers(self, request: bytes) -> list[bytes]:
        """What is said to this request alone."""
        self.live()
        self._printer.publish(self._seat, self._printer.request_topic, request, self._now())
        return self._seat.take()


class Load:
    """All the printers behind one port."""

    def __init__(self, counts: Counts, personality: str, printing: int) -> None:
        self._counts = counts
        self._printing = printing
        self._templates = (
            Template(personality, is_printing=False), Template(personality, is_printing=True)
        )  # fmt: skip
        self._writers: dict[int, asyncio.StreamWriter] = {}

    def template(self, number: int) -> Template:
        """Whose words this printer repeats."""
        return self._templates[number < self._printing]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its CONNECT to its end."""
        packets, number = mqtt.PacketReader(), -1
        try:
            while data := await reader.read(65536):
                packets.feed(data)
                while (packet := packets.next_packet()) is not None:
                    number = self._take(packet, writer, number)
        except (OSError, mqtt.Malformed):
            pass
        finally:
            if self._writers.get(number) is writer:
                del self._writers[number]
            self._counts.connections = len(self._writers)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, packet: mqtt.Packet, writer: asyncio.StreamWriter, number: int) -> int:
        match packet:
            case mqtt.Connect():
                writer.write(mqtt.encode(mqtt.Connack(mqtt.ACCEPTED)))
            case mqtt.Subscribe():
                number = int(packet.filters[0][0].split("/")[1].removeprefix(SERIAL))
                self._writers[number] = writer
                self._counts.connections = len(self._writers)
                writer.write(mqtt.encode(mqtt.Suback(packet.packet_id, (0,) * len(packet.filters))))
            case mqtt.Publish():
                self._counts.received += 1
                if packet.qos:
                    writer.write(mqtt.encode(mqtt.Puback(packet.packet_id)))
                for answer in self.template(number).answers(packet.payload):
                    self._send(number, writer, answer)
            case mqtt.Pingreq():
                writer.write(mqtt.encode(mqtt.Pingresp()))
        return number

    def report(self, number: int) -> None:
        """This printer's turn to tell how it stands."""
        writer = self._writers.get(number)
        if writer is not None and not writer.is_closing():
            self._send(number, writer, self.template(number).live())

    def _send(self, number: int, writer: asyncio.StreamWriter, payload: bytes) -> None:
        packet = mqtt.encode(mqtt.Publish(f"device/{serial_of(number)}/report", payload))
        self._counts.sent += 1
        self._counts.bytes_sent += len(packet)
        writer.write(packet)


async def serve(arguments: argparse.Namespace) -> None:
    """Listen, and report in turns."""
    counts = Counts(arguments.counts)
    load = Load(counts, arguments.personality, arguments.printing)
    context = make_identity(serial_of(0)).server_context(is_tls_12_only=True)
    await asyncio.start_server(load.talk, "127.0.0.1", arguments.port, ssl=context)
    async with asyncio.TaskGroup() as group:
        group.create_task(counts.keep())
        group.create_task(take_turns(arguments.count, arguments.per_second, load.report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--printing", type=int, required=True)
    parser.add_argument("--per-second", type=float, default=1.0)
    parser.add_argument("--personality", default="a1")
    given = parser.parse_args()
    run_until_told(lambda: serve(given))
