"""Ember's smith client: JSON, two acknowledgements for every command, and a status post with every change.

Read from its published sources. A command that it does not know goes to the print engine, which takes what
fits its state and ignores the rest; the acknowledgement says `completed` either way. Nobody looks at job_id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_sim.forge.acts import Download, Downloaded, Reboot, UploadLogs
from firmware_sim.forge.firmware import STATUS_PATH, Command, Firmware, json_command, subscription
from firmware_sim.forge.state import Phase, Print, Refused, Report

RECEIVED, COMPLETED, FAILED = "received", "completed", "failed"
_ENGINE_STATES = {
    "ready": "Home",
    "busy": "Loading",
    "printing": "PrintingLayer",
    "paused": "Paused",
    "maintenance": "DoorOpen",
    "error": "Error",
}


class SmithFirmware(Firmware):
    """Subscribes to both channels at once, with its token."""

    _loaded_name = ""
    _loaded = Downloaded(0)

    def registration_body(self) -> dict[str, Any]:
        """Always with the type, also when it has a token."""
        return {
            "type_id": self.personality.type_id,
            "firmware": self.personality.firmware,
            "serial_number": self.personality.serial_number,
        }

    def listen(self, now: float) -> None:
        """A printer that belongs to somebody tells its status at once instead of listening for an owner."""
        token = self.identity.auth_token
        if self.identity.registered:
            self.post_status(self.machine.report())
        else:
            self.acts.append(subscription(self.users_channel, token))
        self.acts.append(subscription(self.command_channel, token))
        self.ping_from(now + self.personality.ping_seconds)

    def came_to_belong(self, now: float) -> None:
        """The display changes, and with it the status."""
        self.post_status(self.machine.report("registered"))

    def parsed(self, data: Any, now: float) -> Command | None:
        """An object or a JSON string of one."""
        return json_command(data)

    # -- what it tells ------------------------------------------------------------------------------------

    def changed(self, report: Report) -> None:
        """Every change is a status post."""
        if self.identity.printer_id is not None:
            self.post_status(report)

    def post_status(self, report: Report) -> None:
        """The whole status of the print engine, as `data`."""
        body = {
            "printer_status": report.printer_status,
            "error_code": report.error_code,
            "error_message": report.error_message,
            "data": self._status_data(report),
            **_job_fields(report),
        }
        self.post("status", STATUS_PATH, body, report.print.job_id if report.print else None)

    def _status_data(self, report: Report) -> dict[str, Any]:
        job = report.print
        is_local = job is None or job.by == "panel"
        data: dict[str, Any] = {
            "state": _ENGINE_STATES[report.printer_status],
            "ui_sub_state": "PrintCompleted" if report.cause == "completed" else "NoUISubState",
            "change": "NoChange" if report.cause == "ping" else "Entering",
            "is_error": report.error_code != 0,
            "error_code": report.error_code,
            "errno": 0,
            "error_message": report.error_message,
            "layer": job.layer if job else 0,
            "total_layers": job.layers if job else 0,
            "seconds_left": report.seconds_left,
            "job_name": job.name if job else "",
            "job_id": "" if is_local or job is None else job.job_id,
            "temperature": report.temperature,
            "print_rating": "unknown",
            "can_load_print_data": report.printer_status == "ready",
            "can_upgrade_projector": False,
        }
        if report.cause == "completed":
            data["settings"] = dict(self.machine.settings)
        return data

    def _acknowledge(self, command: Command, state: str, message: str | None = None) -> None:
        report = self.machine.report()
        fields = _job_fields(report)
        if command.get("command") == "print_data" and command.get("job_id"):
            status = "failed" if state == FAILED else "received"
            fields = {"job_id": command["job_id"], "job_status": status, "job_progress": 0.0}
        body = {
            "printer_status": report.printer_status,
            "progress": 0 if state == RECEIVED else 1,
            "error_code": 500 if state == FAILED else 0,
            "error_message": message,
            "data": {"command": command.get("command"), "message": message, "state": state},
            **fields,
        }
        self._post_ack(command, body)

    def _post_ack(self, command: Command, body: Mapping[str, Any]) -> None:
        job = body.get("job_id")
        self.post("ack", f"/print/printers/command/{command.get('task_id')}", body, job)

    # -- what it does -------------------------------------------------------------------------------------

    def obey(self, command: Command, now: float) -> None:
        """First `received`, then the deed, then `completed` or `failed`."""
        self._acknowledge(command, RECEIVED)
        match command.get("command"):
            case "print_data":
                self._load(command, now)
            case "settings":
                self._apply_settings(command, now)
            case "request_settings":
                self._tell_settings(command)
            case "logs":
                self.acts.append(UploadLogs(str(command.get("upload_url")), command))
            case "firmware_upgrade":
                self.acts.append(Download(str(command.get("package_url")), command, redirects=1))
            case other:
                self._print_engine(str(other), now)
                self._acknowledge(command, COMPLETED)
                if other == "reset":
                    self.acts.append(Reboot())

    def _print_engine(self, word: str, now: float) -> None:
        try:
            match word:
                case "pause":
                    self.machine.pause("server", now)
                case "resume":
                    self.machine.resume("server", now)
                case "cancel":
                    self.machine.cancel("server", now)
                case "home" | "park" | "calibrate":
                    self.machine.move(word, "server", now)
        except Refused as refusal:
            self.ledger.append(now, "ignored", "machine", command=word, reason=str(refusal))

    def _load(self, command: Command, now: float) -> None:
        url = command.get("file_url")
        reason = self.machine.why_not_ready()
        if reason is None and (not isinstance(url, str) or not url):
            reason = "no file_url"
        if reason is not None:
            self._refuse(command, reason, now)
            return
        job_id = str(command.get("job_id") or "")
        name = str(url).split("/")[-1]
        task = _optional_text(command.get("task_id"))
        self.machine.load(Print(job_id, name, self.personality.layers, "server", task), now)
        self.machine.wait_for_file()
        if name == self._loaded_name:
            # The file of that name is loaded: it is not fetched again, whatever is behind the URL by now.
            self.ledger.append(now, "download_skipped", "machine", job_id, name=name)
            self._file_is_here(command, self._loaded, now)
            return
        self.acts.append(Download(str(url), command, redirects=0))

    def downloaded(self, download: Download, result: Downloaded, now: float) -> None:
        """A print file, or a firmware package."""
        command = download.command
        good = 200 <= result.status < 300
        if command.get("command") == "firmware_upgrade":
            trouble = None if good else f"Unable to download {download.url}"
            self._acknowledge(command, COMPLETED if good else FAILED, trouble)
            if good:
                self.acts.append(Reboot())
            return
        if self.machine.print is None or self.machine.phase is not Phase.LOADING:
            return  # canceled, or without power, in the meantime
        if not good:
            self._give_up(command, f"Unable to download print data from {download.url}", now)
        elif not result.size:
            self._give_up(command, "the file is empty", now)
        else:
            self._loaded_name, self._loaded = self.machine.print.name, result
            self._file_is_here(command, result, now)

    def _file_is_here(self, command: Command, file: Downloaded, now: float) -> None:
        if not _has_settings(command):
            self._give_up(command, "no Settings in the settings", now)
            return
        assert self.machine.print is not None
        name = self.machine.print.name
        self.machine.settings = command["settings"]["Settings"]
        self.machine.file_arrived(file.sha256, file.layers, now)
        self._acknowledge(command, COMPLETED)
        suffixes = self.personality.file_suffixes.split()
        if suffixes and not name.endswith(tuple(suffixes)):
            # The client hands every file over; the print engine looks for these names in its folder.
            self._loaded_name = ""
            self.machine.reject(f"no file {' or '.join(suffixes)} among: {name}", now)
            self.advance(now)

    def _give_up(self, command: Command, reason: str, now: float) -> None:
        self._refuse(command, reason, now)
        self.machine.reject(reason, now)
        self.advance(now)

    def uploaded(self, upload: UploadLogs, status: int, now: float) -> None:
        """The server's storage took the logs, or not."""
        good = 200 <= status < 300
        trouble = None if good else f"Unable to upload logs to {upload.url}"
        self._acknowledge(upload.command, COMPLETED if good else FAILED, trouble)

    def _apply_settings(self, command: Command, now: float) -> None:
        if not _has_settings(command):
            self._refuse(command, "no Settings in the settings", now)
            return
        self.machine.settings = command["settings"]["Settings"]
        self.ledger.append(now, "settings_applied", "server", settings=dict(self.machine.settings))
        self._acknowledge(command, COMPLETED)

    def _tell_settings(self, command: Command) -> None:
        report = self.machine.report()
        body = {
            "printer_status": report.printer_status, "progress": 1, "error_code": 0, "error_message": None,
            "data": {"settings": dict(self.machine.settings)}, **_job_fields(report),
        }  # fmt: skip
        self._post_ack(command, body)

    def _refuse(self, command: Command, reason: str, now: float) -> None:
        self.ledger.append(now, "refused", "machine", _optional_text(command.get("job_id")), reason=reason)
        self._acknowledge(command, FAILED, reason)


def _job_fields(report: Report) -> dict[str, Any]:
    job = report.print
    if job is None:
        return {}
    return {"job_id": job.job_id, "job_status": job.status, "job_progress": job.layer / job.layers}


def _has_settings(command: Command) -> bool:
    settings = command.get("settings")
    return isinstance(settings, Mapping) and isinstance(settings.get("Settings"), Mapping)


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) else None
