"""Removing what is over and was kept long enough, in small bites, so that nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.engine.ports import Clock, Expiry, StoreUnavailable

log = logging.getLogger(__name__)

#: Seconds between two looks for what has expired: lists leave it out to the second anyway.
SWEEP_EVERY: Final = 300.0
#: Seconds between two bites: the store's one writer is free for most of the time.
PAUSE: Final = 0.2


class Sweeper:
    """`run` it for as long as the gateway lives."""

    def __init__(self, *, expiry: Expiry, clock: Clock) -> None:
        self._expiry = expiry
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled. A start is busy enough: the first time comes later."""
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            await self._sweep()

    async def _sweep(self) -> None:
        removed = 0
        try:
            while rows := await self._expiry.sweep(self._clock.wall()):
                removed += rows
                await asyncio.sleep(PAUSE)
        except StoreUnavailable as failure:
            log.warning("what has expired stays for now: %s", failure)
        except Exception:
            log.exception("what has expired could not be removed")
        if removed:
            log.info("%d rows that nobody needs any more are gone", removed)
