"""Where the demo lives: a temporary folder, three simulated machines, a configuration, a free port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from gateway.cli import demo_archive

#: Machine time per real time: the file takes the machine 5 minutes, the demo may take 90 s on a slow host.
SPEED = 10
#: The same of the machine that calls in: a layer takes it a second.
CALLER_SPEED = 5
USUAL_PORT = 8080
OWNER, STRANGER = "ana", "ben"
PRINT_FILE = "cable-clip.gcode"
#: The same part, smaller, as it is called on the second machine's SD card.
PANEL_FILE, PANEL_NAME = "cable-clip-small.gcode", "clip.gco"
#: What the machine that calls in gets: slices in an archive.
ARCHIVE = "clip.tar.gz"


@dataclass(frozen=True, slots=True)
class Machine:
    """One simulated printer and the files of its own."""

    name: str
    personality: str
    folder: Path

    @property
    def link(self) -> Path:
        """The symbolic link to its pseudo-terminal: the printer's port."""
        return self.folder / f"{self.name}.tty"

    @property
    def ledger(self) -> Path:
        """What the machine really did."""
        return self.folder / f"{self.name}.ledger"

    @property
    def control(self) -> Path:
        """The socket by which the demo is the person in front of it."""
        return self.folder / f"{self.name}.control"

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
class Caller:
    """The simulated printer that calls in, and the files of its own."""

    name: str
    personality: str
    folder: Path
    url: str  # base of the firmware's API

    @property
    def ledger(self) -> Path:
        """What the machine really did."""
        return self.folder / f"{self.name}.ledger"

    def arguments(self) -> list[str]:
        """What `firmware-sim` is told."""
        return [
            "forge", "--personality", self.personality, "--url", self.url, "--speed", str(CALLER_SPEED),
            "--ledger", str(self.ledger), "--state", str(self.folder / f"{self.name}.state"),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Everything of one demo, below one folder."""

    folder: Path
    port: int

    @property
    def machines(self) -> tuple[Machine, Machine]:
        """The one that gets the file through the API, and the one that is started at its panel."""
        return (
            Machine("workshop", "marlin-full", self.folder),
            Machine("garage", "marlin-sd", self.folder),
        )

    @property
    def caller(self) -> Caller:
        """The one that is in no configuration: it calls in, and is registered by its code."""
        return Caller("studio", "ember", self.folder, f"{self.url}/v1")

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket(self) -> Path:
        """Where it listens for this host's own people."""
        return self.folder / "api.sock"

    @property
    def config(self) -> Path:
        """The configuration of both processes."""
        return self.folder / "config.toml"

    @property
    def print_file(self) -> Path:
        """The sliced file."""
        return self.folder / PRINT_FILE

    @property
    def archive(self) -> Path:
        """The slices."""
        return self.folder / ARCHIVE

    def furnish(self) -> None:
        """Write the configuration, copy the print files, fill the SD cards."""
        (self.folder / "files").mkdir()
        (self.folder / "records").mkdir()
        for machine in self.machines:
            machine.card.mkdir()
        _copy(PRINT_FILE, self.print_file)
        _copy(PANEL_FILE, self.machines[1].card / PANEL_NAME)
        demo_archive.write(self.archive)
        self.config.write_text(self._toml(), encoding="utf-8")

    def _toml(self) -> str:
        sections: dict[str, Mapping[str, str | bool]] = {
            "[server]": {"listen": f"127.0.0.1:{self.port}", "socket": str(self.socket)},
            "[store]": {"url": f"sqlite:///{self.folder}/gateway.db", "files": f"{self.folder}/files"},
            "[streamer]": {"socket": f"{self.folder}/streamer.sock", "records": f"{self.folder}/records"},
            "[outbound]": {"private_addresses": True},  # the receiver of callbacks is on this host
        }
        lines = [line for title, pairs in sections.items() for line in (title, *map(_pair, pairs.items()))]
        for machine in self.machines:
            pairs = {"name": machine.name, "driver": "marlin", "port": str(machine.link), "owner": OWNER}
            lines += ["[[printers]]", *map(_pair, pairs.items())]
        return "\n".join(lines) + "\n"


def _pair(pair: tuple[str, object]) -> str:
    return f"{pair[0]} = {json.dumps(pair[1], ensure_ascii=False)}"


def _copy(name: str, to: Path) -> None:
    with as_file(files("gateway.cli") / "demo_files" / name) as source:
        shutil.copyfile(source, to)


def free_port(wanted: int = USUAL_PORT) -> int:
    """The usual port if nobody has it, else any."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no TCP port is free on 127.0.0.1")


def write_ready(path: Path, content: Mapping[str, Any]) -> None:
    """Appears whole or not at all, readable only by this user: it holds credentials."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(content, out, indent=2)
            out.write("\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
