"""Real processes, real ptys, kill -9: the print outlives its gateway, and the ledger has every line once."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.house import PATIENCE, SMALL, House, is_whole, lines_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for the tests that leave its processes alone; each has a printer of its own."""
    personalities = {"mk3": "marlin-full", "mini": "marlin-sd", "lost": "marlin-full"}
    house = House(tmp_path_factory.mktemp("house"), personalities)
    shutil.copy(SMALL, house.folder / "sd" / "clip.gco")
    with house:
        house.until(house.is_up)
        yield house


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


def test_a_print_started_at_the_panel_is_adopted_and_the_queue_waits(shared: House) -> None:
    shared.ready("mini")
    assert shared.at_panel("mini", "panel start CLIP.GCO")
    shared.until(lambda: any(job["is_local"] and job["status"] == "printing" for job in shared.jobs()))
    [local] = [job for job in shared.jobs() if job["is_local"]]
    assert local["member"] == "ana"
    waiting = shared.submit("mini", SMALL)
    assert shared.job(waiting)["status"] == "queued"
    shared.until(lambda: shared.job(local["id"])["status"] == "completed")
    assert shared.executed("mini", "sd") == lines_of(SMALL)


def test_sigterm_ends_both_and_leaves_the_print_running(tmp_path: Path) -> None:
    with House(tmp_path, {"mk3": "marlin-full"}) as house:
        house.ready("mk3")
        job_id = house.submit("mk3", SMALL)
        house.until(lambda: house.count("mk3") > 100)
        house.terminate("gateway")
        before = house.count("mk3")
        # On a busy host the last lines may have been printed while the gateway ended.
        house.until(lambda: house.count("mk3") > before + 50 or is_whole(house.executed("mk3"), SMALL))
        house.start("gateway")
        house.until(house.is_up)
        house.until(lambda: house.job(job_id)["status"] == "completed")
        assert is_whole(house.executed("mk3"), SMALL)
        house.terminate("streamer")


def test_submit_and_watch_ends_with_the_outcome_as_exit_code(shared: House) -> None:
    shared.ready("mk3")
    watched = shared.cli("jobs", "submit", str(SMALL), "--printer", "mk3", "--watch")
    assert watched.returncode == 0, watched.stderr
    assert "completed" in watched.stdout + watched.stderr
    waiting = shared.submit("mk3", SMALL)
    shared.cli("jobs", "cancel", waiting)
    assert shared.cli("jobs", "watch", waiting).returncode == 3


BAD_FILES = {
    "empty.gcode": (b"", "empty"),
    "part.stl": (b"solid cube\nfacet normal 0 0 1\n", "STL"),
    "noise.gcode": (bytes(range(256)) * 40, "binary"),
    "letter.gcode": (b"Dear printer,\nplease print me a dragon.\nYours, Ben\n", "G-code"),
    "long.gcode": (b"G28\nG1 " + b"X1.000 " * 20 + b"\n", "Line 2"),
}


def test_bad_input_is_one_clear_line_and_nothing_is_lost(shared: House, tmp_path: Path) -> None:
    before = len(shared.jobs())
    for name, (content, word) in BAD_FILES.items():
        (tmp_path / name).write_bytes(content)
        refused = shared.cli("jobs", "submit", str(tmp_path / name), "--printer", "mk3")
        assert refused.returncode not in (0, 3), name
        assert word.lower() in refused.stderr.lower(), (name, refused.stderr)
        assert "Traceback" not in refused.stderr
    unknown = shared.cli("jobs", "submit", str(SMALL), "--printer", "mk4")
    assert unknown.returncode == 2
    assert "mk4" in unknown.stderr
    assert len(shared.jobs()) == before


@pytest.mark.parametrize("name", ["streamer", "gateway"])
def test_a_second_one_says_that_there_is_one_already(shared: House, name: str) -> None:
    first = shared.processes[name]
    shared.start(name)
    second, shared.processes[name] = shared.processes[name], first
    assert second.wait(PATIENCE) == 1
    assert first.poll() is None
    said = shared.log(name)
    assert "another" in said
    assert "Traceback" not in said


def test_a_second_one_with_a_store_of_its_own_leaves_the_first_its_socket(shared: House) -> None:
    """And its printers: it ends before it has asked the streamer anything."""
    other = (shared.folder / "config.toml").read_text().replace("/gateway.db", "/other.db")
    (shared.folder / "other.toml").write_text(other)
    shared.run("other", "gateway", "serve", "--config", f"{shared.folder}/other.toml")
    assert shared.processes.pop("other").wait(PATIENCE) == 1
    assert "another gateway is running at" in shared.log("other")
    assert not (shared.folder / "other.db").exists()
    assert shared.cli("printers", "list").returncode == 0


def test_a_port_that_is_not_there_says_what_to_do(shared: House) -> None:
    shared.kill("lost")
    (shared.folder / "lost.tty").unlink()
    shared.until(lambda: "plugged in" in str(shared.printer("lost").get("link_reason")))


def test_an_http_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        house = House(tmp_path, {})
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace("127.0.0.1:0", address))
        house.start("gateway")
        assert house.processes["gateway"].wait(PATIENCE) == 1
        said = house.log("gateway").strip().splitlines()[-1]
        assert address in said
        assert "another program listens there" in said
