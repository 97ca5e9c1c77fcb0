"""The server's protocol core: called per request, per publication, per second; parcels and events come out.

    receive(batch)  ->  Parcel to write now, or None: the client's connect is held open
    publish(...)        queues for every subscriber, or for one; returns how to take it back
    tick(now)           ends what took too long
    collect(now)    ->  Parcels of connects that are to be answered now
    settle(parcel)      how the writing went: decides the outcome of what was published
    take_events()   ->  outcomes to tell, channels that gained their first or lost their last subscriber

Messages reach a client only with the answer to its connect, over every transport alike. A message is taken
out of the queue for exactly one write; only a write of which not one byte went out puts it back. So nothing
is sent twice, and what never left the queue is proof of not sent.

Some channels are *for one*: each is a single machine's, which may have left sessions behind when it shook
hands anew. Only the newest subscription gets what is published there, one with a token before any without;
what waits for the others is dropped. An older one that lives on is heard again when the newest is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from zlib import crc32

from gateway.protocol.bayeux import channels
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import Malformed, Request
from gateway.protocol.bayeux.meta import Batch, MaySubscribe, Meta
from gateway.protocol.bayeux.outcome import OnOutcome, Outcome, TakeBack
from gateway.protocol.bayeux.publication import Event, Publication, Told
from gateway.protocol.bayeux.session import Line, Parcel, Poll, Session, Written
from gateway.protocol.bayeux.sessions import Sessions

_SPREAD_STEPS: Final = 1024


class BayeuxServer:
    """All state of the server. `now` is in monotonic seconds; `new_id` makes unguessable client ids."""

    def __init__(
        self,
        *,
        may_subscribe: MaySubscribe,
        new_id: Callable[[], str],
        bounds: Bounds | None = None,
        is_for_one: Callable[[str], bool] = lambda channel: False,
    ) -> None:
        self.bounds = bounds or Bounds()
        self._may_subscribe = may_subscribe
        self._is_for_one = is_for_one
        self._events: list[Event] = []
        self._sessions = Sessions(self.bounds, self._events)
        self._meta = Meta(self._sessions, self.bounds, may_subscribe, new_id, self._release)
        self._due: dict[str, Session] = {}  # by client id: the poll is to be answered
        self._parcels: list[Parcel] = []

    def __len__(self) -> int:
        """Clients there are."""
        return len(self._sessions)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for all clients together."""
        return self._sessions.queued_bytes

    @property
    def is_due(self) -> bool:
        """Whether `collect` or `take_events` would give something."""
        return bool(self._due or self._parcels or self._events)

    def receive(self, batch: Sequence[Request | Malformed], line: Line, now: float) -> Parcel | None:
        """Carry out the messages of one request, in order; None: its only answer comes out of `collect`.

        A connect is held only when nothing waits for its client and, unless the line is a stream, when it is
        alone in its batch: the answers to the rest of a batch do not wait.
        """
        work = Batch(line, now)
        for message in batch:
            self._meta.carry_out(message, work)
        deliveries: list[tuple[Session, Publication]] = []
        for session, reply, wait in work.connects:
            if self._is_held(session, wait, work, len(batch)):
                session.poll = Poll(line, reply, now + wait * self._share(session))
                continue
            work.replies.append(json.dumps(reply))
            session.idle_since = now
            deliveries += [(session, publication) for publication in self._sessions.take(session)]
        is_held = any(session.poll and session.poll.line is line for session, _, _ in work.connects)
        return None if is_held and not work.replies else Parcel(line, work.replies, tuple(deliveries))

    def _is_held(self, session: Session, wait: float, work: Batch, length: int) -> bool:
        is_alone = length == 1 or (work.line.is_stream and len(work.connects) == 1)
        return wait > 0 and is_alone and not session.queue and not session.is_over

    def _share(self, session: Session) -> float:
        return 1 - self.bounds.spread * (crc32(session.client_id.encode()) % _SPREAD_STEPS) / _SPREAD_STEPS

    def publish(self, channel: str, payload: Mapping[str, Any], on_outcome: OnOutcome) -> TakeBack:
        """Queue for every subscriber that may still hear `channel`, or for the one.

        Raises ValueError when `channel` is no channel or `payload` no JSON; then nothing was queued.
        """
        if not channels.is_name(channel):
            raise ValueError(f"{channel!r} is no channel")
        text = _encode({"channel": channel, "data": payload})
        hearers = self._hearers(channel)
        if not hearers:
            self._events.append(Told(on_outcome, Outcome.NOBODY))
            return lambda: None
        for_one = channel if self._is_for_one(channel) else None
        publication = Publication(text, len(hearers), on_outcome, for_one)
        for session in hearers:
            if not self._sessions.queue(session, publication):
                self._events += publication.settle(Outcome.DROPPED)
            elif session.poll:
                self._due[session.client_id] = session
        return partial(self._take_back, publication, hearers)

    def _take_back(self, publication: Publication, hearers: Sequence[Session]) -> None:
        publication.is_taken_back = True
        for session in hearers:
            if publication in session.queue:
                self._sessions.drop(session, publication)

    def _hearers(self, channel: str) -> list[Session]:
        """Each once. Whose right ended since it subscribed is unsubscribed."""
        found: dict[str, Session] = {}
        for session, subscription in self._sessions.listeners(channel):
            if self._may_subscribe(subscription, session.subscriptions[subscription]):
                found[session.client_id] = session
            else:
                self._sessions.unsubscribe(session, subscription)
        if self._is_for_one(channel):
            one = self._sessions.one_listener(channel)
            return [] if one is None else [one]
        return list(found.values())

    def has_listener(self, channel: str) -> bool:
        """Whether anybody is subscribed to `channel`, by name or by wildcard."""
        return self._sessions.has_listener(channel)

    def tick(self, now: float) -> None:
        """Time passes: polls are answered, clients that stayed away are dropped. Once a second is enough."""
        for session in self._sessions:
            if session.poll:
                if now >= session.poll.deadline:
                    self._due[session.client_id] = session
            elif now - session.idle_since >= self.bounds.grace:
                self._sessions.end(session)

    def collect(self, now: float) -> list[Parcel]:
        """The polls to be answered now, each with what waits for its client."""
        parcels, self._parcels[:] = list(self._parcels), []
        due, self._due = self._due, {}
        for session in due.values():
            if session.poll:
                poll, session.poll = session.poll, None
                session.idle_since = now
                deliveries = [(session, publication) for publication in self._sessions.take(session)]
                parcels.append(Parcel(poll.line, [json.dumps(poll.reply)], tuple(deliveries)))
        return parcels

    def settle(self, parcel: Parcel, written: Written) -> None:
        """The transport is done with a parcel. To be called once for each, whatever happened."""
        if written is Written.NO:
            for session, publication in reversed(parcel.deliveries):
                self._give_back(session, publication)
            return
        fate = Outcome.DELIVERED if written is Written.YES else Outcome.UNCLEAR
        for _, publication in parcel.deliveries:
            self._events += publication.settle(fate)

    def _give_back(self, session: Session, publication: Publication) -> None:
        if session.is_over or publication.is_taken_back or self._is_superseded(session, publication):
            self._events += publication.settle(Outcome.DROPPED)
            return
        self._sessions.put_back(session, publication)
        if session.poll:
            self._due[session.client_id] = session

    def _is_superseded(self, session: Session, publication: Publication) -> bool:
        channel = publication.for_one
        return channel is not None and self._sessions.one_listener(channel) is not session

    def lose(self, line: Line, now: float) -> None:
        """A line is gone, and no poll on it can be answered. Its clients may come back on another."""
        for session in self._sessions:
            if session.poll and session.poll.line is line:
                session.poll = None
                session.idle_since = now

    def close(self, now: float) -> None:
        """The house closes: polls are answered, told to shake hands again later; what waits is dropped."""
        for session in self._sessions:
            self._release(session, now, self._meta.come_again)
            self._sessions.end(session)

    def _release(self, session: Session, now: float, advice: Mapping[str, Any]) -> None:
        if session.poll:
            reply = {**session.poll.reply, "advice": advice}
            self._parcels.append(Parcel(session.poll.line, [json.dumps(reply)]))
            session.poll = None
            session.idle_since = now

    def take_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        events, self._events[:] = list(self._events), []
        return events


def _encode(message: Mapping[str, Any]) -> str:
    try:
        return json.dumps(message, allow_nan=False)
    except (TypeError, RecursionError) as failure:
        raise ValueError(f"this is no JSON: {failure}") from None
