"""`[[printers]]`: what each kind of printer is told about; the kind is its `driver`.

Printers that call in (`forge`) have no entry: they tell who they are themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from gateway.config.fields import (
    Baud,
    BrokerUrl,
    FileName,
    Host,
    Name,
    Section,
    SerialNumber,
    SerialPort,
    TcpPort,
    Topic,
    WebUrl,
    broker_address,
)
from gateway.config.printing import BambuStart, Park, Scripts

#: Serial printers of one gateway: one streamer process feeds all of them (streamer.host.MAX_PRINTERS).
MAX_SERIAL_PRINTERS = 64
#: Printers that speak MQTT, besides: 200 at a message a second are measured (docs/BENCHMARKS.md).
MAX_MQTT_PRINTERS = 256


class _Printer(Section):
    """What every entry has."""

    name: Name
    owner: Name
    plate_clear: Literal["confirm", "auto"] = "confirm"
    max_hotend: int = Field(default=300, gt=0, le=500)
    max_bed: int = Field(default=120, gt=0, le=500)


class MarlinPrinter(_Printer):
    """A printer at a serial port, or at one behind TCP (docs/PORTS.md)."""

    driver: Literal["marlin"]
    port: SerialPort
    baud: Baud = 115200
    profile: Literal["prusa", "klipper", "repetier", "marlin", "unknown"] | None = None
    park: Park = Park()
    scripts: Scripts = Scripts()

    @property
    def link(self) -> str:
        """Where it is, for people."""
        return self.port


class _Brokered(_Printer):
    """One that may have a broker of its own, beside that of [mqtt]."""

    broker: BrokerUrl | None = None
    broker_username: str | None = None
    broker_password_file: FileName | None = None
    broker_ca_file: FileName | None = None

    @model_validator(mode="after")
    def _names_its_broker(self) -> Self:
        if (self.broker_username is None) != (self.broker_password_file is None):
            raise ValueError("broker_username and broker_password_file belong together")
        alone = [key for key in ("broker_username", "broker_ca_file") if getattr(self, key) is not None]
        if self.broker is None and alone:
            raise ValueError(f"{alone[0]} needs broker; the broker of [mqtt] has its own keys")
        return self


class BambuPrinter(_Brokered):
    """A Bambu Lab printer in the LAN: it is a broker itself, and takes files over FTPS (docs/BAMBU.md).

    With `broker` it is talked to over that one, which is bridged to it; files still go to the printer itself.
    """

    driver: Literal["bambu"]
    host: Host
    serial: SerialNumber
    access_code_file: FileName
    username: Annotated[str, Field(min_length=1)] = "bblp"
    model: str | None = None
    port: TcpPort = 8883
    ftps_port: TcpPort = 990
    topic_prefix: Topic = "device"
    verify: Literal["pinned", "fingerprint", "off"] | None = None
    ca_file: FileName | None = None
    start: BambuStart = BambuStart()

    @model_validator(mode="after")
    def _has_what_it_verifies_with(self) -> Self:
        if self.verify == "pinned" and self.ca_file is None:
            raise ValueError('verify = "pinned" needs ca_file, the certificate that its own is signed with')
        if self.verify in ("fingerprint", "off") and self.ca_file is not None:
            raise ValueError(f'ca_file is not used with verify = "{self.verify}"; leave one of them out')
        return self

    @property
    def verified_by(self) -> Literal["pinned", "fingerprint", "off"]:
        """How its certificate is judged, as asked for or by what there is."""
        return self.verify or ("pinned" if self.ca_file is not None else "fingerprint")

    @property
    def link(self) -> str:
        """Where it is, for people."""
        own = f"mqtts://{_bracketed(self.host)}:{self.port}"
        return own if self.broker is None else f"{self.broker}, bridged to {self.host}"


class MoonrakerPrinter(_Brokered):
    """Klipper with Moonraker, a client of the user's broker; files go over HTTP (docs/MOONRAKER.md)."""

    driver: Literal["moonraker"]
    instance: Topic
    url: WebUrl
    api_key_file: FileName | None = None

    @property
    def link(self) -> str:
        """Where it is, for people."""
        return f"{self.broker or 'the broker of [mqtt]'}, instance {self.instance}"


