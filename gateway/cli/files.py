"""`print-gateway files …`, and a print file onto a printer's own storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show, show_tasks
from gateway.cli.session import call, readable_file
from gateway.cli.task_results import end

if TYPE_CHECKING:
    from gateway.client.models import Task
    from gateway.client.native import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Print files: import them, and see what they are.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait; `tasks watch` shows how it goes.")]


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="A G-code file, or where one is.")],
    name: Annotated[str | None, typer.Option(help="What it is called; default: as it is.")] = None,
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Import a print file: its layers, time, filament, and whether its G-code is safe to run."""
    is_address = source.startswith(("http://", "https://"))
    if not is_address:
        readable_file(Path(source))

    async def work(client: GatewayClient) -> Task:
        if is_address:
            arguments: dict[str, object] = {"url": source, "name": name}
        else:
            arguments = {"file_id": (await client.upload(Path(source), name)).id}
        task = await client.tasks.create("file-import", arguments)
        return task if detach else await _watched(client, task, bar=not json)

    _told(call(context, work), detach=detach, json=json)


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most that many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """Print files that are stored here, newest first."""
    found = call(context, lambda client: client.files(limit=limit))
    if json:
        show.as_json(found)
        return
    show.table(
        ("NAME", "SIZE", "CREATED", "ID"),
        ((file.name, file.size, show.instant(file.created_at), file.id) for file in found),
        spare=("CREATED",),
    )


def upload(
    context: typer.Context,
    printer: Annotated[str, typer.Argument(help="The printer's name or id.")],
    file: Annotated[Path, typer.Argument(help="The print file.")],
    name: Annotated[str | None, typer.Option(help="What the printer shall call it.")] = None,
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Put a print file on a printer's own storage, as soon as the printer is idle. Nothing is printed."""
    readable_file(file)

    async def work(client: GatewayClient) -> Task:
        where = await client.printer(printer)  # asked before the upload: a wrong name should not cost minutes
        stored = await client.upload(file, is_archive=where.reads_archives)
        arguments = {"printer": str(where.id), "file_id": stored.id, "name": name}
        task = await client.tasks.create("printer-upload", arguments)
        return task if detach else await _watched(client, task, bar=not json)

    _told(call(context, work), detach=detach, json=json)


async def _watched(client: GatewayClient, task: Task, *, bar: bool) -> Task:
    from gateway.cli.progress import watch_task

    return await watch_task(client, task.id, bar=bar)


def _told(task: Task, *, detach: bool, json: bool) -> None:
    if detach and not json:
        show_tasks.created(task)
    elif detach:
        show.as_json(task)
    else:
        if not json and task.status == "done":
            show_tasks.one_result(task)
        end(task, json=json)
