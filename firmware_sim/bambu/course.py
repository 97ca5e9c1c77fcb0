"""The life of one print, in time.

    RESTING -> ACCEPTED -> (LINGERING) -> PREPARING -> RUNNING <-> PAUSED -> (STOPPING) -> RESTING

What is shown (`gcode_state`) follows behind: after a start IDLE, FINISH or FAILED are still shown for a
while, and the end stays shown until the next start or until somebody dismisses it. The machine first moves
for a job when RUNNING begins: that is the physical start. The seconds of a cloud print and of one from the
panel are those of two recorded sessions of an A1.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

from firmware_sim.bambu.archive import PrintFile, Unprintable, plate_of, read_plate
from firmware_sim.bambu.ledger import Start, note_start
from firmware_sim.bambu.mover import Mover
from firmware_sim.bambu.personality import BambuPersonality

CANCELED_BY_USER = 0x0300400C
"""print_error behind a stop: no fault."""
FILE_UNREADABLE = 0x05004003
"""print_error: "unable to parse the file" (Bambu Lab wiki, 0500-4003)."""
NO_FILE = 0x05004002
"""print_error: "unsupported path or name" (0500-4002)."""
HEATER_ABNORMAL = {"E0": (0x03000200, 0x00010001), "bed": (0x03000100, 0x00010001)}
"""HMS attr and code: "the nozzle (heatbed) temperature is abnormal" (0300-0200-0001-0001, 0300-0100-...)."""
DOWNLOAD_SHARE = 1 / 3
"""Of the time of preparing, until `gcode_file_prepare_percent` is 100 (recorded: 3 of 9 s)."""


class Step(enum.Enum):
    """What the machine is about."""

    RESTING = "resting"
    ACCEPTED = "accepted"
    LINGERING = "lingering"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Job:
    """What is printed. `file` is what the printer shows as `gcode_file`; ids as it shows them.

    who: `mqtt`, `slicer`, `cloud` or `panel`. print_type: `local` or `cloud`. content: None where there is no
    such file.
    """

    file: str
    name: str
    who: str
    print_type: str
    content: bytes | None
    plate: str = "Metadata/plate_1.gcode"
    project_id: str = "0"
    profile_id: str = "0"
    task_id: str = "0"
    subtask_id: str = "0"


NO_JOB = Job("", "", "", "idle", None)


class Course:
    """One print at a time. `changed` is called when what is shown changed; times in machine seconds."""

    def __init__(self, personality: BambuPersonality, mover: Mover, changed: Callable[[], None]) -> None:
        self.personality = personality
        self.mover = mover
        self._changed = changed
        self.step = Step.RESTING
        self.state = "IDLE"
        self.job = NO_JOB
        """The job whose ids are shown."""
        self.file = ""
        self.print_type = "idle"
        self.print_error = 0
        self.hms: list[tuple[int, int]] = []
        self.percent = 0
        self.layer = 0
        self.layers = 0
        self.due = math.inf
        self.failed_id = ""
        """The subtask_id of the last job that failed."""
        self._next = NO_JOB
        self._print = PrintFile(b"", 0)
        self._began = 0.0
        self._shown_at = math.inf
        """When a pause that was ordered is shown."""

    # -- orders -------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """From the order to the end of a job."""
        return self.step is not Step.RESTING

    def order(self, job: Job, now: float) -> None:
        """Take a job on; the caller has looked whether the machine is busy."""
        self._note("print-accepted", job.who, job, now)
        self._next = job
        if job.who == "panel":
            self.state = "IDLE"
            self._show_job()
        self._enter(Step.ACCEPTED, now + self.personality.accept_seconds)

    def pause(self, who: str, now: float) -> bool:
        """Whether there was something to pause."""
        if self.step is not Step.RUNNING:
            return False
        self.mover.hold(now)
        self._note("print-paused", who, self.job, now)
        self.step, self._shown_at = Step.PAUSED, now + self.personality.pause_seconds
        return True

    def resume(self, who: str, now: float) -> bool:
        """Whether there was something to go on with."""
        if self.step is not Step.PAUSED:
            return False
        self.print_error = 0
        self.mover.go_on(now)
        self._note("print-resumed", who, self.job, now)
        self.step, self._shown_at = Step.RUNNING, now + self.personality.pause_seconds
        return True

    def stop(self, who: str, now: float) -> bool:
        """Whether there was something to stop. The machine stops at once, what is shown follows."""
        if self.step in (Step.RESTING, Step.STOPPING):
            return False
        self._halt(who, now)
        self._enter(Step.STOPPING, now + self.personality.stop_seconds)
        return True

    def replace(self, job: Job, now: float) -> None:
        """Take a job on though another one is active: that one is stopped, without a word of its end."""
        if self.step is not Step.STOPPING:
            self._halt(job.who, now)
        self.order(job, now)

    def _halt(self, who: str, now: float) -> None:
        if self.step in (Step.RUNNING, Step.PAUSED):
            self.mover.abort(now)
        if self.job is not self._next:
            self._show_job()
        self._shown_at = math.inf
        self._note("print-stopped", who, self.job, now)

    def trip(self, print_error: int, now: float, *, is_fatal: bool = False) -> None:
        """Something went wrong: a running print pauses, or ends; the code is shown either way."""
        if is_fatal and self.is_busy:
            self._fail(print_error, now)
        elif self.pause("machine", now):
            self.state, self._shown_at = "PAUSE", math.inf
        self.print_error = print_error
        self._changed()

    def dismiss(self) -> None:
        """Somebody presses OK: the end of the last print and its error are shown no longer."""
        self.print_error = 0
        self.hms.clear()
        if not self.is_busy:
            self.state = "IDLE"
        self._changed()

    def power_lost(self) -> None:
        """Everything is forgotten; the mover is reset by the caller."""
        self.step, self.state, self.due, self._shown_at = Step.RESTING, "IDLE", math.inf, math.inf
        self.job, self.file, self.print_type = NO_JOB, "", "idle"
        self.print_error, self.percent, self.layer, self.layers = 0, 0, 0, 0
        self.hms.clear()

    # -- what is shown ------------------------------------------------------------------------------------

    def prepare_percent(self, now: float) -> int:
        """How much of the file has been fetched and looked at."""
        if self.step is not Step.PREPARING:
            return 100
        return 100 if now >= self.due - (1 - DOWNLOAD_SHARE) * self._prepare_seconds() - 1e-6 else 0

    def minutes_left(self, now: float) -> int:
        """As the slicer said, else by the time that passed."""
        if self.step not in (Step.RUNNING, Step.PAUSED):
            return 0
        said = self._print.place_at(self.mover.offset).minutes
        if said is not None:
            return said
        passed = now - self._began
        return round(passed * (100 - self.percent) / self.percent / 60) if self.percent else 0

    # -- time ---------------------------------------------------------------------------------------------

    def next_due(self) -> float:
        """When something happens by itself, the mover's doings included."""
        moving = self.mover.next_due() if self.mover.is_running else math.inf
        return min(self.due, self._shown_at, moving)

    def advance(self, now: float) -> None:
        """Live up to `now`; the caller comes at every `next_due`."""
        self.mover.live(now)
        if self._shown_at <= now:
            self._shown_at = math.inf
            self.state = "PAUSE" if self.step is Step.PAUSED else "RUNNING"
            self._changed()
        if self.due <= now:
            self.due = math.inf
            self._on_time(now)
        if self.step in (Step.RUNNING, Step.PAUSED):
            self._look_at_mover(now)

    def _on_time(self, now: float) -> None:
        if self.step is Step.ACCEPTED:
            self._show_job()
            if self.personality.finish_lingers and self.state != "IDLE":
                self._enter(Step.LINGERING, now + self.personality.finish_lingers)
                return
        if self.step in (Step.ACCEPTED, Step.LINGERING):
            self.state, self.print_error = "PREPARE", 0
            self.hms.clear()
            self._enter(Step.PREPARING, now + self._prepare_seconds())
        elif self.step is Step.PREPARING:
            self._run(now)
        elif self.step is Step.STOPPING and self.personality.stop_ends == "idle":
            self._end("IDLE", 0)
        elif self.step is Step.STOPPING:
            self._end("FAILED", CANCELED_BY_USER)

    def _prepare_seconds(self) -> float:
        cloud = self._next.print_type == "cloud"
        return self.personality.cloud_prepare_seconds if cloud else self.personality.prepare_seconds

    def _show_job(self) -> None:
        self.job = self._next
        self.file, self.print_type = self.job.file, self.job.print_type

    def _run(self, now: float) -> None:
        """The physical start."""
        job = self.job
        if job.content is None:
            self._fail(NO_FILE, now, "there is no such file")
            return
        try:
            self._print = read_plate(plate_of(job.content, job.plate))
        except Unprintable as error:
            self._fail(FILE_UNREADABLE, now, str(error))
            return
        if self.mover.is_halted:
            self._fail(0, now, "the machine is halted until it is switched off")
            return
        self.percent, self.layer, self.layers, self._began = 0, 0, self._print.layers, now
        note_start(
            self.mover.ledger, Start(now, job.file, job.who, job.subtask_id, job.task_id, job.project_id)
        )
        self.state = "RUNNING"
        self._enter(Step.RUNNING, math.inf)
        self.mover.begin(self._print.gcode, now)

    def _look_at_mover(self, now: float) -> None:
        if self.mover.is_halted:
            self._fail(0, now, "thermal protection")
            return
        if self.mover.done_at <= now:
            self._note("print-finished", "machine", self.job, now)
            self.percent = 100
            self._end("FINISH", 0)
            return
        self.percent = self._print.percent_at(self.mover.offset)
        self.layer = self._print.place_at(self.mover.offset).layer

    def _fail(self, print_error: int, now: float, why: str = "an error of the machine") -> None:
        if self.step in (Step.RUNNING, Step.PAUSED):
            self.mover.abort(now)
        self.mover.ledger.append(now, "print-failed", source="machine", line=self.job.file, effect=why)
        self._end("FAILED", print_error)

    def _end(self, state: str, print_error: int) -> None:
        self.state, self.print_error = state, print_error
        self.failed_id = self.job.subtask_id if state == "FAILED" else ""
        self.file, self.print_type = "", "idle"
        self._shown_at = math.inf
        self._enter(Step.RESTING, math.inf)

    def _enter(self, step: Step, due: float) -> None:
        self.step, self.due = step, due
        self._changed()

    def _note(self, event: str, who: str, job: Job, now: float) -> None:
        self.mover.ledger.append(now, event, source=who, line=job.file, effect=f"subtask_id {job.subtask_id}")
