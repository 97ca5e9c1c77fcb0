"""Control packets of MQTT 3.1.1, as bytes and back.

Source: OASIS Standard "MQTT Version 3.1.1", 29 October 2014; the numbers in brackets are its sections. QoS 2
is not spoken by these printers: its packets are malformed here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PROTOCOL_NAME, PROTOCOL_LEVEL = "MQTT", 4
MOST_PACKET_BYTES = 1 << 20
"""Of a client's packet: no command of these printers is longer."""
MOST_LENGTH_BYTES = 4
MOST_PACKET_ID = 0xFFFF
ACCEPTED, BAD_LEVEL, BAD_CLIENT_ID, UNAVAILABLE, NOT_AUTHORIZED = 0, 1, 2, 3, 5
"""Return codes of CONNACK [3.2.2.3]."""
SUBSCRIPTION_FAILED = 0x80
_USERNAME, _PASSWORD, _WILL_RETAIN, _WILL, _CLEAN, _RESERVED = 0x80, 0x40, 0x20, 0x04, 0x02, 0x01


class Malformed(ValueError):
    """No packet of MQTT 3.1.1: the connection must be closed [4.8]."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a will publishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """[3.1]; of another protocol level nothing but the level is read. keep_alive: seconds, 0 for never."""

    client_id: str
    keep_alive: int = 0
    clean_session: bool = True
    username: str | None = None
    password: bytes | None = None
    will: Message | None = None
    level: int = PROTOCOL_LEVEL


@dataclass(frozen=True, slots=True)
class Connack:
    """[3.2]"""

    code: int
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """[3.3] packet_id: with qos 1 alone."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0


@dataclass(frozen=True, slots=True)
class Puback:
    """[3.4]"""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """[3.8] filters with the wanted QoS."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """[3.9] the granted QoS of each filter, or SUBSCRIPTION_FAILED."""

    packet_id: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """[3.10]"""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsuback:
    """[3.11]"""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pingreq:
    """[3.12]"""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """[3.13]"""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """[3.14]"""


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)


def encode(packet: Packet) -> bytes:
    """The packet with its fixed header [2.2]."""
    match packet:
        case Connect():
            return _framed(0x10, _connect_body(packet))
        case Connack():
            return _framed(0x20, bytes((packet.session_present, packet.code)))
        case Publish():
            flags = packet.dup << 3 | packet.qos << 1 | packet.retain
            number = _number(packet.packet_id) if packet.qos else b""
            return _framed(0x30 | flags, _text(packet.topic) + number + packet.payload)
        case Puback():
            return _framed(0x40, _number(packet.packet_id))
        case Subscribe():
            wanted = b"".join(_text(topics) + bytes((qos,)) for topics, qos in packet.filters)
            return _framed(0x82, _number(packet.packet_id) + wanted)
        case Suback():
            return _framed(0x90, _number(packet.packet_id) + bytes(packet.codes))
        case Unsubscribe():
            return _framed(0xA2, _number(packet.packet_id) + b"".join(map(_text, packet.filters)))
        case Unsuback():
            return _framed(0xB0, _number(packet.packet_id))
        case Pingreq():
            return _framed(0xC0, b"")
        case Pingresp():
            return _framed(0xD0, b"")
        case Disconnect():
            return _framed(0xE0, b"")


class PacketReader:
    """Bytes as they come, cut anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More bytes of the connection."""
        self._buffer += data

    def next_packet(self) -> Packet | None:
        """The next whole one; None: more bytes are needed. Raises Malformed."""
        header = self._header()
        if header is None or len(self._buffer) < header[0] + header[1]:
            return None
        start, length = header
        first, body = self._buffer[0], bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return _decoded(first, body)

    def _header(self) -> tuple[int, int] | None:
        """Length of the fixed header and of the rest [2.2.3]."""
        length = 0
        for place, byte in enumerate(self._buffer[1 : 1 + MOST_LENGTH_BYTES]):
            length |= (byte & 0x7F) << (7 * place)
            if not byte & 0x80:
                if length > MOST_PACKET_BYTES:
                    raise Malformed(f"a packet of {length} bytes")
                return place + 2, length
        if len(self._buffer) > MOST_LENGTH_BYTES:
            raise Malformed("the length has more than four bytes")
        return None


class _Body:
    """The fields of a packet, from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise Malformed("the packet is shorter than its fields")
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int(struct.unpack("!H", self.take(2))[0])

    def packet_id(self) -> int:
        if not (number := self.number()):
            raise Malformed("packet id 0")  # [2.3.1]
        return number

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            text = self.binary().decode("utf-8")  # [1.5.3]
        except UnicodeDecodeError as error:
            raise Malformed("a text is no UTF-8") from error
        if "\0" in text:
            raise Malformed("a text has a null character")
        return text

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)


