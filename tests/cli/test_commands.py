"""What people type: the right call, a readable answer, an exit code, and never a stack trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.conftest import Run
from tests.client.fake_gateway import FakeGateway, event, job, printer, problem, served


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "clip.gcode"
    path.write_text("G28\nM84\n")
    return path


# printers


def test_lists_printers(run: Run, fake: FakeGateway) -> None:
    fake.printers.append(printer(id=2, name="x1", status="offline", link="down", link_reason="no such port"))
    result = run("printers", "list")
    assert result.exit_code == 0
    head, _, *rows = [line for line in result.stdout.splitlines() if line.strip()]
    assert head.split()[:4] == ["ID", "NAME", "STATUS", "PLATE"]
    assert [row.split()[:3] for row in rows] == [["1", "mk3", "ready"], ["2", "x1", "offline"]]
    assert "no such port" in rows[1]


@pytest.mark.parametrize(
    ("words", "key"),
    [(("printers", "list"), "plate"), (("jobs", "list"), "status"), (("members", "list"), "name")],
)
def test_every_listing_takes_json(run: Run, words: tuple[str, ...], key: str) -> None:
    listed = json.loads(run(*words, "--json").stdout)
    assert len(listed) == 1
    assert listed[0][key]


def test_shows_one_printer(run: Run) -> None:
    text = run("printers", "show", "mk3").stdout
    assert "firmware      Marlin 2.1.2" in text
    assert "nozzle 21.0 °C, bed 20.5 °C" in text
    assert json.loads(run("printers", "show", "1", "--json").stdout)["name"] == "mk3"


def test_shows_what_is_heated(run: Run, fake: FakeGateway) -> None:
    fake.printers[0]["temperatures"] = {"T": 205.12, "T_target": 215.0, "B": 60, "B_target": 0.0, "P": 25.0}
    assert "nozzle 205.1 °C of 215, bed 60.0 °C (off), P 25.0 °C" in run("printers", "show", "mk3").stdout


def test_shows_alarms(run: Run, fake: FakeGateway) -> None:
    assert "alarm " not in run("printers", "show", "mk3").stdout
    fake.printers[0]["alarms"] = [{"rule": "idle-heat", "message": "The heaters are on."}]
    assert "alarm         The heaters are on. (idle-heat)" in run("printers", "show", "mk3").stdout


def test_shows_where_the_head_is(run: Run, fake: FakeGateway) -> None:
    assert "position " not in run("printers", "show", "mk3").stdout
    fake.printers[0]["position"] = {"x": 10.0, "y": 20.5, "z": 0.3, "e": -1.25}
    assert "position      X 10.00 Y 20.50 Z 0.30 E -1.25 mm" in run("printers", "show", "mk3").stdout


def test_confirms_a_plate(run: Run, fake: FakeGateway) -> None:
    result = run("printers", "ready", "mk3")
    assert (result.exit_code, result.stdout) == (0, "mk3: plate clear\n")
    assert ("POST", "/printers/1/plate") in fake.asked
    assert fake.bodies == [{"plate": "clear"}]


def test_stops_a_printer(run: Run, fake: FakeGateway) -> None:
    assert run("printers", "stop", "mk3").stdout == "mk3: emergency stop sent\n"
    assert ("POST", "/printers/1/stop") in fake.asked


def test_a_stop_that_the_printer_does_not_have_is_no_success(run: Run, fake: FakeGateway) -> None:
    fake.stop_outcome = ("failed", "a printer that calls in has no emergency stop")
    result = run("printers", "stop", "mk3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "print-gateway: mk3: a printer that calls in has no emergency stop\n"


def test_a_stop_that_the_printer_refuses_a_moment_later_is_no_success(run: Run, fake: FakeGateway) -> None:
    fake.outcome = ("failed", "it has no emergency stop over the network: switch it off at the mains")
    result = run("printers", "stop", "mk3")
    assert (result.exit_code, result.stdout) == (1, "mk3: emergency stop sent\n")
    assert "mk3: it has no emergency stop over the network: switch it off at the mains" in result.stderr


def test_a_stop_without_a_word_from_the_printer_sends_people_to_the_machine(
    run: Run, fake: FakeGateway
) -> None:
    fake.outcome = ("pending", None)
    result = run("printers", "stop", "mk3", "--wait", "0.1")
    assert (result.exit_code, result.stdout) == (1, "mk3: emergency stop sent\n")
    assert "no word from the printer yet; look at it" in result.stderr


def test_adjusts_a_printer(run: Run, fake: FakeGateway) -> None:
    result = run(
        "printers",
        "adjust",
        "mk3",
        "--speed",
        "120",
        "--fan",
        "50",
        "--hotend",
        "215",
        "--z",
        "-0.05",
        "--light",
    )
    assert (result.exit_code, result.stdout) == (0, "mk3: adjusted\n")
    assert ("POST", "/printers/1/adjust") in fake.asked
    assert fake.bodies == [{"speed": 120, "fan": 50, "hotend": 215, "z_step": -0.05, "light": True}]


def test_says_what_can_be_adjusted(run: Run, fake: FakeGateway) -> None:
    result = run("printers", "adjust", "mk3")
    assert result.exit_code == 2
    assert "--speed, --flow, --fan, --hotend, --bed, --z or --light" in result.stderr
    assert fake.asked == []


def test_an_order_that_the_printer_refuses_fails(run: Run, fake: FakeGateway) -> None:
    fake.outcome = ("failed", "The printer asks nothing any more.")
    result = run("printers", "answer", "mk3", "0")
    assert (result.exit_code, result.stderr) == (
        1,
        "print-gateway: mk3: The printer asks nothing any more.\n",
    )
    assert fake.bodies == [{"choice": 0}]
    assert run("printers", "answer", "mk3", "0", "--json").exit_code == 1


def test_shows_what_a_printer_asks(run: Run, fake: FakeGateway) -> None:
    fake.printers[0]["prompt"] = {"text": "Nozzle Parked", "choices": ["Continue", "Purge"]}
    text = run("printers", "show", "mk3").stdout
    assert "asks" in text
    assert "Nozzle Parked (0 = Continue, 1 = Purge; `printers answer`)" in text
    assert "Nozzle Parked" in run("printers", "list").stdout


def test_an_unknown_printer_is_a_usage_error(run: Run) -> None:
    result = run("printers", "show", "nope")
    assert result.exit_code == 2
    assert result.stderr == 'print-gateway: there is no printer "nope"\n'


# jobs


def test_lists_jobs(run: Run, fake: FakeGateway) -> None:
    fake.jobs.append(
        job(number=8, id="a" * 36, name="[red]x[/red]", status="paused", reasons=["printer-stopped"],
            is_held=True, is_local=True, progress=0.256, message="look at the machine")
    )  # fmt: skip
    text = run("jobs", "list").stdout
    assert "waiting for a clear plate" in text
    assert "[red]x[/red]" in text
    assert "paused (held)" in text
    assert "26%" in text
    assert "local" in text


@pytest.mark.parametrize(
    ("origin", "listed", "shown"),
    [
        ("gateway", "", "through the gateway"),
        ("panel", "panel", "at the machine"),
        ("lan-app", "LAN app", "by another program on its network"),
        ("cloud", "cloud", "through its maker's cloud"),
        ("unknown", "local", "not through the gateway"),
    ],
)
def test_who_started_a_print_is_told(
    run: Run, fake: FakeGateway, origin: str, listed: str, shown: str
) -> None:
    fake.jobs = [job(is_local=origin != "gateway", origin=origin)]
    assert listed in run("jobs", "list").stdout
    assert shown in run("jobs", "show", "7").stdout


def test_lists_the_newest(run: Run, fake: FakeGateway) -> None:
    fake.jobs = [job(number=number, id=f"{number:036}") for number in range(1, 8)]
    result = run("jobs", "list", "--limit", "3", "--status", "queued", "--scope", "mine")
    assert fake.asked[-1] == ("GET", "/jobs?status=queued&scope=mine&limit=3&offset=4")
    assert "the newest 3 of 7" in result.stdout
    listed = json.loads(run("jobs", "list", "--limit", "3", "--json").stdout)
    assert [found["number"] for found in listed] == [5, 6, 7]


def test_shows_a_job_by_its_number(run: Run) -> None:
    text = run("jobs", "show", "7").stdout
    assert "name     clip.gcode" in text
    assert "waiting  waiting for a clear plate" in text
    assert json.loads(run("jobs", "show", "4b5a3181", "--json").stdout)["number"] == 7


def test_an_unknown_job_is_a_usage_error(run: Run) -> None:
    result = run("jobs", "show", "99")
    assert result.exit_code == 2
    assert result.stderr == 'print-gateway: there is no job "99"; see print-gateway jobs list\n'


def test_submits(run: Run, fake: FakeGateway, gcode: Path) -> None:
    result = run("jobs", "submit", str(gcode), "--name", "bracket")
    assert (result.exit_code, result.stdout) == (0, 'job 7 "clip.gcode" is queued on mk3\n')
    assert fake.files == {"clip.gcode": b"G28\nM84\n"}
    assert fake.bodies[-1]["name"] == "bracket"
    assert fake.bodies[-1]["printer"] == "mk3"


def test_submit_asks_which_printer(run: Run, fake: FakeGateway, gcode: Path) -> None:
    fake.printers.append(printer(id=2, name="x1"))
    result = run("jobs", "submit", str(gcode))
    assert result.exit_code == 2
    assert result.stderr == "print-gateway: name a printer with --printer; there are: mk3, x1\n"
    assert fake.files == {}


def test_submit_needs_a_file_with_something_in_it(run: Run, tmp_path: Path) -> None:
    missing, empty = tmp_path / "no.gcode", tmp_path / "empty.gcode"
    empty.touch()
    for path, text in ((missing, "there is no file"), (empty, "is empty"), (tmp_path, "cannot be read")):
        result = run("jobs", "submit", str(path))
        assert result.exit_code == 2
        assert text in result.stderr
        assert str(path) in result.stderr


@pytest.mark.parametrize(("end", "code"), [("completed", 0), ("canceled", 3), ("failed", 4)])
def test_watching_ends_with_the_job(run: Run, fake: FakeGateway, gcode: Path, end: str, code: int) -> None:
    fake.fate.extend([{"status": "printing"}, {"status": end, "message": "so it was"}])
    mine = {"job_id": fake.jobs[0]["id"]}
    fake.streams.append([event("job-progressed", **mine, progress=0.5), event("job-moved", 3, **mine)])
    result = run("jobs", "submit", str(gcode), "--watch")
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == f'job 7 "clip.gcode" {end}: so it was'


def test_watch_prints_json_at_the_end(run: Run, fake: FakeGateway) -> None:
    fake.fate.extend([{"status": "canceled"}])
    fake.streams.append([])
    result = run("jobs", "watch", "7", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (3, "canceled")


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_orders(run: Run, fake: FakeGateway, verb: str) -> None:
    result = run("jobs", verb, "7")
    assert (result.exit_code, result.stdout) == (0, f'job 7 "clip.gcode": {verb} accepted\n')
    assert fake.asked[-1] == ("POST", f"/jobs/{fake.jobs[0]['id']}/{verb}")


def test_recovery_is_told_and_confirmed(run: Run, fake: FakeGateway) -> None:
    told = run("jobs", "recover", "7", "--dry-run")
    assert told.exit_code == 0
    assert 'job 7 "clip.gcode" goes on with layer 42 at Z 8.4 mm' in told.stdout
    assert "! Look first." in told.stdout
    assert fake.bodies == []
    unconfirmed = run("jobs", "recover", "7")
    assert unconfirmed.exit_code != 0
    assert fake.bodies == []
    done = run("jobs", "recover", "7", "--layer", "30", "--yes")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, 'job 7 "clip.gcode": recover accepted')
    assert fake.bodies == [{"plan": "plan-30", "layer": 30}]


def test_resolves(run: Run, fake: FakeGateway) -> None:
    fake.fate.append({"status": "failed"})
    assert run("jobs", "resolve", "7", "failed").stdout == 'job 7 "clip.gcode" is failed\n'
    assert fake.bodies == [{"outcome": "failed"}]
    assert run("jobs", "resolve", "7", "perhaps").exit_code == 2


# keys and members


def test_keys(run: Run, fake: FakeGateway) -> None:
    made = run("keys", "create", "ana", "--name", "slicer", "--scope", "data:write")
    assert made.stdout.splitlines() == [
        "key k1 for ana: data:write",
        "the token, shown only now:",
        "secret-token",
    ]
    assert "secret-token" not in run("keys", "list").stdout
    assert json.loads(run("keys", "list", "--json").stdout)[0]["name"] == "slicer"
    assert json.loads(run("keys", "create", "ana", "--json").stdout)["token"] == "secret-token"
    assert fake.keys[-1]["scopes"] == ["data:read", "data:write"]
    assert run("keys", "revoke", "k1").stdout == "key k1 is revoked\n"


def test_members(run: Run) -> None:
    added = run("members", "add", "ben", "--email", "ben@example.org")
    assert added.stdout.startswith("member ben has the id ")
    assert "ben@example.org" in run("members", "list").stdout
    assert run("members", "add", "cleo", "--organization", "school", "--admin", "--json").exit_code == 0
    shown = json.loads(run("members", "list", "--json").stdout)
    assert {member["name"]: member["is_admin"] for member in shown} == {
        "ana": False, "ben": False, "cleo": True,
    }  # fmt: skip


# troubles


def test_nobody_there(run_alone: Run, tmp_path: Path) -> None:
    result = run_alone("--socket", str(tmp_path / "none.sock"), "jobs", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("print-gateway: no gateway runs on this host (nothing listens at ")
    assert result.stderr.count("\n") == 1


def test_url_and_token_come_from_the_environment(run_alone: Run, fake: FakeGateway) -> None:
    with served(fake) as url:
        result = run_alone("printers", "list", PRINT_GATEWAY_URL=url, PRINT_GATEWAY_TOKEN="t1")
    assert result.exit_code == 0
    assert fake.headers[0]["Authorization"] == "Bearer t1"


def test_a_url_must_be_one(run_alone: Run) -> None:
    result = run_alone("--url", "printhost:8080", "printers", "list")
    assert result.exit_code == 2
    assert "write it like http://" in result.stderr


@pytest.mark.parametrize(("status", "code"), [(404, 2), (422, 2), (409, 1), (403, 1), (503, 1)])
def test_a_refusal_is_one_line(run: Run, fake: FakeGateway, status: int, code: int) -> None:
    fake.instead["/printers"] = deque([problem(status, "Because.")])
    result = run("printers", "list")
    assert (result.exit_code, result.stderr) == (code, "print-gateway: Because.\n")


def test_another_server_is_one_line(run: Run, fake: FakeGateway) -> None:
    fake.instead["/printers"] = deque([web.Response(text="<html>")])
    result = run("printers", "list")
    assert result.exit_code == 1
    assert "not like a Print Gateway" in result.stderr


@pytest.mark.parametrize("words", [("nonsense",), ("jobs", "submit"), ("jobs", "list", "--limit", "0")])
def test_usage_errors_are_2(run_alone: Run, words: tuple[str, ...]) -> None:
    assert run_alone(*words).exit_code == 2


@pytest.mark.parametrize(
    ("encoding", "degrees"), [("ascii", b"?C"), ("latin-1", b"\xb0C"), ("utf-8", b"\xc2\xb0C")]
)
def test_a_terminal_of_another_encoding_costs_letters_and_nothing_else(
    socket: Path, fake: FakeGateway, encoding: str, degrees: bytes
) -> None:
    fake.printers[0]["message"] = "\N{CJK UNIFIED IDEOGRAPH-65E5}"
    for words in (("printers", "show", "mk3"), ("printers", "adjust", "--help")):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "--socket", str(socket), *words],
            capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b""), words
        assert degrees in done.stdout


def test_help_loads_nothing_slow() -> None:
    """The command line is typed by people: help must not wait for what only calls need."""
    program = (
        "import sys\nfrom gateway.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit as end: assert not end.code\n"
        "slow = {'aiohttp', 'pydantic', 'sqlalchemy', 'serial', 'asyncio'} & sys.modules.keys()\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("serve", "streamer", "demo", "check-config", "printers", "jobs", "members", "keys", "db"):
        assert f" {word} " in done.stdout
