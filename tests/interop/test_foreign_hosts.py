"""marlin-host and printcore print a whole file on the simulator, over a real pty: it is judged too.

The judge is the ledger: every line of the file once and in order. Run them with

    pytest -m interop tests/interop
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_sim import Entry, read_ledger
from firmware_sim.faults.undetectable import executed_as_sent, is_undetectable
from tests.interop.foreign import HOSTS, NotInstalled, foreign_python, place

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "gateway" / "cli" / "demo_files" / "cable-clip-small.gcode"
PRINT_SECONDS = 100.0
"""Real time a print may take on a busy machine; it takes about ten seconds."""
SPEED = "500"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return foreign_python(place(pytestconfig, tmp_path_factory, "foreign-hosts"))
    except NotInstalled as error:
        pytest.skip(f"foreign hosts cannot be installed: {error}")


def commands_of(path: Path) -> list[str]:
    """What the file asks for; a command may have a comment behind it."""
    stripped = (line.partition(";")[0].strip() for line in path.read_text().splitlines())
    return [line for line in stripped if line]


@contextmanager
def simulator(folder: Path, *options: str) -> Iterator[Path]:
    """A board on a pty; ends with the ledger complete."""
    link = folder / "printer"
    command = [
        sys.executable, "-m", "firmware_sim", "serial", "--link", str(link), "--speed", SPEED,
        "--personality", "marlin-stock", "--ledger", str(folder / "ledger"), *options,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"ready {link}\n"
            yield link
        finally:
            process.terminate()


def print_with(host: str, python: Path, link: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-c", HOSTS[host], str(link), str(SMALL)],
        capture_output=True, text=True, timeout=PRINT_SECONDS,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip


def printed(entries: list[Entry]) -> list[str]:
    """What the machine did of the file: everything but what hosts send on their own account."""
    own = ("M105", "M110", "M115", "M155", "M112")
    wanted = commands_of(SMALL)
    return [line for line in executed_as_sent(entries) if line in wanted or not line.startswith(own)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_foreign_host_prints_a_whole_file(tmp_path: Path, python: Path, host: str) -> None:
    with simulator(tmp_path) as link:
        done = print_with(host, python, link)
    entries = read_ledger(tmp_path / "ledger")
    assert done.returncode == 0, done.stderr[-2000:]
    assert printed(entries) == commands_of(SMALL)
    assert [entry for entry in entries if entry.event in ("resend", "dropped", "kill")] == []


@pytest.mark.parametrize("host", HOSTS)
def test_it_does_with_one_line_in_a_hundred_corrupted(tmp_path: Path, python: Path, host: str) -> None:
    """What both claim to survive."""
    with simulator(tmp_path, "--rates", "line-corrupted=0.01", "--seed", "7") as link:
        done = print_with(host, python, link)
    entries = read_ledger(tmp_path / "ledger")
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(entry.event == "fault" for entry in entries) >= 5
    assert not any(is_undetectable(entry) for entry in entries)
    assert printed(entries) == commands_of(SMALL)


def test_printcore_prints_over_a_paced_wire(tmp_path: Path, python: Path) -> None:
    with simulator(tmp_path, "--baud", "115200") as link:
        done = print_with("printcore", python, link)
    assert done.returncode == 0, done.stderr[-2000:]
    assert printed(read_ledger(tmp_path / "ledger")) == commands_of(SMALL)