def _decoded(first: int, data: bytes) -> Packet:
    kind, flags, body = first >> 4, first & 0x0F, _Body(data)
    if kind == 3:
        return _publish(flags, body)
    if flags != (2 if kind in (8, 10) else 0):
        raise Malformed(f"flags {flags} in a packet of type {kind}")  # [2.2.2]
    packet = _fixed(kind, body)
    if not body.is_empty and not (isinstance(packet, Connect) and packet.level != PROTOCOL_LEVEL):
        raise Malformed(f"bytes behind a packet of type {kind}")
    return packet


def _fixed(kind: int, body: _Body) -> Packet:
    match kind:
        case 1:
            return _connect(body)
        case 2:
            return _connack(body)
        case 4:
            return Puback(body.packet_id())
        case 8:
            return Subscribe(body.packet_id(), _wanted(body))
        case 9:
            return _suback(body)
        case 10:
            return Unsubscribe(body.packet_id(), _filters(body))
        case 11:
            return Unsuback(body.packet_id())
        case 12:
            return Pingreq()
        case 13:
            return Pingresp()
        case 14:
            return Disconnect()
    raise Malformed(f"no packet of type {kind} is spoken here")


def _connect(body: _Body) -> Connect:
    if body.text() != PROTOCOL_NAME:
        raise Malformed("not MQTT")
    level = body.byte()
    if level != PROTOCOL_LEVEL:
        return Connect("", level=level)
    flags, keep_alive, client_id = body.byte(), body.number(), body.text()
    will_qos = flags >> 3 & 3
    if flags & _RESERVED or will_qos == 3 or (not flags & _WILL and flags & (_WILL_RETAIN | 3 << 3)):
        raise Malformed("connect flags")  # [3.1.2.3 to 3.1.2.7]
    if flags & _PASSWORD and not flags & _USERNAME:
        raise Malformed("a password without a user")  # [3.1.2.9]
    will = None
    if flags & _WILL:
        will = Message(body.text(), body.binary(), will_qos, bool(flags & _WILL_RETAIN))
    username = body.text() if flags & _USERNAME else None
    password = body.binary() if flags & _PASSWORD else None
    return Connect(client_id, keep_alive, bool(flags & _CLEAN), username, password, will)


def _connack(body: _Body) -> Connack:
    present, code = body.byte(), body.byte()
    if present > 1:
        raise Malformed("connack flags")
    return Connack(code, bool(present))


def _publish(flags: int, body: _Body) -> Publish:
    qos, dup = flags >> 1 & 3, bool(flags >> 3)
    if qos > 1:
        raise Malformed(f"QoS {qos}")
    if dup and not qos:
        raise Malformed("a repeated message of QoS 0")  # [3.3.1.1]
    topic = body.text()
    if not topic or "+" in topic or "#" in topic:
        raise Malformed(f"topic {topic!r}")  # [3.3.2.1]
    packet_id = body.packet_id() if qos else 0
    return Publish(topic, body.rest(), qos, bool(flags & 1), dup, packet_id)


def _wanted(body: _Body) -> tuple[tuple[str, int], ...]:
    found = []
    while not body.is_empty:
        topics, qos = body.text(), body.byte()
        if qos > 2:
            raise Malformed(f"QoS {qos}")  # [3.8.3]
        found.append((topics, qos))
    if not found:
        raise Malformed("a subscription to nothing")
    return tuple(found)


def _suback(body: _Body) -> Suback:
    packet_id, codes = body.packet_id(), tuple(body.rest())
    if not codes or any(code > 2 and code != SUBSCRIPTION_FAILED for code in codes):
        raise Malformed(f"suback codes {codes}")
    return Suback(packet_id, codes)


def _filters(body: _Body) -> tuple[str, ...]:
    found = []
    while not body.is_empty:
        found.append(body.text())
    if not found:
        raise Malformed("an end of no subscription")
    return tuple(found)


def _connect_body(packet: Connect) -> bytes:
    flags, fields = _CLEAN * packet.clean_session, _text(packet.client_id)
    if packet.will is not None:
        flags |= _WILL | packet.will.qos << 3 | _WILL_RETAIN * packet.will.retain
        fields += _text(packet.will.topic) + _binary(packet.will.payload)
    if packet.username is not None:
        flags, fields = flags | _USERNAME, fields + _text(packet.username)
    if packet.password is not None:
        flags, fields = flags | _PASSWORD, fields + _binary(packet.password)
    return _text(PROTOCOL_NAME) + bytes((packet.level, flags)) + _number(packet.keep_alive) + fields


def _framed(first: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, byte = left >> 7, left & 0x7F
        length.append(byte | (0x80 if left else 0))
        if not left:
            return bytes((first,)) + bytes(length) + body


def _number(value: int) -> bytes:
    return struct.pack("!H", value)


def _binary(data: bytes) -> bytes:
    return _number(len(data)) + data


def _text(text: str) -> bytes:
    return _binary(text.encode())
