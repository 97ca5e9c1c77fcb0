"""Packets of MQTT 3.1.1 against the vectors, and any packet there and back, cut anywhere."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.bambu.topics import is_filter, matches

VECTORS = tomllib.loads((Path(__file__).parents[2] / "vectors" / "mqtt" / "packets.toml").read_text())


def packet_of(row: dict[str, Any]) -> mqtt.Packet:
    fields = {
        key: value
        for key, value in row.items()
        if key not in ("title", "source", "bytes", "kind", "is_one_way")
    }
    for name in ("payload", "password"):
        if name in fields:
            fields[name] = fields[name].encode()
    if "will" in fields:
        fields["will"] = mqtt.Message(**{**fields["will"], "payload": fields["will"]["payload"].encode()})
    for name in ("filters", "codes"):
        if name in fields:
            fields[name] = tuple(tuple(one) if isinstance(one, list) else one for one in fields[name])
    packet: mqtt.Packet = getattr(mqtt, row["kind"])(**fields)
    return packet


def read(*pieces: bytes) -> list[mqtt.Packet]:
    reader, found = mqtt.PacketReader(), []
    for piece in pieces:
        reader.feed(piece)
        while (packet := reader.next_packet()) is not None:
            found.append(packet)
    return found


@pytest.mark.parametrize("row", VECTORS["packet"], ids=lambda row: row["title"])
def test_packets(row: dict[str, Any]) -> None:
    data, packet = bytes.fromhex(row["bytes"]), packet_of(row)
    assert read(data) == [packet]
    assert row.get("is_one_way") or mqtt.encode(packet) == data


@pytest.mark.parametrize("row", VECTORS["malformed"], ids=lambda row: row["title"])
def test_what_is_no_packet(row: dict[str, Any]) -> None:
    with pytest.raises(mqtt.Malformed):
        read(bytes.fromhex(row["bytes"]))


@pytest.mark.parametrize("row", VECTORS["length"], ids=lambda row: str(row["size"]))
def test_lengths(row: dict[str, Any]) -> None:
    size, length = row["size"], bytes.fromhex(row["bytes"])
    if size < 4:
        assert mqtt.encode(mqtt.Pingreq())[1:] == length
        return
    packet = mqtt.Publish("t", b"x" * (size - 3))
    assert mqtt.encode(packet)[1 : 1 + len(length)] == length
    assert read(mqtt.encode(packet)) == [packet]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TOPIC = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=20)
NUMBER = st.integers(1, mqtt.MOST_PACKET_ID)
MESSAGE = st.builds(mqtt.Message, TOPIC, st.binary(max_size=20), st.integers(0, 2), st.booleans())
PUBLISH = st.one_of(
    st.builds(mqtt.Publish, TOPIC, st.binary(max_size=300), st.just(0), st.booleans()),
    st.builds(mqtt.Publish, TOPIC, st.binary(max_size=300), st.just(1), st.booleans(), st.booleans(), NUMBER),
)
CONNECT = st.one_of(
    st.builds(
        mqtt.Connect, TEXT, st.integers(0, 65535), st.booleans(), st.none(), st.none(), st.none() | MESSAGE
    ),
    st.builds(
        mqtt.Connect, TEXT, st.integers(0, 65535), st.booleans(), TEXT, st.none() | st.binary(max_size=20),
        st.none() | MESSAGE,
    ),
)  # fmt: skip
PACKET = st.one_of(
    CONNECT,
    PUBLISH,
    st.builds(mqtt.Connack, st.integers(0, 5), st.booleans()),
    st.builds(mqtt.Puback, NUMBER),
    st.builds(
        mqtt.Subscribe,
        NUMBER,
        st.lists(st.tuples(TEXT, st.integers(0, 2)), min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        mqtt.Suback, NUMBER, st.lists(st.sampled_from([0, 1, 2, 128]), min_size=1, max_size=4).map(tuple)
    ),
    st.builds(mqtt.Unsubscribe, NUMBER, st.lists(TEXT, min_size=1, max_size=4).map(tuple)),
    st.builds(mqtt.Unsuback, NUMBER),
    st.sampled_from([mqtt.Pingreq(), mqtt.Pingresp(), mqtt.Disconnect()]),
)


@given(st.lists(PACKET, max_size=5), st.integers(1, 7))
def test_any_packets_come_back_however_they_are_cut(packets: list[mqtt.Packet], piece: int) -> None:
    data = b"".join(map(mqtt.encode, packets))
    assert read(*(data[start : start + piece] for start in range(0, len(data), piece))) == packets


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_or_malformed(data: bytes) -> None:
    try:
        found = read(data)
    except mqtt.Malformed:
        return
    for packet in found:
        if not (isinstance(packet, mqtt.Connect) and packet.level != mqtt.PROTOCOL_LEVEL):
            assert read(mqtt.encode(packet)) == [packet]


@pytest.mark.parametrize(
    ("topics", "topic", "fits"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("#", "a/b", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("+", "/finance", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_filters_as_in_4_7_1(topics: str, topic: str, fits: bool) -> None:
    assert matches(topics, topic) == fits


@pytest.mark.parametrize("topics", ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "#/a"])
def test_what_is_no_filter(topics: str) -> None:
    assert not is_filter(topics)
