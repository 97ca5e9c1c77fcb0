"""Tasks on the command line, against the real API; what workers do is said by the engine's commands."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.observations import OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import UploadFile
from gateway.domain.task import Task, TaskStatus
from gateway.domain.task_commands import BeginTask, FailTask, FinishTask, NoteProgress
from tests.api.host import GCODE, Host
from tests.cli.real_gateway import RealGateway, real_gateway
from tests.conformance.conversio_house import CSV, a_task, put_content, put_tasks
from tests.support.stand import BEN


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealGateway]:
    monkeypatch.chdir(tmp_path)
    with real_gateway(tmp_path) as running:
        yield running


async def begun(host: Host) -> Task:
    """Begin the only task, as the pool does once it is there."""
    async with asyncio.timeout(60):
        while not host.engine.state.tasks:
            await asyncio.sleep(0.001)
    (task,) = host.engine.state.tasks.values()
    started: Task = await host.engine.execute(BeginTask(task.work_id))
    await host.engine.execute(NoteProgress(task.work_id, 1, 1, 4))
    return started


def finishing(name: str | None = None, **result: Any) -> Callable[[Host], Any]:
    """A worker that does it; `name` is that of the file it makes."""

    async def work(host: Host) -> None:
        task = await begun(host)
        file = None if name is None else replace(await put_content(host), name=name)
        await host.engine.execute(FinishTask(task.work_id, 1, result, file))

    return work


async def failing(host: Host) -> None:
    task = await begun(host)
    await host.engine.execute(FailTask(task.work_id, 1, "the disk is full: empty it", is_passing=False))


def run(gateway: RealGateway, work: Callable[[Host], Any] | None, *words: str) -> tuple[int, str, str]:
    """What is typed, while somebody works: exit code, stdout, stderr without the bar."""
    ended = None if work is None else gateway.meanwhile(work)
    result = gateway.run(*words)
    if ended is not None:
        ended()
    return result.exit_code, result.stdout, result.stderr


def only_task(gateway: RealGateway) -> dict[str, Any]:
    (task,) = json.loads(gateway.run("tasks", "list", "--json").stdout)
    found: dict[str, Any] = task
    return found


# ---------------------------------------------------------------- export, backup, diagnostics


def test_an_export_goes_to_the_standard_output(gateway: RealGateway) -> None:
    """And nothing else does: it can be piped."""
    words = ("export", "--status", "failed", "--printer", "mk3", "--from", "2016-05-01")
    code, out, _ = run(gateway, finishing("history.csv", rows=1), *words)
    assert (code, out.split()) == (0, CSV.decode().split())
    arguments = only_task(gateway)["arguments"]
    assert (arguments["printer_id"], arguments["statuses"]) == (1, ["failed"])
    assert (arguments["organization_id"], arguments["member_id"]) == (1, None), "of the organization"
    assert arguments["created_after"].startswith(("2016-04-30T", "2016-05-01T"))


def test_an_export_of_no_time_at_all(gateway: RealGateway) -> None:
    words = ("export", "--from", "2016-05-02", "--to", "2016-05-01")
    assert run(gateway, None, *words) == (
        2, "", "print-gateway: --to must be later than --from: no job can be in between\n"
    )  # fmt: skip


def test_an_export_into_a_file(gateway: RealGateway, tmp_path: Path) -> None:
    code, out, _ = run(gateway, finishing("history.csv"), "export", "-o", "jobs.csv")
    assert (code, out) == (0, f"jobs.csv: {len(CSV)} bytes\n")
    assert (tmp_path / "jobs.csv").read_bytes() == CSV
    assert list(tmp_path.glob(".jobs*")) == []


def test_a_backup_is_for_its_owner_alone(gateway: RealGateway, tmp_path: Path) -> None:
    name = "print-gateway-2016-05-18-0542.tar.gz"
    code, out, _ = run(gateway, finishing(name), "backup", "--files")
    assert (code, out) == (0, f"{name}: {len(CSV)} bytes\n")
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert only_task(gateway)["arguments"] == {"with_files": True}
    code, _, err = run(gateway, None, "tasks", "result", "1")
    assert (code, f"{name} is there already" in err) == (1, True), "what was not named replaces nothing"
    assert run(gateway, None, "tasks", "result", "1", "-o", name)[0] == 0


def test_diagnostics_as_json(gateway: RealGateway, tmp_path: Path) -> None:
    words = ("diagnostics", "-o", "d.tar.gz", "--json")
    code, out, _ = run(gateway, finishing("diagnostics.tar.gz", parts=["version"]), *words)
    assert (code, json.loads(out)["result"]) == (0, {"parts": ["version"]})
    assert (tmp_path / "d.tar.gz").read_bytes() == CSV


def test_a_task_that_failed_is_one_line_and_its_own_exit_code(gateway: RealGateway, tmp_path: Path) -> None:
    code, out, err = run(gateway, failing, "export", "-o", "jobs.csv")
    assert (code, out) == (4, "")
    assert 'task 1 "history export" failed: the disk is full: empty it\n' in err
    assert not (tmp_path / "jobs.csv").exists()


def test_a_member_makes_no_backup(gateway: RealGateway) -> None:
    token = gateway.do(lambda host: host.token(BEN))
    result = gateway.run_elsewhere(token, "backup")
    assert result.exit_code == 1
    assert result.stderr == "print-gateway: A backup is for administrators of the gateway (scope admin).\n"


MISTAKES = [
    (("export", "-o", "no/where.csv"), "there is no folder"),
    (("export", "-o", "."), "is a folder; name a file"),
    (("export", "--json"), "name a file with -o"),
    (("export", "--printer", "none"), "There is no printer 'none' for you. Yours: mk3, xl."),
    (("export", "--status", "lost", "-o", "x.csv"), "there is no status 'lost'"),
    (("files", "import", "nothing.gcode"), "there is no file nothing.gcode"),
    (("files", "import", "http://127.0.0.1/x.gcode"), "arguments.url: "),
    (("printers", "upload", "none", "part.gcode"), "There is no printer 'none'"),
    (("tasks", "create", "diagnostics", "--arguments", "{"), "--arguments is no JSON"),
    (("tasks", "create", "diagnostics", "--arguments", "[]"), "must be a JSON object"),
    (("tasks", "create", "file-import"), "arguments: this field is needed"),
    (("tasks", "show", "99"), 'there is no task "99"; see print-gateway tasks list'),
    (("tasks", "result", "99", "-o", "."), "is a folder"),
]


def test_mistakes_are_one_line(gateway: RealGateway, tmp_path: Path) -> None:
    (tmp_path / "part.gcode").write_bytes(GCODE)
    for words, said in MISTAKES:
        code, out, err = run(gateway, None, *words)
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert said in err, words
    assert run(gateway, None, "tasks", "list", "--json")[1] == "[]\n"


# ---------------------------------------------------------------- files


def test_a_file_is_imported_and_told_of(gateway: RealGateway, tmp_path: Path) -> None:
    (tmp_path / "part.gcode").write_bytes(GCODE)
    remark = {"line": 3, "severity": "warn", "words": "lays filament and never heats", "count": 1}
    found = {"layers": 12, "filament_mm": None, "verdict": "look", "findings": [remark]}
    code, out, err = run(gateway, finishing(**found), "files", "import", "part.gcode")
    said = "layers   12\nverdict  look\nwarn     lays filament and never heats (line 3)\n"
    assert (code, out) == (0, said)
    assert "done - 4 of 4 bytes" in err
    (file,) = json.loads(gateway.run("files", "list", "--json").stdout)
    assert only_task(gateway)["arguments"] == {"file_id": file["id"]}
    assert "part.gcode" in gateway.run("files", "list").stdout


def test_an_address_is_imported_without_waiting(gateway: RealGateway) -> None:
    words = ("files", "import", "https://files.example/a.gcode", "--name", "b.gcode", "--detach")
    assert run(gateway, None, *words)[:2] == (0, 'task 1 "import b.gcode" is pending\n')
    assert only_task(gateway)["arguments"] == {"url": "https://files.example/a.gcode", "name": "b.gcode"}


def test_a_file_goes_onto_a_printer(gateway: RealGateway, tmp_path: Path) -> None:
    """By the printer's driver, as soon as it is idle; the plate does not matter."""
    (tmp_path / "part.gcode").write_bytes(GCODE)

    async def driver(host: Host) -> None:
        async with asyncio.timeout(60):
            while not (orders := host.drivers.of(UploadFile)):
                await asyncio.sleep(0.001)
        order = orders[-1]
        assert isinstance(order, UploadFile)
        assert (Path(order.path).read_bytes(), order.name) == (GCODE, "PART.GCO")
        told = {"sent": order.size, "size": order.size, "name_on_printer": "PART~1.GCO"}
        host.engine.observe(OrderProgressed("mk3", order.order_id, progress=1.0, answer=told))
        host.engine.observe(OrderAnswered("mk3", order.order_id, OrderResult.ACCEPTED))

    code, out, err = run(gateway, driver, "printers", "upload", "mk3", "part.gcode", "--name", "PART.GCO")
    assert code == 0, err
    assert "name on printer  PART~1.GCO" in out


