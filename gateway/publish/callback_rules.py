"""How the updates of one job to its app's own server go: pure, the time is an argument.

    probing --supported--> active --+--> active      each update that is taken (2xx)
       |                     |      +--> refused     410: it wants no more
       |                     +--> given-up           a day of failures
       +--unsupported, or failed PROBES times--> refused

Forge's service asked `callback_url + "/support"` and expected `{"callback": "supported"}`; its documents do
not say by which method, and its sample receiver knew GET alone (Forge API 1.4). Here it is GET, then POST.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from gateway.domain.job import Job
from gateway.engine.ports import Callback, CallbackState
from gateway.transport.backoff import Backoff

#: Seconds between two updates of a running job: what is asked for, within these.
INTERVAL_LEAST: Final = 1
INTERVAL_MOST: Final = 24 * 3600
INTERVAL_DEFAULT: Final = 10
#: Probes of a receiver that does not answer: ten minutes. It may be starting; it was named on purpose.
PROBES: Final = 8
#: Waits after failures, in seconds, and how many are a day of them: 85 minutes until an hour is reached, then
#: one an hour. By number and not by the clock: a gateway that was off has not tried.
BACKOFF: Final = Backoff(first=5.0, limit=3600.0)
FAILURES: Final = 32
#: HTTP's word for "never again" (RFC 9110 15.5.11).
GONE: Final = 410


def interval_of(job: Job) -> int:
    """Seconds between two updates while the job runs."""
    asked = INTERVAL_DEFAULT if job.callback_interval is None else job.callback_interval
    return min(max(asked, INTERVAL_LEAST), INTERVAL_MOST)


def support_url(url: str) -> str:
    """Where a receiver is asked whether it is one: `/support` behind its path, before its query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/support"))


def shown_host(url: str) -> str:
    """What of a URL may stand in a log: the rest may be a secret."""
    return urlsplit(url).hostname or ""


def says_supported(body: bytes) -> bool:
    """Whether this is the answer of a receiver; other keys beside it are its own business."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("callback") == "supported"


def current(known: Callback | None, job: Job) -> Callback:
    """What is known, for the URL that the job has now; a new URL begins anew."""
    if known is None or known.url != job.callback_url:
        return Callback(job.work_id, job.callback_url or "")
    return known


def supported(known: Callback, status: int, now: datetime) -> Callback:
    """The receiver is one."""
    return replace(
        known,
        state=CallbackState.ACTIVE,
        failures=0,
        tried_at=now,
        next_at=None,
        last_status=status,
        last_error=None,
    )


def delivered(known: Callback, version: int, status: int, now: datetime) -> Callback:
    """The receiver took the state of that version."""
    newest = max(version, known.delivered_version)
    return replace(supported(known, status, now), delivered_version=newest, delivered_at=now)


def failed(
    known: Callback, reason: str, status: int | None, now: datetime, chance: Random, *, is_final: bool = False
) -> tuple[Callback, float]:
    """A probe or an update was not taken. Second: seconds until the next try, if there is one."""
    failures = known.failures + 1
    wait = BACKOFF.wait(failures, chance)
    state = known.state
    if known.state is CallbackState.PROBING and (is_final or failures >= PROBES):
        state = CallbackState.REFUSED
    elif known.state is CallbackState.ACTIVE and (is_final or status == GONE):
        state = CallbackState.REFUSED
    elif failures >= FAILURES:
        state = CallbackState.GIVEN_UP
    after = replace(
        known, state=state, failures=failures, tried_at=now, last_status=status, last_error=reason
    )
    next_at = now + timedelta(seconds=wait) if after.is_open else None
    return replace(after, next_at=next_at), wait


def remaining(known: Callback, now: datetime) -> float:
    """Seconds that a try of a former process still has to wait; bounded, for the clock may have jumped."""
    if known.next_at is None:
        return 0.0
    return min(max(0.0, (known.next_at - now).total_seconds()), BACKOFF.limit)
