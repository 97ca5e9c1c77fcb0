"""Real processes, real ptys, kill -9: the print outlives its gateway, and the ledger has every line once."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.e2e.house import SMALL, House, is_whole, lines_of


def test_the_gateway_is_killed_in_mid_print_and_nothing_is_lost(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        house.until(lambda: house.count("mk3") > 200)
        house.kill("gateway")
        before = house.count("mk3")
        house.until(lambda: house.count("mk3") > before + 50)
        house.start("gateway")
        house.until(house.is_up)
        house.until(lambda: house.job(job_id)["status"] in ("completed", "failed", "canceled"))
        job = house.job(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert is_whole(house.executed("mk3"), SMALL)


def test_a_print_started_at_the_panel_is_adopted_and_the_queue_waits(tmp_path: Path) -> None:
    with House(tmp_path, {"mini": "marlin-sd"}) as house:
        shutil.copy(SMALL, tmp_path / "sd" / "clip.gco")
        house.kill("mini")
        (tmp_path / "mini.tty").unlink()
        house.run(
            "mini", "firmware_sim", "serial", "--personality", "marlin-sd", "--speed", "20",
            "--link", f"{tmp_path}/mini.tty", "--ledger", f"{tmp_path}/mini.ledger",
            "--control", f"{tmp_path}/mini.control", "--sd", f"{tmp_path}/sd",
        )  # fmt: skip
        house.ready("mini")
        assert house.at_panel("mini", "panel start CLIP.GCO")
        house.until(lambda: [job for job in house.jobs() if job["is_local"]])
        waiting = house.submit("mini", SMALL)
        [local] = [job for job in house.jobs() if job["is_local"]]
        assert (local["member"], local["status"]) == ("ana", "printing")
        assert house.job(waiting)["status"] == "queued"
        house.until(lambda: house.job(local["id"])["status"] == "completed")
        assert house.executed("mini", "sd") == lines_of(SMALL)


def test_sigterm_ends_both_in_time_and_leaves_the_print_running(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        house.until(lambda: house.count("mk3") > 100)
        assert house.terminate("gateway") < 5
        before = house.count("mk3")
        house.until(lambda: house.count("mk3") > before + 50)
        house.start("gateway")
        house.until(house.is_up)
        house.until(lambda: house.job(job_id)["status"] == "completed")
        assert is_whole(house.executed("mk3"), SMALL)
        assert house.terminate("streamer") < 2.5


def test_submit_and_watch_ends_with_the_outcome_as_exit_code(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}, speed=60) as house:
        house.ready("mk3")
        watched = house.cli("jobs", "submit", str(SMALL), "--printer", "mk3", "--watch")
        assert watched.returncode == 0, watched.stderr
        assert "completed" in watched.stdout + watched.stderr
        waiting = house.submit("mk3", SMALL)
        house.cli("jobs", "cancel", waiting)
        assert house.cli("jobs", "watch", waiting).returncode == 3


BAD_FILES = {
    "empty.gcode": (b"", "empty"),
    "part.stl": (b"solid cube\nfacet normal 0 0 1\n", "STL"),
    "noise.gcode": (bytes(range(256)) * 40, "binary"),
    "letter.gcode": (b"Dear printer,\nplease print me a dragon.\nYours, Ben\n", "G-code"),
    "long.gcode": (b"G28\nG1 " + b"X1.000 " * 20 + b"\n", "Line 2"),
}


def test_bad_input_is_one_clear_line_and_nothing_is_lost(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.until(house.is_up)
        for name, (content, word) in BAD_FILES.items():
            (tmp_path / name).write_bytes(content)
            refused = house.cli("jobs", "submit", str(tmp_path / name), "--printer", "mk3")
            assert refused.returncode not in (0, 3), name
            assert word.lower() in refused.stderr.lower(), (name, refused.stderr)
            assert "Traceback" not in refused.stderr
        unknown = house.cli("jobs", "submit", str(SMALL), "--printer", "mk4")
        assert unknown.returncode == 2
        assert "mk4" in unknown.stderr
        assert house.jobs() == []


@pytest.mark.parametrize("name", ["streamer", "gateway"])
def test_a_second_one_says_that_there_is_one_already(tmp_path: Path, name: str) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.until(house.is_up)
        first = house.processes[name]
        house.start(name)
        assert house.processes[name].wait(20) == 1
        house.processes[name] = first
        said = house.log(name)
        assert "another" in said
        assert "Traceback" not in said


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.kill("mk3")
        (tmp_path / "mk3.tty").unlink()
        house.until(lambda: "plugged in" in str(house.printer("mk3").get("link_reason")))


def test_an_http_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with House(tmp_path, {"mk3": "marlin-full"}) as house:
            house.until(house.is_up)
            house.kill("gateway")
            config = tmp_path / "config.toml"
            config.write_text(config.read_text().replace("127.0.0.1:0", address))
            house.start("gateway")
            assert house.processes.pop("gateway").wait(20) == 1
            said = house.log("gateway").strip().splitlines()[-1]
            assert address in said
            assert "another program listens there" in said
