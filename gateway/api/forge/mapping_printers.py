"""Printers in Forge's words. Pure and total, as `mapping`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.domain.call_in import LOCAL_PREFIX
from gateway.domain.job import Job
from gateway.domain.printer import Presence, Printer, PrinterStatus

#: Forge's `type_id` is a UUID per kind of printer. One per driver, given once, never changed.
TYPE_IDS: Final[Mapping[str, str]] = {
    "marlin": "5B7C1A1E-9E1B-4F0C-8C5D-3A5C9A0B7D11",
    "bambu": "0E6F1B52-37D4-4E7A-9C60-6B1B2E9B5F22",
    "moonraker": "C1D09F6A-5C0E-4C8B-8F37-2D8D6C1A9E33",
    "forge": "7FAF097F-DB2E-45DC-9395-A30210E789AA",
}
OTHER_TYPE_ID: Final = "A4E2D7B8-66F1-4B39-9A0E-7C4F5D3B8E44"


def printer_object(printer: Printer, presence: Presence, now: float, member_id: str) -> dict[str, Any]:
    """One printer (Forge: GET printers). `now` is monotonic seconds."""
    is_online = presence.status(now) is not PrinterStatus.OFFLINE
    return {
        "printer_id": printer.printer_id,
        "printer_name": printer.shown_name,
        "firmware": presence.firmware,
        "type_id": printer.type_id or TYPE_IDS.get(printer.driver, OTHER_TYPE_ID),
        "is_primary": printer.owner_id == member_id,
        # Both spellings are the original's: one client compares with "online", another with "Offline".
        "printer_last_health": "online" if is_online else "Offline",
    }


def printer_state(printer: Printer, presence: Presence, now: float, job: Job | None) -> dict[str, Any]:
    """How a printer is (Forge: GET printers/status/:printer_id).

    `job` is the one on it, or the one its last report is about (`reported_job_id`), if the caller may see it.
    `job_id` is left out when there is none: a client asks for `jobs/<job_id>` whenever the key is there.
    """
    is_offline = presence.status(now) is PrinterStatus.OFFLINE
    heard = presence.heard_at
    return {
        "printer_id": printer.printer_id,
        "last_check_in": None if heard is None else max(0, round((now - heard) * 1000)),
        "printer_availability": "offline" if is_offline else "online",
        "last_reported_state": _seen(presence, job)
        if presence.reported is None
        else _posted(presence.reported, job),
    }


def reported_job_id(presence: Presence) -> str | None:
    """The UUID of the job that a printer's last status post is about; None when it is about none."""
    posted = presence.reported or {}
    inner = posted.get("data") or {}
    named = posted.get("job_id") or (inner.get("job_id") if isinstance(inner, Mapping) else None)
    return str(named).removeprefix(LOCAL_PREFIX).lower() if named else None


def _posted(posted: Mapping[str, Any], job: Job | None) -> dict[str, Any]:
    """The last status post of a printer that calls in, without what names a job the caller may not see."""
    state: dict[str, Any] = {"error_code": None, "error_message": None}
    state |= {key: posted[key] for key in posted if key in _OF_POSTS}
    inner = posted.get("data")
    inner = dict(inner) if isinstance(inner, Mapping) else {}
    if job is not None:
        state["job_id"] = job.job_id
        if "job_id" in inner:
            inner["job_id"] = job.job_id
    elif posted.get("job_id") or inner.get("job_id") or inner.get("job_name"):
        state = {key: value for key, value in state.items() if key not in _OF_JOBS}
        inner = {key: value for key, value in inner.items() if key in _OF_NO_JOB}
    else:
        state = {key: value for key, value in state.items() if key != "job_id"}
        inner.pop("job_id", None)
    return {**state, "data": inner}


#: The documented keys of a status post (Forge: POST printers/status).
_OF_POSTS: Final = frozenset(
    {"printer_status", "error_code", "error_message", "job_id", "job_status", "job_progress"}
)
_OF_JOBS: Final = frozenset({"job_id", "job_status", "job_progress"})
#: Of `data`: what tells nothing of a job.
_OF_NO_JOB: Final = frozenset({"temperature"})


def _seen(presence: Presence, job: Job | None) -> dict[str, Any]:
    """The same of what a driver saw of a printer that posts nothing."""
    activity = None if presence.activity is None else presence.activity.value
    warmth = {"temperature": presence.temperatures["T"]} if "T" in presence.temperatures else {}
    state: dict[str, Any] = {"printer_status": activity, "error_code": 0, "error_message": ""}
    if presence.message and activity == PrinterStatus.ERROR.value:
        state |= {"error_code": 500, "error_message": presence.message}
    if job is None:
        return {**state, "data": warmth}
    of_job = {"job_id": job.job_id, "job_status": job.shown_status, "job_progress": job.progress}
    return {**state, **of_job, "data": {"job_id": job.job_id, "job_name": job.name, **warmth}}


_UNKNOWN_PRESENCE: Final = Presence()


def presence_of(presences: Mapping[int, Presence], printer_id: int | None) -> Presence:
    """What is known of a printer; nothing yet is a presence too."""
    if printer_id is None:
        return _UNKNOWN_PRESENCE
    return presences.get(printer_id, _UNKNOWN_PRESENCE)
