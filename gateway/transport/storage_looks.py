"""Whether print files would get onto printers now, for somebody who asks. Nothing is written there.

A look is a login of its own, so it is made only when it is asked for, and not twice within AGAIN_SECONDS:
some printers serve one client at a time, and lock out whoever comes often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.transport.storage import StorageTrouble

#: Looks at the same time: a login costs a small printer a second of its processor, and a thread here.
AT_ONCE: Final = 16
#: Seconds for one: a connection gets ten, then a printer that is at work answers slowly.
LOOK_SECONDS: Final = 15.0
#: Seconds for all: whoever asked waits.
ALL_SECONDS: Final = 25.0
#: Seconds for which what was found counts: scripts ask in loops.
AGAIN_SECONDS: Final = 10.0

_SLOW: Final = f"cannot put print files there: nothing came back within {LOOK_SECONDS:.0f} s"
_NO_TIME: Final = "not looked at: others took all the time; ask again"


class Checkable(Protocol):
    """A printer's storage, as far as it is looked at."""

    async def check(self) -> str | None:
        """Whether files could be put there now: logs in and reads, changes nothing. Raises StorageTrouble.

        Gives why it did not look, for people; None: it did, and they could.
        """


@dataclass(frozen=True, slots=True)
class StorageLook:
    """What was found. `reason` is for people, when it is not open."""

    is_open: bool | None  # None: nobody has looked
    reason: str | None = None


class StorageLooks:
    """The storages of all printers, by the printer's name. Used inside one loop."""

    def __init__(self, storages: Mapping[str, Checkable], monotonic: Callable[[], float]) -> None:
        self._storages = dict(storages)
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, StorageLook]] = {}
        self._turn = asyncio.Lock()

    async def look(self, printers: Collection[str]) -> dict[str, StorageLook]:
        """At those of them that have a storage. Waits for whoever looks already."""
        wanted = [name for name in printers if name in self._storages]
        async with self._turn:
            since = self._monotonic() - AGAIN_SECONDS
            due = [name for name in wanted if self._found.get(name, (since, None))[0] <= since]
            await self._look_at(due)
            return {name: self._last(name, since) for name in wanted}

    def _last(self, name: str, since: float) -> StorageLook:
        at, found = self._found.get(name, (since, None))
        return found if found is not None and at > since else StorageLook(None, _NO_TIME)

    async def _look_at(self, printers: Collection[str]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with places:
                found = await _looked(self._storages[name])
                self._found[name] = self._monotonic(), found

        try:
            async with asyncio.timeout(ALL_SECONDS), asyncio.TaskGroup() as group:
                for name in printers:
                    group.create_task(one(name), name=f"look at the storage of {name}")
        except TimeoutError:
            pass  # what was found by then is told


async def _looked(storage: Checkable) -> StorageLook:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            why_not = await storage.check()
    except StorageTrouble as trouble:
        return StorageLook(False, str(trouble))
    except TimeoutError:
        return StorageLook(False, _SLOW)
    return StorageLook(True) if why_not is None else StorageLook(None, why_not)
