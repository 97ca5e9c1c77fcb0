"""A Bayeux server to talk to: requests as JSON, time as a number, and a record of what came out."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import parse
from gateway.protocol.bayeux.outcome import Outcome, TakeBack
from gateway.protocol.bayeux.publication import Told
from gateway.protocol.bayeux.server import BayeuxServer
from gateway.protocol.bayeux.session import Line, Parcel, Written

HANDSHAKE = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}


class Talk:
    """The server with counted client ids (`c1`, `c2`, ...). `/secret` and below need the token `key`.

    `/one` and below are for one listener; a token is not needed there, but may be shown.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        numbers = count(1)
        self.server = BayeuxServer(
            may_subscribe=self._may_subscribe, new_id=lambda: f"c{next(numbers)}", bounds=bounds,
            is_for_one=lambda channel: channel.startswith("/one"),
        )  # fmt: skip
        self.now = 0.0
        self.is_revoked = False
        self.written = Written.YES  # how everything that is written turns out
        self.line = Line("10.0.0.1")  # of the last request
        self.outcomes: list[Outcome] = []
        self.listening: list[str] = []  # "+/foo": has its first subscriber, "-/foo": lost its last
        self.collected: list[Any] = []  # answers to connects that were held

    def _may_subscribe(self, channel: str, token: str | None) -> bool:
        return not channel.startswith("/secret") or (token == "key" and not self.is_revoked)

    def send(self, text: str, *, address: str = "10.0.0.1", line: Line | None = None) -> Any:
        """The answer to a request, or None when it is held. Raises NotABatch."""
        self.line = line or Line(address)
        parcel = self.server.receive(parse(text, self.server.bounds), self.line, self.now)
        answer = self._write(parcel) if parcel else None
        self.collect()
        return answer

    def ask(self, *messages: dict[str, Any], address: str = "10.0.0.1", line: Line | None = None) -> Any:
        return self.send(json.dumps(messages), address=address, line=line)

    def handshake(self, address: str = "10.0.0.1") -> str:
        """A new client's id."""
        [answer] = self.ask(HANDSHAKE, address=address)
        assert answer["successful"], answer
        return str(answer["clientId"])

    def subscribe(self, client: str, channel: str, token: str | None = None) -> bool:
        extension = {"ext": {"authentication_token": token}} if token else {}
        message = {"channel": "/meta/subscribe", "clientId": client, "subscription": channel, **extension}
        [answer] = self.ask(message)
        return bool(answer["successful"])

    def connect(self, client: str, timeout: float | None = None, line: Line | None = None) -> Any:
        """The answer, or None when it is held. `timeout` in milliseconds."""
        advice = {} if timeout is None else {"advice": {"timeout": timeout}}
        message = {"channel": "/meta/connect", "clientId": client, "connectionType": "long-polling", **advice}
        return self.ask(message, line=line)

    def publish(self, channel: str, data: Any) -> TakeBack:
        take_back = self.server.publish(channel, data, self.outcomes.append)
        self.collect()
        return take_back

    def wait(self, until: float) -> None:
        """Second by second, as the timer does."""
        while self.now < until:
            self.now = min(self.now + 1.0, until)
            self.server.tick(self.now)
            self.collect()

    def collect(self) -> None:
        """Write what is ready, tell what happened, until there is nothing."""
        while self.server.is_due:
            self.collected += [self._write(parcel) for parcel in self.server.collect(self.now)]
            for event in self.server.take_events():
                if isinstance(event, Told):
                    event.on_outcome(event.outcome)
                else:
                    self.listening.append(f"{'+' if event.is_heard else '-'}{event.channel}")

    def _write(self, parcel: Parcel) -> Any:
        self.server.settle(parcel, self.written)
        return json.loads(parcel.text)
