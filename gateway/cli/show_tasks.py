"""What the commands print of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.cli.show import fields, instant, percent, plain, table

if TYPE_CHECKING:
    from gateway.client.models import Task


def tasks(found: Sequence[Task]) -> None:
    """The table of tasks."""
    table(
        ("NUMBER", "NAME", "STATUS", "PROGRESS", "KIND", "CREATED", "NOTE"),
        (
            (t.number, t.name, t.standing, _progress(t), t.kind, instant(t.created_at), _note(t))
            for t in found
        ),
        spare=("CREATED", "KIND", "PROGRESS"),
    )


def one_task(task: Task) -> None:
    """Everything about one task."""
    fields(
        [
            ("name", task.name), ("id", task.id), ("number", task.number), ("async job", task.async_job_id),
            ("kind", task.kind), ("status", task.standing), ("progress", _progress(task)),
            ("message", task.message), ("error", task.error),
            *((name.replace("_", " "), _text(value)) for name, value in task.arguments.items()),
            ("tries", task.tries), ("begins", instant(task.begins_at)),
            ("next try", instant(task.retry_at)),
            ("created", instant(task.created_at)), ("began", instant(task.started_at)),
            ("ended", instant(task.ended_at)), ("kept until", instant(task.expires_at)),
            *_facts(task.result or {}),
            ("file", task.result_url or (task.file and task.file.name)),
        ]
    )  # fmt: skip


def one_result(task: Task) -> None:
    """What a task found out, one line a fact."""
    fields(_facts(task.result or {}))


def _facts(result: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """A name and a value a line; a list of remarks, such as those on a file's G-code, has one line each."""
    for name, value in result.items():
        remarks = value if isinstance(value, list) else []
        if remarks and all(isinstance(remark, dict) and "words" in remark for remark in remarks):
            for remark in remarks:
                where = f" (line {remark['line']})" if remark.get("line") else ""
                yield str(remark.get("severity") or name), f"{remark['words']}{where}"
        else:
            yield name.replace("_", " "), _text(value)


def created(task: Task) -> None:
    """The first line of a new task."""
    print(f'task {task.number} "{plain(task.name)}" is {task.standing}')


def ended(task: Task) -> str:
    """The last line of a task that is done."""
    more = f"; `tasks result {task.number}` takes its file" if task.file else ""
    return f'task {task.number} "{plain(task.name)}" {task.status}{more}'


def _note(task: Task) -> str | None:
    """Why it failed, what it is at, or when it begins."""
    begins = f"begins {instant(task.begins_at)}" if task.standing == "scheduled" else None
    return task.error or task.message or begins


def _progress(task: Task) -> str:
    total = task.progress.total
    return percent(min(1.0, task.progress.value / total)) if total and not task.is_over else ""


def _text(value: object) -> str | None:
    """A value that is no text as JSON; nothing for nothing."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value not in ([], {}) else None
