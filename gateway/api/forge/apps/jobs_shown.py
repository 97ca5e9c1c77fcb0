"""Jobs as answers: with what is known of their printers now, one at a time or a page of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.api.forge import mapping
from gateway.api.http.operations import AnyCall
from gateway.api.http.services import Services
from gateway.domain.call_in import LOCAL_PREFIX
from gateway.domain.job import Job


def job_number(text: str) -> str:
    """The job's id in a client's spelling of it: upper case, or with the printers' `local_`."""
    return text.strip().removeprefix(LOCAL_PREFIX).lower()


def job_objects(services: Services, jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """The jobs of a list, with their newest progress."""
    engine, now = services.engine, services.clock.monotonic()
    printers, presences = engine.state.printers, engine.state.presence
    words = {printer_id: presence.status(now) for printer_id, presence in presences.items()}
    link, found = services.printable_link, []
    for stored in jobs:
        job = engine.live(stored)
        # A job without a printer has no number to look up; nothing is numbered 0.
        number = job.printer_id or 0
        found.append(mapping.job_object(job, printers.get(number), words.get(number), link))
    return found


def job_detail(call: AnyCall, job: Job) -> dict[str, Any]:
    """One job on its own."""
    services = call.services
    state, number = services.engine.state, job.printer_id or 0
    presence = state.presence.get(number)
    word = None if presence is None else presence.status(services.clock.monotonic())
    return mapping.job_detail(job, state.printers.get(number), word, services.printable_link)
