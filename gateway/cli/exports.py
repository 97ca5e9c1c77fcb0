"""`print-gateway export`, `backup`, `diagnostics`: a task created, waited for, and its file written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.session import Exit, fail
from gateway.cli.task_results import STDOUT, run_for_file

if TYPE_CHECKING:
    from gateway.client.native import GatewayClient

Json = Annotated[bool, typer.Option("--json", help="Print JSON of the task.")]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
_DATE = 'such as 2026-01-31 or "2026-01-31 14:30", local time'


def export(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="Only jobs with this status; repeat it.")] = None,
    printer: Annotated[str | None, typer.Option(help="Only jobs of this printer.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=_FORMATS, metavar="DATE", help=f"Created then or later: {_DATE}."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, metavar="DATE", help="Created before then.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The CSV file; - is the standard output.")
    ] = STDOUT,
    json: Json = False,
) -> None:
    """Write the history of jobs as CSV: your own; as an administrator, those of your organization."""
    if since is not None and until is not None and since >= until:
        fail("--to must be later than --from: no job can be in between", Exit.USAGE)

    async def arguments(client: GatewayClient) -> dict[str, Any]:
        wanted: dict[str, Any] = {"statuses": status or []}
        if printer is not None:
            wanted["printer_id"] = (await client.printer(printer)).id
        for name, at in (("created_after", since), ("created_before", until)):
            if at is not None:
                wanted[name] = at.astimezone(UTC).isoformat()
        return wanted

    run_for_file(context, "history-export", arguments, output, json=json)


def backup(
    context: typer.Context,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The archive; default: named by its time, here.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="The print files, too.")] = False,
    json: Json = False,
) -> None:
    """Back up the running gateway; `restore` puts it back. It holds every key's hash: keep it safe."""
    run_for_file(context, "backup", {"with_files": files}, output, json=json)


def diagnostics(
    context: typer.Context,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The archive; default: named by its time, here.")
    ] = None,
    json: Json = False,
) -> None:
    """Collect what a developer needs to help, without secrets."""
    run_for_file(context, "diagnostics", {}, output, json=json)
