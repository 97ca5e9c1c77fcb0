"""Live events to whoever listens now. One bounded buffer a listener; the engine never waits for any of them.

Committed events are kept in order until the buffer is full: then they are dropped and the listener is told to
read them from the store, where they are anyway. Progress is coalesced: a listener that looks once a second
gets one progress a job, the newest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.events import Event
from gateway.engine.ports import StoredEvent

log = logging.getLogger(__name__)

#: Committed events buffered for one listener: some seconds of a farm's worst burst, about 500 kB.
BUFFERED_EVENTS = 1000
#: Jobs whose newest progress is buffered for one listener: more than one host ever prints at once.
BUFFERED_PROGRESS = 256


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener missed since it last looked."""

    events: Sequence[StoredEvent] = ()
    fleeting: Sequence[Event] = ()
    overflowed: bool = False  # committed events were dropped: read them from the store
    closed: bool = False  # nothing follows


class Listener:
    """One subscriber's buffer. `take` is for one task at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._events: deque[StoredEvent] = deque()
        self._progress: dict[tuple[str, int | None], Event] = {}
        self._overflowed = False
        self._closed = False
        self._something = asyncio.Event()

    def offer(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        """Buffer without waiting; drops all committed events once they are too many."""
        if not self._overflowed:
            self._events.extend(events)
            if len(self._events) > BUFFERED_EVENTS:
                self._events.clear()
                self._overflowed = True
        for event in fleeting:
            key = (event.kind, event.work_id)
            if key in self._progress or len(self._progress) < BUFFERED_PROGRESS:
                self._progress[key] = event
        if events or fleeting:
            self._something.set()

    async def take(self) -> Heard:
        """Everything since the last call; waits until there is something."""
        await self._something.wait()
        heard = Heard(tuple(self._events), tuple(self._progress.values()), self._overflowed, self._closed)
        self._events.clear()
        self._progress.clear()
        self._overflowed = False
        if not self._closed:
            self._something.clear()
        return heard

    def end(self) -> None:
        """Wake the task that takes: what is buffered is the last."""
        self._closed = True
        self._something.set()

    def close(self) -> None:
        """Stop listening; a task in `take` wakes up. Idempotent."""
        self._hub.forget(self)
        self.end()


class Hub:
    """The engine's Publisher (`engine.ports`): fans out to all listeners."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._closed = False

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        """Hand to every listener. Never blocks, never raises."""
        for listener in tuple(self._listeners):
            try:
                listener.offer(events, fleeting)
            except Exception:
                log.exception("a listener could not be told; it is dropped")
                self._listeners.discard(listener)
                listener.end()

    def subscribe(self) -> Listener:
        """Start listening: all that is published from now on is buffered."""
        listener = Listener(self)
        if self._closed:
            listener.end()
        else:
            self._listeners.add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        """No more for this one."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """End all listeners, for a clean shutdown. Idempotent."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.end()
        self._listeners.clear()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)
