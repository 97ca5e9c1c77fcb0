"""A gateway that is nothing but its end of the channel."""

from __future__ import annotations

from typing import Any

from gateway.domain.observations import OrderAnswered
from gateway.streamer.channel import MemoryChannel, memory_pair
from gateway.streamer.messages import PROTOCOL_VERSION, Answered, Hello
from tests.streamer.fakes import Rig


async def attach(rig: Rig, instance: str = "g1") -> MemoryChannel:
    """A raw gateway: handshake done, first snapshot not yet read."""
    ours, theirs = memory_pair()
    rig.host.accept(theirs)
    assert await ours.receive() == Hello(version=PROTOCOL_VERSION, instance="i1", host="printhost")
    ours.send(Hello(version=PROTOCOL_VERSION, instance=instance))
    return ours


async def next_of(channel: MemoryChannel, kind: type) -> Any:
    while True:
        message = await channel.receive()
        if isinstance(message, kind):
            return message


async def answer_of(channel: MemoryChannel) -> OrderAnswered:
    return (await next_of(channel, Answered)).answer  # type: ignore[no-any-return]
