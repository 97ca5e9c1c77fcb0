"""Real processes: the streamer is killed, or stopped, in mid-print; its successor goes on.

What no pseudo-terminal can show is the modem line: a real board that resets when DTR rises is held, and
whether it resets is a matter of its USB chip. Everything else here is as it is in the field.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.house import SMALL, House, is_whole

#: Seconds that the machine stands still at most, beside the start of the process: the shortest of three.
#: A busy computer lets a process wait.
PROMISED_STALL = 3.0


def listens_since(house: House) -> int:
    """When the streamer made its socket, in nanoseconds; 0 for none."""
    socket = house.folder / "streamer.sock"
    return socket.stat().st_ctime_ns if socket.exists() else 0


def starts(house: House) -> None:
    """Start a streamer, and wait until its process has come up: a busy computer takes its time for that."""
    before = listens_since(house)
    house.start("streamer")
    house.until(lambda: listens_since(house) not in (0, before))


def stalls(house: House, printer: str, stood: int) -> float:
    """Wait for the next command that the machine executes; the seconds that took."""
    since = time.monotonic()
    house.until(lambda: house.count(printer) > stood)
    return time.monotonic() - since


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
def test_the_streamer_ends_in_mid_print_and_its_successor_goes_on(tmp_path: Path, personality: str) -> None:
    with House(tmp_path, {"mk3": personality}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        stood_still = []
        for number, end in enumerate(("SIGKILL", "SIGTERM", "SIGKILL"), 1):
            house.until(lambda number=number: house.count("mk3") > 150 * number)  # type: ignore[misc]
            if end == "SIGKILL":
                house.kill("streamer")
            else:
                house.terminate("streamer")
            time.sleep(0.5)  # the planner runs dry: what is executed next was sent by the successor
            assert "M104 S0" not in house.executed("mk3")[-20:], "the heaters stay as they are"
            stood = house.count("mk3")
            starts(house)
            stood_still.append(stalls(house, "mk3", stood))
        assert min(stood_still) < PROMISED_STALL, stood_still
        house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        job = house.job(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert is_whole(house.executed("mk3"), SMALL), "no line lost, none doubled"