# ---------------------------------------------------------------- tasks


def test_the_course_of_a_task(gateway: RealGateway) -> None:
    created = run(gateway, None, "tasks", "create", "history-export", "--name", "for the tax", "--paused")
    assert created[:2] == (0, 'task 1 "for the tax" is paused\n')
    assert run(gateway, None, "tasks", "result", "1")[0] == 1
    assert "it with `tasks watch 1`" in run(gateway, None, "tasks", "result", "1")[2]
    listed = run(gateway, None, "tasks", "list")[1]
    assert "for the tax" in listed
    assert "paused" in listed
    task = only_task(gateway)
    shown = run(gateway, None, "tasks", "show", task["id"][:8])[1]
    assert task["async_job_id"] in shown
    assert run(gateway, None, "tasks", "resume", "1")[:2] == (0, 'task 1 "for the tax" is pending\n')
    assert run(gateway, None, "tasks", "pause", task["id"])[:2] == (0, 'task 1 "for the tax" is paused\n')
    canceled = run(gateway, None, "tasks", "cancel", task["async_job_id"])
    assert canceled[:2] == (0, 'task 1 "for the tax" is canceled\n')
    code, _, err = run(gateway, None, "tasks", "watch", "1")
    assert code == 3
    assert 'task 1 "for the tax" canceled\n' in err
    again = run(gateway, None, "tasks", "cancel", "1")
    assert (again[0], "over already" in again[2]) == (1, True)


