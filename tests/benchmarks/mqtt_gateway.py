"""The process under test of the MQTT benchmark on a core of its own: the whole gateway, or the floor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.benchmarks.daemon import _cpu_s, _free_port, _peak_mb, _rss_mb, _UnixConnection
from tests.benchmarks.http_gateway import CLIENT_CORES, SERVER_CORE
from tests.benchmarks.mqtt_bambu_load import ACCESS_CODE, serial_of
from tests.benchmarks.mqtt_load import read_counts
from tests.benchmarks.mqtt_moonraker_load import INSTANCE
from tests.benchmarks.mqtt_probed import LagFile
from tests.benchmarks.responder import BenchmarkBroken
from tests.support.real_broker import RealBroker

#: Seconds for a process to begin or to end, and until 200 printers are linked.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Mix:
    """How many printers of which kind; a quarter of each prints."""

    bambu: int
    moonraker: int
    per_second: float = 1.0
    personality: str = "a1"

    @property
    def printing(self) -> tuple[int, int]:
        """Of each kind."""
        return self.bambu // 4, self.moonraker // 4


@dataclass(frozen=True, slots=True)
class Loads:
    """The broker and both load processes, as the process under test finds them."""

    bambu_port: int
    broker_port: int
    bambu_counts: Path
    moonraker_counts: Path

    def counts(self) -> dict[str, int]:
        """Reports and answers to the process under test, what it asked, and what it told the broker."""
        bambu, moonraker = read_counts(self.bambu_counts), read_counts(self.moonraker_counts)
        return {name: bambu[name] + moonraker[name] for name in bambu}


@dataclass(frozen=True, slots=True)
class Subject:
    """The process under test."""

    pid: int
    lags: LagFile

    def cpu_s(self) -> float:
        """Seconds of processor time, all threads, user and system."""
        return _cpu_s(self.pid)

    def rss_mb(self) -> float:
        """Resident now."""
        return _rss_mb(self.pid)

    def peak_mb(self) -> float:
        """The most it ever had."""
        return _peak_mb(self.pid)


@contextmanager
def loads(folder: Path, mix: Mix, broker_kind: str) -> Iterator[Loads]:
    """Broker and printers, on the other core."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Loads(_free_port(), 0, folder / "bambu.counts", folder / "moonraker.counts")
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CLIENT_CORES)
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, own)
        broker = stack.enter_context(RealBroker(broker_kind, folder))
        made = Loads(made.bambu_port, broker.port, made.bambu_counts, made.moonraker_counts)
        pace = ["--per-second", str(mix.per_second)]
        printing = mix.printing
        if mix.bambu:
            words = [str(made.bambu_port), str(made.bambu_counts), "--count", str(mix.bambu), "--printing",
                     str(printing[0]), "--personality", mix.personality, *pace]  # fmt: skip
            stack.enter_context(_running(folder, "mqtt_bambu_load", words))
            _until(lambda: _listens(made.bambu_port))
        words = [str(made.broker_port), str(made.moonraker_counts), "--count", str(mix.moonraker),
                 "--printing", str(printing[1]), *pace]  # fmt: skip
        stack.enter_context(_running(folder, "mqtt_moonraker_load", words))
        _until(made.moonraker_counts.exists)
        yield made


@contextmanager
def gateway(folder: Path, mix: Mix, made: Loads, *, profile: Path | None = None) -> Iterator[Subject]:
    """`print-gateway serve` with all printers, northbound on; yields when it has seen what each does."""
    _configure(folder, mix, made)
    environment = {"LAG_FILE": f"{folder}/lags"} | ({"PROFILE": str(profile)} if profile else {})
    words = ["serve", "--config", f"{folder}/config.toml"]
    with _running(folder, "mqtt_probed", words, environment, SERVER_CORE) as process:
        wanted = mix.bambu + mix.moonraker, sum(mix.printing)
        _until(lambda: _linked(folder) == wanted, process, folder / "mqtt_probed.log")
        yield Subject(process.pid, LagFile(folder / "lags"))


@contextmanager
def floor(folder: Path, mix: Mix, made: Loads) -> Iterator[Subject]:
    """Bare clients that receive the same."""
    words = ["--bambu", str(made.bambu_port), "--bambu-count", str(mix.bambu), "--broker",
             str(made.broker_port), "--count", str(mix.moonraker)]  # fmt: skip
    environment = {"LAG_FILE": f"{folder}/floor.lags"}
    with _running(folder, "mqtt_floor", words, environment, SERVER_CORE) as process:
        _until((folder / "floor.lags").exists, process, folder / "mqtt_floor.log")
        yield Subject(process.pid, LagFile(folder / "floor.lags"))


def _configure(folder: Path, mix: Mix, made: Loads) -> None:
    (folder / "files").mkdir(parents=True)
    (folder / "code").write_text(ACCESS_CODE)
    sections = [
        f'[server]\nlisten = "127.0.0.1:{_free_port()}"\nsocket = "{folder}/api.sock"\n',
        f'[store]\nurl = "sqlite:///{folder}/gateway.db"\nfiles = "{folder}/files"\n',
        f'[streamer]\nsocket = "{folder}/streamer.sock"\nrecords = "{folder}/records"\n',
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{made.broker_port}"\ngateway_id = "bench"\n',
    ]
    for number in range(mix.bambu):
        sections.append(
            f'[[printers]]\nname = "b{number}"\ndriver = "bambu"\nhost = "127.0.0.1"\n'
            f'port = {made.bambu_port}\nserial = "{serial_of(number)}"\nverify = "off"\n'
            'access_code_file = "code"\nowner = "ana"\n'
        )
    for number in range(mix.moonraker):
        sections.append(
            f'[[printers]]\nname = "m{number}"\ndriver = "moonraker"\ninstance = "{INSTANCE}{number}"\n'
            f'url = "http://127.0.1.{number}:9"\nowner = "ana"\n'
        )
    (folder / "config.toml").write_text("\n".join(sections))


def _linked(folder: Path) -> tuple[int, int]:
    """Printers that are not offline, and those that print, as the gateway says."""
    connection: HTTPConnection = _UnixConnection(f"{folder}/api.sock")
    try:
        connection.request("GET", "/gateway/v1/printers")
        printers = json.loads(connection.getresponse().read())["printers"]
    except (OSError, HTTPException):
        return -1, -1
    finally:
        connection.close()
    said = [printer["status"] for printer in printers]
    return len(said) - said.count("offline"), said.count("printing")


@contextmanager
def _running(
    folder: Path,
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    cores: set[int] = CLIENT_CORES,
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{module}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *words], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, env=os.environ | (environment or {}),
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _until(
    is_so: Callable[[], object], process: subprocess.Popen[bytes] | None = None, log: Path = Path()
) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise BenchmarkBroken(f"it does not get on\n{log.read_text()[-3000:] if log.is_file() else ''}")
        time.sleep(0.2)
