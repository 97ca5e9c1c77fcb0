"""What arrived over one MQTT connection and nobody has read yet: bounded; of a state the newest is enough.

A message of a topic that coalesces replaces the one of that topic that waits. All others are kept, because a
printer's deltas must not have holes: too many of them, and the connection is over. A new one begins with the
full state.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.transport.mqtt import MqttLost, MqttMessage

#: Messages that wait: a quarter of an hour of a printer that sends one a second.
MOST_MESSAGES: Final = 1000
#: Bytes of them together: 1,000 full states of a Bambu printer (5 kB each, measured), and room for one giant.
MOST_BYTES: Final = 8 * 1024 * 1024
_FULL: Final = "more arrived than the gateway could read: the connection is made anew"


def coalesce_none(_topic: str) -> bool:
    """Every message counts."""
    return False


class Inbox:
    """One reader at a time. Once it has ended, it gives nothing more."""

    def __init__(
        self,
        coalesces: Callable[[str], bool] = coalesce_none,
        *,
        most_messages: int = MOST_MESSAGES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._coalesces = coalesces
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._waiting: OrderedDict[str | int, MqttMessage] = OrderedDict()
        self._bytes = 0
        self._arrived = 0
        self._reader: asyncio.Future[None] | None = None
        self._lost: MqttLost | None = None

    @property
    def lost(self) -> MqttLost | None:
        """Why it has ended; None: it has not."""
        return self._lost

    def put(self, message: MqttMessage) -> None:
        """Take a message; one too many ends the inbox. Ignored after the end."""
        if self._lost is not None:
            return
        self._arrived += 1
        key = message.topic if self._coalesces(message.topic) else self._arrived
        former = self._waiting.get(key)
        self._bytes += len(message.payload) - (0 if former is None else len(former.payload))
        self._waiting[key] = message
        if len(self._waiting) > self._most_messages or self._bytes > self._most_bytes:
            self.end(MqttLost(_FULL))
        else:
            self._wake()

    def end(self, lost: MqttLost) -> None:
        """From now on every `get` raises `lost`; the first end counts."""
        if self._lost is None:
            self._lost = lost
            self._waiting.clear()
            self._wake()

    async def get(self) -> MqttMessage:
        """The next message. Raises MqttLost."""
        while not self._waiting:
            self.check()
            assert self._reader is None, "an inbox has one reader"
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        _, message = self._waiting.popitem(last=False)
        self._bytes -= len(message.payload)
        return message

    def check(self) -> None:
        """Raises MqttLost once it has ended: a new object, because a traceback grows with every raise."""
        if self._lost is not None:
            raise type(self._lost)(str(self._lost))

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
