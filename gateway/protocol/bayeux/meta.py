"""The messages a client may send, one method each: Bayeux 1.0 section 4, in the order of Faye's checks.

What a client publishes is refused, on every channel: here the server alone has something to say, and on
`/printers/...` a client's word would move a printer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway.protocol.bayeux import channels, errors
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import Malformed, Request
from gateway.protocol.bayeux.session import Line, Session
from gateway.protocol.bayeux.sessions import Sessions

VERSION: Final = "1.0"
CONNECTION_TYPES: Final = ("long-polling", "cross-origin-long-polling", "callback-polling", "websocket")
#: For a client that is not known: it shakes hands again, at once (Faye 1.4, `_advize`).
SHAKE_HANDS: Final = {"reconnect": "handshake", "interval": 0}

#: (channel or pattern, token or None) -> whether who has this token may hear it.
MaySubscribe = Callable[[str, str | None], bool]


class Release(Protocol):
    """Answers the poll of a client with nothing but an advice."""

    def __call__(self, session: Session, now: float, advice: Mapping[str, Any]) -> None:
        """No-op without a poll."""


@dataclass(slots=True)
class Batch:
    """One request while it is carried out."""

    line: Line
    now: float
    replies: list[str] = field(default_factory=list)  # JSON objects, in order
    #: Connects that are in order: the client, its answer, seconds it may be held. They are answered last.
    connects: list[tuple[Session, dict[str, Any], float]] = field(default_factory=list)


class Meta:
    """Carries out single messages on `sessions`."""

    def __init__(
        self,
        sessions: Sessions,
        bounds: Bounds,
        may_subscribe: MaySubscribe,
        new_id: Callable[[], str],
        release: Release,
    ) -> None:
        self._sessions = sessions
        self._bounds = bounds
        self._may_subscribe = may_subscribe
        self._new_id = new_id
        self._release = release
        self._methods: Final = {
            channels.HANDSHAKE: self._handshake,
            channels.CONNECT: self._connect,
            channels.DISCONNECT: self._disconnect,
            channels.SUBSCRIBE: self._subscribe,
            channels.UNSUBSCRIBE: self._unsubscribe,
        }

    def carry_out(self, message: Request | Malformed, batch: Batch) -> None:
        """Do what the message says; its answer goes to the batch."""
        if isinstance(message, Malformed):
            echo = {"channel": message.channel, "id": message.id}
            reply = {name: value for name, value in echo.items() if value is not None}
            batch.replies.append(json.dumps({**reply, "successful": False, "error": message.error}))
            return
        method = self._methods.get(message.channel, self._publish)
        answer = method(message, batch)
        if answer is not None:
            batch.replies.append(json.dumps(answer))

    def _handshake(self, request: Request, batch: Batch) -> dict[str, Any]:
        offered = request.supportedConnectionTypes
        error = None
        if request.version is None:
            error = errors.parameter_missing("version")
        elif offered is None:
            error = errors.parameter_missing("supportedConnectionTypes")
        elif not set(offered) & set(CONNECTION_TYPES):
            error = errors.connection_types_mismatch(*offered)
        elif not self._make_room(batch):
            error = errors.too_many_clients()
        served = {"version": VERSION, "supportedConnectionTypes": list(CONNECTION_TYPES)}
        if error is not None:
            return _answer(request, error, **served, advice=self.come_again)
        session = Session(self._new_id(), batch.line.address, request.token, idle_since=batch.now)
        self._sessions.add(session)
        return _answer(request, None, **served, clientId=session.client_id, advice=self._retry)

    def _make_room(self, batch: Batch) -> bool:
        address = batch.line.address
        if not self._sessions.has_room(address):
            oldest = self._sessions.oldest_unproven(address)
            if oldest is not None:
                self._release(oldest, batch.now, self.come_again)
                self._sessions.end(oldest)
        return self._sessions.has_room(address)

    def _connect(self, request: Request, batch: Batch) -> dict[str, Any] | None:
        session, error = self._client(request)
        if request.connectionType is None:
            error = errors.parameter_missing("connectionType")
        elif request.connectionType not in CONNECTION_TYPES:
            error = errors.connection_types_mismatch(request.connectionType)
        if session is None or error is not None:
            return _answer(request, error, advice=SHAKE_HANDS)
        self._release(session, batch.now, self._retry)  # a client that asks again gave its older poll up
        wished = request.advice.timeout if request.advice else None
        longest = self._bounds.timeout
        wait = longest if wished is None else min(max(wished / 1000, 0.0), longest)
        reply = _answer(request, None, clientId=session.client_id, advice=self._retry)
        batch.connects.append((session, reply, wait))
        return None

    def _disconnect(self, request: Request, batch: Batch) -> dict[str, Any]:
        session, error = self._client(request)
        if session is None:
            return _answer(request, error)
        self._release(session, batch.now, {"reconnect": "none"})
        self._sessions.end(session)
        return _answer(request, None, clientId=session.client_id)

    def _subscribe(self, request: Request, batch: Batch) -> dict[str, Any]:
        """All the channels of one message, or none of them."""
        session, error = self._client(request)
        wanted = _channels(request)
        token = request.token if request.token is not None else session.token if session else None
        if session is not None:
            error = error or self._refusal(session, wanted, token)
            if error is None:
                for channel in wanted:
                    self._sessions.subscribe(session, channel, token)
        return self._subscription_answer(request, session, error)

    def _refusal(self, session: Session, wanted: list[str], token: str | None) -> str | None:
        if not wanted:
            return errors.parameter_missing("subscription")
        for channel in wanted:
            if not (channels.is_name(channel) or channels.is_pattern(channel)):
                return errors.invalid_channel(channel)
            if not channels.is_subscribable(channel) or not self._may_subscribe(channel, token):
                return errors.channel_forbidden(channel)
        if len({*session.subscriptions, *wanted}) > self._bounds.subscriptions:
            return errors.too_many_subscriptions(wanted[-1])
        return None

    def _unsubscribe(self, request: Request, batch: Batch) -> dict[str, Any]:
        session, error = self._client(request)
        wanted = _channels(request)
        if session is not None and not wanted:
            error = errors.parameter_missing("subscription")
        elif session is not None:
            for channel in wanted:
                self._sessions.unsubscribe(session, channel)
        return self._subscription_answer(request, session, error)

    def _subscription_answer(
        self, request: Request, session: Session | None, error: str | None
    ) -> dict[str, Any]:
        subscription = request.subscription if request.subscription is not None else []
        if session is None:
            return _answer(request, error, subscription=subscription, advice=SHAKE_HANDS)
        return _answer(request, error, clientId=session.client_id, subscription=subscription)

    def _publish(self, request: Request, batch: Batch) -> dict[str, Any]:
        is_channel = channels.is_name(request.channel)
        error = errors.channel_forbidden if is_channel else errors.invalid_channel
        return _answer(request, error(request.channel))

    def _client(self, request: Request) -> tuple[Session | None, str | None]:
        if request.clientId is None:
            return None, errors.parameter_missing("clientId")
        session = self._sessions.get(request.clientId)
        return session, None if session else errors.unknown_client(request.clientId)

    @property
    def _retry(self) -> dict[str, Any]:
        return {"reconnect": "retry", "interval": 0, "timeout": round(self._bounds.timeout * 1000)}

    @property
    def come_again(self) -> dict[str, Any]:
        """For a client that finds no place, or whose place is gone."""
        return {"reconnect": "handshake", "interval": round(self._bounds.retry_after * 1000)}


def _channels(request: Request) -> list[str]:
    wanted = request.subscription
    return [wanted] if isinstance(wanted, str) else wanted or []


def _answer(request: Request, error: str | None, **fields: Any) -> dict[str, Any]:
    reply: dict[str, Any] = {"channel": request.channel, "successful": error is None}
    if request.id is not None:
        reply["id"] = request.id
    if error is not None:
        reply["error"] = error
    return {**reply, **fields}
