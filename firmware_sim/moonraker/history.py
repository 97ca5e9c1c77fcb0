"""Moonraker's history: jobs with ids, made of what `print_stats` shows at each look.

It sees a state every 0.25 s, not every transition: a file that fails at once was never `printing`, and is a
job all the same. It is told by three ends that print_stats does not tell: klippy's shutdown, klippy's
disconnect, and Moonraker's own death (`interrupted`, written at the next start; what the machine prints on
then is in no history). Source: Moonraker's job_state.py, history.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from firmware_sim.moonraker.files import Gcodes

IDLE = ("standby", "complete", "cancelled", "error")
UNFINISHED = "in_progress"
_TOTALS = (
    "total_jobs", "total_time", "total_print_time", "total_filament_used", "longest_job", "longest_print"
)  # fmt: skip
_ENDS = {"complete": "completed", "error": "error", "cancelled": "cancelled", "standby": "cancelled"}

Stats = Mapping[str, object]


@dataclass(slots=True)
class Job:
    """One row. Wall times in seconds, durations in seconds, filament in mm."""

    filename: str
    start_time: float
    status: str = UNFINISHED
    user: str = "No User"
    end_time: float | None = None
    print_duration: float = 0.0
    total_duration: float = 0.0
    filament_used: float = 0.0
    metadata: dict[str, object] = field(default_factory=dict)
    auxiliary_data: list[object] = field(default_factory=list)

    def take(self, stats: Stats) -> None:
        """The figures of print_stats, as they are now."""
        for name in ("print_duration", "total_duration", "filament_used"):
            value = stats.get(name)
            if isinstance(value, int | float):
                setattr(self, name, float(value))


class History:
    """The table, and the job that runs. `tell` hears `added` and `finished` with the id and the row."""

    def __init__(
        self, gcodes: Gcodes, wall: Callable[[], float], tell: Callable[[str, str, Job], None]
    ) -> None:
        self.jobs: dict[int, Job] = {}
        self.totals: dict[str, float] = dict.fromkeys(_TOTALS, 0)
        self._gcodes, self._wall, self._tell = gcodes, wall, tell
        self._current: int | None = None
        self._last: dict[str, object] = {}

    # -- what happens ------------------------------------------------------------------------------------

    def server_started(self) -> None:
        """A new Moonraker: what was in progress is interrupted, whatever the machine does."""
        self._current, self._last = None, {}
        for job in self.jobs.values():
            if job.status == UNFINISHED:
                job.status = "interrupted"

    def klippy_ready(self, stats: Stats) -> None:
        """The first print_stats of a klippy that is ready; a print that it shows already is no new job."""
        self._last = dict(stats)

    def klippy_shut_down(self) -> None:
        """`webhooks` says shutdown."""
        self._finish("klippy_shutdown", self._last)

    def klippy_gone(self) -> None:
        """The connection to klippy is lost."""
        self._finish("klippy_disconnect", self._last)
        if self._last.get("state") in ("printing", "paused"):
            self._last["state"] = "error"

    def look(self, changed: Stats) -> None:
        """What of print_stats is new since the last look."""
        before = self._last
        after = {**before, **changed}
        self._last = after
        if "state" in before and after["state"] != before["state"]:
            self._moved(str(before["state"]), str(after["state"]), before, after)

    @property
    def loaded_file(self) -> str:
        """The file of a print that runs or is paused; empty: none."""
        if self._last.get("state") in ("printing", "paused"):
            return str(self._last.get("filename", ""))
        return ""

    def _moved(self, old: str, new: str, before: Stats, after: Stats) -> None:
        if new == "printing":
            if old in IDLE or not _is_resumed(before, after):
                self._add(before, after)
            return
        if old in IDLE and new != "standby":
            self._add(before, after)
        if new in _ENDS:
            self._finish(_ENDS[new], before if _ENDS[new] == "cancelled" else after)

    def _add(self, before: Stats, after: Stats) -> None:
        if self._current is not None:
            self._finish("cancelled", before)
        name = str(after.get("filename", ""))
        job = Job(name, self._wall(), metadata=self._gcodes.metadata(name) or {})
        job.take(after)
        self._current = max(self.jobs, default=0) + 1
        self.jobs[self._current] = job
        file = self._gcodes.by_name.get(name)
        if file is not None:
            file.started, file.job_id = job.start_time, id_of(self._current)
        self._tell("added", id_of(self._current), job)

    def _finish(self, status: str, stats: Stats) -> None:
        if self._current is None:
            return
        number, job, self._current = self._current, self.jobs[self._current], None
        total = stats.get("total_duration", 0.0)
        is_same = stats.get("filename") == job.filename and isinstance(total, int | float)
        if is_same and float(str(total)) >= job.total_duration:
            job.take(stats)
        job.status, job.end_time = status, self._wall()
        self._count(job)
        self._tell("finished", id_of(number), job)

    def _count(self, job: Job) -> None:
        totals = self.totals
        totals["total_jobs"] += 1
        totals["total_time"] += job.total_duration
        totals["total_print_time"] += job.print_duration
        totals["total_filament_used"] += job.filament_used
        totals["longest_job"] = max(totals["longest_job"], job.total_duration)
        totals["longest_print"] = max(totals["longest_print"], job.print_duration)

    # -- what is asked -----------------------------------------------------------------------------------

    def row(self, number: int) -> dict[str, object]:
        """A job as the API tells it."""
        job = self.jobs[number]
        return {"job_id": id_of(number), "exists": job.filename in self._gcodes.by_name, **asdict(job)}

    def rows(
        self, *, before: float | None, since: float | None, start: int, limit: int, order: str
    ) -> list[dict[str, object]]:
        """A page; `before` is of the end, `since` of the start, as Moonraker has it."""
        numbers = sorted(self.jobs, reverse=order == "desc")
        wanted = [n for n in numbers if _is_between(self.jobs[n], before, since)]
        return [self.row(number) for number in (wanted[start : start + limit] if limit > 0 else wanted)]

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())


def id_of(number: int) -> str:
    """`00000A`: as Moonraker writes job ids."""
    return f"{number:06X}"


def _is_resumed(before: Stats, after: Stats) -> bool:
    return (
        before["state"] == "paused"
        and before["filename"] == after["filename"]
        and float(str(before["total_duration"])) < float(str(after["total_duration"]))
    )


def _is_between(job: Job, before: float | None, since: float | None) -> bool:
    if before is not None and (job.end_time is None or job.end_time >= before):
        return False
    return since is None or job.start_time > since
