"""The asyncio side of the Bayeux server: who waits on which line, one timer for all, events to their hooks.

A transport gives each line a `Receiver`. It calls `receive` with what came, writes the parcels it is handed,
and calls `settle` once for each: how it went decides the outcome of what was published.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from gateway.protocol.bayeux.messages import parse
from gateway.protocol.bayeux.outcome import OnOutcome, TakeBack
from gateway.protocol.bayeux.publication import Event, Told
from gateway.protocol.bayeux.server import BayeuxServer
from gateway.protocol.bayeux.session import Line, Parcel, Written

log = logging.getLogger(__name__)

#: Seconds between two looks at all clients. A poll is answered up to this late, a client dropped as much.
TICK: Final = 1.0


class Receiver(Protocol):
    """A line as a transport has it."""

    def hand_over(self, parcel: Parcel) -> None:
        """Write it soon, and settle it."""

    def is_gone(self, now: float) -> bool:
        """Whether nobody is there any more; asked every TICK."""

    def give_up(self) -> None:
        """Nothing more will be handed over: end, behind what was."""


class Exchanges:
    """The one server of `/faye` and all that waits on it."""

    def __init__(
        self,
        server: BayeuxServer,
        monotonic: Callable[[], float],
        on_listening: Callable[[str, bool], None],
    ) -> None:
        self._server = server
        self._monotonic = monotonic
        self._on_listening = on_listening
        self._receivers: dict[Line, Receiver] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flush_handle: asyncio.Handle | None = None
        self.bounds = server.bounds
        self.is_closed = False

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._monotonic()

    @property
    def count(self) -> int:
        """Lines that are attached."""
        return len(self._receivers)

    def lines(self, address: str) -> tuple[int, int]:
        """How many lines are attached: of one address, and in all."""
        mine = sum(line.address == address for line in self._receivers)
        return mine, len(self._receivers)

    def attach(self, line: Line, receiver: Receiver) -> None:
        """Parcels for `line` go to `receiver`."""
        self._receivers[line] = receiver
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def detach(self, line: Line) -> None:
        """The line is gone. Idempotent."""
        if self._receivers.pop(line, None) is not None:
            self._server.lose(line, self.now)

    def receive(self, text: str | bytes, line: Line) -> Parcel | None:
        """Carry out a request; None when its client is to wait for a parcel. Raises NotABatch."""
        parcel = self._server.receive(parse(text, self.bounds), line, self.now)
        self._stir()
        return parcel

    def settle(self, parcel: Parcel, written: Written) -> None:
        """The transport is done with it."""
        self._server.settle(parcel, written)
        self._stir()

    def publish(self, channel: str, payload: Mapping[str, Any], on_outcome: OnOutcome) -> TakeBack:
        """`ChannelPublisher.publish`."""
        take_back = self._server.publish(channel, payload, on_outcome)
        self._stir()
        return partial(self._take_back, take_back)

    def _take_back(self, take_back: TakeBack) -> None:
        take_back()
        self._stir()

    def has_listener(self, channel: str) -> bool:
        """`ChannelPublisher.has_listener`."""
        return self._server.has_listener(channel)

    def close(self) -> None:
        """Answer all polls, tell all outcomes, end all lines. Idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        self._server.close(self.now)
        self._flush()
        for receiver in list(self._receivers.values()):
            receiver.give_up()
        if self._timer is not None:
            self._timer.cancel()

    def _stir(self) -> None:
        if self._timer is None and len(self._server) and not self.is_closed:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        if self._server.is_due and self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_handle = None
        for parcel in self._server.collect(self.now):
            receivers = self._receivers
            line = parcel.line
            receiver = receivers.get(line) if line.is_stream else receivers.pop(line, None)
            if receiver is None:
                self._server.settle(parcel, Written.NO)
            else:
                receiver.hand_over(parcel)
        for event in self._server.take_events():
            self._tell(event)

    def _tell(self, event: Event) -> None:
        try:
            if isinstance(event, Told):
                event.on_outcome(event.outcome)
            else:
                self._on_listening(event.channel, event.is_heard)
        except Exception:
            log.exception("what happened at /faye could not be told")

    def _tick(self) -> None:
        self._timer = None
        now = self.now
        for line, receiver in list(self._receivers.items()):
            if receiver.is_gone(now):
                receiver.give_up()
                self.detach(line)
        self._server.tick(now)
        if self._receivers or len(self._server):
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)
        self._stir()
