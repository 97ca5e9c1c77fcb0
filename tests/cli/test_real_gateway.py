"""Each command against the real API: what people type, what they read, and the exit code scripts go by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.commands import SetPlate
from gateway.domain.job import JobStatus
from gateway.domain.member import Scope
from gateway.domain.observations import PrintPhase
from gateway.domain.orders import EmergencyStop
from gateway.domain.printer import Plate
from tests.api.host import EVE, Host, a_job
from tests.cli.real_gateway import RealGateway, print_to, real_gateway
from tests.support.stand import ANA, BEN


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    with real_gateway(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGateway]:
    """One with a job that waits, for all tests that change nothing."""
    with real_gateway(tmp_path_factory.mktemp("gateway")) as running:
        put_job(running)
        yield running


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "clip.gcode"
    path.write_text("G28\nM84\n")
    return path


def clear(gateway: RealGateway) -> None:
    """Somebody cleared the plate of mk3."""
    gateway.do(lambda host: host.engine.execute(SetPlate(1, Plate.CLEAR, "ana")))


def put_job(gateway: RealGateway, **changes: Any) -> str:
    job = a_job(**{"member": ANA, "file_sha256": "ab" * 32, **changes})
    gateway.do(lambda host: host.put_jobs(job))
    return job.job_id


# ---------------------------------------------------------------- from a file to its end


def test_from_a_file_to_a_waiting_job_to_its_cancellation(gateway: RealGateway, gcode: Path) -> None:
    submitted = gateway.run("jobs", "submit", str(gcode), "--printer", "mk3", "--name", "bracket")
    assert (submitted.exit_code, submitted.stdout) == (0, 'job 1 "bracket" is queued on mk3\n')
    listed = gateway.run("jobs", "list").stdout
    assert "bracket" in listed
    assert "print-gateway printers ready mk3" in listed, "what it waits for, and what to type"
    assert "waiting  the plate of mk3 is not confirmed clear" in gateway.run("jobs", "show", "1").stdout
    assert gateway.run("jobs", "cancel", "1").stdout == 'job 1 "bracket": cancel accepted\n'
    assert "status   canceled" in gateway.run("jobs", "show", "1").stdout
    again = gateway.run("jobs", "cancel", "1")
    said = "print-gateway: this job is over already; nothing is left to do with it\n"
    assert (again.exit_code, again.stderr) == (1, said)


@pytest.mark.parametrize(
    ("end", "code", "last"),
    [
        (PrintPhase.COMPLETED, 0, 'job 1 "clip.gcode" completed'),
        (PrintPhase.FAILED, 4, 'job 1 "clip.gcode" failed: thermal runaway'),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_watching_a_print_to_its_end(
    gateway: RealGateway, gcode: Path, end: PrintPhase, code: int, last: str, form: str
) -> None:
    clear(gateway)
    message = "thermal runaway" if end is PrintPhase.FAILED else None
    printed = gateway.meanwhile(lambda host: print_to(host, end, message=message))
    words = ("jobs", "submit", str(gcode), "--printer", "mk3", "--watch")
    result = gateway.run(*words) if form == "text" else gateway.run(*words, "--json")
    printed()
    assert result.exit_code == code, result.stderr
    if form == "json":
        job = json.loads(result.stdout)
        assert (job["status"], job["message"]) == (end.value, message)
    else:
        assert result.stdout.splitlines()[-1] == last


def test_a_second_person_cancels_what_the_first_one_watches(gateway: RealGateway, gcode: Path) -> None:
    clear(gateway)
    gateway.run("jobs", "submit", str(gcode), "--printer", "mk3")

    async def cancel(host: Host) -> None:
        headers = await host.bearer(ANA, Scope.ADMIN)
        (job,) = host.engine.state.jobs.values()
        printed = print_to(host, PrintPhase.CANCELED)
        response = await host.client.post(f"/gateway/v1/jobs/{job.job_id}/cancel", headers=headers)
        assert response.status == 202
        await printed

    canceled = gateway.meanwhile(cancel)
    result = gateway.run("jobs", "watch", "1")
    canceled()
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (3, 'job 1 "clip.gcode" canceled')


def test_watching_what_is_over_ends_at_once(gateway: RealGateway, gcode: Path) -> None:
    gateway.run("jobs", "submit", str(gcode), "--printer", "mk3")
    gateway.run("jobs", "cancel", "1")
    result = gateway.run("jobs", "watch", "1")
    assert (result.exit_code, result.stdout) == (3, 'job 1 "clip.gcode" canceled\n')


def test_a_plate_is_confirmed_and_the_job_starts(gateway: RealGateway, gcode: Path) -> None:
    gateway.run("jobs", "submit", str(gcode), "--printer", "mk3")
    assert gateway.run("printers", "ready", "mk3").stdout == "mk3: plate clear\n"
    assert json.loads(gateway.run("jobs", "show", "1", "--json").stdout)["status"] == "sent"
    refused = gateway.run("printers", "ready", "1")
    assert refused.exit_code == 1
    assert "its plate cannot be clear now" in refused.stderr


def test_an_emergency_stop_is_sent(gateway: RealGateway) -> None:
    stopped = gateway.run("printers", "stop", "mk3", "--wait", "0.1")  # no machine is here to answer
    assert stopped.stdout == "mk3: emergency stop sent\n"
    assert len(gateway.host.drivers.of(EmergencyStop)) == 1


# ---------------------------------------------------------------- refusals


def stored_files(gateway: RealGateway) -> list[Any]:
    return list(gateway.do(lambda host: host.queries.files(member_id=None, limit=10, offset=0)))


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        (b"", (), "is empty; slice it again"),
        (b"PK\x03\x04", (), "this is an archive, not G-code: export the sliced file"),
        (b"G28\n", ("--printer", "nope"), "There is no printer 'nope' for you. Yours: mk3, xl."),
        (b"G28\n", ("--printer", ""), "name a printer with --printer; there are: mk3, xl"),
        (b"G28\n", ("--member", "zoe"), "member: there is no 'zoe' for whom you may act"),
        (b"G28\n", ("--name", "x" * 201), "name: String should have at most 200 characters"),
        (b"G28\n", ("--name", "a\x1bb"), "name: A name is one line of text"),
        (b"G28\n" * 300_000, (), "raise `max_upload_bytes`"),
    ],
    ids=["empty", "archive", "printer", "no printer", "member", "long name", "escape", "large"],
)
def test_a_job_that_cannot_be(
    settled: RealGateway, gcode: Path, content: bytes, words: tuple[str, ...], says: str
) -> None:
    """One line that says what is wrong, exit code 2, and no job."""
    gcode.write_bytes(content)
    given = words if "--printer" in words else (*words, "--printer", "mk3")
    result = settled.run("jobs", "submit", str(gcode), *given)
    assert result.exit_code == 2, result.stderr
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert len(settled.host.engine.state.jobs) == 1


def test_a_wrong_printer_is_found_out_before_the_upload(gateway: RealGateway, gcode: Path) -> None:
    """A large file takes minutes; a slip of the finger should not."""
    gateway.run("jobs", "submit", str(gcode), "--printer", "mk4")
    assert stored_files(gateway) == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("printers", "show", "nope"), 2, "There is no printer 'nope' for you. Yours: mk3, xl."),
        (("printers", "show", "../jobs"), 2, "There is no printer '../jobs' for you"),
        (("printers", "ready", "99"), 2, "There is no printer '99' for you"),
        (("printers", "stop", "nope"), 2, "There is no printer 'nope' for you"),
        (("jobs", "list", "--status", "cancelled"), 2, "status: there is no 'cancelled'. Known: canceled, "),
        (("jobs", "list", "--printer", "nope"), 2, "There is no printer 'nope' for you"),
        (("jobs", "show", ""), 2, 'there is no job ""; see print-gateway jobs list'),
        (("jobs", "show", "7"), 2, 'there is no job "7"'),
        (("jobs", "show", "4b5a3181-8997-4d6a-979f-e1af7eb5ffff"), 2, "`print-gateway jobs list`"),
        (("jobs", "watch", "7"), 2, 'there is no job "7"'),
        (("jobs", "cancel", ""), 2, 'there is no job ""'),
        (("jobs", "pause", "1"), 1, "is queued; there is nothing to pause"),
        (("jobs", "resume", "1"), 1, "is queued; there is nothing to resume"),
        (("jobs", "resolve", "1", "completed"), 1, "only a held job needs a person to resolve it"),
        (("keys", "create", "zoe"), 2, "member: there is no 'zoe'; `print-gateway members add`"),
        (("keys", "create", "ana", "--scope", "root"), 2, "scopes.0: Input should be 'data:read'"),
        (("keys", "create", "ana", "--name", ""), 2, "name: String should have at least 1 character"),
        (("keys", "revoke", "nope"), 2, "There is no such key for you; `print-gateway keys list`"),
        (("members", "add", "ana"), 1, "there is a member named 'ana' already"),
        (("members", "add", "zoe", "--email", "zoe"), 2, "email: An e-mail address is needed"),
        (("members", "add", " "), 2, "name: A name is one line of text"),
        (("members", "add", "a\udcff"), 2, "no UTF-8 text|not JSON"),
        (("printers", "show", "a\udcff"), 2, "no UTF-8 text"),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "replace").decode() if isinstance(value, tuple) else "",
)
def test_refusals_are_one_line_with_what_to_do(
    settled: RealGateway, words: tuple[str, ...], code: int, says: str
) -> None:
    result = settled.run(*words)
    assert result.exit_code == code, (result.stdout, result.stderr)
    assert result.stderr.startswith("print-gateway: ")
    assert any(text in result.stderr for text in says.split("|"))
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


# ---------------------------------------------------------------- for scripts

#: Every command that prints something, and what its JSON has.
WITH_JSON = {
    ("printers", "list"): "plate",
    ("printers", "show", "mk3"): "plate",
    ("printers", "ready", "mk3"): "plate",
    ("printers", "stop", "xl", "--wait", "0.1"): "task_id",
    ("jobs", "list"): "status",
    ("jobs", "show", "1"): "status",
    ("jobs", "cancel", "1"): "task_id",
    ("jobs", "pause", "2"): "task_id",
    ("keys", "create", "ana"): "token",
    ("keys", "list"): "scopes",
    ("keys", "revoke", "KEY"): "revoked_at",
    ("members", "list"): "email",
    ("members", "add", "zoe"): "email",
}


@pytest.mark.parametrize("words", WITH_JSON, ids=" ".join)
def test_every_command_takes_json(gateway: RealGateway, words: tuple[str, ...]) -> None:
    """The whole of stdout is one JSON value, also with names that are not ASCII."""
    put_job(gateway, name="Wür\u202efel")
    put_job(
        gateway,
        job_id="00000000-0000-4000-9000-000000000002",
        printer_id=2,
        status=JobStatus.PRINTING,
        print_key="m",
    )
    gateway.do(lambda host: host.token(ANA))
    key = next(iter(gateway.host.engine.state.keys))
    result = gateway.run(*(key if word == "KEY" else word for word in words), "--json")
    # No machine is here to say that it has stopped.
    assert result.exit_code == (1 if "stop" in words else 0), result.stderr
    found = json.loads(result.stdout)
    assert WITH_JSON[words] in (found[0] if isinstance(found, list) else found)


def test_json_says_what_the_api_says(settled: RealGateway) -> None:
    job_id = a_job().job_id

    async def ask(host: Host) -> Any:
        response = await host.client.get(f"/gateway/v1/jobs/{job_id}", headers=await host.bearer(ANA))
        return await response.json()

    shown, told = json.loads(settled.run("jobs", "show", "1", "--json").stdout), settled.do(ask)
    instants = {name for name in told if name.endswith("_at")}
    assert {name: shown[name] for name in shown.keys() - instants} == {
        name: told[name] for name in shown.keys() - instants
    }
    assert told.keys() - shown.keys() == {"attempt_list"}


def test_listings_of_nothing(gateway: RealGateway) -> None:
    for words in (("jobs", "list"), ("keys", "list")):
        assert json.loads(gateway.run(*words, "--json").stdout) == []
        assert gateway.run(*words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [1, 2, 3, 4]),
        (("--limit", "2"), [3, 4]),
        (("--status", "queued"), [1, 4]),
        (("--status", "created,queued"), [1, 2, 3, 4]),
        (("--printer", "mk3"), [1, 2, 4]),
        (("--printer", "2", "--status", "created"), [3]),
        (("--scope", "all"), [1, 2, 3, 4]),
        (("--scope", "mine"), []),
    ],
)
def test_which_jobs_are_listed(gateway: RealGateway, words: tuple[str, ...], numbers: list[int]) -> None:
    """The newest, oldest first; the host's operator sees everybody's."""
    created = {"status": JobStatus.CREATED, "file_sha256": None}
    put_job(gateway)
    put_job(gateway, job_id="00000000-0000-4000-9000-000000000002", member=BEN, **created)
    put_job(gateway, job_id="00000000-0000-4000-9000-000000000003", member=EVE, printer_id=2, **created)
    put_job(gateway, job_id="00000000-0000-4000-9000-000000000004")
    listed = json.loads(gateway.run("jobs", "list", *words, "--json").stdout)
    assert [job["number"] for job in listed] == numbers


# ---------------------------------------------------------------- from elsewhere


def test_a_new_key_opens_the_gateway_from_elsewhere_until_it_is_revoked(gateway: RealGateway) -> None:
    made = json.loads(gateway.run("keys", "create", "ben", "--name", "laptop", "--json").stdout)
    assert made["scopes"] == ["data:read", "data:write"]
    listed = gateway.run_elsewhere(made["token"], "printers", "list", "--json")
    assert [printer["name"] for printer in json.loads(listed.stdout)] == ["mk3"], "eve's is of another shop"
    assert gateway.run_elsewhere(f" {made['token']}\n", "printers", "list").exit_code == 0, "as copied"
    assert gateway.run("keys", "revoke", made["id"]).exit_code == 0
    refused = gateway.run_elsewhere(made["token"], "printers", "list")
    assert refused.exit_code == 1
    assert "does not know this key, or it was revoked; make one" in refused.stderr


def test_a_members_own_key_does_what_its_scopes_say(settled: RealGateway, gcode: Path) -> None:
    reader = settled.do(lambda host: host.token(BEN, Scope.DATA_READ))
    assert settled.run_elsewhere(reader, "jobs", "list").exit_code == 0
    for words in (
        ("jobs", "submit", str(gcode), "--printer", "mk3"),
        ("printers", "ready", "mk3"),
        ("members", "add", "zoe"),
        ("keys", "create", "ben"),
    ):
        refused = settled.run_elsewhere(reader, *words)
        assert refused.exit_code == 1
        assert "This key lacks a scope: " in refused.stderr


def test_a_member_submits_for_itself_on_its_only_printer(gateway: RealGateway, gcode: Path) -> None:
    token = gateway.do(lambda host: host.token(BEN))
    result = gateway.run_elsewhere(token, "jobs", "submit", str(gcode), "--json")
    job = json.loads(result.stdout)
    assert (result.exit_code, job["member"], job["printer"]) == (0, "ben", "mk3")
    refused = gateway.run_elsewhere(token, "jobs", "submit", str(gcode), "--member", "ana")
    assert (refused.exit_code, "for whom you may act" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--token", "a\nb"), "the token has characters that no key has"),
        (("--token", "ключ"), "the token has characters that no key has"),
        (("--url", "http://"), '"http://" is not a URL'),
        (("--url", "http://h:99999"), '"http://h:99999" is not a URL'),
        (("--url", "http://h:x"), '"http://h:x" is not a URL'),
        (("--url", "ftp://h"), '"ftp://h" is not a URL'),
    ],
)
def test_a_gateway_that_cannot_be_meant(settled: RealGateway, words: tuple[str, ...], says: str) -> None:
    result = settled.run(*words, "printers", "list")
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_tells_its_version(settled: RealGateway) -> None:
    from importlib.metadata import version

    assert settled.run("--version").stdout == f"print-gateway {version('print-gateway')}\n"
