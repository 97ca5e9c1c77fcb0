"""What is published of a printer: its state as one document of less than 1 kB, and an event about a print.

    state  {"state", "error", "allowed": [...], "queue_len", "temps": {"nozzle", "bed", ["chamber"]},
            "job": null | {"id", "name", "origin", "progress", "remaining_s", "layer", "layers"}}
    event  {"event_type", "at", "job": {"id", "name", "origin"}, "message"}

`progress` is 0..1, as everywhere in the gateway. Temperatures are whole degrees Celsius: a sensor's noise is
no news. Jobs of all members are named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from json import JSONEncoder
from typing import Any, Final

from gateway.domain.job import Job
from gateway.domain.outlook import outlook
from gateway.publish.mqtt.sight import Action, Sight

#: Bytes of UTF-8 of a job's name and of a message: with them, and with every character of them escaped, a
#: document stays below 1 kB, which small clients on the bus can still read.
NAME_BYTES: Final = 128
TROUBLE_BYTES: Final = 180
_SENSORS: Final = (("nozzle", "T"), ("bed", "B"))
_CHAMBER: Final = "C"
_encode: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encoded(document: Mapping[str, Any]) -> bytes:
    """As it goes over the wire; halves of characters, which JSON can name and UTF-8 cannot, become "?"."""
    return _encode(document).encode(errors="replace")


def state_document(sight: Sight, *, takes_commands: bool) -> dict[str, Any]:
    """What a printer does now."""
    allowed: tuple[Action, ...] = sight.possible if takes_commands else ()
    job = sight.shown_job
    return {
        "state": sight.word.value,
        "error": cut(sight.trouble, TROUBLE_BYTES),
        "allowed": [action.value for action in allowed],
        "queue_len": sight.queue_length,
        "temps": _temperatures(sight.presence.temperatures),
        "job": None if job is None else _job_document(job),
    }


def has_chamber(sight: Sight) -> bool:
    """Whether the printer has said how warm its chamber is."""
    return _CHAMBER in sight.presence.temperatures


def event_document(event_type: str, at: datetime, job: Mapping[str, Any], message: str | None) -> bytes:
    """What happened to a print."""
    return encoded(
        {
            "event_type": event_type,
            "at": at.isoformat(timespec="seconds"),
            "job": job,
            "message": cut(message, TROUBLE_BYTES),
        }
    )


def named(job: Job) -> dict[str, Any]:
    """Which job it is."""
    return {"id": job.job_id, "name": cut(job.name, NAME_BYTES), "origin": job.shown_origin.value}


def cut(text: str | None, most_bytes: int) -> str | None:
    """At most that many bytes of UTF-8, without what cannot be printed."""
    if text is None:
        return None
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    return whole[: most_bytes - 3].decode(errors="ignore") + "\N{HORIZONTAL ELLIPSIS}"


def _job_document(job: Job) -> dict[str, Any]:
    told = outlook(job)
    return {
        **named(job),
        "progress": None if job.progress is None else _share(job.progress),
        "remaining_s": told.seconds_left,
        "layer": told.layer,
        "layers": told.layers,
    }


def _temperatures(measured: Mapping[str, float]) -> dict[str, int | None]:
    known = {name: _degrees(measured.get(key)) for name, key in _SENSORS}
    if _CHAMBER in measured:
        known["chamber"] = _degrees(measured[_CHAMBER])
    return known


def _degrees(measured: float | None) -> int | None:
    return None if measured is None or not math.isfinite(measured) else round(measured)


def _share(progress: float) -> float | None:
    return round(min(max(progress, 0.0), 1.0), 3) if math.isfinite(progress) else None
