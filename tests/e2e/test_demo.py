"""The README's first command as a new user runs it: everything it promises, on real processes."""

from __future__ import annotations

import base64
import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

#: The ready file is promised within 110 s, the end within 5 s of SIGTERM (docs: README, `demo`); a busy
#: computer gets more.
READY_WITHIN, ENDS_WITHIN = 300.0, 60.0


def get(url: str, token: str | None) -> tuple[int, dict[str, Any]]:
    """What an API answers to a bearer."""
    return ask(url, {"Authorization": f"Bearer {token}"} if token else {})


def ask(url: str, headers: dict[str, str], method: str = "GET") -> tuple[int, dict[str, Any]]:
    """What an API answers."""
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


#: Inherited by every child of this run, so that one left behind is found.
MARK = f"{os.getpid()}-{time.monotonic_ns()}"


def left_behind() -> list[int]:
    """Processes whose environment says that they belong to this run."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if f"DEMO_RUN={MARK}".encode() in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


@pytest.mark.timeout(600)
def test_the_demo_prints_adopts_and_shows_the_merged_queue(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    log = tmp_path / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", "--ready-file", str(ready)],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEMO_RUN": MARK},
        )
        try:
            until = time.monotonic() + READY_WITHIN
            while not ready.exists():
                assert demo.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            check_ready(json.loads(ready.read_text()))
            check_the_other_apis(json.loads(ready.read_text()))
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(ENDS_WITHIN) == 0, log.read_text()
        finally:
            demo.kill()
            demo.wait()
    until = time.monotonic() + ENDS_WITHIN
    while left_behind():  # a child's own child notices by itself that its parent is gone
        assert time.monotonic() < until, left_behind()
        time.sleep(0.1)
    shown = log.read_text()
    assert shown.count("PROVEN") == 8
    assert "Traceback" not in shown


def check_ready(told: dict[str, Any]) -> None:
    """The merged queue, read with the credentials that the ready file names."""
    url = f"{told['url']}/ps/v1/print/jobs"
    status, queue = get(url, told["credentials"]["forge"])
    assert (status, queue["count"], queue["member_id"]) == (200, 5, told["member_id"])
    printers = {printer["id"]: printer for printer in told["printers"]}
    locals_of = Counter((printers[job["printer_id"]]["name"], job["local_job"]) for job in queue["jobs"])
    assert locals_of == {
        ("workshop", False): 1,
        ("garage", True): 1,
        ("studio", False): 1,
        ("office", False): 1,
        ("office", True): 1,
    }
    jobs = {printers[job["printer_id"]]["name"]: job for job in queue["jobs"] if not job["local_job"]}
    assert {job["status"] for job in queue["jobs"]} == {"completed"}
    assert {job["member_id"] for job in queue["jobs"]} == {told["member_id"]}
    assert jobs["workshop"]["job_data"]["printable_id"].endswith(".gcode")
    assert jobs["studio"]["job_data"]["printable_id"].endswith(".tar.gz")
    assert jobs["office"]["job_data"]["printable_id"].endswith(".3mf")
    drivers = {printer["name"]: (printer["driver"], printer["link"]) for printer in told["printers"]}
    assert drivers["studio"] == ("forge", f"{told['url']}/v1")
    assert drivers["workshop"][0] == drivers["garage"][0] == "marlin"
    driver, link = drivers["office"]
    assert (driver, link.startswith("mqtts://127.0.0.1:")) == ("bambu", True)
    check_the_printer_that_called_in(told, jobs["studio"]["printer_id"])
    other_status, other = get(url, told["credentials"]["forge_other"])
    assert (other_status, other["jobs"]) == (200, []), "a member sees its own jobs"
    assert other["member_id"] != told["member_id"]
    assert get(url, None)[0] == 401


def check_the_printer_that_called_in(told: dict[str, Any], printer_id: int) -> None:
    """It still calls in: what is left running is a printer that can be used."""
    url = f"{told['url']}/ps/v1/print/printers/status/{printer_id}"
    status, shown = get(url, told["credentials"]["forge"])
    assert (status, shown["printer_availability"]) == (200, "online")
    assert shown["last_reported_state"]["printer_status"] == "ready"


def check_the_other_apis(told: dict[str, Any]) -> None:
    """Each credential opens its API, and each API tells what the demo left."""
    url, shown = told["url"], told["credentials"]
    assert list(told) == ["url", "member_id", "stack_id", "printers", "credentials"]
    assert list(shown) == [
        "forge", "forge_other", "greenarrow_admin", "greenarrow_org", "conversio", "conversio_app", "cloud66",
    ]  # fmt: skip
    all_jobs, theirs = greenarrow(url, shown["greenarrow_admin"]), greenarrow(url, shown["greenarrow_org"])
    kinds = sorted(f"{job['job_type']} {job['state']}" for job in all_jobs)
    assert kinds == ["HistoryExport finished"] * 2 + ["PrintJob finished"] * 5
    (school,) = theirs
    assert school in all_jobs
    assert sum(job["organization_id"] == school["organization_id"] for job in all_jobs) == 1
    check_the_export(url, shown)
    check_the_schedule(f"{url}/stacks/{told['stack_id']}", {"Authorization": f"Bearer {shown['cloud66']}"})


def greenarrow(url: str, pair: str) -> list[dict[str, Any]]:
    """`id:key` as GreenArrow's clients send it."""
    credential = base64.b64encode(pair.encode()).decode()
    status, body = ask(f"{url}/ga/api/v2/jobs/all", {"Authorization": f"Basic {credential}"})
    assert (status, body["success"], body["error_code"]) == (200, True, None)
    return list(body["data"])


def check_the_export(url: str, shown: dict[str, str]) -> None:
    """The app's own, by its bearer; by the shop's key with the app's name; its file by its address alone."""
    status, by_app = get(f"{url}/api/v1/async-jobs", shown["conversio_app"])
    (mine,) = by_app["data"]
    assert (status, mine["kind"], mine["status"]) == (200, "history-export", "done")
    assert "partnerApp" not in mine
    _, by_key = ask(f"{url}/api/v1/async-jobs/{mine['id']}", {"X-ApiKey": shown["conversio"]})
    assert by_key["data"]["partnerApp"]
    with urllib.request.urlopen(mine["result"], timeout=60) as file:
        rows = list(csv.DictReader(file.read().decode().splitlines()))
    assert [row["status"] for row in rows] == ["completed"] * 5
    assert ask(f"{url}/api/v1/async-jobs", {"Authorization": f"Bearer {shown['cloud66']}"})[0] in (401, 403)


def check_the_schedule(stack: str, headers: dict[str, str]) -> None:
    """The stack's one job, with its cron; and it runs again, with an argument and without."""
    status, body = ask(f"{stack}/jobs.json", headers)
    (job,) = body["response"]
    assert (status, body["count"], job["type"], job["status"]) == (200, 1, "GcodeMacroJob", 2)
    for asked in ("run_now", "run_now?job_args=Arg1"):
        status, body = ask(f"{stack}/jobs/{job['uid']}/{asked}", headers, "POST")
        assert (status, body["response"]["resource_type"]) == (200, "stack")
        action = f"{stack}/actions/{body['response']['id']}"
        until = time.monotonic() + 60.0
        while (run := ask(action, headers)[1]["response"])["finished_at"] is None:
            assert time.monotonic() < until, run
            time.sleep(0.1)
        assert run["finished_success"] is True, run
