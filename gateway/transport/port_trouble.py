"""Why a serial port cannot be opened, and what to do about it: sentences for people.

Nothing here opens the device. That matters: opening a port raises DTR and resets Arduino-class boards,
so looking for the culprit must not be what kills somebody's print.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from gateway.transport.port import PortUnavailable, SpeedImpossible

PROC = Path("/proc")
BY_ID = Path("/dev/serial/by-id")

#: Names of ports in one sentence: a host with more serial ports than this has a list of its own.
MAX_PORTS_LISTED = 16
#: Names of programs in one sentence.
MAX_HOLDERS_LISTED = 4

_BUSY = frozenset({errno.EBUSY, errno.EAGAIN})


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that has the device open."""

    pid: int
    program: str

    def __str__(self) -> str:
        own = ", this program itself" if self.pid == os.getpid() else ""
        return f"{self.program} (pid {self.pid}{own})"


@dataclass(frozen=True, slots=True)
class HolderSearch:
    """What a walk through /proc showed: the holders seen, and how many programs could not be looked into."""

    holders: tuple[Holder, ...]
    hidden: int

    def __str__(self) -> str:
        named = [str(holder) for holder in self.holders[:MAX_HOLDERS_LISTED]]
        more = len(self.holders) - len(named)
        if more > 0:
            named.append(f"{more} more")
        return " and ".join(named)


def present_ports(by_id: Path = BY_ID) -> list[str]:
    """Serial ports that are there: the stable names first, else what the kernel calls them."""
    try:
        stable = sorted(str(entry) for entry in by_id.iterdir())
    except OSError:
        stable = []
    return stable or sorted(port.device for port in list_ports.comports())


def find_holders(device: str, proc: Path = PROC) -> HolderSearch:
    """Programs that have `device` open, found in /proc/*/fd (own programs only, unless run as root)."""
    try:
        wanted = os.stat(device).st_rdev
    except OSError:
        return HolderSearch((), 0)
    found: list[Holder] = []
    hidden = 0
    for entry in sorted(_pid_folders(proc)):
        opened = _has_open(proc / str(entry), wanted)
        if opened is None:
            hidden += 1
        elif opened:
            found.append(Holder(entry, _program_name(proc / str(entry))))
    return HolderSearch(tuple(found), hidden)


def _pid_folders(proc: Path) -> Iterator[int]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    yield from (int(name) for name in names if name.isdecimal())


def _has_open(folder: Path, wanted: int) -> bool | None:
    """Whether the program has the device open; None when it may not be looked into."""
    try:
        numbers = os.listdir(folder / "fd")
    except PermissionError:
        return None
    except OSError:
        return False  # it ended meanwhile
    for number in numbers:
        try:
            status = os.stat(folder / "fd" / number)
        except OSError:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == wanted:
            return True
    return False


def _program_name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(errors="replace").strip() or "a program"
    except OSError:
        return "a program"


def missing(device: str, ports: Callable[[], list[str]] = present_ports) -> PortUnavailable:
    """The device node is not there."""
    names = ports()
    shown = ", ".join(names[:MAX_PORTS_LISTED]) or "none"
    if len(names) > MAX_PORTS_LISTED:
        shown += f" and {len(names) - MAX_PORTS_LISTED} more"
    return PortUnavailable(
        f"{device} is not there: is the printer plugged in and switched on? Present serial ports: {shown}"
    )


def no_permission(device: str) -> PortUnavailable:
    """The device node is there and may not be opened by this user."""
    user = _user_name()
    try:
        status = os.stat(device)
        group = _group_name(status.st_gid)
        usable = bool(status.st_mode & stat.S_IRGRP and status.st_mode & stat.S_IWGRP)
    except OSError:
        group, usable = "dialout", True
    if usable and group != "root":
        return PortUnavailable(
            f"{device} may not be opened by user {user}: add it to the group {group} "
            f"(sudo usermod -aG {group} {user}), then log in again or restart the service"
        )
    return PortUnavailable(
        f"{device} may not be opened by user {user}, and its group {group} does not help: give it to the "
        f"group dialout (sudo chgrp dialout {device}; sudo chmod 660 {device}) and add {user} to that group"
    )


def in_use(device: str, proc: Path = PROC) -> PortUnavailable:
    """Another program holds the port (lock or exclusive mode); it is named where it can be seen."""
    search = find_holders(device, proc)
    if search.holders:
        return PortUnavailable(
            f"{device} is in use by {search}: stop that program, or take this printer away from it"
        )
    if search.hidden:
        return PortUnavailable(
            f"{device} is in use by a program of another user, which cannot be seen from here: "
            f"'sudo fuser -v {device}' names it; stop it, or take this printer away from it"
        )
    return PortUnavailable(f"{device} was in use by another program a moment ago: it is tried again")


def explain(
    device: str, baud: int, error: Exception, proc: Path = PROC, by_id: Path = BY_ID
) -> PortUnavailable:
    """Turn what opening raised into a sentence that says what to do."""
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ValueError | OverflowError):
        return SpeedImpossible(
            f"{device} cannot run at {baud} baud: look up the speed the firmware was built with "
            f"(115200 and 250000 are usual) and set it as `baud`"
        )
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return missing(device, lambda: present_ports(by_id))
    if code in (errno.EACCES, errno.EPERM):
        return no_permission(device)
    if code in _BUSY:
        return in_use(device, proc)
    if code in (errno.ENOTTY, errno.EISDIR, errno.EINVAL):
        return not_a_tty(device)
    if code == errno.EIO:
        return PortUnavailable(
            f"{device} answers with an input/output error: there is no working device behind it; "
            f"unplug the printer and plug it in again"
        )
    return PortUnavailable(f"{device} cannot be opened: {error}")


def not_a_tty(device: str) -> PortUnavailable:
    """The path names a file, a folder or another kind of device."""
    return PortUnavailable(
        f"{device} is not a serial port: `port` wants a device such as /dev/serial/by-id/usb-..., "
        f"a pseudo-terminal, or tcp://host:port"
    )


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name  # not the environment: sudo and services leave it stale
    except KeyError:
        return str(os.geteuid())


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
