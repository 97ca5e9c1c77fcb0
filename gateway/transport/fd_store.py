"""Ports that stay open while the streamer is restarted: systemd keeps a descriptor of each.

Closing a serial port for good may lower DTR, and opening it again raises it: many boards reset then, and a
print is over. HUPCL is cleared against that, but not every USB driver minds it. So each open port is also
handed to the service manager (FDSTORE=1, sd_notify(3)), which hands it to the next process (LISTEN_FDS,
sd_listen_fds(3)): the kernel never sees a last close.

The next process opens the port anew beside the inherited descriptor, which is closed afterwards. It is not
used in its place, because opening is what checks, locks and configures the port. The inherited one still has
the locks of the dead process (they belong to the open file, not to the process), and can give them back.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import stat
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)

#: Names in the store begin like this: other descriptors of the service are none of ours.
NAME_PREFIX = "port-"
#: Words and descriptors to the service manager; never waits for long, never raises.
Tell = Callable[[Mapping[str, str], tuple[int, ...]], None]


class FdStore:
    """The service manager's store of this service. Without a service manager it does nothing."""

    def __init__(self, tell: Tell | None, inherited: Mapping[str, list[int]]) -> None:
        """`inherited`: name -> descriptors that a former process left; they are this object's from now on."""
        self._tell = tell
        self._inherited = {name: list(fds) for name, fds in inherited.items()}
        self._is_stopping = False

    def keeper(self, printer: str) -> PortKeeper:
        """Of the port of `printer`."""
        name = NAME_PREFIX + printer
        return PortKeeper(self, name, self._inherited.pop(name, []))

    def forget_others(self) -> None:
        """What was left of printers that are not configured any more."""
        for name, fds in self._inherited.items():
            _close(fds)
            if name.startswith(NAME_PREFIX):
                self.remove(name)
        self._inherited = {}

    def stop(self) -> None:
        """This process ends: what is in the store stays there for the next one."""
        self._is_stopping = True

    @property
    def keeps(self) -> bool:
        """Whether ports that are closed now stay open in the store."""
        return self._tell is not None and self._is_stopping

    def put(self, name: str, fd: int) -> None:
        """Replace what is in the store under `name`."""
        self.remove(name)
        if self._tell is not None:
            self._tell({"FDSTORE": "1", "FDNAME": name}, (fd,))

    def remove(self, name: str) -> None:
        """Have it closed: a descriptor of an unplugged device would keep its name from being given again."""
        if self._tell is not None:
            self._tell({"FDSTOREREMOVE": "1", "FDNAME": name}, ())


class PortKeeper:
    """What is told of one printer's port as it is opened and closed; from any thread, one at a time."""

    def __init__(self, store: FdStore, name: str, inherited: list[int]) -> None:
        self._store = store
        self._name = name
        self._inherited = inherited

    @contextmanager
    def beside_inherited(self, device: str) -> Iterator[None]:
        """Open the port within: a former process's descriptor keeps it open meanwhile, and locks nobody out.

        It is closed when the port has been opened, or when it is of another device than `device` is now.
        """
        others = [fd for fd in self._inherited if not is_open_tty(fd, device)]
        self._inherited = [fd for fd in self._inherited if fd not in others]
        _close(others)
        for fd in self._inherited:
            unlock(fd)
        if self._inherited:
            log.info("%s was left open by the process before this one", device)
        yield
        _close(self._inherited)
        self._inherited = []

    def opened(self, fd: int) -> None:
        """The port is open."""
        self._store.put(self._name, fd)

    def closing(self) -> bool:
        """The port is about to be closed. True: it stays open in the store, with its locks."""
        if self._store.keeps:
            return True
        self._store.remove(self._name)
        return False


#: Where nothing is kept.
NO_KEEPER = FdStore(None, {}).keeper("")


def is_open_tty(fd: int, device: str) -> bool:
    """Whether `fd` is the tty that `device` names now, and has not hung up."""
    try:
        mine, there = os.fstat(fd), os.stat(device)
    except OSError:
        return False
    if not stat.S_ISCHR(mine.st_mode) or mine.st_rdev != there.st_rdev or not os.isatty(fd):
        return False
    poll = select.poll()
    poll.register(fd, 0)  # hanging up is told unasked
    return not poll.poll(0)


def unlock(fd: int) -> None:
    """Give back both locks of a port; see tty.py."""
    with suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCNXCL)
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _close(fds: list[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
