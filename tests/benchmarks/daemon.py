"""The whole daemon under test: both of its processes on a folder of their own, and what they cost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.benchmarks.responder import BenchmarkBroken

#: Seconds for whatever is not measured: start, upload of 500 MB, one answer.
PATIENCE = 180.0
#: What the systemd units say (systemd/*.service).
NICE = {"streamer": -10, "gateway": 0}
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def be_nice(process: subprocess.Popen[Any], value: int) -> None:
    """Give a process that has just begun this priority, if this user may."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, process.pid, value)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """Streamer and gateway, with a listener on the event stream as an app would be."""

    def __init__(
        self, folder: Path, ports: Sequence[str], *, profile: str | None = None, rate_limit: str = "off"
    ) -> None:
        self.folder = folder
        self.printers = [f"p{number}" for number in range(len(ports))]
        self.api_socket = f"{folder}/api.sock"
        self.port = _free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("files", "records"):
            (folder / name).mkdir(parents=True)
        sections = [
            f'[server]\nlisten = "127.0.0.1:{self.port}"\nsocket = "{folder}/api.sock"\n'
            f'rate_limit = "{rate_limit}"\n',
            f'[store]\nurl = "sqlite:///{folder}/gateway.db"\nfiles = "{folder}/files"\n',
            f'[streamer]\nsocket = "{folder}/streamer.sock"\nrecords = "{folder}/records"\n',
        ]
        choice = f'profile = "{profile}"\n' if profile else ""
        sections += [
            f'[[printers]]\nname = "{name}"\ndriver = "marlin"\nport = "{port}"\nowner = "ana"\n{choice}'
            for name, port in zip(self.printers, ports, strict=True)
        ]
        (folder / "config.toml").write_text("\n".join(sections))

    def __enter__(self) -> Self:
        try:
            self._run("streamer", "gateway", "streamer", "--config", f"{self.folder}/config.toml")
            self._run("gateway", "gateway", "serve", "--config", f"{self.folder}/config.toml")
            self._until(self._is_all_ready)
            self._run("listener", "tests.benchmarks.hammer", str(self.port), self.make_key(), "1", "1")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def pid(self, name: str) -> int:
        """Of `streamer` or `gateway`."""
        return self._processes[name].pid

    def cpu_s(self) -> dict[str, float]:
        """Seconds of processor time that each process has used so far, all threads, user and system."""
        return {name: _cpu_s(self.pid(name)) for name in NICE}

    def rss_mb(self) -> dict[str, float]:
        """Resident memory of each process."""
        return {name: _rss_mb(self.pid(name)) for name in NICE}

    def peak_mb(self) -> dict[str, float]:
        """The most resident memory each process ever had."""
        return {name: _peak_mb(self.pid(name)) for name in NICE}

    def upload(self, path: Path) -> str:
        """Hand in a file; its id."""
        with path.open("rb") as content:
            answer = self._ask("POST", f"/files?name={quote(path.name)}&member=ana", content)
        return str(answer["id"])

    def submit(self, file_id: str, printer: str | None) -> str:
        """Hand in a job; it starts with `confirm_plate`, without a printer never."""
        wanted = {"file_id": file_id, "name": "moves", "member": "ana"}
        if printer is not None:
            wanted["printer"] = printer
        return str(self._ask("POST", "/jobs", wanted)["id"])

    def make_key(self) -> str:
        """A key that may do everything, for clients over TCP."""
        scopes = ["data:read", "data:write", "admin"]
        return str(
            self._ask("POST", "/keys", {"member": "ana", "name": "benchmark", "scopes": scopes})["token"]
        )

    def confirm_plate(self, printer: str) -> None:
        """The job that waits starts now."""
        self._ask("POST", f"/printers/{printer}/plate", {"plate": "clear"})

    def wait_job(self, job_id: str, status: str = "completed") -> dict[str, Any]:
        """Wait for the end of a job."""
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(self._ask("GET", f"/jobs/{job_id}"))
            return found["status"] in ("completed", "failed", "canceled")

        self._until(is_over)
        if found["status"] != status:
            raise BenchmarkBroken(f"the job is {found['status']}: {found.get('message')}\n{self.logs()}")
        return found

    def logs(self) -> str:
        """The end of what the processes said."""
        return "".join((self.folder / f"{name}.log").read_text()[-1500:] for name in self._processes)

    def _run(self, name: str, module: str, *arguments: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        be_nice(self._processes[name], NICE.get(name, 0))

    def _is_all_ready(self) -> bool:
        try:
            printers = self._ask("GET", "/printers")["printers"]
        except (OSError, HTTPException):
            return False
        return all(printer["status"] == "ready" for printer in printers)

    def _until(self, is_so: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > end or any(p.poll() is not None for p in self._processes.values()):
                raise BenchmarkBroken(f"the daemon does not get on\n{self.logs()}")
            time.sleep(0.05)

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        connection = _UnixConnection(self.api_socket)
        try:
            if hasattr(body, "read"):
                size = str(os.fstat(body.fileno()).st_size)
                headers = {"Content-Type": "application/octet-stream", "Content-Length": size}
                connection.request(method, "/gateway/v1" + path, body, headers)
            else:
                headers = {} if body is None else {"Content-Type": "application/json"}
                text = None if body is None else json.dumps(body)
                connection.request(method, "/gateway/v1" + path, text, headers)
            answer = connection.getresponse()
            said = dict(json.loads(answer.read()))
        finally:
            connection.close()
        if answer.status >= 300:
            raise BenchmarkBroken(f"{method} {path}: {answer.status} {said}")
        return said


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # utime, stime, and those of children that have ended (proc(5), fields 14 to 17)
    return sum(map(int, fields[11:15])) / _TICKS


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