def test_a_task_is_watched_to_its_end(gateway: RealGateway) -> None:
    words = ("tasks", "create", "history-export", "--watch")
    code, out, _ = run(gateway, finishing("history.csv"), *words)
    said = (
        'task 1 "history export" is pending\ntask 1 "history export" done; `tasks result 1` takes its file\n'
    )
    assert (code, out) == (0, said)
    assert run(gateway, None, "tasks", "result", "1", "-o", "-")[1].split() == CSV.decode().split()


def test_a_result_that_is_no_file_is_json(gateway: RealGateway) -> None:
    done = a_task(status=TaskStatus.DONE, ended_at=None, result={"name": "Würfel"})
    gateway.do(lambda host: put_tasks(host, {"one": replace(done, ended_at=host.clock.wall())}))
    code, out, _ = run(gateway, None, "tasks", "result", "1")
    assert (code, json.loads(out)) == (0, {"name": "Würfel"})


def test_lists_are_narrowed(gateway: RealGateway) -> None:
    gateway.do(lambda host: put_tasks(host, {str(number): a_task(name=f"n{number}") for number in range(3)}))
    newest = run(gateway, None, "tasks", "list", "--limit", "2")[1]
    assert "n0" not in newest
    assert "the newest 2 of 3; more with --limit" in newest
    assert json.loads(run(gateway, None, "tasks", "list", "--over", "--json")[1]) == []
    assert len(json.loads(run(gateway, None, "tasks", "list", "--open", "--json")[1])) == 3
    assert json.loads(run(gateway, None, "tasks", "list", "--kind", "backup", "--json")[1]) == []


def test_a_task_whose_time_has_not_come_says_when_it_begins(gateway: RealGateway) -> None:
    words = ("tasks", "create", "history-export", "--begins-at", "2016-06-01T06:00")
    code, out, _ = run(gateway, None, *words)
    assert (code, out.endswith(" is scheduled\n")) == (0, True)
    assert "begins 2016-06-01 06:00:00" in run(gateway, None, "tasks", "list")[1]
