"""The event stream: Server-Sent Events, resumable without a gap and without a double.

The listener subscribes *before* it reads the store, and drops what it then hears live but has already sent:
committed events carry one global number, so "already" is a comparison. All of that comes before the answer's
headers: whoever reads a job once they are there hears of every change behind that reading. When its buffer
overflows it goes back to the store; only a client too far behind for that is told to read the lists anew
(`resync`).

    id: 41                                   fleeting progress has no id: it is not kept,
    event: job-moved                         a resuming client does not get it again
    data: {"seq":41,"kind":"job-moved","at":...,"details":{...}}
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from pydantic import Field

from gateway.api.http import limits
from gateway.api.http.answers import encode
from gateway.api.http.credentials import by_bearer_or_peer
from gateway.api.http.operations import READ, AnyCall, Call, operation
from gateway.api.http.problems import Failure
from gateway.api.http.reading import QueryInt, integer
from gateway.api.native import shapes
from gateway.api.native.fields import Body
from gateway.auth.access import may_see_event
from gateway.domain.events import Event
from gateway.engine.ports import StoredEvent, Subscription


class EventsQuery(Body):
    """From where on."""

    after: Annotated[QueryInt, Field(ge=0, le=2**63 - 1)] | None = Field(
        None, description="Events behind this number; as `Last-Event-ID`, which counts before it."
    )


@operation("GET", "/events", scopes=READ, responses={200: "text/event-stream"})
async def stream_events(call: Call[EventsQuery, None]) -> web.StreamResponse:
    """What happens, as it happens, as far as you may see it.

    The stream begins with `hello`, whose id is where it starts. Reconnect with `Last-Event-ID` (or `after`)
    and it goes on behind that event. `resync` means: too much was missed, read the lists anew.
    """
    after = _resume_point(call)
    subscription = call.services.events.subscribe()
    try:
        newest = await call.services.queries.last_event_seq()
        response = EventSourceResponse(sep="\n", ping_interval=call.services.heartbeat)
        response.headers["Cache-Control"] = "no-store"
        async with response:
            await response.prepare(call.request)
            leaving = asyncio.create_task(_leave_with(response, subscription), name="event stream's end")
            try:
                await _EventWriter(call, response).run(subscription, newest, after)
            finally:
                leaving.cancel()
        return response
    finally:
        subscription.close()


async def _leave_with(response: EventSourceResponse, subscription: Subscription) -> None:
    """A client that went away while nothing happens is noticed by a heartbeat that does not arrive."""
    await response.wait()
    subscription.close()


def _resume_point(call: Call[EventsQuery, None]) -> int | None:
    header = call.request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return call.query.after
    after = integer(header)
    if after is None or after < 0:
        raise Failure(400, "Last-Event-ID is no number of an event; leave it out to start from now.")
    return after


class _EventWriter:
    """One client's stream: what it has, and what it gets next."""

    def __init__(self, call: AnyCall, response: EventSourceResponse) -> None:
        self._call = call
        self._response = response
        self._last = 0  # everything up to this event was sent, or is none of the client's business
        self._has_replayed = False  # what is heard live may have been sent already

    async def run(self, subscription: Subscription, newest: int, after: int | None) -> None:
        """Write until the client or the server goes away; `newest` was the last event when it subscribed."""
        self._last = newest if after is None else after
        await self._response.send(encode({"seq": self._last}).decode(), id=str(self._last), event="hello")
        if after is not None:
            await self._catch_up(newest)
        while self._response.is_connected():
            batch = await subscription.take()
            if not await self._may_listen():
                return
            if batch.overflowed:
                await self._catch_up(await self._call.services.queries.last_event_seq())
            await self._send_stored(batch.events)
            await self._send_fleeting(batch.fleeting)
            if batch.closed:
                return

    async def _catch_up(self, newest: int) -> None:
        """Send what the store has behind the last event sent.

        It is a `resync` instead when that is far too much, when the store has forgotten the beginning of it,
        or when the store has fewer events than the client has seen (it was restored from a backup).
        """
        if not 0 <= newest - self._last <= limits.REPLAY_EVENTS:
            return await self._resync(newest)
        self._has_replayed = is_first = True
        while True:
            page = await self._call.services.queries.events_after(self._last, limits.REPLAY_PAGE)
            if is_first and page and page[0].seq != self._last + 1:
                return await self._resync(newest)
            is_first = False
            await self._send_stored(page)
            if len(page) < limits.REPLAY_PAGE:
                return

    async def _resync(self, newest: int) -> None:
        self._last, self._has_replayed = newest, False
        text = encode({"seq": newest, "reason": "too much was missed; read the lists anew"})
        await self._response.send(text.decode(), id=str(newest), event="resync")

    async def _send_stored(self, events: Sequence[StoredEvent]) -> None:
        for event in events:
            # Without a replay nothing was sent: an event that `hello` covers was committed when that was
            # read, and was not yet in memory, where clients read printers and lists.
            if self._has_replayed and event.seq <= self._last:
                continue
            self._last = max(self._last, event.seq)
            if self._may_see(event):
                await self._send(shapes.event(event), event.kind, str(event.seq))

    async def _send_fleeting(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._may_see(event):
                await self._send(shapes.fleeting(event), event.kind, None)

    async def _send(self, body: dict[str, Any], kind: str, number: str | None) -> None:
        await self._response.send(encode(body).decode(), id=number, event=kind)

    async def _may_listen(self) -> bool:
        """Whether who opened the stream might open it now: tokens end. A revocation is an event, too."""
        try:
            return await by_bearer_or_peer(self._call.request, self._call.services) is not None
        except Failure:
            return False

    def _may_see(self, event: StoredEvent | Event) -> bool:
        return may_see_event(self._call.principal, event, self._call.services.engine.state)
