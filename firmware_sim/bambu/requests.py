"""What the printer is asked on `/request`, and what it answers: each parameter again, and what came of it.

An echo says that the command was taken, not that it had an effect: `pause` on an idle printer is a success.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from firmware_sim.bambu.course import Course, Job
from firmware_sim.bambu.mover import Mover
from firmware_sim.bambu.personality import BambuPersonality
from firmware_sim.bambu.status import SPEEDS, VERIFY_FAILED_HMS, Status
from firmware_sim.bambu.storage import Files, tidy

MOST_REQUEST_BYTES = 1 << 20
"""A longer message is none of these printers' commands."""
MOST_LINES = 64
"""Of one `gcode_line`; the real one takes a few hundred bytes."""
VERIFY_FAILED = 0x05024007
"""err_code of a command without a good signature."""
BUSY = 0x05004004
"""err_code: "cannot receive new print jobs while printing" (Bambu Lab wiki, 0500-4004)."""
BAD_COMMAND = 0x05004001
"""err_code of a command that makes no sense here."""
MOST_ID = 2**31 - 1
IDS = ("project_id", "profile_id", "task_id", "subtask_id")


class Refusal(Exception):
    """The echo's result is failed: `reason` and `err_code` as they stand there."""

    def __init__(self, reason: str, err_code: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.err_code = err_code


def parse(payload: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The commands of a message: type (`print`) and parameters. Empty: it is none."""
    if len(payload) > MOST_REQUEST_BYTES:
        return []
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return []
    if not isinstance(message, dict):
        return []
    return [
        (kind, body)
        for kind, body in message.items()
        if isinstance(body, dict) and isinstance(body.get("command"), str)
    ]


def echo(personality: BambuPersonality, body: Mapping[str, Any], refusal: Refusal | None) -> dict[str, Any]:
    """The answer to a command."""
    result = "success" if refusal is None else "failed"
    if personality.result_case == "upper":
        result = result.upper()
    said: dict[str, Any] = {**body, "reason": result if refusal is None else refusal.reason, "result": result}
    if refusal is not None:
        said["err_code"] = refusal.err_code
    return said


class Requests:
    """Carries commands out on the machine. `by` as in `Job.who`."""

    def __init__(
        self, personality: BambuPersonality, course: Course, mover: Mover, status: Status, files: Files
    ) -> None:
        self._personality = personality
        self._course = course
        self._mover = mover
        self._status = status
        self._files = files
        self.needs_signature = False
        self._local_jobs = 9000
        self._doers: Mapping[str, Callable[[Mapping[str, Any], str, float], None]] = {
            "print.project_file": self._project_file,
            "print.gcode_file": self._gcode_file,
            "print.pause": lambda _body, by, now: _any(self._course.pause(by, now)),
            "print.resume": lambda _body, by, now: _any(self._course.resume(by, now)),
            "print.stop": lambda _body, by, now: _any(self._course.stop(by, now)),
            "print.gcode_line": self._gcode_line,
            "print.print_speed": self._print_speed,
            "print.clean_print_error": lambda _body, _by, _now: self._course.dismiss(),
            "system.ledctrl": self._light,
        }

    def knows(self, name: str) -> bool:
        """Whether `print.pause` and the like is a command here."""
        return name in self._doers

    def carry_out(self, kind: str, body: Mapping[str, Any], by: str, now: float, *, clamps: bool) -> None:
        """Raises Refusal."""
        if self.needs_signature and kind == "print" and by == "mqtt":
            raise self.unverified()
        if clamps:
            body = {**body, **{name: _clamped(body[name]) for name in IDS if name in body}}
        self._doers[f"{kind}.{body['command']}"](body, by, now)

    def unverified(self) -> Refusal:
        """What a command without a good signature gets; the printer shows it too."""
        if VERIFY_FAILED_HMS not in self._course.hms:
            self._course.hms.append(VERIFY_FAILED_HMS)
        return Refusal("mqtt message verify failed", VERIFY_FAILED)

    # -- starts -------------------------------------------------------------------------------------------

    def _project_file(self, body: Mapping[str, Any], by: str, now: float) -> None:
        url, plate = body.get("url"), body.get("param")
        if not isinstance(url, str) or not isinstance(plate, str):
            raise Refusal("url and param are texts", BAD_COMMAND)
        path = self._path_of(url)
        file = tidy(path if path is not None else url.partition("?")[0]).rpartition("/")[2]
        ids = {name: _id(body.get(name, "0")) for name in IDS}
        self._begin(
            Job(
                file=file,
                name=str(body.get("subtask_name") or file),
                who=by,
                print_type="local",
                content=self._files.get(path) if path is not None else None,
                plate=plate,
                **ids,
            ),
            now,
        )

    def _path_of(self, url: str) -> str | None:
        """Where on the storage it leads; None: this model does not understand the form."""
        for prefix in self._personality.url_prefixes:
            if url.startswith(prefix):
                return url.removeprefix(prefix)
        return None

    def _gcode_file(self, body: Mapping[str, Any], by: str, now: float) -> None:
        path = body.get("param")
        if not isinstance(path, str) or not tidy(path):
            raise Refusal("param is the path of a file", BAD_COMMAND)
        path = tidy(path).removeprefix("sdcard/")
        file = path.rpartition("/")[2]
        self._begin(Job(file, file, by, "local", self._files.get(path)), now)

    def start_local(self, path: str, who: str, now: float) -> None:
        """A file of the storage, at the panel. Raises Refusal when a job is active."""
        file = tidy(path).rpartition("/")[2]
        ids = {}
        if self._personality.local_ids == "counter":
            self._local_jobs += 1
            ids = {"task_id": str(self._local_jobs), "subtask_id": ""}
        if self._course.is_busy:
            raise Refusal("a job is active", BUSY)
        self._course.order(Job(file, file, who, "local", self._files.get(path), **ids), now)

    def start_from_cloud(self, job: Job, now: float) -> None:
        """The cloud's: it brings its file along. Raises Refusal when a job is active."""
        self._begin(job, now)

    def _begin(self, job: Job, now: float) -> None:
        course = self._course
        if not course.is_busy:
            if job.subtask_id == course.failed_id == str(MOST_ID):
                self._mover.note(
                    "start-ignored", source=job.who, line=job.file, effect="continues a failed job"
                )
                return
            course.order(job, now)
        elif self._personality.busy_start == "cancels":
            course.replace(job, now)
        else:
            raise Refusal("the printer is busy", BUSY)

    # -- the rest -----------------------------------------------------------------------------------------

    def _gcode_line(self, body: Mapping[str, Any], by: str, now: float) -> None:
        text = body.get("param")
        lines = [line.partition(";")[0].strip() for line in text.split("\n")] if isinstance(text, str) else []
        lines = [line for line in lines if line]
        if not lines or len(lines) > MOST_LINES or not self._mover.is_running:
            raise Refusal("no lines that can be run", BAD_COMMAND)
        self._mover.run(lines, by, now)

    def _print_speed(self, body: Mapping[str, Any], _by: str, _now: float) -> None:
        level = body.get("param")
        if str(level) not in map(str, SPEEDS):
            raise Refusal("param is 1 to 4", BAD_COMMAND)
        self._status.speed_level = int(str(level))
        self._mover.axes.feed_percent = float(SPEEDS[self._status.speed_level])

    def _light(self, body: Mapping[str, Any], _by: str, _now: float) -> None:
        mode = body.get("led_mode")
        if body.get("led_node") != "chamber_light" or mode not in ("on", "off", "flashing"):
            raise Refusal("no such light or mode", BAD_COMMAND)
        self._status.light = mode


def versions(personality: BambuPersonality, serial: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `get_version`."""
    ota = {
        "name": "ota",
        "project_name": personality.project_code,
        "product_name": personality.product,
        "sw_ver": personality.firmware,
        "hw_ver": "OTA",
        "sn": serial,
    }
    return {**echo(personality, body, None), "module": [ota, {**ota, "name": "mc", "hw_ver": "MC00"}]}


def cloud_job(name: str, content: bytes, task_id: str, profile_id: str) -> Job:
    """A print that somebody sends through the vendor's cloud; one number is all three ids (recorded)."""
    return Job(f"{name}.3mf", name, "cloud", "cloud", content, "Metadata/plate_1.gcode",
               task_id, profile_id, task_id, task_id)  # fmt: skip


def cloud_echo(job: Job, serial: str) -> dict[str, Any]:
    """What the printer says on `/report` of a cloud's order (the keys of a recorded A1)."""
    return {
        "sequence_id": "0", "command": "project_file", "param": job.plate, "project_id": job.project_id,
        "design_id": "0", "model_id": "US0000000000000", "profile_id": job.profile_id, "plate_idx": "1",
        "task_id": job.task_id, "subtask_id": job.subtask_id, "subtask_name": job.name,
        "job_id": int(job.task_id), "md5": "00000000000000000000000000000000", "timelapse": False,
        "bed_leveling": False, "flow_cali": False, "vibration_cali": False, "layer_inspect": True,
        "ams_mapping": [3], "skip_objects": None, "timestamp": 0, "dev_id": serial, "job_type": 1,
        "use_ams": True, "bed_temp": 65, "auto_bed_leveling": 0, "extrude_cali_flag": 0,
        "nozzle_offset_cali": 2, "ams_mapping2": [{"ams_id": 0, "slot_id": 3}], "cfg": "0",
        "extrude_cali_manual_mode": 0, "url": "https://upload.example/users/0/models/1.3mf?signed",
        "reason": "success", "result": "success",
    }  # fmt: skip


def _any(_done: bool) -> None:
    """The echo does not say whether there was something to do."""


def _id(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "0"


def _clamped(value: object) -> object:
    text = _id(value)
    digits = text.lstrip("0")
    is_large = text.isdecimal() and (len(digits) > len(str(MOST_ID)) or int(digits or "0") > MOST_ID)
    return str(MOST_ID) if is_large else text
