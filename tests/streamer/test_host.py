"""The host: drivers that die, orders that come twice, gateways that come and go."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    PausePrint,
    ResumePrint,
    SendGcode,
    UploadFile,
)
from gateway.streamer.channel import ChannelClosed, MemoryChannel, memory_pair
from gateway.streamer.host import HEARTBEAT_SECONDS, MAX_PRINTERS, StreamerHost
from gateway.streamer.hosted import MAX_ENDED, MAX_UNANSWERED
from gateway.streamer.messages import (
    PROTOCOL_VERSION,
    Answered,
    Bye,
    Drain,
    Hello,
    Message,
    Observed,
    Snapshot,
    order_message,
)
from gateway.streamer.outbox import MAX_ANSWERS
from tests.streamer.fakes import EVEN, FakeDriver, Rig, settle, start, virtually


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


def test_sixty_four_printers_are_possible_and_no_more() -> None:
    def host(count: int) -> StreamerHost:
        drivers = {f"p{n}": lambda n=n: FakeDriver(f"p{n}") for n in range(count)}
        return StreamerHost("h", "i", drivers, chance=Random(0))

    host(MAX_PRINTERS)
    with pytest.raises(ValueError, match="65 printers for one streamer; 64 are possible"):
        host(MAX_PRINTERS + 1)


def test_a_gateway_first_hears_of_all_printers() -> None:
    async def story() -> None:
        async with Rig("mk3", "x1") as rig:
            rig.driver("x1").printing("a9")
            channel = await attach(rig)
            first = await channel.receive()
            assert isinstance(first, Snapshot)
            assert [(p.printer, p.link) for p in first.printers] == [
                ("mk3", LinkState.UP),
                ("x1", LinkState.UP),
            ]
            assert first.printers[1].current is not None
            rig.driver().show(activity=Activity.READY)
            assert (await channel.receive()).printer.activity is Activity.READY  # type: ignore[union-attr]

    virtually(story())


def test_orders_reach_their_printer_and_answers_come_back() -> None:
    async def story() -> None:
        async with Rig("mk3", "x1") as rig:
            channel = await attach(rig)
            orders = [
                start("x1", "o1"),
                CancelPrint("x1", "o2", "a1"),
                EmergencyStop("mk3", "o3"),
                SendGcode("mk3", "o4", ("G28",)),
            ]
            for order in orders:
                channel.send(order_message(order))
            answers = [await answer_of(channel) for _ in orders]
            assert [(a.printer, a.order_id, a.result) for a in answers] == [
                ("x1", "o1", "accepted"),
                ("x1", "o2", "accepted"),
                ("mk3", "o3", "accepted"),
                ("mk3", "o4", "accepted"),
            ]
            assert rig.driver("x1").orders == orders[:2]
            assert rig.driver("mk3").orders == orders[2:]

    virtually(story())


def test_an_unknown_printer_is_refused() -> None:
    async def story() -> None:
        async with Rig("mk3") as rig:
            channel = await attach(rig)
            channel.send(order_message(start("mk4", "o1")))
            answer = await answer_of(channel)
            assert answer.result is OrderResult.REFUSED
            assert answer.message == "this streamer has no printer 'mk4' (it has: mk3)"
            channel.send(order_message(Acknowledge("mk4", "o2", "a1")))
            channel.send(order_message(start("mk3", "o3")))
            assert (await answer_of(channel)).order_id == "o3", "an acknowledgement is never answered"

    virtually(story())


def test_an_order_that_comes_twice_is_done_once() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            channel = await attach(rig)
            channel.send(order_message(start()))
            channel.send(order_message(start()))
            await settle()
            rig.driver().answer("o1")
            rig.driver().answer("o1", OrderResult.REFUSED)
            channel.send(order_message(start()))
            assert (await answer_of(channel)).result is OrderResult.ACCEPTED
            assert (await answer_of(channel)).result is OrderResult.ACCEPTED, "the same answer again"
            assert len(rig.driver().orders) == 1

    virtually(story())


def test_answers_nobody_asked_for_and_strangers_are_dropped() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            rig.driver().answer("o77")
            rig.driver().sink(PrinterObserved("x1", LinkState.UP))
            channel.send(order_message(start()))
            assert (await answer_of(channel)).order_id == "o1"
            assert [p.printer for p in rig.host.snapshot()] == ["mk3"]

    virtually(story())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("stack overflow in the parser"), "RuntimeError: stack overflow in the parser"),
        (None, "ended without being asked"),
        (asyncio.CancelledError(), "cancelled itself"),
    ],
)
def test_a_dead_driver_is_reported_and_replaced(error: BaseException | None, words: str) -> None:
    async def story() -> None:
        async with Rig("mk3", "x1") as rig:
            loop = asyncio.get_running_loop()
            channel = await attach(rig)
            await channel.receive()
            rig.driver().printing("a1")
            await channel.receive()
            began = loop.time()
            rig.driver().die(error)
            down = (await next_of(channel, Observed)).printer
            assert down.link is LinkState.DOWN
            assert words in down.link_reason
            assert down.current.key == "a1", "the print may well be on the machine"
            up = (await next_of(channel, Observed)).printer
            assert (up.link, up.link_reason) == (LinkState.UP, None)
            assert loop.time() - began == pytest.approx(1.0)
            assert len(rig.born["mk3"]) == 2
            assert len(rig.born["x1"]) == 1, "the neighbour did not notice"

    virtually(story())


def test_deaths_in_a_row_are_spaced_out_and_forgotten_after_a_healthy_life() -> None:
    async def story() -> list[float]:
        loop = asyncio.get_running_loop()
        async with Rig() as rig:
            gaps = []
            for life in (0, 0, 0, 0, 0, 100, 0):
                await asyncio.sleep(life)
                count, died = len(rig.born["mk3"]), loop.time()
                rig.driver().die(RuntimeError())
                while len(rig.born["mk3"]) == count:
                    await asyncio.sleep(0.25)
                await settle()
                gaps.append(loop.time() - died)
            return gaps

    assert virtually(story()) == pytest.approx([1, 2, 4, 8, 8, 1, 2], abs=0.3)


def test_a_driver_that_cannot_be_made_is_reported_too() -> None:
    async def story() -> None:
        def broken() -> FakeDriver:
            raise OSError("no space for the line record")

        host = StreamerHost("h", "i", {"mk3": broken}, chance=Random(0), backoff=EVEN)
        running = asyncio.create_task(host.run(), name="host")
        await settle()
        (printer,) = host.snapshot()
        assert printer.link is LinkState.DOWN
        assert "no space for the line record" in (printer.link_reason or "")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtually(story())


def test_orders_a_dead_driver_took_are_unclear_and_new_ones_refused() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            channel = await attach(rig)
            channel.send(order_message(start("mk3", "o1")))
            channel.send(order_message(CancelPrint("mk3", "o2", "a1")))
            await settle()
            dead = rig.driver()
            dead.die(RuntimeError("boom"))
            answers = [await answer_of(channel) for _ in range(2)]
            assert [(a.order_id, a.result) for a in answers] == [("o1", "unclear"), ("o2", "unclear")]
            assert all("look at the printer" in (a.message or "") for a in answers)
            channel.send(order_message(start("mk3", "o3")))
            refused = await answer_of(channel)
            assert (refused.order_id, refused.result) == ("o3", "refused")
            assert "boom" in (refused.message or "")
            dead.answer("o1")  # a leftover task of the dead driver
            dead.show(activity=Activity.ERROR)
            await asyncio.sleep(2)
            channel.send(order_message(start("mk3", "o4")))
            await settle()
            rig.driver().answer("o4")
            assert (await answer_of(channel)).order_id == "o4"
            assert rig.host.snapshot()[0].activity is None

    virtually(story())


def test_an_end_that_only_the_dead_driver_knew_is_told_until_it_is_acknowledged() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            end = PrintReport("a1", PrintPhase.COMPLETED, False)
            rig.driver().now = PrinterObserved("mk3", LinkState.UP, ended=(end,))  # known, not yet said
            rig.driver().die(RuntimeError())
            await asyncio.sleep(2)
            assert rig.host.snapshot()[0].ended == (end,)
            later = PrintReport("a2", PrintPhase.FAILED, False)
            rig.driver().show(ended=(later,))
            assert rig.host.snapshot()[0].ended == (end, later)
            channel.send(order_message(Acknowledge("mk3", "o1", "a1")))
            await settle()
            assert rig.host.snapshot()[0].ended == (later,)
            assert rig.driver().orders == [Acknowledge("mk3", "o1", "a1")]

    virtually(story())


def test_very_many_ends_are_told_in_portions() -> None:
    async def story() -> None:
        async with Rig() as rig:
            ends = tuple(PrintReport(f"a{n}", PrintPhase.COMPLETED, True) for n in range(200))
            rig.driver().show(ended=ends)
            assert rig.host.snapshot()[0].ended == ends[:MAX_ENDED]

    virtually(story())


def test_a_full_house_that_nobody_asked_for_long_is_told_and_obeys() -> None:
    async def story() -> None:
        names = [f"p{n}" for n in range(MAX_PRINTERS)]
        async with Rig(*names) as rig:
            for name in names:
                ends = tuple(PrintReport(f"{name}-{n}", PrintPhase.COMPLETED, True) for n in range(64))
                rig.driver(name).show(ended=ends)
            channel = await attach(rig)
            first = await channel.receive()
            assert isinstance(first, Snapshot)
            assert [(shown.printer, len(shown.ended)) for shown in first.printers] == [
                (name, MAX_ENDED) for name in names
            ]
            for name in names:
                rig.driver(name).printing()
                channel.send(order_message(EmergencyStop(name, f"stop {name}")))
            answers = [await answer_of(channel) for _ in names]
            assert sorted(answer.printer for answer in answers) == sorted(names)
            assert all(rig.driver(name).orders == [EmergencyStop(name, f"stop {name}")] for name in names)

    virtually(story())


def test_a_driver_that_chokes_on_an_order_makes_it_unclear() -> None:
    async def story() -> None:
        async with Rig() as rig:
            channel = await attach(rig)
            rig.driver().choke = KeyError("expect")
            channel.send(order_message(start()))
            answer = await answer_of(channel)
            assert answer.result is OrderResult.UNCLEAR
            channel.send(order_message(Acknowledge("mk3", "o2", "a1")))
            await settle()
            assert len(rig.born["mk3"]) == 1

    virtually(story())


def test_a_driver_that_answers_nothing_gets_no_more_orders() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            channel = await attach(rig)
            for n in range(MAX_UNANSWERED + 1):
                channel.send(order_message(SendGcode("mk3", f"o{n}", ("G28",))))
            answer = await answer_of(channel)
            assert (answer.order_id, answer.result) == (f"o{MAX_UNANSWERED}", "refused")
            assert len(rig.driver().orders) == MAX_UNANSWERED

    virtually(story())


def test_a_snapshot_that_fails_is_replaced_by_the_last_one() -> None:
    async def story() -> None:
        async with Rig() as rig:
            rig.driver().printing("a1")

            def broken() -> PrinterObserved:
                raise RuntimeError

            rig.driver().snapshot = broken  # type: ignore[method-assign]
            current = rig.host.snapshot()[0].current
            assert current is not None
            assert current.key == "a1"

    virtually(story())


def test_a_warning_is_told_until_somebody_prints() -> None:
    async def story() -> None:
        async with Rig(warnings={"mk3": "the line record cannot be read"}) as rig:
            assert rig.host.snapshot()[0].message == "the line record cannot be read"
            rig.driver().show(message="Heating failed")
            assert rig.host.snapshot()[0].message == "Heating failed", "the printer's own words go first"
            rig.driver().show(message=None)
            channel = await attach(rig)
            channel.send(order_message(start()))
            await settle()
            assert rig.host.snapshot()[0].message is None
        async with Rig(warnings={"mk3": "unreadable"}) as rig:
            rig.driver().printing("local-1")
            rig.driver().show(current=None)
            assert rig.host.snapshot()[0].message is None

    virtually(story())


def test_the_heartbeat_repeats_everything() -> None:
    async def story() -> None:
        async with Rig() as rig:
            loop = asyncio.get_running_loop()
            channel = await attach(rig)
            await channel.receive()
            began = loop.time()
            rig.driver().now = PrinterObserved("mk3", LinkState.UP, silent_for=42.0)
            message = await channel.receive()
            assert isinstance(message, Snapshot)
            assert message.printers[0].silent_for == 42.0
            assert loop.time() - began <= HEARTBEAT_SECONDS
            await channel.receive()
            assert loop.time() - began <= 2 * HEARTBEAT_SECONDS

    virtually(story())


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


def test_draining_pauses_what_prints_and_starts_nothing_more() -> None:
    async def story() -> None:
        async with Rig("mk3", "x1", "ultra") as rig:
            rig.driver("mk3").printing("a1")
            rig.driver("x1").show(current=PrintReport("a2", PrintPhase.PAUSED, False))
            channel = await attach(rig)
            channel.send(Drain())
            await settle()
            (pause,) = rig.driver("mk3").orders
            assert isinstance(pause, PausePrint)
            assert pause.expect == "a1"
            assert rig.driver("x1").orders == rig.driver("ultra").orders == []
            channel.send(order_message(start("ultra", "o1")))
            channel.send(order_message(ResumePrint("x1", "o2", "a2")))
            channel.send(order_message(CancelPrint("x1", "o3", "a2")))
            channel.send(order_message(UploadFile("ultra", "o4", "/files/x.gcode", "ab" * 32, 10, "x.gcode")))
            channel.send(order_message(SendGcode("ultra", "o5", ("G28",))))
            answers = [await answer_of(channel) for _ in range(5)]
            assert [(a.order_id, a.result) for a in answers] == [
                ("o1", "refused"),
                ("o2", "refused"),
                ("o3", "accepted"),
                ("o4", "refused"),
                ("o5", "refused"),
            ], "and the host's own pause is answered to nobody"
            assert "drained" in (answers[0].message or "")

    virtually(story())


def test_stopping_says_bye_and_lets_drivers_end_their_line() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            channel = await attach(rig)
            await channel.receive()
            channel.send(order_message(PausePrint("mk3", "o1", "a1")))
            await settle()
            loop = asyncio.get_running_loop()
            began = loop.time()
            driver = rig.driver()

            async def parting(fate: Any = driver.fate) -> None:
                fate.add_done_callback(lambda _: driver.answer("o1"))

            await parting()
            rig.tasks[0].cancel()
            await asyncio.wait({rig.tasks[0]})
            assert driver.was_cancelled
            assert loop.time() - began < 0.1
            assert (await answer_of(channel)).order_id == "o1", "what was answered in parting still arrives"
            bye = await next_of(channel, Bye)
            assert not bye.final
            ours, theirs = memory_pair()
            rig.host.accept(theirs)
            with pytest.raises(ChannelClosed):
                await ours.receive()

    virtually(story())


def test_a_driver_that_will_not_stop_is_left_behind_within_two_seconds() -> None:
    class Stubborn(FakeDriver):
        async def run(self, sink: Any) -> None:
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if released.is_set():
                        raise

    async def story() -> None:
        loop = asyncio.get_running_loop()
        host = StreamerHost("h", "i", {"mk3": Stubborn}, chance=Random(0))
        running = asyncio.create_task(host.run(), name="host")
        await settle()
        began = loop.time()
        running.cancel()
        await asyncio.wait({running})
        assert loop.time() - began < 2.0
        released.set()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()

    released = asyncio.Event()
    virtually(story())
