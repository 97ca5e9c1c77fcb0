"""Gateways that come and go, say nothing, talk nonsense or never read."""

from __future__ import annotations

import asyncio

import pytest

from gateway.domain.observations import OrderAnswered
from gateway.domain.orders import SendGcode
from gateway.streamer.channel import ChannelClosed, MemoryChannel, memory_pair
from gateway.streamer.messages import Answered, Bye, Drain, Hello, Message, Snapshot, order_message
from gateway.streamer.outbox import MAX_ANSWERS
from tests.streamer.fakes import Rig, settle, start, virtually
from tests.streamer.raw_gateway import answer_of, attach, next_of


def test_the_newest_gateway_takes_over() -> None:
    async def story() -> None:
        async with Rig() as rig:
            old = await attach(rig, "g1")
            await next_of(old, Snapshot)
            new = await attach(rig, "g2")
            await next_of(new, Snapshot)
            bye = await next_of(old, Bye)
            assert bye.final
            assert "another gateway has taken over" in bye.reason
            with pytest.raises(ChannelClosed):
                old.send(order_message(start("mk3", "from-the-old")))
            new.send(order_message(start("mk3", "from-the-new")))
            assert (await answer_of(new)).order_id == "from-the-new"
            assert [order.order_id for order in rig.driver().orders] == ["from-the-new"]

    virtually(story())


def test_what_the_old_gateway_had_under_way_is_not_done() -> None:
    async def story() -> None:
        async with Rig() as rig:
            old = await attach(rig, "g1")
            await next_of(old, Snapshot)
            new = await attach(rig, "g2")
            old.send(order_message(start("mk3", "late")))
            await next_of(new, Snapshot)
            await settle()
            assert len(rig.driver().orders) <= 1
            rig.driver().orders.clear()
            await asyncio.sleep(1)
            assert rig.driver().orders == []

    virtually(story())


@pytest.mark.parametrize(
    "first",
    [Hello(version=99, instance="g"), Drain(), order_message(start())],
    ids=["version", "drain", "start"],
)
def test_nothing_is_done_for_who_does_not_say_hello_properly(first: Message) -> None:
    async def story() -> None:
        async with Rig() as rig:
            ours, theirs = memory_pair()
            rig.host.accept(theirs)
            ours.send(first)
            assert isinstance(await ours.receive(), Hello)
            bye = await ours.receive()
            assert isinstance(bye, Bye)
            assert ("version 99" in bye.reason) or ("before hello" in bye.reason)
            assert rig.driver().orders == []

    virtually(story())


def test_who_says_nothing_is_shown_out_and_takes_nothing_over() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            ours, theirs = memory_pair()
            rig.host.accept(theirs)
            await ours.receive()
            with pytest.raises(ChannelClosed):
                await ours.receive()
            channel.send(order_message(start()))
            assert (await answer_of(channel)).order_id == "o1"

    virtually(story())


def test_nonsense_in_mid_talk_ends_the_connection_only() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            channel.send(Snapshot(printers=()))
            bye = await next_of(channel, Bye)
            assert "snapshot from a gateway" in bye.reason
            again = await attach(rig)
            assert isinstance(await again.receive(), Snapshot)
            assert len(rig.born["mk3"]) == 1

    virtually(story())


async def flood(channel: MemoryChannel) -> None:
    """Order and never listen."""
    for n in range(10 * MAX_ANSWERS):
        channel.send(order_message(SendGcode("mk3", f"o{n}", ("M105",))))
        if n % 50 == 0:
            await settle(5)


async def read_to_the_end(channel: MemoryChannel) -> list[OrderAnswered]:
    answers = []
    try:
        while True:
            message = await channel.receive()
            if isinstance(message, Answered):
                answers.append(message.answer)
    except ChannelClosed:
        return answers


def test_a_gateway_that_never_reads_is_let_go_when_answers_would_be_lost() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            await channel.receive()
            with pytest.raises(ChannelClosed):
                await flood(channel)
            assert len(await read_to_the_end(channel)) >= MAX_ANSWERS
            again = await attach(rig)
            assert isinstance(await again.receive(), Snapshot)

    virtually(story())


def test_a_slow_gateway_does_not_hold_up_the_drivers_and_catches_up() -> None:
    async def story() -> None:
        async with Rig("mk3", "x1") as rig:
            channel = await attach(rig)
            for n in range(2000):
                rig.driver().show(message=f"word {n}")
                rig.driver("x1").show(message=f"word {n}")
                await asyncio.sleep(0.01)
            assert len(channel._inbox) < 100
            last: dict[str, str | None] = {}
            while channel._inbox:
                message = await channel.receive()
                told = message.printers if isinstance(message, Snapshot) else (message.printer,)  # type: ignore[union-attr]
                last |= {printer.printer: printer.message for printer in told}
                await settle()
            assert last == {"mk3": "word 1999", "x1": "word 1999"}

    virtually(story())
