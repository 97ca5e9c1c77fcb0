"""`diagnostics`: what a developer needs to help, as one tar.gz, without secrets.

What goes in is named here, field by field: ids, states, times and the gateway's own messages, no names of
people, no arguments, no addresses of apps. What is free text (messages, the log, the wire) is redacted
besides. Progress is in steps.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.domain.state import State
from gateway.domain.task import Task
from gateway.engine.ports import Clock, StoredEvent
from gateway.tasks.archive import MEDIA_TYPE, Archive
from gateway.tasks.redacting import redacted, redacted_text
from gateway.tasks.results import Results
from gateway.tasks.work import Outcome, TaskFailed, Work

#: Committed events that are told, the newest.
EVENTS: Final = 1000
#: Kept wire logs that are told, the newest: some trouble is hours ago.
WIRE_LOGS: Final = 8
#: What of an event's details is told.
_DETAILS: Final = frozenset(
    {
        "job_id", "task_id", "action_id", "schedule_id", "file_id", "task_kind", "before", "status", "state",
        "reasons", "message", "plate", "link", "activity", "enabled", "command", "what", "size", "is_new",
        "registration", "reason",
    }
)  # fmt: skip


class Engine(Protocol):
    """The engine, as far as it is needed here."""

    @property
    def state(self) -> State:
        """What is not over; read only."""


class Events(Protocol):
    """`engine.ports.Queries`, as far as it is needed here."""

    async def events_after(self, seq: int, limit: int) -> Sequence[StoredEvent]:
        """Committed events behind `seq`, in order."""

    async def last_event_seq(self) -> int:
        """The newest committed event's number."""


class Diagnostics:
    """The kind. `configuration`: as it is in force; `wire_kept`: the folder of kept wire logs."""

    def __init__(
        self,
        *,
        engine: Engine,
        events: Events,
        results: Results,
        clock: Clock,
        version: str,
        configuration: Mapping[str, Any],
        log_lines: Callable[[], Sequence[str]],
        wire_kept: Path,
    ) -> None:
        self._engine = engine
        self._events = events
        self._results = results
        self._clock = clock
        self._version = version
        self._configuration = configuration
        self._log_lines = log_lines
        self._wire_kept = wire_kept

    async def run(self, task: Task, work: Work) -> Outcome:
        """One try; raises as `Kind` says."""
        last = await self._events.last_event_seq()
        events = await self._events.events_after(max(0, last - EVENTS), EVENTS)
        parts, now = self._parts(events), self._clock.wall()
        try:
            async with self._results.file_of(task) as file:
                names = await work.blocking(self._pack, parts, now.timestamp(), file.sink(), work)
                name = f"print-gateway-diagnostics-{now:%Y-%m-%d-%H%M}.tar.gz"
                made = await file.finish(name, MEDIA_TYPE)
        except OSError as error:
            raise TaskFailed(f"the bundle cannot be made: {error.strerror}", is_passing=True) from error
        return Outcome({"parts": names}, made)

    def _parts(self, events: Sequence[StoredEvent]) -> Mapping[str, Any]:
        """What the engine and the configuration say, on the loop: the state must not move meanwhile."""
        state = self._engine.state
        return {
            "version.json": self._host(),
            "configuration.json": self._configuration,
            "printers.json": list(self._printers(state)),
            "jobs.json": [_job(state, number) for number in state.jobs],
            "tasks.json": [_task(one) for one in state.tasks.values()],
            "schedules.json": list(_schedules(state)),
            "events.json": [_event(event) for event in events],
            "counts.json": {
                "members": len(state.members),
                "organizations": len(state.organizations),
                "printers": len(state.printers),
                "stacks": len(state.stacks),
                "open_actions": len(state.actions),
            },
        }

    def _pack(
        self, parts: Mapping[str, Any], now: float, sink: Callable[[bytes], None], work: Work
    ) -> list[str]:
        """Redact and pack; blocks. Raises OSError, GivenUp."""
        logs = _newest_wire_logs(self._wire_kept)
        total, done = len(parts) + 1 + len(logs), 0
        names = []
        with Archive(sink, now) as archive:
            for name, content in self._contents(parts, logs, work):
                archive.add_bytes(name, content)
                names.append(name)
                done += 1
                work.at(done, total)
        return names

    def _contents(
        self, parts: Mapping[str, Any], logs: Sequence[Path], work: Work
    ) -> Iterator[tuple[str, bytes]]:
        for name, value in parts.items():
            yield name, json.dumps(redacted(value), indent=1, ensure_ascii=False).encode()
        yield "log.txt", _redacted_lines(self._log_lines(), work)
        for path in logs:
            text = path.read_bytes().decode("utf-8", "backslashreplace")
            yield f"wire/{path.name}", _redacted_lines(text.split("\n"), work)

    def _host(self) -> Mapping[str, Any]:
        return {
            "version": self._version,
            "made_at": self._clock.wall().isoformat(),
            "python": sys.version,
            "platform": platform.platform(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()),
            "sqlite": sqlite3.sqlite_version,
        }

    def _printers(self, state: State) -> Iterator[Mapping[str, Any]]:
        now = self._clock.monotonic()
        for printer in state.printers.values():
            found: dict[str, Any] = {
                "printer_id": printer.printer_id,
                "driver": printer.driver,
                "enabled": printer.enabled,
                "plate": printer.plate.value,
                "plate_clear": printer.plate_clear.value,
            }
            presence = state.presence.get(printer.printer_id)
            if presence is not None:
                found |= {
                    "status": presence.status(now).value,
                    "link": presence.link.value,
                    "link_reason": presence.link_reason,
                    "activity": presence.activity and presence.activity.value,
                    "message": presence.message,
                    "firmware": presence.firmware,
                    "temperatures": dict(presence.temperatures),
                    "alarms": [asdict(alarm) for alarm in presence.alarms],
                    "obstacle": presence.obstacle,
                    "silent_seconds": None if presence.heard_at is None else now - presence.heard_at,
                }
            yield found