PrinterConfig = MarlinPrinter | BambuPrinter | MoonrakerPrinter
#: One entry; which kind is told by `driver` alone, so that errors are about one kind.
AnyPrinter = Annotated[PrinterConfig, Field(discriminator="driver")]
KINDS: Mapping[str, type[_Printer]] = {
    "marlin": MarlinPrinter, "bambu": BambuPrinter, "moonraker": MoonrakerPrinter,
}  # fmt: skip
#: Tables within an entry.
INNER: Mapping[str, type[BaseModel]] = {"park": Park, "scripts": Scripts, "start": BambuStart}
#: What to do about a key that is missing.
WANTED: Mapping[str, str] = {
    "name": 'give the printer a name, such as name = "mk3"',
    "driver": 'write driver = "marlin", "bambu" or "moonraker"',
    "owner": "name the member who owns the printer and the prints started at its panel",
    "marlin port": 'write port = "/dev/serial/by-id/…" (see ls /dev/serial/by-id) or "tcp://host:port"',
    "bambu host": 'write the printer\'s address, such as host = "192.0.2.7" (its network settings show it)',
    "bambu serial": "write the printer's serial number (its device settings show it)",
    "bambu access_code_file": "name a file with the access code of the printer's LAN settings",
    "moonraker instance": "write instance_name of [mqtt] in moonraker.conf (default: its host name)",
    "moonraker url": 'write where Moonraker takes files, such as url = "http://klipper.local:7125"',
}  # fmt: skip
CALLS_IN = (
    '"forge" printers call in by themselves: remove this section, point the printer at the gateway, '
    "and register it with the code on its display (docs/FORGE.md)"
)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def problems(tables: object, mqtt: object) -> Iterator[str]:
    """What is wrong with the entries together: found in the raw tables, to be told beside other errors."""
    rows = tables if isinstance(tables, list) else []
    entries = [row if isinstance(row, dict) else {} for row in rows]
    default = mqtt.get("url") if isinstance(mqtt, dict) else None
    yield from _too_many(entries)
    yield from _repeated(entries, default)
    for number, entry in enumerate(entries, start=1):
        if entry.get("driver") == "moonraker" and "broker" not in entry and default is None:
            yield (
                f"{title(number, entry)} broker is missing; write url under [mqtt], or here: "
                'broker = "mqtt://host:1883", the one that moonraker.conf names'
            )


def title(number: int, entry: Mapping[str, Any]) -> str:
    """An entry as sentences name it, counted from 1."""
    name = entry.get("name")
    return f"[[printers]] no. {number}" + (f' ("{name}")' if name else "")


def _too_many(entries: list[dict[str, Any]]) -> Iterator[str]:
    kinds = [entry.get("driver") for entry in entries]
    serial, over_mqtt = kinds.count("marlin"), kinds.count("bambu") + kinds.count("moonraker")
    for count, most, what in (
        (serial, MAX_SERIAL_PRINTERS, "serial printers"),
        (over_mqtt, MAX_MQTT_PRINTERS, "bambu and moonraker printers"),
    ):
        if count > most:
            yield (
                f"[[printers]]: there are {count} {what}, and {most} are possible; run a second gateway for "
                "the others, with other paths in [server], [store] and [streamer] of its configuration"
            )


def _repeated(entries: list[dict[str, Any]], default: object) -> Iterator[str]:
    """Names and machines given twice."""
    seen: dict[tuple[str, str], int] = {}
    for number, entry in enumerate(entries, start=1):
        for key, value, reason in _marks(entry, default):
            first = seen.setdefault((key, value.casefold() if key != "port" else value), number)
            if first != number:
                same = f'"{entry.get(key)}" is that of no. {first} already'
                yield f"[[printers]] no. {number} {key}: {same}; {reason}"


def _marks(entry: dict[str, Any], default: object) -> Iterator[tuple[str, str, str]]:
    """By what an entry is told from all others: key, value to compare, what to do when it is not."""
    one = "one machine can be one printer only"
    marks = [("name", entry.get("name"), "give each printer its own name")]
    if entry.get("driver") == "marlin":
        marks.append(("port", entry.get("port"), "two printers cannot share a port"))
    elif entry.get("driver") == "bambu":
        marks.append(("serial", entry.get("serial"), one))
    elif entry.get("driver") == "moonraker":
        place = _place(entry.get("broker", default))
        marks.append(("instance", f"{place} {entry.get('instance')}" if place else None, one))
        marks.append(("url", entry.get("url"), one))
    yield from ((key, value, reason) for key, value, reason in marks if isinstance(value, str))


def _place(broker: object) -> str | None:
    """A broker's address in one spelling; None for what is no address."""
    try:
        return str(broker_address(broker)) if isinstance(broker, str) else None
    except ValueError:
        return None
