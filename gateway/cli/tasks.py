"""`print-gateway tasks …`"""

from __future__ import annotations

import json as json_text
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import show, show_tasks
from gateway.cli.session import Exit, call, fail
from gateway.cli.task_results import STDOUT, end, refuse_unwritable, saved

if TYPE_CHECKING:
    from gateway.client.models import Task, TaskPage
    from gateway.client.native import GatewayClient

app = typer.Typer(
    no_args_is_help=True, help="Tasks: imports, exports, backups, uploads to printers, diagnostics."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(metavar="TASK", help="Number or id (or its beginning) of the task.")]


class Kind(StrEnum):
    """What a task does."""

    file_import = "file-import"
    history_export = "history-export"
    backup = "backup"
    diagnostics = "diagnostics"
    printer_upload = "printer-upload"


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only tasks of this kind; repeat it.")] = None,
    over: Annotated[
        bool | None, typer.Option("--over/--open", help="Only those that are over, or that are not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most that many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """Tasks, one a line, oldest first; what is over is kept for a week."""
    kinds = [one.value for one in kind or []]

    async def work(client: GatewayClient) -> TaskPage:
        total = (await client.tasks.page(kinds=kinds, over=over, limit=1)).total
        return await client.tasks.page(kinds=kinds, over=over, limit=limit, offset=max(0, total - limit))

    page = call(context, work)
    if json:
        show.as_json(page.tasks)
        return
    show_tasks.tasks(page.tasks)
    if page.total > len(page.tasks):
        print(f"the newest {len(page.tasks)} of {page.total}; more with --limit")


@app.command("show")
def show_(context: typer.Context, task: Which, json: Json = False) -> None:
    """Everything about one task."""
    _print(call(context, lambda client: client.tasks.find(task)), json=json)


@app.command()
def create(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What it does.")],
    arguments: Annotated[
        str | None, typer.Option(help='Of its kind, as JSON: \'{"printer": "mk3", "file_id": "..."}\'.')
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; default: one made of the kind.")] = None,
    begins_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"],
            metavar="DATE",
            help="Not before: local time, such as 2026-01-31T06:00; at most a year ahead.",
        ),
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="It waits until it is resumed.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until it has ended.")] = False,
    json: Json = False,
) -> None:
    """Create a task, for scripts; for people there are export, backup, files import, printers upload."""
    given = _arguments(arguments)
    begin = None if begins_at is None else begins_at.astimezone(UTC)

    async def work(client: GatewayClient) -> Task:
        made = await client.tasks.create(kind.value, given, name=name, begins_at=begin, is_paused=paused)
        if not json:
            show_tasks.created(made)
        return await _watched(client, made, bar=not json) if watch else made

    task = call(context, work)
    if watch:
        end(task, json=json, says=show_tasks.ended(task))
    if json:
        show.as_json(task)


@app.command("watch")
def watch_(context: typer.Context, task: Which, json: Json = False) -> None:
    """Stay with a task until it has ended; the exit code says how: 0 done, 3 canceled, 4 failed."""

    async def work(client: GatewayClient) -> Task:
        return await _watched(client, await client.tasks.find(task), bar=not json)

    found = call(context, work)
    end(found, json=json, says=show_tasks.ended(found))


@app.command()
def pause(context: typer.Context, task: Which, json: Json = False) -> None:
    """Let a task wait; a try that runs begins anew when it is resumed."""
    _order(context, task, "pause", json=json)


@app.command()
def resume(context: typer.Context, task: Which, json: Json = False) -> None:
    """Let a paused task go on, or try one that failed again now."""
    _order(context, task, "resume", json=json)


@app.command()
def cancel(context: typer.Context, task: Which, json: Json = False) -> None:
    """End a task at once."""
    _order(context, task, "cancel", json=json)


@app.command()
def result(
    context: typer.Context,
    task: Which,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where its file goes; - is the standard output.")
    ] = None,
) -> None:
    """Take what a task made: its file, or its result as JSON."""
    if output not in (None, STDOUT):
        from pathlib import Path

        refuse_unwritable(Path(str(output)))

    async def work(client: GatewayClient) -> tuple[Task, str | None]:
        found = await client.tasks.find(task)
        is_file = found.status == "done" and found.file is not None
        return found, await saved(client, found, output) if is_file else None

    found, says = call(context, work)
    if not found.is_over:
        fail(f"task {found.number} is {found.standing}; wait for it with `tasks watch {found.number}`")
    if found.status == "done" and found.file is None:
        print(json_text.dumps(dict(found.result or {}), indent=2, ensure_ascii=False))
    end(found, json=False, says=says)


async def _watched(client: GatewayClient, task: Task, *, bar: bool) -> Task:
    from gateway.cli.progress import watch_task

    return await watch_task(client, task.id, bar=bar)


def _arguments(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        given = json_text.loads(text)
    except ValueError as error:
        fail(f"--arguments is no JSON: {error}", Exit.USAGE)
    if not isinstance(given, dict):
        fail('--arguments must be a JSON object, such as {"with_files": true}', Exit.USAGE)
    return given


def _order(context: typer.Context, task: str, verb: str, *, json: bool) -> None:
    async def work(client: GatewayClient) -> Task:
        return await client.tasks.command((await client.tasks.find(task)).id, verb)

    found = call(context, work)
    if json:
        show.as_json(found)
    else:
        print(f'task {found.number} "{show.plain(found.name)}" is {found.standing}')


def _print(task: Task, *, json: bool) -> None:
    (show.as_json if json else show_tasks.one_task)(task)
