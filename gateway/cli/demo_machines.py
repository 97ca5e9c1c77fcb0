"""The demo's simulated printers: what each is told at its start, and the files of its own."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Machine time per real time: the file takes the machine 5 minutes, the demo may take 90 s on a slow host.
SPEED = 10
#: The same of the machine that calls in: a layer takes it a second.
CALLER_SPEED = 5
#: The same of the machine on the network: two small prints, one after the other, beside a long one.
NETWORK_SPEED = 20
#: What its display shows under "LAN only".
ACCESS_CODE = "31415926"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What each simulated printer has."""

    name: str
    personality: str
    folder: Path

    @property
    def ledger(self) -> Path:
        """What the machine really did."""
        return self.folder / f"{self.name}.ledger"

    @property
    def control(self) -> Path:
        """The socket by which the demo is the person in front of it, or its maker's cloud."""
        return self.folder / f"{self.name}.control"


@dataclass(frozen=True, slots=True)
class Machine(Simulated):
    """A simulated printer on a pseudo-terminal."""

    @property
    def link(self) -> Path:
        """The symbolic link to its pseudo-terminal: the printer's port."""
        return self.folder / f"{self.name}.tty"

    @property
    def card(self) -> Path:
        """The folder whose files are on its SD card."""
        return self.folder / f"{self.name}.sd"

    def arguments(self) -> list[str]:
        """What `firmware-sim` is told."""
        return [
            "serial", "--personality", self.personality, "--link", str(self.link), "--speed", str(SPEED),
            "--ledger", str(self.ledger), "--control", str(self.control), "--sd", str(self.card),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller(Simulated):
    """The simulated printer that calls in."""

    url: str  # base of the firmware's API

    def arguments(self) -> list[str]:
        """What `firmware-sim` is told."""
        return [
            "forge", "--personality", self.personality, "--url", self.url, "--speed", str(CALLER_SPEED),
            "--ledger", str(self.ledger), "--state", str(self.folder / f"{self.name}.state"),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """Where a printer is on the network, as it tells itself."""

    host: str
    port: int  # of MQTT over TLS
    ftps_port: int
    serial: str


@dataclass(frozen=True, slots=True)
class NetworkMachine(Simulated):
    """A simulated printer that prints by itself: MQTT over TLS, files over FTPS. It takes any free ports."""

    @property
    def storage(self) -> Path:
        """The folder whose files it has from the beginning."""
        return self.folder / f"{self.name}.files"

    @property
    def certificate(self) -> Path:
        """Whom to trust that it is this printer."""
        return self.folder / f"{self.name}.pem"

    @property
    def access_code(self) -> Path:
        """The file with the code, for the gateway."""
        return self.folder / f"{self.name}.code"

    def arguments(self) -> list[str]:
        """What `firmware-sim` is told."""
        return [
            "bambu", "--personality", self.personality, "--listen", "127.0.0.1:0",
            "--speed", str(NETWORK_SPEED), "--access-code", ACCESS_CODE, "--files", str(self.storage),
            "--ca-out", str(self.certificate), "--ready-out", str(self._ready),
            "--ledger", str(self.ledger), "--control", str(self.control),
        ]  # fmt: skip

    @property
    def what(self) -> str:
        """Behind its name, for people."""
        return ", a Bambu Lab A1 that is reached by MQTT and FTPS,"

    async def address(self) -> Address | None:
        """Where it can be reached; None: not yet."""
        with suppress(FileNotFoundError, ValueError):
            told = json.loads(self._ready.read_text(encoding="utf-8"))
            return Address(told["host"], told["port"], told["ftps_port"], told["serial"])
        return None

    @property
    def _ready(self) -> Path:
        return self.folder / f"{self.name}.ready"
