"""Hosts that nobody here wrote: where they are installed, and how each is told to print a file.

They live in a virtual environment of their own, never in ours: printrun is GPL, and neither is a dependency.
PRINT_GATEWAY_FOREIGN_VENV names one that is there already.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLS = (
    ("marlin-host==0.2.1", "pyserial==3.5"),
    ("--no-deps", "printrun==2.2.0"),
)
PIP_SECONDS = 90.0
MARK = "installed-by-tests"

#: Prints the file argv[2] on the port argv[1]; exit status 0 when the host believes that it is printed.
#: Frames a trailing comment with the command, and Marlin's reader throws the checksum away with the comment
#: (`No Checksum with line number`, for ever): it is given the file without comments.
MARLIN_HOST = """
import sys
from marlin_host.host import MarlinHost
from marlin_host.transport import SerialTransport
host = MarlinHost(SerialTransport(sys.argv[1], 115200, reset_on_open=False), reliable=True)
host.connect()
for _ in host.stream(line.partition(";")[0] for line in open(sys.argv[2])):
    pass
host.close()
"""
PRINTCORE = """
import sys, time
from printrun import gcoder
from printrun.printcore import printcore
core = printcore(sys.argv[1], 115200)
end = time.monotonic() + 30
while not core.online:
    assert time.monotonic() < end, "never online"
    time.sleep(0.05)
core.startprint(gcoder.LightGCode([line.strip() for line in open(sys.argv[2])]))
while core.printing:
    time.sleep(0.05)
time.sleep(0.5)
core.disconnect()
"""
HOSTS = {"marlin-host": MARLIN_HOST, "printcore": PRINTCORE}


class NotInstalled(RuntimeError):
    """The foreign hosts cannot be had; the message says why."""


def place(config: pytest.Config, temporary: pytest.TempPathFactory, name: str) -> Path:
    """Where something is installed: from run to run the same, but with `-p no:cacheprovider`."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    return temporary.mktemp(name) if cache is None else Path(cache.mkdir(name))


def foreign_python(cache: Path) -> Path:
    """The interpreter that has the foreign hosts; installs them into `cache` the first time."""
    named = os.environ.get("PRINT_GATEWAY_FOREIGN_VENV")
    if named:
        return Path(named) / "bin" / "python"
    python = cache / "bin" / "python"
    if not (cache / MARK).exists():
        _run([sys.executable, "-m", "venv", str(cache)])
        for packages in INSTALLS:
            _run([str(python), "-m", "pip", "install", "-q", *packages])
        (cache / MARK).touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{command[-1]}: {error}") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotInstalled(f"{command[-1]}: {last}")
