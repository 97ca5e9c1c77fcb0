"""Orders on their way to the printer: requests whose replies are awaited by `sequence_id`.

all replies take it               accepted
one refuses it                    refused; or unclear, when the printer took another part of the same order
no reply in REPLY_SECONDS         unclear, and the connection is made anew: there are sessions that tell
                                  and do not listen (bambuddy #887, #936)
the connection is lost            unclear; refused when the request provably never left
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gateway.domain.observations import OrderResult
from gateway.drivers.bambu.one_print import Print
from gateway.drivers.bambu.outbox import Outbox, Reconnect, Send
from gateway.protocol.awaited import MOST, Awaited
from gateway.protocol.bambu.replies import Reply
from gateway.protocol.bambu.requests import Request

#: Seconds for a reply; they come within one.
REPLY_SECONDS: Final = 10.0
#: Places for requests without a reply that only an emergency stop takes.
KEPT_FREE: Final = 8
#: A number of this length to begin with: other clients count from 0 or from 20000.
_FIRST: Final = (10**8, 10**9)
NO_REPLY: Final = f"the printer did not reply within {REPLY_SECONDS:g} s; look at it before you try again"
LOST: Final = "the connection was lost before the printer replied; look at it before you try again"
NOT_SENT: Final = "the printer is not connected: nothing was sent"
IN_PART: Final = "the printer took a part of it only"
TOO_MANY: Final = f"{MOST} requests are without a reply already: the printer does not answer"

#: Makes a request with a `sequence_id`.
Asking = Callable[[str], Request]


@dataclass(slots=True)
class Errand:
    """One order, and what is still open of it."""

    order_id: str
    done: str | None = None  # what people are told when it is taken
    stops: Print | None = None  # the print that it ends
    never_enough: str | None = None  # refused even if all of it is taken: this is why
    open: int = 0
    taken: int = 0
    refusals: list[str] = field(default_factory=list)
    doubt: str | None = None


class Errands:
    """Of one printer."""

    def __init__(self, outbox: Outbox, chance: Random) -> None:
        self._outbox = outbox
        self._number = chance.randrange(*_FIRST)
        self._awaited: Awaited[Errand] = Awaited()

    def next_id(self) -> str:
        """A `sequence_id` that was not given before."""
        self._number += 1
        return str(self._number)

    @property
    def deadline(self) -> float:
        """When `wake` has something to do."""
        return self._awaited.next_deadline()

    def go(self, errand: Errand, requests: Sequence[Asking], now: float) -> None:
        """Send all of it, once."""
        most = MOST if errand.never_enough is not None else MOST - KEPT_FREE
        if len(self._awaited) + len(requests) > most:
            self._outbox.answer(errand.order_id, OrderResult.REFUSED, TOO_MANY)
            return
        errand.open = len(requests)
        for asking in requests:
            request = asking(self.next_id())
            self._awaited.expect(request.sequence_id, errand, now + REPLY_SECONDS)
            self._outbox.put(Send(request))

    def replied(self, reply: Reply) -> bool:
        """A reply came; False: to somebody else's request."""
        errand = self._awaited.heard(reply.sequence_id)
        if errand is None:
            return False
        if reply.is_success:
            errand.taken += 1
            if errand.stops is not None and reply.command == "stop":
                errand.stops.is_stop_taken = True
        else:
            errand.refusals.append(reply.words)
        self._one_less(errand)
        return True

    def unsent(self, sequence_id: str) -> None:
        """This request provably never left."""
        errand = self._awaited.heard(sequence_id)
        if errand is not None:
            errand.refusals.append(NOT_SENT)
            self._one_less(errand)

    def wake(self, now: float) -> None:
        """Time has passed."""
        late = self._awaited.overdue(now)
        self._doubt(late, NO_REPLY)
        if late:
            self._outbox.put(Reconnect("the printer did not reply to a command"))

    def lost(self) -> None:
        """The connection is gone."""
        self._doubt(self._awaited.give_up(), LOST)

    def _doubt(self, errands: Sequence[Errand], why: str) -> None:
        for errand in errands:
            errand.doubt = why
            self._one_less(errand)

    def _one_less(self, errand: Errand) -> None:
        errand.open -= 1
        if errand.open == 0:
            self._outbox.answer(errand.order_id, *_judged(errand))


def _judged(errand: Errand) -> tuple[OrderResult, str | None]:
    if errand.never_enough is not None:
        did = errand.done if errand.taken else "nor does it take anything else now"
        return OrderResult.REFUSED, f"{errand.never_enough}; {did}"
    if errand.doubt is not None:
        return OrderResult.UNCLEAR, errand.doubt
    if not errand.refusals:
        return OrderResult.ACCEPTED, errand.done
    why = errand.refusals[0]
    return (OrderResult.UNCLEAR, f"{IN_PART}: {why}") if errand.taken else (OrderResult.REFUSED, why)
