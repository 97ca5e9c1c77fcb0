"""Real processes: a port stays open from one streamer to the next, because the service manager holds it.

The machine's side of a pseudo-terminal hears a hang-up as soon as nobody has the other side open: what lowers
DTR on a real port.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_systemd import FakeSystemd
from tests.transport.ptys import PtyMachine

PATIENCE = 60.0  # seconds for anything on a busy machine


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeSystemd]:
    made = FakeSystemd(tmp_path)
    yield made
    made.close()


@pytest.fixture
def board() -> Iterator[PtyMachine]:
    made = PtyMachine(keeps_slave=False)
    yield made
    made.unplug()


@pytest.fixture
def config(tmp_path: Path, board: PtyMachine) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[streamer]\nsocket = "{tmp_path}/streamer.sock"\nrecords = "{tmp_path}/records"\n'
        f'[[printers]]\nname = "mk3"\ndriver = "marlin"\nport = "{board.path}"\nowner = "ana"\n'
    )
    return path


def hang_ups(board: PtyMachine) -> bool:
    """Whether nobody has the printer's port open now."""
    poll = select.poll()
    poll.register(board.master, 0)
    return bool(poll.poll(0))


def hear(board: PtyMachine, text: bytes) -> None:
    """Wait until the machine has heard `text`."""
    heard = b""
    end = time.monotonic() + PATIENCE
    while text not in heard:
        assert time.monotonic() < end, heard
        select.select([board.master], [], [], 0.05)
        try:
            heard += os.read(board.master, 4096)
        except BlockingIOError:
            pass
        except OSError:
            time.sleep(0.05)  # hung up: nobody has opened it yet


def streamer(systemd: FakeSystemd, config: Path) -> subprocess.Popen[bytes]:
    return systemd.start("-m", "gateway", "streamer", "--config", str(config))


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    process.wait(PATIENCE)
    return process.returncode


class Watch:
    """Notices every hang-up while it is open."""

    def __init__(self, board: PtyMachine) -> None:
        self.told: list[int] = []
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._watch, args=(board.master,), daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stopped)
        self._thread.join(PATIENCE)
        os.close(self._stop)

    def _watch(self, master: int) -> None:
        poll = select.poll()
        poll.register(master, 0)
        poll.register(self._stop, 0)
        self.told += [fd for fd, _ in poll.poll() if fd == master]


def test_a_port_stays_open_from_one_streamer_to_the_next(
    systemd: FakeSystemd, config: Path, board: PtyMachine
) -> None:
    first = streamer(systemd, config)
    hear(board, b"M115")
    systemd.until("FDSTORE=")
    with Watch(board) as watch:
        assert end(first, signal.SIGKILL) == -signal.SIGKILL
        assert systemd.names() == ["port-mk3"]
        second = streamer(systemd, config)
        systemd.until("FDSTORE=")
        hear(board, b"M115")
        assert systemd.names() == ["port-mk3"], "the new one in place of the old one"
        assert end(second, signal.SIGTERM) == 0
        assert systemd.names() == ["port-mk3"]
    assert watch.told == [], "nobody ever closed it for good"
    config.write_text(config.read_text().split("[[printers]]")[0])
    third = streamer(systemd, config)
    systemd.until("FDSTOREREMOVE=")
    assert systemd.names() == [], "the printer is gone from the configuration"
    assert hang_ups(board)
    systemd.until("READY=1")
    assert end(third, signal.SIGTERM) == 0


def test_without_a_store_the_port_is_closed_when_the_process_dies(config: Path, board: PtyMachine) -> None:
    """The judge of the test above sees what it is to see."""
    alone = subprocess.Popen(
        [sys.executable, "-c", f"import os, time; os.open({board.path!r}, 2 | 256); time.sleep(600)"]
    )
    while hang_ups(board):
        select.select([], [], [], 0.01)
    with Watch(board) as watch:
        alone.kill()
        alone.wait(PATIENCE)
        while not hang_ups(board):
            select.select([], [], [], 0.01)
        watch._thread.join(PATIENCE)
    assert watch.told
