"""The browser simulator of that time: form bodies, one acknowledgement, and another one with each layer.

Read from its published source. It knows a print by the task that brought it, so its job_id is the task_id; a
print of its own has no task and is told by status posts alone, and nobody is told how it ended: it is gone.
"""

from __future__ import annotations

import json
from typing import Any

from firmware_sim.forge.acts import Download, Downloaded
from firmware_sim.forge.firmware import STATUS_PATH, Command, Firmware, subscription
from firmware_sim.forge.state import Phase, Print, Refused, Report

NO_JOB = "no running print job"
#: Causes that the page shows with a status post; a layer is told to the task.
_TOLD_BY_STATUS = frozenset(
    {"paused", "resumed", "canceled", "door_opened", "door_closed", "error", "error_cleared"}
)


class BrowserFirmware(Firmware):
    """Never asks for a code again once it has one; listens for commands when it belongs to somebody."""

    recontacts = False
    forgets_on_403 = False
    shows_code_at_once = True
    is_form = True

    def registration_body(self) -> dict[str, Any]:
        """As the page posts it."""
        return {"firmware": self.personality.firmware, "type_id": self.personality.type_id}

    def listen(self, now: float) -> None:
        """One channel or the other; no token anywhere."""
        if self.identity.registered:
            self.acts.append(subscription(self.command_channel, None))
            self.post_status(self.machine.report())
            self.ping_from(now + self.personality.ping_seconds)
        else:
            self.acts.append(subscription(self.users_channel, None))

    def came_to_belong(self, now: float) -> None:
        """From here on it is online."""
        self.listen(now)

    def parsed(self, data: Any, now: float) -> Command | None:
        """An object; anything else is an uncaught TypeError of the page."""
        if isinstance(data, dict) and isinstance(data.get("task_id"), str):
            return data
        self.ledger.append(now, "choked", "server", message=data)
        return None

    # -- what it tells ------------------------------------------------------------------------------------

    def changed(self, report: Report) -> None:
        """To the task what concerns its print, by status post what concerns the printer."""
        job = report.print
        match report.cause:
            case "started" if job is not None and job.task_id is None:
                self._tell_status(report)
            case "started" | "layer" | "completed" | "failed" if job is not None and job.task_id is not None:
                # The page counts the last layer as the end.
                if report.cause != "layer" or job.layer < job.layers:
                    self._acknowledge(job.task_id, report, {})
            case "ready":
                self._tell_status(report)
            case cause if cause in _TOLD_BY_STATUS:
                self._tell_status(report)

    def post_status(self, report: Report) -> None:
        """The health check."""
        body: dict[str, Any] = {"printer_status": report.printer_status}
        if report.error_code:
            body |= {"error_code": report.error_code, "error_message": report.error_message}
        job = report.print
        if job is not None:
            body |= {"job_id": job.job_id, "job_progress": _progress(job), "job_status": job.status}
            body["data"] = _print_data(report, job)
        self.post("status", STATUS_PATH, body, job.job_id if job else None)

    def _tell_status(self, report: Report) -> None:
        """A status post; the timer of the next health check begins anew, as on the page."""
        if self.identity.registered:
            self.post_status(report)

    def _acknowledge(self, task_id: str, report: Report, fields: dict[str, Any]) -> None:
        """The print on the machine overrides what the command said, as on the page."""
        body = {"progress": 1.0, **fields, "printer_status": report.printer_status}
        job = report.print
        if job is not None and job.status == "received":
            body["printer_status"] = "ready"  # the page is ready until the first layer
        if job is not None:
            body |= {"job_id": job.job_id, "job_progress": _progress(job), "progress": _progress(job)}
            body |= {"job_status": job.status, "data": _print_data(report, job)}
        self._post_ack(task_id, body)

    def _post_ack(self, task_id: str, body: dict[str, Any]) -> None:
        self.post("ack", f"/print/printers/command/{task_id}", body, body.get("job_id"))

    # -- what it does -------------------------------------------------------------------------------------

    def obey(self, command: Command, now: float) -> None:
        """Status first, then the one acknowledgement."""
        task_id, name = command["task_id"], command.get("command")
        match name:
            case "print_data":
                self._load(command, now)
                return
            case "pause" | "resume" | "cancel":
                self._control(str(name), task_id, now)
                return
            case "calibrate":
                fields = _refusal(400, "Incorrect Calibration Settings") | {"progress": 0.0}
            case "firmware_upgrade":
                fields = _refusal(404, "firmware_upgrade not supported") | {"progress": 0.0}
            case "log":
                url = f"http://logs.com/logs/{self.chance.getrandbits(40):x}"
                fields = {"data": json.dumps({"url": url})}
            case _:
                fields = {}
        self._acknowledge(task_id, self.machine.report(), fields)

    def _control(self, name: str, task_id: str, now: float) -> None:
        before = self.machine.print
        try:
            if before is not None and before.layer == 0:
                raise Refused(NO_JOB)
            {"pause": self.machine.pause, "resume": self.machine.resume, "cancel": self.machine.cancel}[name](
                "server", now
            )
        except Refused:
            self.ledger.append(now, "refused", "machine", reason=NO_JOB, command=name)
            self._acknowledge(task_id, self.machine.report(), _refusal(400, NO_JOB))
            return
        assert before is not None
        if name == "cancel":
            # Told once by status; that the printer is ready is in the acknowledgement.
            self.post_status(self.machine.changes.popleft())
            self.machine.changes.clear()
        self.advance(now)
        status = "canceled" if name == "cancel" else "paused"
        data = json.dumps({"job_id": before.job_id, "job_status": status})
        self._acknowledge(task_id, self.machine.report(), {"data": data})

    def _load(self, command: Command, now: float) -> None:
        task_id, url = command["task_id"], command.get("file_url")
        reason = self.machine.why_not_ready()
        if reason is None and not isinstance(url, str):
            reason = "no file_url"
        if reason is not None:
            self._refuse(task_id, 400, reason, now)
            return
        name = str(url).split("/")[-1]
        self.machine.load(Print(task_id, name, self.personality.layers, "server", task_id), now)
        self.machine.wait_for_file()
        self._acknowledge(task_id, self.machine.report(), {})
        self.acts.append(Download(str(url), command))

    def downloaded(self, download: Download, result: Downloaded, now: float) -> None:
        """The file, which the page itself never looked at."""
        if self.machine.print is None or self.machine.phase is not Phase.LOADING:
            return
        if 200 <= result.status < 300 and result.size:
            self.machine.file_arrived(result.sha256, result.layers, now)
            return
        reason = "the file is empty" if 200 <= result.status < 300 else f"no file at {download.url}"
        self._refuse(download.command["task_id"], 404, reason, now)
        self.machine.reject(reason, now)

    def _refuse(self, task_id: str, code: int, reason: str, now: float) -> None:
        self.ledger.append(now, "refused", "machine", task_id, reason=reason)
        body = {"printer_status": self.machine.printer_status, "progress": 1.0, **_refusal(code, reason)}
        self._post_ack(task_id, body)


def _refusal(code: int, message: str) -> dict[str, Any]:
    return {"error_code": code, "error_message": message}


def _progress(job: Print) -> float:
    return max(job.layer, 1) / job.layers  # the page counts from 1 before anything is printed


def _print_data(report: Report, job: Print) -> dict[str, Any]:
    """The misspelling is the page's own."""
    return {
        "job_status": job.status,
        "total_layers": job.layers,
        "layer": max(job.layer, 1),
        "seconds_left": (job.layers - max(job.layer, 1)) * 20,
        "temprature": int(report.temperature),
        "job_id": job.job_id,
    }
