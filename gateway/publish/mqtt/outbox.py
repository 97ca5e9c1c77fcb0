"""What waits to be published: of what is retained only the newest, of the rest a bounded number.

A broker that is slow gets fewer states, never old ones. A broker that is away gets all of them anew when it
is back: nothing is kept for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

#: Events and answers that wait. A farm's worst second has some dozens; beyond this the oldest go.
MOST_FLEETING: Final = 512


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One publish, QoS 1."""

    topic: str
    payload: bytes
    is_retained: bool


class Outbox:
    """Retained ones go first: who hears an event finds the state that belongs to it."""

    def __init__(self) -> None:
        self._retained: dict[str, bytes] = {}  # by topic; as many as there are printers, a few each
        self._fleeting: deque[Outgoing] = deque(maxlen=MOST_FLEETING)
        self._something = asyncio.Event()

    def __len__(self) -> int:
        return len(self._retained) + len(self._fleeting)

    def keep(self, topic: str, payload: bytes) -> None:
        """To be retained; takes the place of one for the same topic that waits."""
        self._retained[topic] = payload
        self._something.set()

    def tell(self, topic: str, payload: bytes) -> None:
        """For who listens now."""
        self._fleeting.append(Outgoing(topic, payload, False))
        self._something.set()

    async def take(self) -> Outgoing:
        """The next one; waits until there is one. For any number of tasks."""
        while not self:
            self._something.clear()
            await self._something.wait()
        if self._retained:
            topic = next(iter(self._retained))
            return Outgoing(topic, self._retained.pop(topic), True)
        return self._fleeting.popleft()

    def clear(self) -> None:
        """Forget what waits: whom it was for is gone."""
        self._retained.clear()
        self._fleeting.clear()
