"""Jobs as answers: with what is known of their printers now, one at a time or a page of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from gateway.api.forge import mapping
from gateway.api.http.answers import encode
from gateway.api.http.fragments import FRAGMENTS
from gateway.api.http.operations import AnyCall
from gateway.domain.call_in import LOCAL_PREFIX
from gateway.domain.job import Job


def job_number(text: str) -> str:
    """The job's id in a client's spelling of it: upper case, or with the printers' `local_`."""
    return text.strip().removeprefix(LOCAL_PREFIX).lower()


def job_pieces(call: AnyCall, jobs: Iterable[Job], *, keeps: bool = True) -> list[bytes]:
    """The jobs of a list as JSON, with their newest progress.

    A job that is over says the same until its next version, but for its printer's name. `keeps=False` for
    what is read once, like all jobs there are: it would drive out what is asked for again and again.
    """
    services, kept, found = call.services, call.request.app[FRAGMENTS], []
    engine, now, link = services.engine, services.clock.monotonic(), services.printable_link
    printers, presences = engine.state.printers, engine.state.presence
    words = {printer_id: presence.status(now) for printer_id, presence in presences.items()}
    for stored in jobs:
        job = engine.live(stored)
        # A job without a printer has no number to look up; nothing is numbered 0.
        number = job.printer_id or 0
        printer = printers.get(number)
        shown = partial(mapping.job_object, job, printer, words.get(number), link)
        if keeps and job.is_over:
            name = None if printer is None else printer.shown_name
            found.append(kept.of(("forge job", job.work_id, job.version, name), shown))
        else:
            found.append(encode(shown()))
    return found


def job_detail(call: AnyCall, job: Job) -> dict[str, Any]:
    """One job on its own."""
    services = call.services
    state, number = services.engine.state, job.printer_id or 0
    presence = state.presence.get(number)
    word = None if presence is None else presence.status(services.clock.monotonic())
    return mapping.job_detail(job, state.printers.get(number), word, services.printable_link)
