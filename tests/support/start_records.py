"""`drivers.start_record.StartRecord` in memory: it survives its driver, as a file does, and can be full."""

from __future__ import annotations

import errno


class KeptStartRecord:
    """Hand the same one to the next driver. `is_full`: the disk takes nothing any more."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []  # (step, key), the newest last
        self.is_full = False

    async def preparing(self, key: str) -> None:
        """See the protocol."""
        self._put("preparing", key)

    async def sending(self, key: str) -> None:
        """See the protocol."""
        self._put("sending", key)

    def is_unsent(self, key: str) -> bool:
        """See the protocol."""
        return self.said[-1:] == [("preparing", key)]

    def _put(self, step: str, key: str) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.said.append((step, key))
