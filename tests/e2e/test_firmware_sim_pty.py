"""The command `firmware-sim` on a real pty: a process, a link, real time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim import read_ledger

TIOCEXCL = 0x540C
PATIENCE = 60.0  # seconds for anything on a busy machine


class Printer:
    """A running simulator and one open port to it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.link, self.ledger, self.control = folder / "printer", folder / "ledger.jsonl", folder / "control"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "firmware_sim",
                "serial",
                "--link",
                str(self.link),
                "--ledger",
                str(self.ledger),
                "--control",
                str(self.control),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"ready {self.link}\n"
        self.fd = -1
        self.text = ""
        self.open()

    def open(self) -> None:
        self.fd = os.open(self.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def send(self, text: str) -> None:
        data = text.encode()
        while data:
            select.select([], [self.fd], [], PATIENCE)
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.fd, data) :]

    def hear_until(self, line: str, seconds: float = PATIENCE) -> list[str]:
        heard: list[str] = []
        until = time.monotonic() + seconds
        while line not in heard:
            left = until - time.monotonic()
            assert left > 0, f"no {line!r} within {seconds} s; heard {heard[-5:]}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 65536).decode()
                *lines, self.text = self.text.split("\n")
                heard += lines
        return heard

    def order(self, text: str) -> dict[str, object]:
        with socket.socket(socket.AF_UNIX) as hand:
            hand.connect(str(self.control))
            hand.sendall(text.encode() + b"\n")
            with hand.makefile() as answers:
                answer: dict[str, object] = json.loads(answers.readline())
        return answer

    def stop(self) -> int:
        self.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "vase.gcode").write_text("G28\nM118 E1 hello from the card\n")
    return folder


@pytest.fixture
def printer(tmp_path: Path, card: Path) -> Iterator[Printer]:
    running = Printer(tmp_path, "--speed", "60", "--sd", str(card))
    yield running
    running.stop()


def test_a_conversation_and_a_clean_end(printer: Printer) -> None:
    assert printer.hear_until("echo:SD card ok")[0] == "start"
    printer.send("M115\nG28\nM400\n")
    heard = printer.hear_until("ok") + printer.hear_until("ok")
    assert any(line.startswith("FIRMWARE_NAME:Marlin") for line in heard)
    assert printer.order("status")["ok"] is True
    link = printer.link
    assert printer.stop() == 0
    assert not os.path.lexists(link)
    assert [e.line for e in read_ledger(printer.ledger) if e.event == "executed"] == ["M115", "G28", "M400"]


def test_the_port_survives_being_closed_and_opened_again(printer: Printer) -> None:
    printer.hear_until("echo:SD card ok")
    printer.send("G1 X5 F6000\n")
    printer.hear_until("ok")
    printer.close()
    printer.open()
    printer.send("M114\n")
    assert printer.hear_until("ok")[0].startswith("X:5.00")


def test_a_person_at_the_panel_prints_from_the_card(printer: Printer) -> None:
    assert printer.order("panel start vase.gcode") == {"ok": True}
    assert "echo:hello from the card\r" in printer.hear_until("Done printing file")
    assert printer.order("panel start nope.gcode")["ok"] is False
    assert printer.order("dance") == {"ok": False, "error": "not understood: 'dance'"}


def test_three_thousand_trivial_lines_a_second(printer: Printer) -> None:
    """Of its own processor time, in the best of three: what else the computer does is not its fault."""
    printer.hear_until("echo:SD card ok")
    lines, rates = 2000, []
    for _ in range(3):
        oks = sent = 0
        before = _cpu_seconds(printer.process.pid)
        while oks < lines:
            while sent < lines and sent - oks < 3:
                printer.send("M117 x\n")
                sent += 1
            oks += len(printer.hear_until("ok"))
        rates.append(lines / max(_cpu_seconds(printer.process.pid) - before, 1e-3))
    assert max(rates) > 3000, rates


def test_a_waiting_machine_uses_no_processor(printer: Printer) -> None:
    printer.send("M155 S1\nG4 S600\n")
    printer.hear_until("ok")
    before = _cpu_seconds(printer.process.pid)
    time.sleep(1.0)
    assert _cpu_seconds(printer.process.pid) - before < 0.3


def test_a_host_that_does_not_read_does_not_stop_the_machine(printer: Printer) -> None:
    printer.hear_until("echo:SD card ok")
    printer.send("M155 S1\nG4 S30\n" + "M503\n" * 40 + "M118 done\n")
    until = time.monotonic() + PATIENCE
    while printer.order("status")["executed"] != 43:
        assert time.monotonic() < until
        time.sleep(0.02)
    heard = printer.hear_until("done\r")
    assert sum(line.startswith("  M203") for line in heard) == 40


def test_a_host_is_held_off_while_the_machine_does_not_read(printer: Printer) -> None:
    printer.hear_until("echo:SD card ok")
    printer.send("G4 S120\n")
    line = b"M117 fill the receive side\n"
    with pytest.raises(BlockingIOError):
        _write_for_ever(printer.fd, line)
    printer.order("kill")


def _write_for_ever(fd: int, line: bytes) -> None:
    for _ in range(100_000):
        os.write(fd, line)


def test_the_lock_of_a_killed_host_does_not_stay(tmp_path: Path) -> None:
    running = Printer(tmp_path, "--personality", "marlin-stock")
    try:
        fcntl.ioctl(running.fd, TIOCEXCL)
        running.close()
        until = time.monotonic() + PATIENCE
        while _is_locked(running.link):
            assert time.monotonic() < until, "the lock stays"
            time.sleep(0.2)  # the machine looks for itself, while nobody has the port open
    finally:
        running.stop()


def _is_locked(link: Path) -> bool:
    """Asked by another process, as the next host would be one."""
    asked = [sys.executable, "-c", _PROBE, str(link)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout != "0\n"


_PROBE = """
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
print(struct.unpack("i", fcntl.ioctl(fd, 0x80045440, struct.pack("i", 0)))[0])
"""


def test_a_second_simulator_takes_the_link_over(tmp_path: Path) -> None:
    """The first one leaves a link alone that is no longer its own."""
    first = Printer(tmp_path, "--personality", "marlin-stock")
    first.close()
    (tmp_path / "second").mkdir()
    second = subprocess.Popen(
        [sys.executable, "-m", "firmware_sim", "serial", "--link", str(first.link)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert second.stdout is not None
    assert second.stdout.readline().startswith("ready")
    assert first.stop() == 0
    assert first.link.is_symlink()
    second.send_signal(signal.SIGINT)
    assert second.wait(PATIENCE) == 0
    second.stdout.close()
    assert not os.path.lexists(first.link)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
