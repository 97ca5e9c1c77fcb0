"""Values of the configuration: what they must look like, and the sentence for one that does not."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

#: Bytes of a Unix socket's path that Linux takes (sun_path is 108 with its end mark).
SOCKET_PATH_BYTES = 107
#: Requests of one token, printer or client: an app asks each second, a page loads thirty things at once, a
#: printer reports each layer; a loop that ran away is stopped.
RATE_LIMIT = "1200/minute"
#: Ports by the scheme of a broker's address (IANA: mqtt, secure-mqtt).
BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}
#: Bytes of a topic's configured beginning: with names behind it, it stays far below MQTT's 65535.
TOPIC_BYTES = 200

_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_USB_PORT = re.compile(r"usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")  # what Home Assistant takes as an id in a discovery topic
_SERIAL = re.compile(r"[0-9A-Za-z_-]{1,32}")  # a level of topics, and the name in a certificate
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]*:[0-9a-fA-F:.]+")


class Section(BaseModel):
    """A table of the configuration; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where an MQTT broker is."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{host}:{self.port}"


def shown(value: object) -> str:
    """A value that is wrong, as a sentence names it."""
    return f'"{value}"' if isinstance(value, str | int | float) else "it"


def host_and_port(value: str, example: str = "127.0.0.1:8080") -> tuple[str, int]:
    """`host:port` or `[::1]:port`, taken apart; ValueError with a sentence."""
    host, _, port = value.removeprefix("tcp://").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{value}" is not an address with a port; write it like "{example}"')
    return bare, int(port)


def broker_address(url: str) -> BrokerAddress:
    """`mqtt://host` or `mqtts://host`, with a port or without; ValueError with a sentence."""
    parts = urlsplit(url)
    port = _port_of(parts)
    if parts.scheme not in BROKER_PORTS or not parts.hostname or port is None:
        raise ValueError(
            f'"{_without_credentials(parts)}" is not the address of a broker; write it like '
            '"mqtt://broker.local:1883", or "mqtts://broker.local:8883" with TLS'
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the address; write username and a password file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f'"{url}" has more than host and port; topics have keys of their own')
    return BrokerAddress(parts.hostname, port or BROKER_PORTS[parts.scheme], parts.scheme == "mqtts")


def _port_of(parts: SplitResult) -> int | None:
    """0: none is named; None: it is no port."""
    try:
        return 0 if parts.port is None else parts.port or None
    except ValueError:
        return None


def _without_credentials(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _address(value: str) -> str:
    host_and_port(value)
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f'"{value}" is not a web address; write it like "http://printhost.local:8080"')
    return value.rstrip("/")


def _broker_url(value: str) -> str:
    broker_address(value)
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f'"{value}" must be an absolute path: a service has no working directory of its own')
    return value


def _socket(value: str) -> str:
    _absolute(value)
    if len(os.fsencode(value)) > SOCKET_PATH_BYTES:
        raise ValueError(f"it is longer than the {SOCKET_PATH_BYTES} bytes of a Unix socket; shorten it")
    return value


def _store_url(value: str) -> str:
    if value.startswith("postgresql"):
        raise ValueError(
            "PostgreSQL is not available in this version; use sqlite:////absolute/path/gateway.db"
        )
    if not value.startswith("sqlite:////") or value == "sqlite:////":
        raise ValueError("must be sqlite:////absolute/path/gateway.db (four slashes)")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or value.isdigit():
        raise ValueError(
            f'"{value}" cannot be a name; use up to 63 letters, digits, ".", "_", "-", starting with a '
            "letter or digit, and not digits alone"
        )
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f'"{value}" cannot be an id in a topic; use up to 63 letters, digits, "_" and "-"')
    return value


def _topic(value: str) -> str:
    """The beginning of topics: levels that are neither empty nor wildcards (MQTT 3.1.1, 4.7)."""
    is_plain = value.isprintable() and not set(value) & set("+#") and len(value.encode()) <= TOPIC_BYTES
    if not is_plain or not all(value.split("/")) or value.startswith("$"):
        raise ValueError(
            f'"{value}" cannot begin a topic; write words with "/" between them, without "+" and "#", '
            f"{TOPIC_BYTES} bytes at most"
        )
    return value


def _topic_or_off(value: str) -> str:
    return _topic(value) if value else value


def _baud(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f'{shown(value)} is not a speed; write a number such as 115200 or 250000, or "auto"')


def _tcp_port(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return value
    if isinstance(value, str) and value.isdecimal():
        raise ValueError(f"{shown(value)} is a text; write the number without quotes")
    raise ValueError(f"{shown(value)} is not a TCP port; write a number such as 8883 (`host` says where)")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f'"{value}" is not a host; write its address or name alone, such as "192.0.2.7"')
    return value


def _serial_number(value: str) -> str:
    if not _SERIAL.fullmatch(value):
        raise ValueError(f'"{value}" is not a serial number; write its letters and digits alone')
    return value


def _serial_port(value: str) -> str:
    if value.startswith("tcp://"):
        host_and_port(value, "tcp://192.0.2.7:8080")
        return value
    if value.startswith("usb:"):
        if not _USB_PORT.fullmatch(value):
            raise ValueError(
                f'"{value}" is not a USB device; write usb:VID:PID:SERIAL or usb:VID:PID as lsusb shows '
                "them, such as usb:2c99:0002:CZPX1234X567XK12345"
            )
        return value
    if not value.startswith("/"):
        raise ValueError(
            f'"{value}" is not a port; write /dev/serial/by-id/… (ls /dev/serial/by-id), usb:VID:PID:SERIAL '
            "or tcp://host:port"
        )
    return value


def _rate(value: str) -> str:
    if value != "off" and not _RATE.fullmatch(value):
        raise ValueError(
            f'"{value}" is not a rate; write a number per second, minute, hour or day such as '
            f'"{RATE_LIMIT}", or "off"'
        )
    return value


def _file_name(value: str) -> str:
    if not value.strip() or "\0" in value or value.endswith("/"):
        raise ValueError(f'"{value}" does not name a file')
    return value


Address = Annotated[str, AfterValidator(_address)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
SocketPath = Annotated[str, AfterValidator(_socket)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
Name = Annotated[str, AfterValidator(_name)]
TopicId = Annotated[str, AfterValidator(_id)]
Topic = Annotated[str, AfterValidator(_topic)]
TopicOrOff = Annotated[str, AfterValidator(_topic_or_off)]
Baud = Annotated[int | Literal["auto"], BeforeValidator(_baud)]
TcpPort = Annotated[int, BeforeValidator(_tcp_port)]
Host = Annotated[str, AfterValidator(_host)]
SerialNumber = Annotated[str, AfterValidator(_serial_number)]
SerialPort = Annotated[str, AfterValidator(_serial_port)]
Rate = Annotated[str, AfterValidator(_rate)]
#: Absolute, or a name beside the configuration or among systemd's credentials (config.secret_files).
FileName = Annotated[str, AfterValidator(_file_name)]
