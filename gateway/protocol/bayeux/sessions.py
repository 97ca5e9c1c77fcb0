"""All clients, and who listens to what. Bounded in all, by address and by client.

When it is full, a newcomer takes the place of the oldest client without any subscription: whoever may
subscribe proved something, so that no flood of handshakes keeps a printer out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gateway.protocol.bayeux import channels
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.outcome import Outcome
from gateway.protocol.bayeux.publication import Event, Listening, Publication
from gateway.protocol.bayeux.session import Session


class Sessions:
    """The clients by id, and the index of their subscriptions. What happens is appended to `events`."""

    def __init__(self, bounds: Bounds, events: list[Event]) -> None:
        self._bounds = bounds
        self._events = events
        self._by_id: dict[str, Session] = {}
        self._unproven: dict[str, Session] = {}  # no subscription yet; oldest first
        self._by_address: Counter[str] = Counter()
        self._listeners: dict[str, dict[str, Session]] = {}  # channel or pattern -> client id -> session
        self._queued_bytes = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_id.values()))

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for all clients."""
        return self._queued_bytes

    def get(self, client_id: str) -> Session | None:
        """The client of this id."""
        return self._by_id.get(client_id)

    def has_room(self, address: str) -> bool:
        """Whether one more client of `address` finds a place."""
        is_crowded = self._by_address[address] >= self._bounds.sessions_per_address
        return not is_crowded and len(self._by_id) < self._bounds.sessions

    def oldest_unproven(self, address: str) -> Session | None:
        """Whose place a newcomer from `address` may take: one of its own address when that is full."""
        if self._by_address[address] < self._bounds.sessions_per_address:
            return next(iter(self._unproven.values()), None)
        return next((one for one in self._unproven.values() if one.address == address), None)

    def add(self, session: Session) -> None:
        """A new client, for which there is room."""
        self._by_id[session.client_id] = self._unproven[session.client_id] = session
        self._by_address[session.address] += 1

    def end(self, session: Session) -> None:
        """It is gone: nobody listens for it, and nothing waits for it."""
        if session.is_over:
            return
        session.is_over = True
        for channel in list(session.subscriptions):
            self.unsubscribe(session, channel)
        del self._by_id[session.client_id]
        self._unproven.pop(session.client_id, None)
        self._by_address[session.address] -= 1
        if not self._by_address[session.address]:
            del self._by_address[session.address]
        for publication in self.take(session):
            self._events += publication.settle(Outcome.DROPPED)

    def subscribe(self, session: Session, channel: str, token: str | None) -> None:
        """From now on it hears `channel`, by the right of `token`."""
        self._unproven.pop(session.client_id, None)
        session.subscriptions[channel] = token
        listeners = self._listeners.setdefault(channel, {})
        if not listeners:
            self._events.append(Listening(channel, True))
        listeners.pop(session.client_id, None)
        listeners[session.client_id] = session  # the newest subscription stands last
        self._supersede(channel)

    def one_listener(self, channel: str) -> Session | None:
        """Who hears a channel that is for one: the newest subscription by name; a token beats none."""
        best = None
        for session in self._listeners.get(channel, {}).values():
            has_token = session.subscriptions[channel] is not None
            if best is None or has_token or best.subscriptions[channel] is None:
                best = session
        return best

    def _supersede(self, channel: str) -> None:
        """What waits for somebody who is the one listener no longer is never written."""
        one = self.one_listener(channel)
        for session in self._listeners.get(channel, {}).values():
            if session is not one:
                self._drop_for_one(session, channel)

    def _drop_for_one(self, session: Session, channel: str) -> None:
        for publication in [waiting for waiting in session.queue if waiting.for_one == channel]:
            self.drop(session, publication)

    def drop(self, session: Session, publication: Publication) -> None:
        """A message that waits for a client is never written."""
        session.remove(publication)
        self._queued_bytes -= publication.size
        self._events += publication.settle(Outcome.DROPPED)

    def unsubscribe(self, session: Session, channel: str) -> None:
        """It hears `channel` no longer; nothing happens when it never did."""
        if channel not in session.subscriptions:
            return
        self._drop_for_one(session, channel)
        del session.subscriptions[channel]
        listeners = self._listeners[channel]
        del listeners[session.client_id]
        if not listeners:
            del self._listeners[channel]
            self._events.append(Listening(channel, False))
        if not session.subscriptions and not session.is_over:
            self._unproven[session.client_id] = session

    def listeners(self, channel: str) -> Iterable[tuple[Session, str]]:
        """Who hears a message on `channel`, and by which subscription; one may do so by several."""
        for name in channels.matching(channel):
            for session in list(self._listeners.get(name, {}).values()):
                yield session, name

    def has_listener(self, channel: str) -> bool:
        """Whether anybody hears it."""
        return any(name in self._listeners for name in channels.matching(channel))

    def queue(self, session: Session, publication: Publication) -> bool:
        """Let a message wait for a client; False when there is no room."""
        fits_all = self._queued_bytes + publication.size <= self._bounds.queued_bytes
        if not fits_all or not session.has_room(publication, self._bounds):
            return False
        session.put(publication)
        self._queued_bytes += publication.size
        return True

    def put_back(self, session: Session, publication: Publication) -> None:
        """Let a message that was not written wait again, before all others."""
        session.put_back(publication)
        self._queued_bytes += publication.size

    def take(self, session: Session) -> list[Publication]:
        """What waits for a client; it waits no longer."""
        self._queued_bytes -= session.queue_bytes
        return session.take()
