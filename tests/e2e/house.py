"""A house of real processes: simulated printers on ptys, the streamer, the gateway; and the CLI to use it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from firmware_sim import Entry, read_ledger
from gateway.gcode.lines import printable_lines
from tests.e2e.cable import Cable
from tests.support.units import GATEWAY, STREAMER, stop_seconds

DEMO_FILES = Path(__file__).parents[2] / "gateway" / "cli" / "demo_files"
SMALL = DEMO_FILES / "cable-clip-small.gcode"  # about 800 lines
PATIENCE = 120.0  # seconds for anything on a busy machine with two cores
BUSY = 3  # times what systemd gives a process to end
_UNITS = {"gateway": GATEWAY, "streamer": STREAMER}


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class House:
    """One folder, its processes by name. `with House(...)` leaves none of them behind."""

    def __init__(
        self, folder: Path, printers: dict[str, str], *, speed: int = 20, has_cables: bool = False
    ) -> None:
        """`printers`: name -> personality. `has_cables`: each hangs on a cable that can be pulled."""
        self.folder = folder
        self.speed = speed
        self.printers = printers
        self.has_cables = has_cables
        self.cables: dict[str, Cable] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("files", "records", "sd"):
            (folder / name).mkdir()
        sections = [
            f'[server]\nlisten = "127.0.0.1:0"\nsocket = "{folder}/api.sock"\n',
            f'[store]\nurl = "sqlite:///{folder}/gateway.db"\nfiles = "{folder}/files"\n',
            f'[streamer]\nsocket = "{folder}/streamer.sock"\nrecords = "{folder}/records"\n',
        ]
        sections += [
            f'[[printers]]\nname = "{name}"\ndriver = "marlin"\nport = "{self.port(name)}"\nowner = "ana"\n'
            for name in printers
        ]
        (folder / "config.toml").write_text("\n".join(sections))

    def __enter__(self) -> House:
        for name, personality in self.printers.items():
            self.run(
                name, "firmware_sim", "serial", "--personality", personality, "--speed", str(self.speed),
                "--link", f"{self.folder}/{name}.tty", "--ledger", f"{self.folder}/{name}.ledger",
                "--control", f"{self.folder}/{name}.control", "--sd", f"{self.folder}/sd",
            )  # fmt: skip
            self.until(lambda name=name: (self.folder / f"{name}.tty").is_symlink())  # type: ignore[misc]
            if self.has_cables:
                self.cables[name] = Cable(self.folder / f"{name}.tty", self.port(name))
        self.start("streamer")
        self.start("gateway")
        return self

    def port(self, name: str) -> Path:
        """Where the host finds a printer."""
        return self.folder / (f"{name}.usb" if self.has_cables else f"{name}.tty")

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.terminate()
        for cable in self.cables.values():
            cable.close()
        for process in self.processes.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str) -> None:
        """Start (again) the streamer or the gateway."""
        command = {"gateway": "serve"}.get(name, name)
        self.run(name, "gateway", command, "--config", f"{self.folder}/config.toml")

    def run(self, name: str, module: str, *arguments: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self, name: str) -> None:
        """SIGKILL: no last words."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def terminate(self, name: str) -> None:
        """SIGTERM: it ends in good order, before systemd would kill it, or BUSY times that on a busy machine.

        How soon it should be is a matter of virtual time (tests/streamer), and of sums (tests/systemd).
        """
        process = self.processes[name]
        process.terminate()
        assert process.wait(BUSY * stop_seconds(_UNITS[name])) == 0, self.log(name)
        del self.processes[name]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def cli(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run `print-gateway` against this house's socket; `typed` is its standard input."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PRINT_GATEWAY")}
        return subprocess.run(
            [sys.executable, "-m", "gateway", "--socket", f"{self.folder}/api.sock", *arguments],
            capture_output=True, text=True, timeout=PATIENCE, input=typed, env=environment,
        )  # fmt: skip

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request to the native API through the Unix socket; None while nobody listens or knows."""
        connection = UnixConnection("localhost", timeout=PATIENCE)
        connection.path = f"{self.folder}/api.sock"
        method = "GET" if body is None else "POST"
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, "/gateway/v1" + path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return said if answer.status < 300 else None

    def is_up(self) -> bool:
        """Whether the gateway answers."""
        return self.ask("/printers") is not None

    def ready(self, printer: str) -> None:
        """Wait for the link, then confirm the plate clear."""
        self.until(lambda: self.printer(printer).get("status") == "ready")
        assert self.ask(f"/printers/{printer}/plate", {"plate": "clear"})

    def printer(self, name: str) -> dict[str, Any]:
        return dict(self.ask(f"/printers/{name}") or {})

    def submit(self, printer: str, path: Path) -> str:
        """Hand in a file by the CLI; the job's id."""
        done = self.cli("jobs", "submit", str(path), "--printer", printer, "--json")
        assert done.returncode == 0, (done.stderr, self.log("gateway"))
        return str(json.loads(done.stdout)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.ask(f"/jobs/{job_id}") or {"status": None, "is_held": False})

    def jobs(self) -> list[dict[str, Any]]:
        return list((self.ask("/jobs?scope=all") or {"jobs": []})["jobs"])

    def at_panel(self, printer: str, text: str) -> dict[str, Any]:
        """What a person does at the machine."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(f"{self.folder}/{printer}.control")
            control.sendall(text.encode() + b"\n")
            return dict(json.loads(control.makefile().readline()))

    def ledger(self, printer: str) -> list[Entry]:
        return list(read_ledger(self.folder / f"{printer}.ledger"))

    def executed(self, printer: str, source: str = "host") -> list[str]:
        """Commands that the machine executed, in order."""
        return [e.line or "" for e in self.ledger(printer) if e.event == "executed" and e.source == source]

    def count(self, printer: str) -> int:
        """How many commands the machine has executed, asked at the machine."""
        return int(self.at_panel(printer, "status")["executed"])

    def until(self, is_so: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something is so; fails with the logs."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "\n".join(f"{n}: {self.log(n)[-1500:]}" for n in self.processes)
            time.sleep(0.05)


def lines_of(path: Path) -> list[str]:
    """The commands of a print file."""
    with path.open("rb") as file:
        return [line.text for line in printable_lines(file)]


def is_whole(executed: list[str], path: Path) -> bool:
    """Whether each line of the file was executed once and in order, with only other lines between them."""
    wanted = lines_of(path)
    first = executed.index(wanted[0])
    position = 0
    for line in executed[first:]:
        if position < len(wanted) and line == wanted[position]:
            position += 1
        elif line in wanted and not line.startswith(("M105", "M104 S0", "M140 S0", "M107", "M84", "M400")):
            return False
    return position == len(wanted)
