"""The broker's side of one connection, without I/O: MQTT 3.1.1, QoS 0 and 1, clean sessions.

    receive(data, now)   bytes of the client      out        bytes for it; the endpoint takes them
    poll(now)            reports that wait        is_over    the endpoint closes the connection

What the printer does with commands is `printer.py`'s. A command is acknowledged when the printer has taken
it; when the printer hangs up over it, it is not.
"""

from __future__ import annotations

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.bambu.printer import BambuPrinter, NotServed
from firmware_sim.bambu.seat import Seat
from firmware_sim.bambu.topics import is_filter, matches

MOST_UNACKNOWLEDGED = 64
"""Reports of QoS 1 on their way; further ones wait in the seat, which has its own bound."""
KEEP_ALIVE_FACTOR = 1.5
"""[3.1.2.10]"""


class BrokerSession:
    """From CONNECT to the end. Times are the machine's."""

    def __init__(self, printer: BambuPrinter) -> None:
        self._printer = printer
        self._reader = mqtt.PacketReader()
        self._seat: Seat | None = None
        self._granted: dict[str, int] = {}
        self._unacknowledged: set[int] = set()
        self._last_id = 0
        self.out = bytearray()
        self.is_over = False
        self.patience: float | None = None
        """Real seconds without a packet after which the client is given up; None: never."""

    def receive(self, data: bytes, now: float) -> None:
        """Bytes of the client; whatever makes no sense ends the connection."""
        self._reader.feed(data)
        try:
            while not self.is_over and (packet := self._reader.next_packet()) is not None:
                self._take(packet, now)
        except mqtt.Malformed:
            self.is_over = True
        self.poll(now)

    def poll(self, now: float) -> None:
        """Send the reports that wait, as far as the client acknowledges them."""
        self._printer.poll(now)
        seat = self._seat
        if seat is None or self.is_over:
            return
        qos = max((self._granted[f] for f in self._report_filters()), default=0)
        while seat.waiting and len(self._unacknowledged) < MOST_UNACKNOWLEDGED:
            number = self._next_id() if qos else 0
            report = mqtt.Publish(self._printer.report_topic, seat.waiting.popleft(), qos, packet_id=number)
            self._send(report)
        self.is_over = seat.lost is not None

    def close(self, now: float) -> None:
        """The connection is gone. Idempotent."""
        self.is_over = True
        if self._seat is not None:
            self._printer.detach(self._seat, now)
            self._seat = None

    def _take(self, packet: mqtt.Packet, now: float) -> None:
        if (self._seat is None) != isinstance(packet, mqtt.Connect):
            raise mqtt.Malformed("CONNECT is the first packet, and comes once")  # [3.1]
        match packet:
            case mqtt.Connect():
                self._connect(packet, now)
            case mqtt.Publish():
                self._publish(packet, now)
            case mqtt.Puback():
                self._unacknowledged.discard(packet.packet_id)
            case mqtt.Subscribe():
                self._subscribe(packet, now)
            case mqtt.Unsubscribe():
                self._unsubscribe(packet)
            case mqtt.Pingreq():
                self._send(mqtt.Pingresp())
            case mqtt.Disconnect():
                self.is_over = True
            case _:
                raise mqtt.Malformed("a packet that only brokers send")

    def _connect(self, packet: mqtt.Connect, now: float) -> None:
        if packet.level != mqtt.PROTOCOL_LEVEL:
            self._refuse(mqtt.BAD_LEVEL)
        elif not packet.client_id and not packet.clean_session:
            self._refuse(mqtt.BAD_CLIENT_ID)  # [3.1.3.1]
        elif not self._printer.is_known(packet.username, packet.password):
            self._refuse(mqtt.NOT_AUTHORIZED)
        else:
            try:
                self._seat = self._printer.attach(packet.client_id, now)
            except NotServed:
                self._refuse(mqtt.UNAVAILABLE)
                return
            self.patience = packet.keep_alive * KEEP_ALIVE_FACTOR or None
            self._send(mqtt.Connack(mqtt.ACCEPTED))

    def _refuse(self, code: int) -> None:
        self._send(mqtt.Connack(code))
        self.is_over = True

    def _publish(self, packet: mqtt.Publish, now: float) -> None:
        assert self._seat is not None
        self._printer.publish(self._seat, packet.topic, packet.payload, now)
        if self._seat.lost is None and packet.qos:
            self._send(mqtt.Puback(packet.packet_id))
        self.is_over = self._seat.lost is not None

    def _subscribe(self, packet: mqtt.Subscribe, now: float) -> None:
        assert self._seat is not None
        codes = []
        for topics, qos in packet.filters:
            if not is_filter(topics):
                codes.append(mqtt.SUBSCRIPTION_FAILED)
                continue
            self._printer.subscribe(self._seat, topics, now)
            self._granted[topics] = min(qos, 1)
            codes.append(self._granted[topics])
        if self._seat.lost is None:
            self._send(mqtt.Suback(packet.packet_id, tuple(codes)))
        self.is_over = self._seat.lost is not None

    def _unsubscribe(self, packet: mqtt.Unsubscribe) -> None:
        assert self._seat is not None
        for topics in packet.filters:
            self._granted.pop(topics, None)
        self._seat.is_listening = bool(self._report_filters())
        self._send(mqtt.Unsuback(packet.packet_id))

    def _report_filters(self) -> list[str]:
        return [topics for topics in self._granted if matches(topics, self._printer.report_topic)]

    def _next_id(self) -> int:
        number = self._last_id
        while True:
            number = number % mqtt.MOST_PACKET_ID + 1
            if number not in self._unacknowledged:
                break
        self._last_id = number
        self._unacknowledged.add(number)
        return number

    def _send(self, packet: mqtt.Packet) -> None:
        self.out += mqtt.encode(packet)
