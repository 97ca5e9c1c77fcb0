"""A port beside what a former process left of it."""

from __future__ import annotations

import fcntl
import os
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.transport.fd_store import FdStore, is_open_tty
from gateway.transport.opener import opener_for
from gateway.transport.port import PortUnavailable
from gateway.transport.tty import TIOCGEXCL, TtyCalls, open_tty, release_tty, system_ioctl
from tests.transport.ptys import Listener, PtyMachine


class Manager:
    """Writes down what a service manager is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []
        self.fds: list[int] = []

    def tell(self, words: Mapping[str, str], fds: tuple[int, ...]) -> None:
        self.said.append(tuple(words))
        self.fds += [os.dup(fd) for fd in fds]

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


def store(manager: Manager, *inherited: int) -> FdStore:
    return FdStore(manager.tell, {"port-mk3": list(inherited)})


#: The machine's side of a pty keeps the host's side open too.
HELD_BY_MACHINE = 1
PUT, REMOVE = ("FDSTORE", "FDNAME"), ("FDSTOREREMOVE", "FDNAME")


def times_open(path: str) -> int:
    """How many descriptors of this process are of `path`."""
    here = Path("/proc/self/fd")
    return sum(os.path.realpath(here / number) == path for number in os.listdir(here))


def is_locked(path: str) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


async def test_the_store_holds_a_port_exactly_while_it_is_open(machine: PtyMachine) -> None:
    manager = Manager()
    keeper = store(manager).keeper("mk3")
    port = await opener_for(machine.path, 115200, keeper=keeper)(Listener())
    assert manager.said == [REMOVE, PUT]
    port.close()
    assert manager.said == [REMOVE, PUT, REMOVE]
    assert not is_locked(machine.path), "although a copy is in the store yet"
    listener = Listener()
    await opener_for(machine.path, 115200, keeper=keeper)(listener)
    machine.unplug()
    await listener.until_lost()
    assert manager.said == [REMOVE, PUT, REMOVE, REMOVE, PUT, REMOVE]
    manager.close()


async def test_at_the_end_of_the_process_it_stays_there_with_its_locks(machine: PtyMachine) -> None:
    manager = Manager()
    kept = store(manager)
    port = await opener_for(machine.path, 115200, keeper=kept.keeper("mk3"))(Listener())
    kept.stop()
    port.close()
    assert manager.said == [REMOVE, PUT]
    assert is_locked(machine.path), "nobody else gets in meanwhile"
    successor = store(Manager(), *manager.fds)
    port = await opener_for(machine.path, 115200, keeper=successor.keeper("mk3"))(Listener())
    port.write(b"M105\n")
    assert await machine.hear_bytes(5) == b"M105\n"
    port.close()
    assert not is_locked(machine.path)


def test_the_exclusive_mode_of_a_dead_process_is_given_back(machine: PtyMachine) -> None:
    """What a kill leaves on a real port, where the mode lives as long as the copy in the store."""
    dead = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(dead, fcntl.LOCK_EX)
    fcntl.ioctl(dead, termios.TIOCEXCL)
    with pytest.raises(PortUnavailable, match="in use"):
        open_tty(machine.path, 115200, TtyCalls())
    manager = Manager()
    calls = TtyCalls(keeper=store(manager, dead).keeper("mk3"), set_exclusive=lambda fd: True)
    tty = open_tty(machine.path, 115200, calls)
    assert system_ioctl(tty.fileno(), TIOCGEXCL, b"\0" * 4) == b"\1\0\0\0"
    manager.close()
    assert times_open(machine.path) == 1 + HELD_BY_MACHINE, "what was inherited is closed again"
    release_tty(tty, calls)


def test_a_descriptor_of_another_device_is_closed_and_the_port_opened(
    tmp_path: Path, machine: PtyMachine
) -> None:
    other = PtyMachine()
    link = tmp_path / "usb-Prusa"
    link.symlink_to(other.path)
    inherited = os.open(link, os.O_RDWR | os.O_NOCTTY)
    link.unlink()
    link.symlink_to(machine.path)
    assert not is_open_tty(inherited, str(link))
    calls = TtyCalls(keeper=store(Manager(), inherited).keeper("mk3"))
    release_tty(open_tty(str(link), 115200, calls), calls)
    assert times_open(other.path) == HELD_BY_MACHINE
    other.unplug()


def test_what_is_no_open_port_is_not_taken_for_one(tmp_path: Path, machine: PtyMachine) -> None:
    gone = PtyMachine()
    hung_up = os.open(gone.path, os.O_RDWR | os.O_NOCTTY)
    assert is_open_tty(hung_up, gone.path)
    path = gone.path
    gone.unplug()
    plain = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    null = os.open("/dev/null", os.O_RDWR)
    assert not is_open_tty(hung_up, path)
    assert not is_open_tty(plain, machine.path)
    assert not is_open_tty(null, "/dev/null")
    assert not is_open_tty(9999, machine.path)
    for fd in (hung_up, plain, null):
        os.close(fd)


def test_an_absent_port_keeps_what_was_inherited_for_the_next_try(machine: PtyMachine) -> None:
    inherited = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    visitor = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(visitor, fcntl.LOCK_EX)
    calls = TtyCalls(keeper=store(Manager(), inherited).keeper("mk3"))
    with pytest.raises(PortUnavailable, match="in use"):
        open_tty(machine.path, 115200, calls)
    assert is_open_tty(inherited, machine.path), "it is still held open"
    os.close(visitor)
    release_tty(open_tty(machine.path, 115200, calls), calls)


def test_foreign_descriptors_are_closed_and_not_removed(machine: PtyMachine) -> None:
    manager = Manager()
    left, foreign = (os.open(machine.path, os.O_RDWR | os.O_NOCTTY) for _ in range(2))
    FdStore(manager.tell, {"port-sold": [left], "other": [foreign]}).forget_others()
    assert manager.said == [REMOVE]
    assert times_open(machine.path) == HELD_BY_MACHINE
