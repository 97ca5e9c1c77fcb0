"""The house in which the cases of `forge/` are asked: members, printers of both kinds, jobs in every state.

ana    owns the printers mk3 (fed line by line), mine (it calls in and prints) and idle (it calls in)
ben    a colleague; most jobs are his
olga   the organization's administrator
dora   of another organization; may print on mine and command her own jobs there
finn   of another organization; may command mine and idle themselves, not jobs
eve    of another organization, with a printer of her own; knows nobody here
root   a key with the scope admin
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.domain.call_in import Contact, RegistrationCode
from gateway.domain.call_in_commands import ContactFirst, InviteToPrinter, RegisterPrinter, SetPrinterRole
from gateway.domain.commands import PauseJob
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.member import Member, Scope
from gateway.domain.observations import Activity
from gateway.domain.state import Draft
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, START, ready

EMBER: Final = "7FAF097F-DB2E-45DC-9395-A30210E789AA"
OLGA: Final = Member("OLGAOLGAOLGA0", "olga", 1, is_admin=True, created_at=START)
DORA: Final = Member("DORADORADORA0", "dora", 2, created_at=START)
FINN: Final = Member("FINNFINNFINN0", "finn", 2, created_at=START)
PEOPLE: Final = {"ana": ANA, "ben": BEN, "olga": OLGA, "dora": DORA, "finn": FINN, "eve": EVE}
#: Tokens of printers, as long as the service's (Forge API 0, printer auth).
TOKEN: Final = "WfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
IDLE_TOKEN: Final = "IfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
UNCLAIMED_TOKEN: Final = "AfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
#: What mine posted last, in the reference's words (Forge API 1.1), 21 s ago (1.3).
REPORTED: Final = {
    "printer_status": "printing",
    "error_code": 0,
    "error_message": "",
    "job_id": "local_00000000-0000-4000-9000-00000000000a",
    "job_status": "printing",
    "job_progress": 0.1,
    "data": {
        "job_name": "Part1.stl", "layer": 6, "total_layers": 12, "seconds_left": 37, "temperature": 28.6875,
    },
}  # fmt: skip
LAST_CHECK_IN: Final = 21.0  # seconds


def job_id(number: int) -> str:
    """Ids that a reader can tell apart."""
    return f"00000000-0000-4000-9000-0000000000{number:02x}"


async def furnish(host: Host) -> dict[str, str]:
    """Build the house; the names under which the cases know what is in it."""
    names = {name: member.member_id for name, member in PEOPLE.items()}
    await host.change(_add_people)
    names |= await _register_printers(host)
    file, foreign_file = await host.put_file(BEN), await host.put_file(EVE)
    await host.put_jobs(*_jobs(int(names["mine"]), file.sha256, file.printable_id))
    numbers = (
        "waiting",
        "running",
        "done",
        "created",
        "foreign",
        "shared",
        "canceled",
        "failed",
        "sent",
        "local",
    )
    names |= {name: job_id(number) for number, name in enumerate(numbers, start=1)}
    pause = await host.engine.execute(PauseJob(names["running"], BEN.member_id))
    return names | {
        "mk3": "1", "theirs": "2", "token": TOKEN, "unclaimed_token": UNCLAIMED_TOKEN, "task": pause.task_id,
        "printable": file.printable_id, "foreign_printable": foreign_file.printable_id,
        "nobody": "00000000-0000-4000-9000-0000000000ff", "ember": EMBER, "long": "x" * 5001,
        "idle_token": IDLE_TOKEN,
    }  # fmt: skip


def _add_people(draft: Draft) -> None:
    for member in (OLGA, DORA, FINN):
        draft.members[member.member_id] = member
        draft.member_rows.append(member)


async def _register_printers(host: Host) -> dict[str, str]:
    first = await _contact(host, TOKEN)
    await host.engine.execute(RegisterPrinter(ANA.member_id, first.code, "my makerbot"))
    for member, is_printer_scoped in ((DORA, False), (FINN, True)):
        code: RegistrationCode = await host.engine.execute(InviteToPrinter(first.printer_id, "x@example.org"))
        await host.engine.execute(RegisterPrinter(member.member_id, code.code))
        await host.engine.execute(
            SetPrinterRole(first.printer_id, member.member_id, is_printer_scoped, not is_printer_scoped)
        )
    host.engine.state.presence[first.printer_id] = replace(
        ready(), activity=Activity.PRINTING, reported=REPORTED, print_key="forge:local",
        heard_at=host.clock.monotonic() - LAST_CHECK_IN,
    )  # fmt: skip
    idle = await _contact(host, IDLE_TOKEN)
    await host.engine.execute(RegisterPrinter(ANA.member_id, idle.code, "my ember"))
    await host.engine.execute(SetPrinterRole(idle.printer_id, FINN.member_id, True, False))
    host.engine.state.presence[idle.printer_id] = ready()
    second: RegistrationCode = await host.engine.execute(InviteToPrinter(first.printer_id, "x@example.org"))
    unclaimed = await _contact(host, UNCLAIMED_TOKEN)
    return {
        "mine": str(first.printer_id), "idle": str(idle.printer_id), "used_code": first.code,
        "second_code": second.code, "unclaimed": str(unclaimed.printer_id), "code": unclaimed.code,
    }  # fmt: skip


async def _contact(host: Host, token: str) -> Contact:
    digest = hashlib.sha256(token.encode()).hexdigest()
    contact: Contact = await host.engine.execute(ContactFirst(EMBER, "1.1.1.1", "", digest))
    return contact


def _jobs(mine: int, sha256: str, printable_id: str) -> list[Job]:
    waiting = replace(a_job(), file_sha256=sha256, printable_id=printable_id)
    running = {"print_key": "m", "started_at": START, "progress": 0.1}
    over = {"started_at": START, "ended_at": START + timedelta(hours=1)}
    completed = frozenset({Reason.COMPLETED_SUCCESSFULLY})
    jobs = [
        waiting,
        replace(waiting, status=JobStatus.PRINTING, **running),
        replace(waiting, status=JobStatus.COMPLETED, reasons=completed, **over),
        replace(a_job(status=JobStatus.CREATED), printer_id=None, file_sha256=None, file_size=None),
        replace(a_job(member=EVE), printer_id=2),
        replace(a_job(member=DORA), printer_id=mine, file_sha256=sha256),
        replace(waiting, status=JobStatus.CANCELED, reasons=frozenset({Reason.CANCELED_BY_USER}), **over),
        replace(waiting, status=JobStatus.FAILED, reasons=frozenset({Reason.ABORTED_BY_SYSTEM}),
                message="thermal runaway", error_code=500, **over),
        replace(waiting, status=JobStatus.SENT, printer_id=mine, print_key="s"),
        replace(a_job("Part1.stl", ANA), status=JobStatus.PRINTING, is_local=True, printer_id=mine,
                print_key="forge:local", started_at=START, progress=0.1, reported=REPORTED["data"],
                file_sha256=None, file_name=None, file_size=None),
    ]  # fmt: skip
    return [replace(job, job_id=job_id(number)) for number, job in enumerate(jobs, start=1)]


async def headers_of(host: Host, who: str, scopes: list[str] | None) -> dict[str, str]:
    """How somebody shows who they are; `nobody` shows nothing, `stranger` a key that is none."""
    if who == "nobody":
        return {}
    if who == "stranger":
        return {"Authorization": "Bearer jwP63dl3zT4fSAiy6jOBrmcr1UKh"}
    if who == "printer":
        return {"X-Printer-Auth-Token": TOKEN}
    if who == "idle printer":
        return {"X-Printer-Auth-Token": IDLE_TOKEN}
    if who == "unclaimed printer":
        return {"X-Printer-Auth-Token": UNCLAIMED_TOKEN}
    if who == "unknown printer":
        return {"X-Printer-Auth-Token": TOKEN[::-1]}
    if who == "root":
        return await host.bearer(BEN, *Scope)
    return await host.bearer(PEOPLE[who], *(Scope(scope) for scope in scopes or ()))
