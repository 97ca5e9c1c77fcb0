"""`drivers.start_record.StartRecord` in memory: it survives its driver, as a file does, and may be full.

With `stops_at = "before sending"` a write waits for ever there: where a test lets its driver die.
"""

from __future__ import annotations

import asyncio
import errno


class KeptStartRecord:
    """Hand the same one to the next driver. `is_full`: the disk takes nothing any more."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []  # (step, key), the newest last
        self.full_at: set[str] = set()  # steps for which there is no room
        self.stops_at = ""
        self.stopped = asyncio.Event()

    async def preparing(self, key: str) -> None:
        """See the protocol."""
        await self._put("preparing", key)

    async def sending(self, key: str) -> None:
        """See the protocol."""
        await self._put("sending", key)

    def is_unsent(self, key: str) -> bool:
        """See the protocol."""
        return self.said[-1:] == [("preparing", key)]

    async def _put(self, step: str, key: str) -> None:
        await self._reach(f"before {step}")
        if step in self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.said.append((step, key))
        await self._reach(f"behind {step}")

    async def _reach(self, place: str) -> None:
        if place == self.stops_at:
            self.stopped.set()
            await asyncio.Event().wait()
