"""The broker's side of a connection, packet by packet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.mqtt_session import MOST_UNACKNOWLEDGED, BrokerSession
from firmware_sim.bambu.printer import BambuPrinter

CONNECT = mqtt.Connect("c1", 30, username="bblp", password=b"12345678")


class Client:
    """Sends packets, and reads what the broker answers."""

    def __init__(self, printer: BambuPrinter | None = None) -> None:
        self.printer = printer or BambuPrinter("a1")
        self.session = BrokerSession(self.printer)
        self.now = 0.0

    def says(self, *packets: mqtt.Packet) -> list[mqtt.Packet]:
        self.session.receive(b"".join(map(mqtt.encode, packets)), self.now)
        return self.hears()

    def waits(self, seconds: float) -> list[mqtt.Packet]:
        self.now += seconds
        self.session.poll(self.now)
        return self.hears()

    def hears(self) -> list[mqtt.Packet]:
        reader, found = mqtt.PacketReader(), []
        reader.feed(bytes(self.session.out))
        self.session.out.clear()
        while (packet := reader.next_packet()) is not None:
            found.append(packet)
        return found

    def asks(self, command: str, qos: int = 0, number: int = 0, **parameters: Any) -> list[mqtt.Packet]:
        body = json.dumps({"print": {"sequence_id": "1", "command": command, **parameters}}).encode()
        return self.says(mqtt.Publish(self.printer.request_topic, body, qos, packet_id=number))


def connected(printer: BambuPrinter | None = None, qos: int = 0) -> Client:
    client = Client(printer)
    assert client.says(CONNECT) == [mqtt.Connack(0)]
    topics = client.printer.report_topic
    assert client.says(mqtt.Subscribe(1, ((topics, qos),))) == [mqtt.Suback(1, (min(qos, 1),))]
    client.waits(0.5)
    return client


def test_a_command_is_acknowledged_and_then_echoed() -> None:
    client = connected()
    ack, echo, *_ = client.asks("pause", 1, 7, param="")
    assert ack == mqtt.Puback(7)
    assert isinstance(echo, mqtt.Publish)
    assert (echo.topic, echo.qos) == (client.printer.report_topic, 0)
    assert json.loads(echo.payload)["print"]["result"] == "success"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": b"87654321"}, mqtt.NOT_AUTHORIZED),
        ({"password": None}, mqtt.NOT_AUTHORIZED),
        ({"username": None, "password": None}, mqtt.NOT_AUTHORIZED),
        ({"username": "admin"}, mqtt.NOT_AUTHORIZED),
        ({"level": 5}, mqtt.BAD_LEVEL),
        ({"client_id": "", "clean_session": False}, mqtt.BAD_CLIENT_ID),
    ],
)
def test_who_is_not_let_in(changes: dict[str, Any], code: int) -> None:
    fields = {name: getattr(CONNECT, name) for name in ("client_id", "keep_alive", "username", "password")}
    client = Client()
    assert client.says(mqtt.Connect(**{**fields, **changes})) == [mqtt.Connack(code)]
    assert client.session.is_over
    assert client.printer.seats == []


def test_a_fifth_client_is_told_that_there_is_no_room() -> None:
    printer = BambuPrinter("a1")
    for number in range(4):
        printer.attach(str(number), 0.0)
    client = Client(printer)
    assert client.says(CONNECT) == [mqtt.Connack(mqtt.UNAVAILABLE)]
    assert client.session.is_over


@pytest.mark.parametrize(
    "packets",
    [
        [mqtt.Pingreq()],
        [mqtt.Publish("a", b"")],
        [CONNECT, CONNECT],
        [CONNECT, mqtt.Connack(0)],
        [CONNECT, mqtt.Pingresp()],
    ],
)
def test_packets_out_of_place_end_it(packets: list[mqtt.Packet]) -> None:
    client = Client()
    client.says(*packets)
    assert client.session.is_over


def test_ping_and_goodbye() -> None:
    client = connected()
    assert client.says(mqtt.Pingreq()) == [mqtt.Pingresp()]
    assert client.session.patience == 45.0
    assert client.says(mqtt.Disconnect()) == []
    assert client.session.is_over
    client.session.close(client.now)
    client.session.close(client.now)
    assert client.printer.seats == []


def test_filters_are_granted_refused_and_taken_back() -> None:
    client = Client(BambuPrinter("x1c"))
    client.says(CONNECT)
    wanted = (("#", 2), ("a#", 1), ("device/+/report", 0))
    assert client.says(mqtt.Subscribe(5, wanted))[0] == mqtt.Suback(5, (1, mqtt.SUBSCRIPTION_FAILED, 0))
    assert client.waits(3.0) != []
    client.says(mqtt.Unsubscribe(6, ("#",)))
    assert client.waits(3.0) != [], "one filter is left"
    assert client.says(mqtt.Unsubscribe(7, ("device/+/report",))) == [mqtt.Unsuback(7)]
    assert client.waits(3.0) == []


def test_a_subscription_to_requests_ends_it_without_a_word() -> None:
    client = Client(BambuPrinter("p1s"))
    client.says(CONNECT)
    assert client.says(mqtt.Subscribe(1, ((client.printer.request_topic, 0),))) == []
    assert client.session.is_over


@pytest.mark.parametrize(("name", "accepted"), [("lost-before", 0), ("lost-after", 1)])
def test_a_command_over_which_the_connection_breaks_is_not_acknowledged(name: str, accepted: int) -> None:
    printer = BambuPrinter("a1", files={"x.gcode": b"G28\n"})
    client = connected(printer)
    printer.panel.arm(BambuFault(name))
    assert client.asks("gcode_file", 1, 9, param="x.gcode") == []
    assert client.session.is_over
    assert printer.ledger.count("print-accepted") == accepted


def test_reports_of_qos_1_wait_for_the_client() -> None:
    client = connected(BambuPrinter("x1c"), qos=2)
    first = client.waits(200.0)
    assert len(first) + 1 >= MOST_UNACKNOWLEDGED
    assert all(isinstance(one, mqtt.Publish) and one.qos == 1 and one.packet_id for one in first)
    assert client.waits(10.0) == []
    numbers = [one.packet_id for one in first if isinstance(one, mqtt.Publish)]
    more = client.says(*(mqtt.Puback(number) for number in numbers))
    assert len(more) == len(numbers)
    fresh = [one.packet_id for one in more if isinstance(one, mqtt.Publish)]
    assert len(set(fresh)) == len(fresh)


def test_other_topics_and_serials_are_nobodys() -> None:
    client = connected()
    other = mqtt.Publish("device/SOMEBODY/request", b'{"print":{"command":"stop"}}', 1, packet_id=3)
    assert client.says(other) == [mqtt.Puback(3)]
    assert client.printer.ledger.count("request") == 0
