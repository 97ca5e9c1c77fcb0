"""Hosts that others wrote, to compare with and to judge the simulator by: in a virtual environment of theirs.

printrun is GPL: never imported here, in no extra of this project. They run as scripts in their own process.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

#: What is installed, each with the arguments pip gets. printrun's own dependencies are those of its windows.
PACKAGES = (("marlin-host==0.2.1",), ("pyserial==3.5",), ("--no-deps", "printrun==2.2.0"))
#: Seconds for one package.
INSTALL_SECONDS = 300.0


class ForeignHostsUnavailable(Exception):
    """They cannot be installed here. The text says why."""


def foreign_python() -> Path:
    """The interpreter that has marlin-host and printrun; made at the first call, then kept.

    It lies in the user's cache folder. Raises ForeignHostsUnavailable, e.g. without a network.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = base / "print-gateway-benchmarks" / f"foreign-hosts-{python}"
    complete = folder / "complete"
    interpreter = folder / "bin" / "python"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once
            if not complete.exists() or complete.read_text() != repr(PACKAGES):
                _run([sys.executable, "-m", "venv", str(folder)])
                for package in PACKAGES:
                    _run([str(interpreter), "-m", "pip", "install", "--quiet", *package])
                complete.write_text(repr(PACKAGES))
    except OSError as error:
        raise ForeignHostsUnavailable(f"{folder}: {error.strerror}") from error
    return interpreter


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise ForeignHostsUnavailable(f"{command[-1]} took longer than {INSTALL_SECONDS:.0f} s") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines()
        raise ForeignHostsUnavailable(
            f"{command[-1]} cannot be installed: {said[-1] if said else ''}"
        ) from error