def _job(state: State, number: int) -> Mapping[str, Any]:
    job, attempt = state.jobs[number], state.attempts.get(number)
    return {
        "number": number,
        "job_id": job.job_id,
        "status": job.status.value,
        "reasons": sorted(reason.value for reason in job.reasons),
        "printer_id": job.printer_id,
        "is_local": job.is_local,
        "origin": job.shown_origin.value,
        "attempts": job.attempts,
        "created_at": job.created_at,
        "status_at": job.status_at,
        "started_at": job.started_at,
        "file_size": job.file_size,
        "progress": job.progress,
        "position": job.position,
        "line": job.line,
        "message": job.message,
        "error": job.error_code,
        "attempt_begun_at": attempt and attempt.intended_at,
    }


def _task(task: Task) -> Mapping[str, Any]:
    return {
        "number": task.work_id,
        "task_id": task.task_id,
        "kind": task.kind.value,
        "status": task.status.value,
        "is_paused": task.is_paused,
        "tries": task.tries,
        "created_at": task.created_at,
        "begins_at": task.begins_at,
        "retry_at": task.retry_at,
        "progress": [task.progress_value, task.progress_total],
        "message": task.message,
    }


def _schedules(state: State) -> Iterator[Mapping[str, Any]]:
    for one in state.schedules.values():
        yield {
            "schedule_id": one.schedule_id,
            "type": one.type.value,
            "cron": one.cron,
            "timezone": one.timezone,
            "missed": one.missed.value,
            "is_paused": one.is_paused,
            "next_at": one.next_at,
            "status": one.status.name.lower(),
        }


def _event(event: StoredEvent) -> Mapping[str, Any]:
    return {
        "seq": event.seq,
        "kind": event.kind,
        "at": event.at,
        "printer_id": event.printer_id,
        "work_id": event.work_id,
        "details": {name: value for name, value in event.details.items() if name in _DETAILS},
    }


def _redacted_lines(lines: Sequence[str], work: Work) -> bytes:
    """Line by line: the interpreter's lock is held for each. Raises GivenUp."""
    clean = []
    for line in lines:
        clean.append(redacted_text(line))
        work.go_on()
    return "\n".join(clean).encode("utf-8", "replace")


def _newest_wire_logs(folder: Path) -> list[Path]:
    """Those kept last, whatever printer they are of."""
    try:
        found = [(path.stat().st_mtime, path) for path in folder.glob("*.wire")]
    except OSError:
        return []
    return [path for _, path in sorted(found)[-WIRE_LOGS:]]
