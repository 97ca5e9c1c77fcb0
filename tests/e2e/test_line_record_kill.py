"""A real process, killed with SIGKILL at a moment of chance: what the line record then tells."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.drivers.contract import LineKind
from gateway.streamer.line_record import MappedLineRecord

ROOT = Path(__file__).resolve().parents[2]

#: Records a line, then "sends" it: its number goes into a file, as the bytes of a line go to a port.
#: argv: record, port file, first number.
SENDER = """
import os, struct, sys
from pathlib import Path
from gateway.drivers.contract import LineKind
from gateway.streamer.line_record import MappedLineRecord
record = MappedLineRecord(Path(sys.argv[1]))
port = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
first = int(sys.argv[3])
if first == 1:
    record.open(key="attempt-7", path="/files/x.gcode", sha256="ab" * 32, size=10**9, name="x")
print("ready", flush=True)
for number in range(first, 10**8):
    record.sent(number, number * 31, number, LineKind.JOB)
    os.pwrite(port, struct.pack("@Q", number), 0)
"""


def run_and_kill(record: Path, port: Path, first: int, seconds: float) -> int:
    """Start a sender, kill it after `seconds`; the last number it sent."""
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(record), str(port), str(first)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert sender.stdout is not None
    assert sender.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    sender.send_signal(signal.SIGKILL)
    sender.communicate(timeout=20)
    content = port.read_bytes()
    return struct.unpack("@Q", content)[0] if content else first - 1


@pytest.mark.parametrize("seed", range(10))
def test_the_record_is_never_behind_the_port(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path, port = tmp_path / "mk3.lines", tmp_path / "port"
    first = 1
    for _ in range(3):  # each successor goes on where the killed one stopped
        sent = run_and_kill(path, port, first, chance.uniform(0, 0.05))
        record = MappedLineRecord(path)
        left = record.unfinished()
        assert left is not None
        assert left.key == "attempt-7"
        # Recorded before it is sent: at most the one line that was recorded and not yet sent.
        assert sent <= left.last_number <= sent + 1
        assert left.last_offset == left.last_number * 31
        oldest = left.last_number - 255  # its slot is the one that the next line was being written to
        for number in range(max(1, oldest), left.last_number + 1):
            found = record.find(number)
            assert found == (number * 31, number, LineKind.JOB) or (number == oldest and found is None)
        assert record.find(left.last_number + 1) is None
        record.release()
        first = left.last_number + 1
