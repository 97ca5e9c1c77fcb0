"""Where the demo lives: a temporary folder, four simulated machines, a configuration, free ports."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from gateway.cli import demo_archive, demo_broker, demo_sliced
from gateway.cli.demo_machines import ACCESS_CODE, Address, Caller, Machine, NetworkMachine

USUAL_PORT = 8080
OWNER, STRANGER = "ana", "ben"
PRINT_FILE = "cable-clip.gcode"
#: The same part, smaller, as it is called on the second machine's SD card.
PANEL_FILE, PANEL_NAME = "cable-clip-small.gcode", "clip.gco"
#: What the machine that calls in gets: slices in an archive.
ARCHIVE = "clip.tar.gz"
#: What the machine on the network gets, and what it has already when its maker's cloud starts it.
SLICED, CLOUD_NAME = "clip.gcode.3mf", "ring.gcode.3mf"


@dataclass(frozen=True, slots=True)
class Place:
    """Everything of one demo, below one folder."""

    folder: Path
    port: int
    broker_port: int

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
    def network(self) -> NetworkMachine:
        """The one that prints by itself, and speaks MQTT."""
        return NetworkMachine("office", "a1", self.folder)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def broker_url(self) -> str:
        """Where its broker listens."""
        return f"mqtt://{demo_broker.HOST}:{self.broker_port}"

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

    @property
    def small_file(self) -> Path:
        """The G-code of the small prints: at the panel, and in the sliced archives."""
        return self.machines[1].card / PANEL_NAME

    @property
    def sliced(self) -> Path:
        """The same, for the machine on the network."""
        return self.folder / SLICED

    def furnish(self) -> None:
        """Copy the print files, fill the SD cards and storages."""
        (self.folder / "files").mkdir()
        (self.folder / "records").mkdir()
        for machine in self.machines:
            machine.card.mkdir()
        self.network.storage.mkdir()
        _copy(PRINT_FILE, self.print_file)
        _copy(PANEL_FILE, self.small_file)
        demo_archive.write(self.archive)
        for path in (self.sliced, self.network.storage / CLOUD_NAME):
            demo_sliced.write(path, self.small_file.read_bytes())

    def configure(self, at: Address) -> None:
        """Write the configuration; the machine on the network has said where it is."""
        self.network.access_code.write_text(ACCESS_CODE + "\n", encoding="ascii")
        self.config.write_text(self._toml(at), encoding="utf-8")

    def _toml(self, at: Address) -> str:
        sections: dict[str, Mapping[str, str | bool]] = {
            "[server]": {"listen": f"127.0.0.1:{self.port}", "socket": str(self.socket)},
            "[store]": {"url": f"sqlite:///{self.folder}/gateway.db", "files": f"{self.folder}/files"},
            "[streamer]": {"socket": f"{self.folder}/streamer.sock", "records": f"{self.folder}/records"},
            "[outbound]": {"private_addresses": True},  # the receiver of callbacks is on this host
            "[mqtt]": {"url": self.broker_url, "gateway_id": demo_broker.GATEWAY},
        }
        lines = [line for title, pairs in sections.items() for line in (title, *map(_pair, pairs.items()))]
        for pairs in (*map(_serial, self.machines), _networked(self.network, at)):
            lines += ["[[printers]]", *map(_pair, pairs.items())]
        return "\n".join(lines) + "\n"


def _serial(machine: Machine) -> dict[str, str | int]:
    return {"name": machine.name, "driver": "marlin", "port": str(machine.link), "owner": OWNER}


def _networked(machine: NetworkMachine, at: Address) -> dict[str, str | int]:
    where: dict[str, str | int] = {
        "host": at.host,
        "serial": at.serial,
        "port": at.port,
        "ftps_port": at.ftps_port,
    }
    trust: dict[str, str | int] = {
        "access_code_file": str(machine.access_code),
        "ca_file": str(machine.certificate),
    }
    return {"name": machine.name, "driver": "bambu", "owner": OWNER, **where, **trust}


def _pair(pair: tuple[str, object]) -> str:
    return f"{pair[0]} = {json.dumps(pair[1], ensure_ascii=False)}"


def _copy(name: str, to: Path) -> None:
    with as_file(files("gateway.cli") / "demo_files" / name) as source:
        shutil.copyfile(source, to)


@contextmanager
def free_port(wanted: int = 0) -> Iterator[int]:
    """The `wanted` port if nobody has it, else any. While the block runs no other demo on this host takes it.

    Raises OSError.
    """
    for asked in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", asked))
            port = int(probe.getsockname()[1])
            claim = _claimed(port)
            break
    else:
        raise OSError("no TCP port is free on 127.0.0.1")
    with claim:
        yield port


def _claimed(port: int) -> socket.socket:
    """Other demos look at this name (unix(7): abstract), which is gone with the process. Raises OSError."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0print-gateway-demo-{port}")
    except OSError:
        claim.close()
        raise
    return claim


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
