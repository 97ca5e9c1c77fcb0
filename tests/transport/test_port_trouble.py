"""What people are told when a port cannot be opened."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import serial

from gateway.transport import port_trouble
from gateway.transport.port import PortUnavailable
from gateway.transport.tty import TtyCalls, open_tty, release_tty
from tests.transport.ptys import PtyMachine, fake_proc

ROOT = Path(__file__).resolve().parents[2]
#: Opens a port as an ordinary user: argv = path, "force" or "pty" (TIOCEXCL or not), "hold" or "leave".
#: It becomes nobody (65534) when the suite runs as root, whom TIOCEXCL and permissions do not bind.
VISITOR = """
import json, os, sys
from gateway.transport import port_trouble, tty
from gateway.transport.port import PortUnavailable
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
assert os.getuid() != 0
path, exclusive, stay = sys.argv[1:]
calls = tty.TtyCalls(set_exclusive=(lambda fd: True) if exclusive == "force" else tty.is_hardware)
try:
    opened = tty.open_tty(path, 115200, calls)
except PortUnavailable as error:
    print(json.dumps({"opened": False, "text": str(error)}), flush=True)
else:
    print(json.dumps({"opened": True, "text": ""}), flush=True)
    if stay == "hold":
        sys.stdin.read()
"""


def visit(path: str, exclusive: str, stay: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", VISITOR, path, exclusive, stay],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def answer(visitor: subprocess.Popen[str]) -> tuple[bool, str]:
    assert visitor.stdout is not None
    said = json.loads(visitor.stdout.readline())
    return said["opened"], said["text"]


def end(visitor: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        visitor.send_signal(signal.SIGKILL)
    visitor.communicate(timeout=60)


def test_a_missing_port_says_what_is_there(tmp_path: Path) -> None:
    text = str(port_trouble.missing("/dev/ttyUSB7", lambda: ["/dev/serial/by-id/usb-a", "/dev/ttyS0"]))
    assert text == (
        "/dev/ttyUSB7 is not there: is the printer plugged in and switched on? "
        "Present serial ports: /dev/serial/by-id/usb-a, /dev/ttyS0"
    )


def test_a_long_list_of_ports_is_cut() -> None:
    text = str(port_trouble.missing("/dev/x", lambda: [f"/dev/ttyS{n}" for n in range(40)]))
    assert text.endswith("/dev/ttyS15 and 24 more")


def test_no_port_at_all() -> None:
    assert str(port_trouble.missing("/dev/x", list)).endswith("Present serial ports: none")


def test_stable_names_come_before_kernel_names(tmp_path: Path) -> None:
    (tmp_path / "usb-b").touch()
    (tmp_path / "usb-a").touch()
    assert port_trouble.present_ports(tmp_path) == [str(tmp_path / "usb-a"), str(tmp_path / "usb-b")]
    assert isinstance(port_trouble.present_ports(tmp_path / "none"), list)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENODEV, errno.ENXIO])
def test_a_vanished_device_is_a_missing_one(code: int) -> None:
    assert "is not there" in str(port_trouble.explain("/dev/x", 1, OSError(code, "x")))


def test_a_dangling_link_is_a_missing_port(tmp_path: Path) -> None:
    link = tmp_path / "usb-Prusa"
    link.symlink_to("/dev/ttyACM-gone")
    with pytest.raises(PortUnavailable, match="is not there"):
        open_tty(str(link), 115200, TtyCalls())


@pytest.mark.parametrize("kind", ["file", "folder", "null"])
def test_other_things_are_not_serial_ports(tmp_path: Path, kind: str) -> None:
    path = {"file": tmp_path / "f", "folder": tmp_path, "null": Path("/dev/null")}[kind]
    if kind == "file":
        path.write_text("G28")
    with pytest.raises(PortUnavailable, match="is not a serial port"):
        open_tty(str(path), 115200, TtyCalls())


@pytest.mark.parametrize("baud", [0, -1, 2**40])
def test_impossible_speeds_are_refused_before_the_line_hangs_up(machine: PtyMachine, baud: int) -> None:
    with pytest.raises(PortUnavailable, match=f"cannot run at {baud} baud"):
        open_tty(machine.path, baud, TtyCalls())


def test_no_permission_names_the_group(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    device.chmod(0o660)
    text = str(port_trouble.no_permission(str(device)))
    assert "may not be opened by user" in text
    assert "group" in text
    assert "dialout" in text or "usermod -aG" in text


def test_a_device_whose_group_may_not_write_is_given_to_dialout(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    device.chmod(0o600)
    assert "chgrp dialout" in str(port_trouble.no_permission(str(device)))


def test_no_permission_for_a_vanished_device_still_names_dialout() -> None:
    assert "usermod -aG dialout" in str(port_trouble.no_permission("/dev/no-such"))


def test_an_ordinary_user_is_told_about_the_group(machine: PtyMachine) -> None:
    os.chmod(machine.path, 0o000)
    visitor = visit(machine.path, "pty", "leave")
    opened, text = answer(visitor)
    end(visitor)
    assert not opened
    assert "may not be opened by user" in text


def test_an_io_error_means_no_device_behind_the_node() -> None:
    assert "input/output error" in str(port_trouble.explain("/dev/ttyS0", 1, OSError(errno.EIO, "x")))


def test_an_io_error_wrapped_by_pyserial_is_understood(machine: PtyMachine) -> None:
    # What a /dev/ttyS0 without a UART does.
    class Broken(serial.Serial):
        def open(self) -> None:
            try:
                raise termios.error(errno.EIO, "Input/output error")
            except termios.error as error:
                raise serial.SerialException(f"Could not configure port: {error}")  # noqa: B904

    with pytest.raises(PortUnavailable, match="input/output error"):
        open_tty(machine.path, 115200, TtyCalls(new_serial=Broken))


def test_anything_else_is_told_as_it_is() -> None:
    text = str(port_trouble.explain("/dev/x", 1, OSError(errno.EMFILE, "Too many open files")))
    assert "cannot be opened" in text
    assert "Too many open files" in text


def test_the_holder_of_a_locked_port_is_named(machine: PtyMachine) -> None:
    holder = open_tty(machine.path, 115200, TtyCalls())
    with pytest.raises(PortUnavailable) as caught:
        open_tty(machine.path, 115200, TtyCalls())
    assert f"(pid {os.getpid()}, this program itself)" in str(caught.value)
    assert "is in use by" in str(caught.value)
    release_tty(holder, TtyCalls())
    release_tty(open_tty(machine.path, 115200, TtyCalls()), TtyCalls())


def test_exclusive_mode_without_a_lock_is_respected_by_root_too(machine: PtyMachine) -> None:
    other = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    before = termios.tcgetattr(other)
    import fcntl

    fcntl.ioctl(other, termios.TIOCEXCL)
    with pytest.raises(PortUnavailable, match=f"in use by .*pid {os.getpid()}"):
        open_tty(machine.path, 250000, TtyCalls())
    assert termios.tcgetattr(other) == before, "the other program's settings were left alone"
    fcntl.ioctl(other, termios.TIOCNXCL)
    os.close(other)


def test_a_device_that_is_merely_open_elsewhere_is_not_in_use(machine: PtyMachine) -> None:
    # The machine's own side of a pty is open in this very test.
    assert port_trouble.find_holders(machine.path).holders
    release_tty(open_tty(machine.path, 115200, TtyCalls()), TtyCalls())


def test_an_ordinary_user_meets_the_exclusive_mode(machine: PtyMachine) -> None:
    os.chmod(machine.path, 0o666)
    calls = TtyCalls(set_exclusive=lambda fd: True)
    holder = open_tty(machine.path, 115200, calls)
    visitor = visit(machine.path, "force", "leave")
    opened, text = answer(visitor)
    end(visitor)
    assert not opened
    assert "is in use by" in text
    if os.getuid() == 0:
        assert "cannot be seen from here" in text, "root's programs are closed to nobody, and that is said"
        assert "fuser" in text
    else:
        assert str(os.getpid()) in text
    release_tty(holder, calls)
    visitor = visit(machine.path, "force", "leave")
    assert answer(visitor) == (True, "")
    end(visitor)


def test_a_killed_host_does_not_lock_an_ordinary_user_out_of_a_pty(machine: PtyMachine) -> None:
    os.chmod(machine.path, 0o666)
    first = visit(machine.path, "pty", "hold")
    assert answer(first) == (True, "")
    end(first, kill=True)
    second = visit(machine.path, "pty", "leave")
    assert answer(second) == (True, "")
    end(second)


def test_with_the_exclusive_mode_it_would(machine: PtyMachine) -> None:
    # Why ptys do not get it; should a kernel ever change this, the exception can go.
    os.chmod(machine.path, 0o666)
    first = visit(machine.path, "force", "hold")
    assert answer(first) == (True, "")
    end(first, kill=True)
    second = visit(machine.path, "pty", "leave")
    assert answer(second)[0] is False
    end(second)


def test_a_lock_held_by_another_program_is_reported_with_its_pid(machine: PtyMachine) -> None:
    os.chmod(machine.path, 0o666)
    first = visit(machine.path, "pty", "hold")
    assert answer(first) == (True, "")
    with pytest.raises(PortUnavailable, match=rf"in use by .*\(pid {first.pid}\)"):
        open_tty(machine.path, 115200, TtyCalls())
    end(first)


def test_proc_that_shows_nothing_is_said_so(machine: PtyMachine, tmp_path: Path) -> None:
    assert "a moment ago" in str(port_trouble.in_use(machine.path, tmp_path))
    assert "a moment ago" in str(port_trouble.in_use(machine.path, tmp_path / "no-proc"))


def test_many_holders_are_counted(machine: PtyMachine, tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, {n: (f"cura{n}", machine.path) for n in range(10, 16)})
    fake_proc(tmp_path, {99: ("sh", "/dev/null")})
    text = str(port_trouble.in_use(machine.path, proc))
    assert "cura10 (pid 10) and cura11 (pid 11)" in text
    assert "and 2 more" in text
    assert "sh (" not in text


def test_a_device_that_went_away_has_no_holders() -> None:
    assert port_trouble.find_holders("/dev/no-such").holders == ()
