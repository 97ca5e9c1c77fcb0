"""Bayeux over a websocket: each text frame is a batch; answers go out in order, one frame each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.api.forge.faye.exchange import Exchanges
from gateway.protocol.bayeux.messages import NotABatch, refusal
from gateway.protocol.bayeux.session import Line, Parcel, Written

log = logging.getLogger(__name__)

#: Seconds between pings: a peer that is gone is noticed within half as long again, and proxies keep the line.
HEARTBEAT: Final = 30.0
#: Seconds that a peer gets to answer a close.
CLOSE_SECONDS: Final = 2.0


class Socket:
    """One websocket: its `Receiver`, and the task that writes."""

    def __init__(
        self,
        exchanges: Exchanges,
        line: Line,
        websocket: web.WebSocketResponse,
        is_peer_gone: Callable[[], bool],
    ) -> None:
        self._exchanges = exchanges
        self._line = line
        self._websocket = websocket
        self._is_peer_gone = is_peer_gone
        self._is_ending = False
        # Bounded by the polls of its clients, and one answer more: `serve` reads on when all is written.
        self._outbox: asyncio.Queue[Parcel | None] = asyncio.Queue()
        self._heard_at = exchanges.now

    async def serve(self) -> None:
        """Read until the peer is gone or the house closes; then everything is settled."""
        writer = asyncio.create_task(self._write_all(), name="faye socket")
        self._exchanges.attach(self._line, self)
        try:
            async for message in self._websocket:
                self._heard_at = self._exchanges.now
                if self._is_ending:
                    break
                if message.type is not WSMsgType.TEXT:
                    await self._websocket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                    break
                self._hear(message.data)
                await self._outbox.join()
        finally:
            self._exchanges.detach(self._line)
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            self._settle_rest()

    def _hear(self, text: str) -> None:
        try:
            parcel = self._exchanges.receive(text, self._line)
        except NotABatch as failure:
            parcel = Parcel(self._line, [refusal(400, str(failure))])
        if parcel is not None:
            self._outbox.put_nowait(parcel)

    async def _write_all(self) -> None:
        while (parcel := await self._outbox.get()) is not None:
            written = Written.NO
            try:
                if not (self._websocket.closed or self._is_peer_gone()):
                    written = Written.MAYBE
                    await self._websocket.send_str(parcel.text)
                    written = Written.YES
            except ConnectionError as failure:
                log.debug("a websocket at /faye broke: %r", failure)
            except Exception:
                log.exception("a websocket at /faye could not be written to")
            finally:
                self._exchanges.settle(parcel, written)
                self._outbox.task_done()
        self._outbox.task_done()
        await self._websocket.close(code=WSCloseCode.GOING_AWAY)

    def _settle_rest(self) -> None:
        while not self._outbox.empty():
            parcel = self._outbox.get_nowait()
            if parcel is not None:
                self._exchanges.settle(parcel, Written.NO)

    def hand_over(self, parcel: Parcel) -> None:
        """`Receiver`: behind what is written already."""
        self._outbox.put_nowait(parcel)

    def is_gone(self, now: float) -> bool:
        """`Receiver`: no client keeps silent for as long; a peer that is gone is noticed by its pings."""
        return now - self._heard_at > self._exchanges.bounds.timeout + self._exchanges.bounds.grace

    def give_up(self) -> None:
        """`Receiver`: close, behind what is to be written."""
        self._is_ending = True
        self._outbox.put_nowait(None)
