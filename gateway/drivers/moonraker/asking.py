"""Requests to one Moonraker and who waits for their replies. Sans-I/O; `now` is monotonic seconds.

Ids are unique to this process and connection: all clients of the broker read all replies, also those to a
connection that is gone. Orders go out with QoS 1, so that it is known whether the broker has them, and carry
a timestamp: a copy that the broker delivers twice is refused by Moonraker. Questions go out with QoS 0:
twice is no harm, and a lost one is asked again. Nothing is ever sent a second time from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from gateway.protocol.awaited import Awaited, TooManyAwaited
from gateway.protocol.moonraker.rpc import Reply, replies, request

#: Seconds for the reply to a question: Moonraker answers in milliseconds, a busy host in a second.
QUESTION_SECONDS: Final = 5.0
#: Orders without a reply; what is left of Awaited's places is for questions, and for the emergency stop.
MOST_ORDERS: Final = 48
#: Questions with orders; the rest is for emergency stops. A handful of questions is open at once.
MOST_QUESTIONS: Final = 60
#: Timestamps begin at random below this, and count: no two clients meet. 2**53 is exact in every JSON.
_FIRST_TIMESTAMP: Final = 2**52

#: Who waits for a reply; None: none will come (in time, or the connection is gone).
Told = Callable[[Reply | None, float], None]


@dataclass(frozen=True, slots=True)
class Send:
    """A message for the request topic."""

    payload: bytes
    qos: int


class Asking:
    """One printer's. `send` takes what goes out."""

    def __init__(self, chance: Random, send: Callable[[Send], None]) -> None:
        self.is_connected = False
        self._chance = chance
        self._send = send
        self._open: Awaited[Told] = Awaited()
        self._timestamp = chance.randrange(_FIRST_TIMESTAMP)
        self._nonce = ""
        self._asked = 0

    def connected(self) -> None:
        """A new connection: requests can go out, under ids never used before."""
        self.is_connected = True
        self._nonce = f"{self._chance.getrandbits(64):016x}"

    def lost(self, now: float) -> None:
        """There is no connection any more."""
        self.is_connected = False
        self.give_up(now)

    def give_up(self, now: float) -> None:
        """Who would reply is gone: whoever waits hears it."""
        for told in self._open.give_up():
            told(None, now)

    def ask(self, method: str, params: Mapping[str, Any] | None, told: Told, now: float) -> bool:
        """A question. False: it cannot go out now; nobody will be told."""
        return self._ask(method, params, told, now + QUESTION_SECONDS, is_order=False)

    def order(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        told: Told,
        deadline: float,
        *,
        is_urgent: bool = False,
    ) -> bool:
        """A request that does something, until `deadline`. False: nothing goes out, nobody will be told."""
        if len(self._open) >= MOST_ORDERS and not is_urgent:
            return False
        return self._ask(method, params, told, deadline, is_order=True)

    def _ask(
        self, method: str, params: Mapping[str, Any] | None, told: Told, deadline: float, *, is_order: bool
    ) -> bool:
        if not self.is_connected or (not is_order and len(self._open) >= MOST_QUESTIONS):
            return False
        id = f"{self._nonce}-{self._asked}"
        try:
            self._open.expect(id, told, deadline)
        except TooManyAwaited:
            return False
        self._asked += 1
        self._timestamp += is_order
        timestamp = self._timestamp if is_order else None
        self._send(Send(request(method, params, id=id, timestamp=timestamp), qos=int(is_order)))
        return True

    def heard(self, payload: bytes, now: float) -> bool:
        """A message of the response topic. False: nothing in it was asked here."""
        if not self._nonce or self._nonce.encode() not in payload:
            return False  # somebody else's: they may be long, and are not read
        is_ours = False
        for reply in replies(payload):
            told = self._open.heard(reply.id)
            if told is not None:
                is_ours = True
                told(reply, now)
        return is_ours

    def wake(self, now: float) -> None:
        """Time has passed: replies that are overdue do not come."""
        for told in self._open.overdue(now):
            told(None, now)

    def next_deadline(self) -> float:
        """When `wake` has something to do; infinite: never."""
        return self._open.next_deadline() if self._open else math.inf
