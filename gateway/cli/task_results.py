"""Tasks that a command creates, waits for, and takes the result of: the part that such commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.models import Task
    from gateway.client.native import GatewayClient

#: What stands for the standard output where a file may be named.
STDOUT = "-"
#: Kinds whose files hold what belongs to everybody: nobody else on this host reads them.
OF_EVERYBODY = frozenset({"backup", "diagnostics"})
_CODES = {"canceled": Exit.CANCELED, "failed": Exit.FAILED}


def end(task: Task, *, json: bool, says: str | None = None) -> NoReturn:
    """Print how a task ended, and leave with the exit code that says so."""
    if json:
        show.as_json(task)
    elif task.status != "done":
        why = f": {show.plain(task.error)}" if task.error else ""
        print(f'task {task.number} "{show.plain(task.name)}" {task.status}{why}', file=sys.stderr)
    elif says:
        print(says)
    raise typer.Exit(_CODES.get(task.status, Exit.COMPLETED))


def run_for_file(
    context: typer.Context,
    kind: str,
    arguments: Mapping[str, Any] | Callable[[GatewayClient], Any],
    output: str | None,
    *,
    json: bool,
) -> NoReturn:
    """Create a task, wait for it, put its file where the user wants it; the exit code says how it went."""
    to_stdout = output == STDOUT
    if to_stdout and json:
        fail("with --json the result cannot go to the standard output, too; name a file with -o", Exit.USAGE)
    if output is not None and not to_stdout:
        refuse_unwritable(Path(output))

    async def work(client: GatewayClient) -> tuple[Task, str | None]:
        from gateway.cli.progress import watch_task

        wanted = await arguments(client) if callable(arguments) else arguments
        task = await client.tasks.create(kind, wanted)
        task = await watch_task(client, task.id, bar=not json)
        return task, await saved(client, task, output) if task.status == "done" else None

    task, says = call(context, work)
    end(task, json=json, says=says)


def refuse_unwritable(path: Path) -> None:
    """End the command for a place that takes no file, before anybody works for it."""
    if path.is_dir():
        fail(f"{path} is a folder; name a file", Exit.USAGE)
    if not path.absolute().parent.is_dir():
        fail(f"there is no folder {path.absolute().parent}", Exit.USAGE)


async def saved(client: GatewayClient, task: Task, output: str | None) -> str | None:
    """Write the task's file; what to say of it. It appears under its name when it is whole."""
    if output == STDOUT:
        await _copy(client, task, sys.stdout.buffer)
        return None
    path = Path(output) if output is not None else Path(own_name(task))
    if output is None and path.exists():
        fail(f"{path} is there already; `tasks result {task.number} -o FILE` takes the result elsewhere")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    mode = 0o600 if task.kind in OF_EVERYBODY else 0o666
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            size = await _copy(client, task, file)
        unfinished.replace(path)
    except OSError as error:
        fail(f"{path} cannot be written: {(error.strerror or str(error)).lower()}")
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return f"{path}: {size} bytes"


async def _copy(client: GatewayClient, task: Task, out: BinaryIO) -> int:
    size = 0
    async with aclosing(client.tasks.result(task.id)) as pieces:
        async for piece in pieces:
            size += out.write(piece)
    out.flush()
    return size


def own_name(task: Task) -> str:
    """What the gateway calls a task's file, in this folder."""
    name = "" if task.file is None else Path(show.plain(task.file.name)).name
    return name or f"{task.kind}-{task.number}"
