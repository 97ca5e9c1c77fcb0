"""Who shares what, and starting a job now, as people type it: against the real API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.call_in import Contact
from gateway.domain.call_in_commands import ContactAgain, RegisterPrinter
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.orders import StartPrint
from tests.api.host import EVE, Host, a_job
from tests.cli.real_gateway import RealGateway, real_gateway
from tests.support.stand import ANA, BEN, a_call_in, a_forge_printer


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    """With ana's Ember (58) beside the printers of the configuration."""
    with real_gateway(tmp_path) as running:
        running.do(put_ember)
        yield running


async def put_ember(host: Host) -> None:
    await host.put_printers(a_forge_printer())
    await host.change(lambda draft: draft.put_call_in(a_call_in()))


def said(gateway: RealGateway, *words: str) -> str:
    result = gateway.run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def told(gateway: RealGateway, *words: str) -> Any:
    return json.loads(said(gateway, *words, "--json"))


def refused(gateway: RealGateway, *words: str) -> tuple[int, str]:
    """The exit code and the one line."""
    result = gateway.run(*words)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert result.stderr.startswith("print-gateway: ")
    return result.exit_code, result.stderr


def rows(text: str) -> list[list[str]]:
    """A table's lines below its head, word by word."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    [rule] = [number for number, words in enumerate(lines) if set(words[0]) == {"─"}]
    return lines[rule + 1 :]


# ---------------------------------------------------------------- organizations


def test_organizations(gateway: RealGateway) -> None:
    assert said(gateway, "organizations", "add", "Lab") == "organization Lab has the id 3\n"
    assert rows(said(gateway, "organizations", "list"))[-1] == ["3", "Lab"]
    assert told(gateway, "organizations", "add", "Shed")["id"] == 4
    assert [found["name"] for found in told(gateway, "organizations", "list")][-2:] == ["Lab", "Shed"]
    code, line = refused(gateway, "organizations", "add", "Lab")
    assert (code, "there is an organization named 'Lab' already" in line) == (1, True)
    assert told(gateway, "members", "add", "lea", "--organization", "Lab")["organization_id"] == 3


def test_organizations_are_for_administrators(gateway: RealGateway) -> None:
    token = gateway.do(lambda host: host.token(ANA))
    assert gateway.run_elsewhere(token, "organizations", "list").exit_code == 1
    assert gateway.run_elsewhere(token, "organizations", "add", "Lab").exit_code == 1
    assert "Lab" not in said(gateway, "organizations", "list")


# ---------------------------------------------------------------- a printer that calls in


async def show_code(host: Host) -> str:
    """Another Ember, 59, calls in and shows a code."""
    await host.change(lambda draft: draft.put_call_in(a_call_in(59)))
    contact: Contact = await host.engine.execute(ContactAgain(59, "1.1.1.1"))
    return contact.code


def test_a_printer_is_registered_for_a_member_by_its_code(gateway: RealGateway) -> None:
    code = gateway.do(show_code)
    wrong = refused(gateway, "printers", "register", "NOSUCH", "--owner", "ben")
    assert (wrong[0], "type in the one that the printer shows now" in wrong[1]) == (2, True)
    line = refused(gateway, "printers", "register", code, "--owner", "nobody")[1]
    assert "`print-gateway members list` shows them" in line
    assert said(gateway, "printers", "register", code.lower(), "--name", "Resin", "--owner", "ben") == (
        "Resin is printer 59, owner ben; when its plate is empty: print-gateway printers ready 59\n"
    )
    assert gateway.host.engine.state.printers[59].owner_id == BEN.member_id


def test_a_member_registers_printers_for_itself_alone(gateway: RealGateway) -> None:
    code = gateway.do(show_code)
    token = gateway.do(lambda host: host.token(BEN))
    result = gateway.run_elsewhere(token, "printers", "register", code, "--owner", "ana")
    assert "for others an administrator does" in result.stderr
    assert 59 not in gateway.host.engine.state.printers
    assert gateway.run_elsewhere(token, "printers", "register", code).exit_code == 0
    assert gateway.host.engine.state.printers[59].owner_id == BEN.member_id
    tries = [gateway.run_elsewhere(token, "printers", "register", "AAAAAA").stderr for _ in range(10)]
    assert "Too many codes were tried" in tries[-1]


# ---------------------------------------------------------------- members of a printer


def test_a_code_makes_a_member_and_the_list_shows_it(gateway: RealGateway) -> None:
    line = said(gateway, "printers", "code", "Ana's Ember", "--email", "eve@example.com")
    name, _, rest = line.partition(": ")
    code = rest[:6]
    assert (name, rest[6:].startswith(", good once until 2016-05-1")) == ("Ana's Ember", True)
    assert gateway.host.engine.state.codes[code].email == "eve@example.com"
    gateway.do(lambda host: host.engine.execute(RegisterPrinter(EVE.member_id, code)))
    assert rows(said(gateway, "printers", "members", "58")) == [
        [ANA.member_id, "ana", "owner", "yes", "yes"],
        [EVE.member_id, "eve", "member", "no", "yes"],
    ]
    listed = told(gateway, "printers", "members", "58")
    assert [(member["name"], member["is_owner"]) for member in listed] == [("ana", True), ("eve", False)]
    assert told(gateway, "printers", "code", "58")["email"] is None


@pytest.mark.parametrize("who", [BEN.member_id, "ben"])
def test_a_role_is_given_and_changed_bit_by_bit(gateway: RealGateway, who: str) -> None:
    first = said(gateway, "printers", "role", "58", who, "--printer-commands")
    assert first == "Ana's Ember: ben: printer commands yes, commands to own jobs yes\n"
    second = said(gateway, "printers", "role", "58", who, "--no-job-commands")
    assert second == "Ana's Ember: ben: printer commands yes, commands to own jobs no\n"
    role = gateway.host.engine.state.roles[58, BEN.member_id]
    assert (role.is_printer_scoped, role.is_job_scoped) == (True, False)
    given = told(gateway, "printers", "role", "58", who, "--no-printer-commands", "--job-commands")
    assert (given["member_id"], given["is_printer_scoped"], given["is_job_scoped"]) == (
        BEN.member_id,
        False,
        True,
    )


def test_a_printer_of_the_configuration_has_members_too(gateway: RealGateway) -> None:
    said(gateway, "printers", "role", "mk3", EVE.member_id, "--job-commands")
    assert rows(said(gateway, "printers", "members", "mk3"))[1] == [
        EVE.member_id,
        "eve",
        "member",
        "no",
        "yes",
    ]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("role", "58", "ben"), 2, "say what they may do: --[no-]printer-commands, --[no-]job-commands"),
        (("role", "58", "zoe", "--job-commands"), 2, "There is no member 'zoe' for you"),
        (("role", "58", "ana", "--job-commands"), 2, "ana owns Ana's Ember and may do everything with it"),
        (("role", "nope", "ben", "--job-commands"), 2, "There is no printer 'nope' for you"),
        (("members", "nope"), 2, "There is no printer 'nope' for you"),
        (("code", "58", "--email", "eve"), 2, "email: An e-mail address is needed"),
        (("unregister", "mk3"), 1, "mk3 is in the configuration; remove it there"),
    ],
)
def test_refusals_are_one_line(gateway: RealGateway, words: tuple[str, ...], code: int, says: str) -> None:
    found, line = refused(gateway, "printers", *words)
    assert (found, says in line) == (code, True), line
    assert not gateway.host.engine.state.roles


def test_sharing_is_for_the_owner(gateway: RealGateway) -> None:
    """Ben is a colleague, eve a stranger who is not told that there is such a printer."""
    for member, says in ((BEN, "Ana's Ember is not yours; ask its owner"), (EVE, "no printer '58' for you")):
        token = gateway.do(lambda host, member=member: host.token(member))
        for words in (
            ("members", "58"),
            ("code", "58"),
            ("role", "58", "ben", "--job-commands"),
            ("unregister", "58"),
        ):
            result = gateway.run_elsewhere(token, "printers", *words)
            assert (result.exit_code != 0, says in result.stderr) == (True, True), result.stderr
    owner = gateway.do(lambda host: host.token(ANA))
    assert gateway.run_elsewhere(owner, "printers", "role", "58", "ben", "--job-commands").exit_code == 0
    by_name = gateway.run_elsewhere(owner, "printers", "role", "58", "eve", "--job-commands")
    assert "There is no member 'eve' for you; others are meant by their id" in by_name.stderr
    assert set(gateway.host.engine.state.roles) == {(58, BEN.member_id)}


def test_a_printer_is_given_up(gateway: RealGateway) -> None:
    assert said(gateway, "printers", "unregister", "Ana's Ember") == (
        "Ana's Ember is not registered any more; switched off and on, it shows the code for its next owner\n"
    )
    assert not gateway.host.engine.state.printers[58].enabled
    assert "no (not registered)" in said(gateway, "printers", "show", "58")
    assert said(gateway, "printers", "list").rstrip().endswith("not registered")
    code, line = refused(gateway, "printers", "unregister", "58")
    assert (code, "is not registered any more" in line) == (1, True)


def test_a_held_machine_says_what_to_do(gateway: RealGateway) -> None:
    gateway.do(lambda host: host.put_jobs(a_held_job()))
    text = said(gateway, "printers", "show", "58")
    assert "held" in text
    assert "look at the machine" in text
    assert told(gateway, "printers", "show", "58")["hold"] is not None
    assert told(gateway, "printers", "show", "mk3")["hold"] is None


def a_held_job() -> Job:
    held = frozenset({Reason.HOLD})
    return a_job(status=JobStatus.SENT, reasons=held, printer_id=58, print_key="k", attempts=1)


# ---------------------------------------------------------------- starting a job now


@pytest.fixture
def two_jobs(gateway: RealGateway) -> RealGateway:
    """Two jobs wait for mk3, whose plate is occupied."""
    for number, name in enumerate(("first", "second"), start=1):
        job = a_job(name, job_id=f"00000000-0000-4000-9000-{number:012d}")
        gateway.do(lambda host, job=job: host.put_jobs(job))
    return gateway


def test_a_start_says_what_is_in_its_way(two_jobs: RealGateway) -> None:
    code, line = refused(two_jobs, "jobs", "start", "2")
    assert code == 1
    assert "'second' cannot start now: the plate of mk3 is not confirmed clear" in line
    assert refused(two_jobs, "jobs", "start", "9") == (
        2, 'print-gateway: there is no job "9"; see print-gateway jobs list\n',
    )  # fmt: skip
    assert "choose xl for it first" in refused(two_jobs, "jobs", "start", "2", "--printer", "xl")[1]


def test_a_job_without_a_printer_is_started_where_one_says(two_jobs: RealGateway) -> None:
    third = a_job(
        "third", job_id="00000000-0000-4000-9000-000000000003", status=JobStatus.CREATED, printer_id=None
    )
    two_jobs.do(lambda host: host.put_jobs(third))
    code, line = refused(two_jobs, "jobs", "start", "3")
    assert (code, "say which one shall print it" in line) == (2, True)
    for number in ("1", "2"):
        said(two_jobs, "jobs", "cancel", number)
    said(two_jobs, "printers", "ready", "mk3")
    assert told(two_jobs, "jobs", "start", "3", "--printer", "mk3")["status"] == "sent"
    [order] = two_jobs.host.drivers.of(StartPrint)
    assert isinstance(order, StartPrint)
    assert (order.printer, order.name) == ("mk3", "third")


# ---------------------------------------------------------------- archives


def test_an_archive_is_handed_in_for_a_printer_that_reads_it(gateway: RealGateway, tmp_path: Path) -> None:
    archive = tmp_path / "part.zip"
    archive.write_bytes(b"PK\x03\x04")
    job = told(gateway, "jobs", "submit", str(archive), "--printer", "58")
    assert (job["name"], job["status"]) == ("part.zip", "queued")
    code, line = refused(gateway, "jobs", "submit", str(archive), "--printer", "mk3")
    assert (code, "export the sliced file" in line) == (2, True)
