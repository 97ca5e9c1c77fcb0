"""A printer written after the documentation alone: all fields as documented, `received` with the file."""

from __future__ import annotations

from typing import Any

from firmware_sim.forge.acts import Download, Downloaded, Reboot
from firmware_sim.forge.firmware import (
    JOBS_PATH,
    STATUS_PATH,
    Command,
    Firmware,
    json_command,
    subscription,
)
from firmware_sim.forge.state import Phase, Print, Refused, Report

_ENDS = frozenset({"completed", "canceled", "failed"})


class DocumentedFirmware(Firmware):
    """Registers by type once, by token from then on; pings whether it belongs to somebody or not."""

    def registration_body(self) -> dict[str, Any]:
        """`type_id` is required without a token only."""
        body = {"firmware": self.personality.firmware}
        if self.identity.auth_token is None:
            body["type_id"] = self.personality.type_id
        return body

    def listen(self, now: float) -> None:
        """Both channels, with the token."""
        if not self.identity.registered:
            self.acts.append(subscription(self.users_channel, self.identity.auth_token))
        self.acts.append(subscription(self.command_channel, self.identity.auth_token))
        self.post_status(self.machine.report())
        self.ping_from(now + self.personality.ping_seconds)

    def came_to_belong(self, now: float) -> None:
        """A status post at once, so that the owner sees the printer."""
        self.post_status(self.machine.report("registered"))

    def parsed(self, data: Any, now: float) -> Command | None:
        """An object."""
        return json_command(data)

    # -- what it tells ------------------------------------------------------------------------------------

    def changed(self, report: Report) -> None:
        """Each change by status post; the end of a print also to its task."""
        if self.identity.printer_id is None:
            return
        job = report.print
        if report.cause == "loading" and job is not None and job.by == "panel":
            body = {"job_name": job.name, "job_id": job.job_id, "job_data": {}}
            self.post("local_job", JOBS_PATH, body, job.job_id)
        self.post_status(report)
        if report.cause in _ENDS and job is not None and job.task_id is not None and job.layer:
            self._acknowledge(job.task_id, 1.0, report)

    def post_status(self, report: Report) -> None:
        """The documented fields."""
        job = report.print
        body = {
            "printer_status": report.printer_status,
            "error_code": report.error_code,
            "error_message": report.error_message,
            **_job_fields(report),
        }
        self.post("status", STATUS_PATH, body, job.job_id if job else None)

    def _acknowledge(
        self, task_id: object, progress: float, report: Report | None = None, **fields: Any
    ) -> None:
        report = report or self.machine.report()
        body = {"progress": progress, "error_code": 0, "error_message": "", **_job_fields(report), **fields}
        self.post("ack", f"/print/printers/command/{task_id}", body, body.get("job_id"))

    # -- what it does -------------------------------------------------------------------------------------

    def obey(self, command: Command, now: float) -> None:
        """One acknowledgement when it is done, or an error code."""
        task_id, name = command.get("task_id"), command.get("command")
        try:
            match name:
                case "print_data":
                    self._load(command, now)
                    return
                case "pause" | "resume" | "cancel":
                    self._control(str(name), command, now)
                case "home" | "park" | "calibrate":
                    self.machine.move(str(name), "server", now)
                case "reset":
                    self.acts.append(Reboot())
                case "request_settings":
                    self._acknowledge(task_id, 1.0, data={"settings": dict(self.machine.settings)})
                    return
                case _:
                    raise Refused(f"{name} is not supported")
        except Refused as refusal:
            self.ledger.append(now, "refused", "machine", reason=str(refusal), command=name)
            self._acknowledge(task_id, 1.0, error_code=400, error_message=str(refusal))
            return
        self.advance(now)
        self._acknowledge(task_id, 1.0)

    def _control(self, name: str, command: Command, now: float) -> None:
        job, asked = self.machine.print, command.get("job_id")
        if job is None or asked != job.job_id:
            raise Refused(f"job {asked} is not on the printer")
        {"pause": self.machine.pause, "resume": self.machine.resume, "cancel": self.machine.cancel}[name](
            "server", now
        )

    def _load(self, command: Command, now: float) -> None:
        url, job_id = command.get("file_url"), command.get("job_id")
        if not isinstance(url, str) or not isinstance(job_id, str):
            raise Refused("print_data needs file_url and job_id")
        task = command.get("task_id")
        name = url.split("?")[0].split("/")[-1]
        job = Print(job_id, name, self.personality.layers, "server", task if isinstance(task, str) else None)
        self.machine.load(job, now)
        self.machine.wait_for_file()
        self.acts.append(Download(url, command))

    def downloaded(self, download: Download, result: Downloaded, now: float) -> None:
        """With the file the job is taken."""
        if self.machine.print is None or self.machine.phase is not Phase.LOADING:
            return
        task_id = download.command.get("task_id")
        if 200 <= result.status < 300 and result.size:
            self.machine.file_arrived(result.sha256, result.layers, now)
            self._acknowledge(task_id, 0.0)
            return
        reason = "the file is empty" if 200 <= result.status < 300 else f"download answered {result.status}"
        self.advance(now)  # so that the failure is the next change
        self.machine.reject(reason, now)
        failed = self.machine.changes[0]
        self._acknowledge(task_id, 1.0, failed, error_code=404, error_message=reason)


def _job_fields(report: Report) -> dict[str, Any]:
    job = report.print
    if job is None or (job.status == "received" and job.by == "server" and job.sha256 is None):
        return {}  # a job is received when its file is
    progress = job.layer / job.layers
    data = {
        "job_name": job.name,
        "job_id": job.job_id,
        "layer": job.layer,
        "total_layers": job.layers,
        "seconds_left": report.seconds_left,
        "temperature": int(report.temperature),
    }
    return {"job_id": job.job_id, "job_status": job.status, "job_progress": progress, "data": data}
