"""What a person, the cloud, another program on the network, or bad luck does to the printer.

Each method takes `now`, or acts at the printer's present instant when it is left out. All but those about the
power raise NotNow while the printer is off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.requests import MOST_ID, Refusal, cloud_echo, cloud_job

if TYPE_CHECKING:
    from firmware_sim.bambu.printer import BambuPrinter

CLOUD_TASK, SLICER_TASK = 626732162, 81817161
"""Ids of jobs that others start, unless they are given."""


class NotNow(ValueError):
    """The printer is in no state for it."""


class BambuPanel:
    """The display, and the rest of the world."""

    def __init__(self, printer: BambuPrinter) -> None:
        self._printer = printer

    def start(self, path: str, now: float | None = None) -> None:
        """Print a file of the storage. Raises FileNotFoundError; NotNow when a job is active."""
        at = self._live(now, f"start {path}")
        if self._printer.files.get(path) is None:
            raise FileNotFoundError(f"no file {path!r} on the printer")
        try:
            self._printer.requests.start_local(path, "panel", at)
        except Refusal as refusal:
            raise NotNow(str(refusal)) from None

    def pause(self, now: float | None = None) -> None:
        """Raises NotNow when nothing prints."""
        at = self._live(now, "pause")
        self._must(self._printer.course.pause("panel", at), "nothing prints")

    def resume(self, now: float | None = None) -> None:
        """Raises NotNow when nothing is paused."""
        at = self._live(now, "resume")
        self._must(self._printer.course.resume("panel", at), "nothing is paused")

    def stop(self, now: float | None = None) -> None:
        """End the print. Raises NotNow when there is none."""
        at = self._live(now, "stop")
        self._must(self._printer.course.stop("panel", at), "there is no print")

    def dismiss(self, now: float | None = None) -> None:
        """OK to whatever is shown: FINISH and FAILED become IDLE."""
        self._live(now, "dismiss")
        self._printer.course.dismiss()

    def start_from_cloud(
        self,
        name: str,
        content: bytes,
        *,
        task_id: int = CLOUD_TASK,
        profile_id: int = 526202342,
        now: float | None = None,
    ) -> None:
        """The vendor's cloud sends a print; clients hear its echo. Raises NotNow when a job is active."""
        at = self._live(now, f"cloud {name}")
        if not 0 < task_id <= MOST_ID:
            raise NotNow(f"the cloud's ids are 1 to {MOST_ID}, not {task_id}")
        job = cloud_job(name, content, str(task_id), str(profile_id))
        try:
            self._printer.requests.start_from_cloud(job, at)
        except Refusal as refusal:
            raise NotNow(str(refusal)) from None
        self._printer.say({"print": cloud_echo(job, self._printer.serial)})

    def start_from_slicer(
        self, path: str, *, ids: int | str = SLICER_TASK, sequence_id: str = "20007", now: float | None = None
    ) -> None:
        """A slicer on the network starts a file of the storage; clients hear its echo, whatever it says."""
        at = self._live(now, f"slicer {path}")
        prefix = self._printer.personality.url_prefixes[0]
        number = str(ids)
        name = path.rpartition("/")[2]
        self._printer.obey_slicer(
            {
                "sequence_id": sequence_id, "command": "project_file", "param": "Metadata/plate_1.gcode",
                "url": f"{prefix}{path}", "file": name, "md5": "", "subtask_name": name.partition(".")[0],
                "project_id": number, "profile_id": "0", "task_id": number, "subtask_id": number,
                "use_ams": False, "timelapse": False, "bed_leveling": True,
            },
            at,
        )  # fmt: skip

    def trip(self, print_error: int, *, is_fatal: bool = False, now: float | None = None) -> None:
        """An error of the machine: a running print pauses, or with `is_fatal` fails."""
        at = self._live(now, f"print_error {print_error:08X}")
        self._printer.course.trip(print_error, at, is_fatal=is_fatal)

    def warn(self, attr: int, code: int, now: float | None = None) -> None:
        """One HMS message; `dismiss` takes it away."""
        self._live(now, f"HMS {attr:08X}{code:08X}")
        self._printer.course.hms.append((attr, code))

    def break_heater(self, heater: str, kind: str, now: float | None = None) -> None:
        """`E0` or `bed`; kinds as of the serial printers' heaters. Raises ValueError for any other."""
        at = self._live(now, f"heater {heater} {kind}")
        self._printer.mover.heater(heater).suffer(kind, at)

    def change_access_code(self, code: str, now: float | None = None) -> None:
        """LAN mode switched off and on: another code, and all connections end."""
        self._live(now, "access code changed")
        self._printer.access_code = code
        self.drop_connections("the access code was changed")

    def drop_connections(self, why: str = "the network is gone", now: float | None = None) -> None:
        """All clients lose their connection; they may come again at once."""
        self._live(now, "connections dropped")
        for seat in self._printer.seats:
            seat.cut(why)

    def cut_power(self, seconds: float = math.inf, now: float | None = None) -> None:
        """Off, and on again after `seconds`."""
        self._live(now, None)
        self._printer.cut_power(seconds)

    def switch_on(self, now: float | None = None) -> None:
        """On again."""
        self._live(now, None)
        self._printer.switch_on()

    def arm(self, fault: BambuFault) -> None:
        """Bad luck, at its next occasion."""
        self._printer.faults.arm(fault)

    def _live(self, now: float | None, what: str | None) -> float:
        printer = self._printer
        printer.poll(printer.now if now is None else now)
        if what is not None:
            self._must(printer.is_on, "the printer is off")
            printer.ledger.append(printer.now, "panel", source="panel", line=what)
        return printer.now

    @staticmethod
    def _must(was_done: bool, why_not: str) -> None:
        if not was_done:
            raise NotNow(why_not)
