"""One connection: a port, a link and one timer. The glue to asyncio; it decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.protocol.marlin.link import Link
from gateway.transport.port import Port

Clock = Callable[[], float]

#: Seconds a timer fires late on purpose: rounding must never make it fire just before its deadline.
LATE_SECONDS = 0.001
#: Seconds that the rest of a line gets to leave when the driver host stops; a window takes 0.05 at most.
FLUSH_SECONDS = 1.0
_FLUSH_STEP_SECONDS = 0.01


class Session:
    """Carries bytes between port and link and calls `turn` after everything that happens."""

    def __init__(
        self, link: Link, clock: Clock, turn: Callable[[], None], go_on: Callable[[float], bool]
    ) -> None:
        """`turn` is the driver's: it reads the link's events, hands over lines, calls `pump` and `arm`.

        `go_on` is tried first when nothing but answers came: the same for a print that only streams, without
        the rest. It returns False when that is not all there is to do.
        """
        self.link = link
        self.port: Port | None = None
        self._clock = clock
        self._turn = turn
        self._go_on = go_on
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[str] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the next whole turn must come
        self._timer_due = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the port is gone or the driver gave the connection up."""
        return self._over.done()

    async def over(self) -> str:
        """Wait for the end; the reason, for people. Raises what the driver raised in a turn."""
        return await self._over

    def bytes_received(self, data: bytes) -> None:
        """From the port."""
        if self._over.done():
            return
        now = self._clock()
        if self.link.receive(data, now) and now < self._due and self._goes_on(now):
            return
        self.turn()

    def port_lost(self, reason: str) -> None:
        """From the port: it is gone."""
        self.end(reason)

    def end(self, reason: str) -> None:
        """The connection is over."""
        if not self._over.done():
            self._over.set_result(reason)

    def _goes_on(self, now: float) -> bool:
        try:
            if not self._go_on(now):
                return False
            out = self.link.to_send(now)
            if out and self.port is not None:
                self.port.write(out)
        except Exception as error:
            self._over.set_exception(error)
        return True

    def turn(self) -> None:
        """Let the driver act. Its mistakes end the connection, and `over` raises them to its owner."""
        try:
            self.link.handle_timer(self._clock())
            self._turn()
        except Exception as error:
            if self._over.done():
                raise
            self._over.set_exception(error)

    def pump(self) -> None:
        """Hand what the link has to say to the port."""
        out = self.link.to_send(self._clock())
        if out and self.port is not None and not self.is_over:
            self.port.write(out)

    def arm(self, due: float) -> None:
        """See that a turn happens at `due` at the latest; a timer that is due earlier is left alone.

        With every answer the next deadline moves on, thousands of times a second: the timer finds out when
        it fires that there is still time, which is cheaper than setting it anew each time.
        """
        if self._timer is not None:
            if self._timer_due <= due:
                self._due = due
                return
            self._timer.cancel()
        self._due = self._timer_due = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock()) + LATE_SECONDS, self._fired)

    def _fired(self) -> None:
        self._timer = None
        if not self.is_over:
            self.turn()

    async def flushed(self) -> None:
        """Nothing more is begun; what was handed to the port leaves it, so that no line ends half-way."""
        self.end("closed")
        for _ in range(int(FLUSH_SECONDS / _FLUSH_STEP_SECONDS)):
            if self.port is None or not self.port.unsent:
                return
            await asyncio.sleep(_FLUSH_STEP_SECONDS)

    def close(self) -> None:
        """Let go of port and timer; the machine is left as it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.end("closed")
        if self.port is not None:
            self.port.close()
