"""Real processes: the streamer is killed, or stopped, in mid-print; its successor goes on.

What no pseudo-terminal can show is the modem line: a real board that resets when DTR rises is held, and
whether it resets is a matter of its USB chip. Everything else here is as it is in the field.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.house import SMALL, House, is_whole

#: Seconds that the machine stands still at most, beside the start of the process.
PROMISED_STALL = 3.0


def stalls(house: House, printer: str, since: float) -> float:
    """Wait for the next command that the machine executes; the seconds that took."""
    stood = len(house.executed(printer))
    house.until(lambda: len(house.executed(printer)) > stood)
    return time.monotonic() - since


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
def test_the_streamer_is_killed_in_mid_print_and_the_print_goes_on(tmp_path: Path, personality: str) -> None:
    with House(tmp_path, {"mk3": personality}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        for deaths in range(1, 4):
            house.until(lambda deaths=deaths: house.count("mk3") > 150 * deaths)  # type: ignore[misc]
            house.kill("streamer")
            time.sleep(0.5)  # the planner runs dry: what is executed next was sent by the successor
            began = time.monotonic()
            house.start("streamer")
            stall = stalls(house, "mk3", began)
            print(f"{personality}, death {deaths}: {stall:.2f} s from the new process to the next line")
            assert stall < PROMISED_STALL + 5.0, "and the start of a Python process on a busy host"
        house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        job = house.job(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert is_whole(house.executed("mk3"), SMALL), "no line lost, none doubled"


def test_the_streamer_is_stopped_in_mid_print_and_goes_on_at_start(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        house.until(lambda: house.count("mk3") > 200)
        assert house.terminate("streamer") < 2.0
        time.sleep(1.0)
        assert "M104 S0" not in house.executed("mk3")[-20:], "the heaters stay as they are"
        house.start("streamer")
        house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        assert house.job(job_id)["status"] == "completed"
        assert is_whole(house.executed("mk3"), SMALL)
