"""Drivers that die, choke or cannot be made: what is told of them, and what of their orders and ends."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Acknowledge, CancelPrint, EmergencyStop, SendGcode
from gateway.streamer.host import MAX_PRINTERS, StreamerHost
from gateway.streamer.hosted import MAX_ENDED, MAX_UNANSWERED
from gateway.streamer.messages import Observed, Snapshot, order_message
from tests.streamer.fakes import EVEN, FakeDriver, Rig, settle, start, virtually
from tests.streamer.raw_gateway import answer_of, attach, next_of


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
