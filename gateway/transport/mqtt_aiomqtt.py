"""aiomqtt's client on a socket that is connected already, handing messages on without a detour.

What is used of the libraries' inside, each because there is no other way in 2.x, and tested against brokers:

    aiomqtt.Client._client                     paho's client
    aiomqtt.Client._client_connect             connects, in a thread: here nothing is left to do there
    aiomqtt.Client._on_socket_register_write   wakes the loop as from another thread and asks epoll, for each
                                               packet: here it is written in the next turn of the loop
    aiomqtt.Client._misc_loop                  keeps the connection alive: here it looks less often
    aiomqtt.Client._connected, ._disconnected  futures whose exceptions nobody may have asked for
    paho.Client._create_socket, ._sock_close   where paho gets its socket from, and how it lets go of it
    paho.Client._handle_publish, ._in_packet   takes a message, and keeps those of QoS 2 for long
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import aiomqtt

from gateway.transport.mqtt import MqttMessage
from gateway.transport.mqtt_inbox import Inbox
from gateway.transport.mqtt_trouble import Peer
from gateway.transport.mqtt_wire import Wire

#: As the libraries say it: somebody else keeps the time.
FOREVER: Final = math.inf
#: Publishes that wait for their acknowledgement: their callers wait too, so there are few.
_MOST_OUTGOING: Final = 1000
#: Seconds that an answer may take from the socket to the one who waits for it.
_GRACE_SECONDS: Final = 0.5

#: Seconds between two looks whether it is time to ask the broker if it is there. The library looks every
#: second, which for 200 connections is 1.5 % of a core; a broker is patient for 1.5 keep-alives.
_LOOK_SECONDS: Final = 5.0

#: In the first byte of a publish: MQTT 3.1.1, 3.3.1.2.
_QOS: Final = 0x06
_QOS_2: Final = 0x04
#: paho's MQTT_ERR_PROTOCOL.
_PROTOCOL_ERROR: Final = 2

#: What the libraries say is told in this gateway's words.
_quiet = logging.getLogger("gateway.transport.paho")
_quiet.setLevel(logging.CRITICAL + 1)


class SocketClient(aiomqtt.Client):
    """One connection's client, on a socket that is open: `wire`. `cut` ends it at once, without a goodbye."""

    def __init__(self, wire: Wire, inbox: Inbox, peer: Peer, **options: Any) -> None:
        super().__init__(
            peer.host,
            peer.port,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            queue_type=cast(type[asyncio.Queue[aiomqtt.Message]], partial(_Diverted, inbox, self._cut_soon)),
            max_queued_outgoing_messages=_MOST_OUTGOING,
            logger=_quiet,
            **options,
        )
        self._wire = wire
        self._peer = peer
        for state in (self._connected, self._disconnected):
            state.add_done_callback(_seen)
        self._client._create_socket = lambda: wire  # type: ignore[method-assign, assignment, return-value]
        self._take_publish = self._client._handle_publish
        self._client._handle_publish = self._published  # type: ignore[method-assign, assignment]

    async def begin(self, seconds: float) -> None:
        """Ask to be let in. Raises MqttLost, MqttRefused; then, and when it is cancelled, it is cut."""
        super()._client_connect()  # of paho; there is a socket, so nothing blocks
        entering = asyncio.create_task(self.__aenter__())
        try:
            await asyncio.wait(
                {entering, self._wire.ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if self._wire.ended.done():
                await asyncio.wait({entering}, timeout=_GRACE_SECONDS)  # a refusal was read, then it hung up
            if not entering.done():
                raise (
                    self._peer.hung_up(self._wire.trouble)
                    if self._wire.ended.done()
                    else self._peer.silent(seconds)
                )
            entering.result()
        except aiomqtt.MqttError as error:
            self.cut()
            if isinstance(error, aiomqtt.MqttCodeError):
                raise self._peer.not_welcome(error) from error
            raise self._peer.silent(seconds) from error
        except BaseException:
            self.cut()
            raise
        finally:
            entering.cancel()

    def cut(self) -> None:
        """End the connection. Idempotent."""
        self._client._sock_close()
        self._wire.close()  # if paho never had it
        if not self._disconnected.done():
            self._disconnected.set_result(None)

    def _published(self) -> int:
        """Nobody here subscribes with QoS 2, so nobody may send so (MQTT 3.1.1, 3.8.4)."""
        if self._client._in_packet["command"] & _QOS == _QOS_2:
            return _PROTOCOL_ERROR
        return self._take_publish()

    def _cut_soon(self) -> None:
        """From within a callback of paho."""
        self._loop.call_soon(self.cut)

    def _client_connect(self) -> None:
        """In a thread: it was done."""

    async def _misc_loop(self) -> None:
        seconds = min(_LOOK_SECONDS, self._client.keepalive / 4)
        while not self._client.loop_misc():  # noqa: ASYNC110 - paho has no event for "it is time"
            await asyncio.sleep(seconds)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        """All that waits; what the socket does not take now it is asked to take when it can."""
        if not self._wire.ended.done():
            self._client.loop_write()
        if not self._wire.ended.done() and self._client.want_write():
            self._loop.add_writer(self._wire.fileno(), self._client.loop_write)


def _seen(state: asyncio.Future[None]) -> None:
    """asyncio complains of an exception that nobody has asked for; the wire tells it as well."""
    if not state.cancelled():
        state.exception()


class _Diverted(asyncio.Queue[aiomqtt.Message]):
    """The library's queue, which stays empty: the inbox gets what would be put there."""

    def __init__(self, inbox: Inbox, when_full: Callable[[], None], maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._inbox = inbox
        self._when_full = when_full

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._inbox.put(MqttMessage(item.topic.value, item.payload, item.retain))
        if self._inbox.lost is not None:
            self._when_full()
