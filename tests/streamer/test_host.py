"""The host: what gateways hear of printers, orders and answers, and how it ends."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.domain.observations import (
    Activity,
    LinkState,
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
from gateway.streamer.channel import ChannelClosed, memory_pair
from gateway.streamer.host import HEARTBEAT_SECONDS, MAX_PRINTERS, StreamerHost
from gateway.streamer.messages import Bye, Drain, Snapshot, order_message
from tests.streamer.fakes import FakeDriver, Rig, settle, start, virtually
from tests.streamer.raw_gateway import answer_of, attach, next_of


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
