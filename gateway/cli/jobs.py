"""`print-gateway jobs …`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, readable_file

if TYPE_CHECKING:
    from gateway.client.models import Answer, Job, JobPage, Printer, RecoveryPlan
    from gateway.client.native import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Print jobs: hand in, watch, pause, cancel.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(metavar="JOB", help="Number or id (or its beginning) of the job.")]


class Outcome(StrEnum):
    """How a held job ended."""

    completed = "completed"
    failed = "failed"
    canceled = "canceled"


class Scope(StrEnum):
    """Whose jobs."""

    mine = "mine"
    all = "all"


@app.command("list")
def list_(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="Only jobs with this status.")] = None,
    printer: Annotated[str | None, typer.Option(help="Only jobs of this printer.")] = None,
    scope: Annotated[
        Scope | None, typer.Option(help="Default: mine; all for the operator of the gateway's host.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most that many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """Jobs, one a line, oldest first."""
    whose = scope.value if scope else None

    async def work(client: GatewayClient) -> JobPage:
        total = (await client.jobs(status=status, printer=printer, scope=whose, limit=1)).total
        offset = max(0, total - limit)
        return await client.jobs(status=status, printer=printer, scope=whose, limit=limit, offset=offset)

    page = call(context, work)
    if json:
        show.as_json(page.jobs)
        return
    show.jobs(page.jobs)
    if page.total > len(page.jobs):
        print(f"the newest {len(page.jobs)} of {page.total}; more with --limit")


@app.command("show")
def show_(context: typer.Context, job: Which, json: Json = False) -> None:
    """Everything about one job."""

    async def work(client: GatewayClient) -> Job:
        return await client.job((await _find(client, job)).id)

    found = call(context, work)
    if json:
        show.as_json(found)
    else:
        show.one_job(found)


@app.command()
def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A G-code file; for Bambu printers a .gcode.3mf.")],
    printer: Annotated[str | None, typer.Option(help="Where to print; default: the only printer.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the job; default: the file's.")] = None,
    member: Annotated[str | None, typer.Option(help="For whom (admins only).")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until the job has ended.")] = False,
    json: Json = False,
) -> None:
    """Upload a file and queue it."""
    readable_file(file)

    async def work(client: GatewayClient) -> Job:
        # Asked before the upload: a wrong name should not cost minutes.
        where = await client.printer(printer) if printer else await _only_printer(client)
        stored = await client.upload(file, is_archive=where.reads_archives)
        job = await client.submit(
            printer=where.name, file_id=stored.id, name=name or stored.name, member=member
        )
        if not json:
            print(f'job {job.number} "{job.name}" is {job.status} on {job.printer or where.name}')
        return await _watched(client, job.id, bar=not json) if watch else job

    _end(call(context, work), json=json, watched=watch)


@app.command("watch")
def watch_(context: typer.Context, job: Which, json: Json = False) -> None:
    """Stay with a job until it has ended; the exit code says how: 0 completed, 3 canceled, 4 failed."""

    async def work(client: GatewayClient) -> Job:
        return await _watched(client, (await _find(client, job)).id, bar=not json)

    _end(call(context, work), json=json, watched=True)


@app.command()
def pause(context: typer.Context, job: Which, json: Json = False) -> None:
    """Pause a print."""
    _order(context, job, "pause", json=json)


@app.command()
def resume(context: typer.Context, job: Which, json: Json = False) -> None:
    """Go on with a paused print."""
    _order(context, job, "resume", json=json)


@app.command()
def cancel(context: typer.Context, job: Which, json: Json = False) -> None:
    """End a job: at once while it waits, by the machine once it prints."""
    _order(context, job, "cancel", json=json)


@app.command()
def start(
    context: typer.Context,
    job: Which,
    printer: Annotated[str | None, typer.Option(help="Where; the job's own printer, if left out.")] = None,
    json: Json = False,
) -> None:
    """Start a waiting job now, before older ones; says what is in its way if it cannot."""

    async def work(client: GatewayClient) -> Job:
        return await client.start((await _find(client, job)).id, printer)

    found = call(context, work)
    if json:
        show.as_json(found)
    else:
        print(f'job {found.number} "{found.name}" is {show.standing(found)}')


@app.command()
def resolve(context: typer.Context, job: Which, outcome: Outcome, json: Json = False) -> None:
    """Say how a held job ended, after a look at the machine."""

    async def work(client: GatewayClient) -> Job:
        found = await _find(client, job)
        await client.resolve(found.id, outcome.value)
        return await client.job(found.id)

    found = call(context, work)
    if json:
        show.as_json(found)
    else:
        print(f'job {found.number} "{found.name}" is {show.standing(found)}')


@app.command()
def recover(
    context: typer.Context,
    job: Which,
    layer: Annotated[int | None, typer.Option(help="Go on with an earlier layer.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    json: Json = False,
) -> None:
    """Go on with a held print from its last finished layer, after a board reset or a power cut.

    Says first what it will do: it heats, homes X and Y (never Z) and prints on. Look at the machine before.
    """

    async def look(client: GatewayClient) -> tuple[Job, RecoveryPlan]:
        found = await _find(client, job)
        return found, await client.recovery(found.id, layer)

    found, plan = call(context, look)
    if json:
        show.as_json(plan)
    else:
        show.recovery(found, plan)
    if dry_run:
        return
    if not yes and not typer.confirm("Have you looked at the machine, and shall it go on?"):
        raise typer.Exit(Exit.CANCELED)
    answer = call(context, lambda client: client.recover(found.id, plan.plan, layer))
    if not json:
        print(f'job {found.number} "{found.name}": {answer.message or "recover accepted"}')


async def _find(client: GatewayClient, text: str) -> Job:
    from gateway.client.follow import find_job

    return await find_job(client, text)


async def _only_printer(client: GatewayClient) -> Printer:
    from gateway.client.errors import Refused

    found = [printer for printer in await client.printers() if printer.enabled]
    if len(found) != 1:
        known = ", ".join(printer.shown_name for printer in found) or "none; add one to the configuration"
        raise Refused(422, "Which printer?", f"name a printer with --printer; there are: {known}")
    return found[0]


async def _watched(client: GatewayClient, job_id: str, *, bar: bool) -> Job:
    from gateway.cli.progress import watch_job

    return await watch_job(client, job_id, bar=bar)


def _order(context: typer.Context, job: str, verb: str, *, json: bool) -> None:
    async def work(client: GatewayClient) -> tuple[Job, Answer]:
        found = await _find(client, job)
        return found, await client.command(found.id, verb)

    found, answer = call(context, work)
    if json:
        show.as_json(answer)
    else:
        print(f'job {found.number} "{found.name}": {answer.message or f"{verb} accepted"}')


def _end(job: Job, *, json: bool, watched: bool) -> None:
    if json:
        show.as_json(job)
    elif watched:
        print(f'job {job.number} "{job.name}" {job.status}' + (f": {job.message}" if job.message else ""))
    codes = {"canceled": Exit.CANCELED, "failed": Exit.FAILED}
    raise typer.Exit(codes.get(job.status, Exit.COMPLETED) if watched else Exit.COMPLETED)
