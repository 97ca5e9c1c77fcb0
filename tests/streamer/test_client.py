"""The client: attached or not, every order is answered exactly once and none is sent twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Acknowledge, CancelPrint, EmergencyStop, SendGcode, UploadFile
from gateway.streamer.channel import HIGH_WATER_MESSAGES, Channel, MemoryChannel, memory_pair
from gateway.streamer.client import NOT_RUNNING, SILENCE_SECONDS, StreamerClient
from gateway.streamer.messages import (
    PROTOCOL_VERSION,
    Answered,
    Bye,
    Drain,
    Hello,
    Message,
    Snapshot,
    Start,
)
from tests.streamer.fakes import EVEN, Engine, Rig, settle, start, virtually

ACCEPTED = OrderResult.ACCEPTED


def test_attaching_says_who_is_there() -> None:
    async def story() -> None:
        async with Rig("mk3", "x1") as rig:
            client, engine = await rig.gateway()
            (attached,) = engine.heard
            assert isinstance(attached, DriverAttached)
            assert (attached.host, attached.instance) == ("printhost", "i1")
            assert [p.printer for p in attached.printers] == ["mk3", "x1"]
            assert client.is_attached

    virtually(story())


def test_what_changes_is_passed_on() -> None:
    async def story() -> None:
        async with Rig() as rig:
            _, engine = await rig.gateway()
            rig.driver().printing("a1", progress=0.5)
            await settle()
            assert engine.printers[-1].current == PrintReport("a1", PrintPhase.PRINTING, False, progress=0.5)

    virtually(story())


def test_orders_and_answers() -> None:
    async def story() -> None:
        async with Rig() as rig:
            client, engine = await rig.gateway()
            client.submit(start())
            client.submit(Acknowledge("mk3", "o2", "a0"))
            await settle()
            assert engine.answers == [OrderAnswered("mk3", "o1", OrderResult.ACCEPTED)]
            assert rig.driver().orders == [start(), Acknowledge("mk3", "o2", "a0")]

    virtually(story())


def test_word_of_an_orders_progress_comes_up_until_its_answer() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            client, engine = await rig.gateway()
            client.submit(UploadFile("mk3", "o1", "/files/x.gcode", "ab" * 32, 10, "x.gcode"))
            await settle()
            driver = rig.driver()
            half = OrderProgressed("mk3", "o1", 0.5, {"sent": 5, "size": 10, "name_on_printer": "X.GCO"})
            driver.sink(half)
            driver.sink(OrderProgressed("mk3", "unheard-of", 0.5, {}))
            await settle()
            assert engine.of(OrderProgressed) == [half]
            driver.sink(replace(half, progress=1.0))
            driver.answer("o1")
            driver.sink(half)
            await settle()
            assert engine.heard[-2:] == [replace(half, progress=1.0), OrderAnswered("mk3", "o1", ACCEPTED)]

    virtually(story())


def test_before_the_streamer_runs_orders_are_refused_with_advice() -> None:
    async def story() -> None:
        rig = Rig()
        client, engine = await rig.gateway()
        assert engine.heard == [DriverDetached("streamer", NOT_RUNNING)]
        client.submit(start())
        client.submit(Acknowledge("mk3", "o2", "a0"))
        assert engine.answers == [], "not from within submit"
        await settle()
        assert engine.answers == [OrderAnswered("mk3", "o1", OrderResult.REFUSED, NOT_RUNNING)]
        await asyncio.sleep(60)
        assert len(engine.detached) == 1, "said once, however many times it is tried"
        async with rig:
            await asyncio.sleep(10)
            assert client.is_attached
            assert len(rig.driver().orders) == 0, "refused orders are not kept for later"

    virtually(story())


def test_tries_are_spaced_out() -> None:
    async def story() -> list[float]:
        tries: list[float] = []

        async def connect() -> Channel:
            tries.append(asyncio.get_running_loop().time())
            raise ConnectionRefusedError

        client = StreamerClient(connect, Engine(), instance="g", chance=Random(0), backoff=EVEN)
        task = asyncio.create_task(client.run(), name="client")
        await asyncio.sleep(40)
        task.cancel()
        return [later - earlier for earlier, later in pairwise(tries)]

    assert virtually(story()) == pytest.approx([1, 2, 4, 8, 8, 8, 8])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(), "systemctl start print-gateway-streamer"),
        (ConnectionRefusedError(), "systemctl start print-gateway-streamer"),
        (PermissionError(), "group of the socket file"),
        (OSError(24, "Too many open files"), "Too many open files"),
    ],
)
def test_why_there_is_no_connection(error: OSError, words: str) -> None:
    async def story() -> None:
        async def connect() -> Channel:
            raise error

        engine = Engine()
        client = StreamerClient(connect, engine, instance="g", chance=Random(0), label="printhost")
        task = asyncio.create_task(client.run(), name="client")
        await settle()
        task.cancel()
        assert engine.detached[0].host == "printhost"
        assert words in engine.detached[0].reason

    virtually(story())


def test_a_killed_connection_makes_written_orders_unclear_and_is_made_anew() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            client, engine = await rig.gateway()
            client.submit(start("mk3", "o1"))
            client.submit(CancelPrint("mk3", "o2", "a1"))
            client.submit(Acknowledge("mk3", "o3", "a0"))
            await settle()
            rig.channels[0].cut()
            await settle()
            assert [(a.order_id, a.result) for a in engine.answers] == [("o1", "unclear"), ("o2", "unclear")]
            assert "look at the printer" in engine.answers[0].message
            assert isinstance(engine.heard[-1], DriverDetached)
            assert not client.is_attached
            client.submit(start("mk3", "o4"))
            await settle()
            assert engine.answers[-1].result is OrderResult.REFUSED
            await asyncio.sleep(1.1)
            assert len(engine.attached) == 2
            assert client.is_attached
            rig.driver().answer("o1")
            await settle()
            assert len(engine.answers) == 3, "an answer that comes after all is not a second one"
            assert len(rig.driver().orders) == 3, "nothing was sent again"

    virtually(story())


def test_an_order_that_died_in_the_pipe_is_unclear_and_never_repeated() -> None:
    async def story() -> None:
        async with Rig() as rig:
            client, engine = await rig.gateway()
            client.submit(start())
            rig.channels[0].cut()  # before the host could read it
            await asyncio.sleep(10)
            assert [(a.order_id, a.result) for a in engine.answers] == [("o1", "unclear")]
            assert rig.driver().orders == []
            assert client.is_attached

    virtually(story())


def test_a_streamer_that_stops_says_so() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            client, engine = await rig.gateway()
            client.submit(start())
            await settle()
            rig.tasks[0].cancel()
            await asyncio.sleep(30)
            assert engine.answers[0].result is OrderResult.UNCLEAR
            assert engine.detached[0].reason.startswith("the streamer stops")
            assert engine.detached[1].reason == NOT_RUNNING
            assert len(engine.detached) == 2

    virtually(story())


def test_a_successor_streamer_is_recognised_as_another() -> None:
    async def story() -> None:
        rig = Rig(instance="i1")
        async with rig:
            engine = Engine()
            hosts = [rig]

            async def connect() -> Channel:
                return await hosts[-1].connect()()

            client = StreamerClient(connect, engine, instance="g", chance=Random(0), backoff=EVEN)
            task = asyncio.create_task(client.run(), name="client")
            await settle()
            async with Rig(instance="i2") as successor:
                hosts.append(successor)
                rig.tasks[0].cancel()
                await asyncio.sleep(5)
                assert [a.instance for a in engine.attached] == ["i1", "i2"]
                task.cancel()
                await asyncio.wait({task})

    virtually(story())


def test_a_gateway_that_was_replaced_stays_away() -> None:
    async def story() -> None:
        async with Rig() as rig:
            old, old_engine, _ = await rig.gateway_task("g1")
            new, new_engine, _ = await rig.gateway_task("g2")
            await asyncio.sleep(600)
            assert new.is_attached
            assert len(new_engine.attached) == 1, "no duel"
            assert not old.is_attached
            assert len(old_engine.attached) == 1
            assert "another gateway has taken over" in old_engine.detached[-1].reason
            old.submit(start())
            await settle()
            assert old_engine.answers[-1].result is OrderResult.REFUSED
            assert "another gateway" in old_engine.answers[-1].message
            assert rig.driver().orders == []

    virtually(story())


def test_stopping_the_gateway_leaves_no_order_without_an_answer() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            client, engine, task = await rig.gateway_task()
            client.submit(start())
            await settle()
            task.cancel()
            await asyncio.wait({task})
            assert [a.result for a in engine.answers] == [OrderResult.UNCLEAR]
            assert engine.detached[-1].reason == "this gateway stops"
            client.submit(start("mk3", "o2"))
            await settle()
            assert engine.answers[-1].result is OrderResult.REFUSED
            assert rig.driver().orders == [start()]

    virtually(story())


def test_the_same_order_twice_is_sent_once_and_answered_once() -> None:
    async def story() -> None:
        async with Rig(mute=True) as rig:
            client, engine = await rig.gateway()
            client.submit(start())
            client.submit(start())
            await settle()
            rig.driver().answer("o1")
            await settle()
            assert len(engine.answers) == 1
            assert len(rig.driver().orders) == 1

    virtually(story())


def test_an_order_too_long_to_write_is_refused_and_the_connection_lives() -> None:
    async def story() -> None:
        async with Rig() as rig:
            client, engine = await rig.gateway()
            client.submit(SendGcode("mk3", "o1", ("G1 X10 Y10",) * 400_000))
            client.submit(start("mk3", "o2"))
            await settle()
            assert {a.order_id: a.result for a in engine.answers} == {"o1": "refused", "o2": "accepted"}

    virtually(story())


def test_draining() -> None:
    async def story() -> None:
        async with Rig() as rig:
            client, _ = await rig.gateway()
            rig.driver().printing("a1")
            assert client.drain()
            await settle()
            assert [type(order).__name__ for order in rig.driver().orders] == ["PausePrint"]
            rig.channels[0].cut()
            await settle()
            assert not client.drain()

    virtually(story())


# A streamer played by hand, for what the real one never does.


class Stage:
    """The streamer's ends of the connections a client makes."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[MemoryChannel] = asyncio.Queue()
        self.engine = Engine()
        self.client = StreamerClient(self.connect, self.engine, instance="g", chance=Random(0), backoff=EVEN)

    async def connect(self) -> Channel:
        ours, theirs = memory_pair()
        self.ends.put_nowait(theirs)
        return ours

    async def __aenter__(self) -> Stage:
        self.task = asyncio.create_task(self.client.run(), name="client")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def welcome(self) -> MemoryChannel:
        end = await self.ends.get()
        end.send(Hello(version=PROTOCOL_VERSION, instance="i", host="printhost"))
        assert await end.receive() == Hello(version=PROTOCOL_VERSION, instance="g")
        end.send(Snapshot(printers=(PrinterObserved("mk3", LinkState.UP),)))
        await settle()
        return end


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            [Hello(version=PROTOCOL_VERSION + 1, instance="i")],
            f"speaks version {PROTOCOL_VERSION + 1} of the driver protocol",
        ),
        ([Drain()], "said drain before hello"),
        ([Hello(version=PROTOCOL_VERSION, instance="i"), Drain()], "said drain before its snapshot"),
        (
            [Hello(version=PROTOCOL_VERSION, instance="i"), Bye(reason="upgrade the gateway")],
            "upgrade the gateway",
        ),
        ([], "the streamer hangs"),
    ],
)
def test_a_handshake_that_fails_is_told_and_tried_again(said: list[Message], words: str) -> None:
    async def story() -> None:
        async with Stage() as stage:
            end = await stage.ends.get()
            for message in said:
                end.send(message)
            await asyncio.sleep(0.5 if said else 5.5)
            assert [words in detached.reason for detached in stage.engine.detached] == [True]
            await stage.welcome()
            assert stage.client.is_attached

    virtually(story())


def test_a_streamer_that_falls_silent_counts_as_hung() -> None:
    async def story() -> None:
        async with Stage() as stage:
            await stage.welcome()
            stage.client.submit(start())
            await asyncio.sleep(SILENCE_SECONDS - 1)
            assert stage.engine.answers == []
            await asyncio.sleep(1.5)
            assert stage.engine.answers[0].result is OrderResult.UNCLEAR
            assert "hangs" in stage.engine.detached[0].reason

    virtually(story())


def test_a_streamer_that_does_not_read_takes_no_orders_but_the_emergency_stop() -> None:
    async def story() -> None:
        async with Stage() as stage:
            end = await stage.welcome()
            for n in range(HIGH_WATER_MESSAGES + 2):
                stage.client.submit(SendGcode("mk3", f"o{n}", ("G28",)))
            stage.client.submit(EmergencyStop("mk3", "stop"))
            await settle()
            (refused,) = stage.engine.answers
            assert refused.result is OrderResult.REFUSED
            assert refused.order_id == f"o{HIGH_WATER_MESSAGES + 1}"
            assert "does not take orders" in refused.message
            assert end._inbox[-1].type == "emergency_stop"

    virtually(story())


def test_answers_to_unknown_orders_are_dropped_and_odd_messages_ignored() -> None:
    async def story() -> None:
        async with Stage() as stage:
            end = await stage.welcome()
            end.send(Answered(answer=OrderAnswered("mk3", "from-another-life", OrderResult.ACCEPTED)))
            end.send(Drain())
            stage.client.submit(start())
            message = await end.receive()
            assert isinstance(message, Start)
            for _ in range(2):
                end.send(Answered(answer=OrderAnswered("mk3", "o1", OrderResult.ACCEPTED)))
            await settle()
            assert [a.order_id for a in stage.engine.answers] == ["o1"]

    virtually(story())


STEPS = st.lists(st.sampled_from(["submit", "cut", "die", "answer", "wait", "settle", "other"]), max_size=40)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_every_order_is_answered_once_and_done_at_most_once(steps: list[str]) -> None:
    async def story() -> None:
        submitted: list[str] = []
        done: Counter[str] = Counter()
        async with Rig(mute=True) as rig:
            client, engine, task = await rig.gateway_task()
            for number, step in enumerate(steps):
                match step:
                    case "submit":
                        submitted.append(f"o{number}")
                        client.submit(start("mk3", f"o{number}"))
                    case "cut":
                        rig.channels[-1].cut()
                    case "die":
                        driver = rig.driver()
                        if driver.fate is not None and not driver.fate.done():
                            driver.die(RuntimeError())
                    case "answer":
                        for order in rig.driver().orders[:3]:
                            rig.driver().answer(order.order_id)
                    case "wait":
                        await asyncio.sleep(1.5)
                    case "settle":
                        await settle(3)
                    case "other":
                        await rig.gateway(f"g{number}")
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait({task})
            await settle()
            for driver in rig.born["mk3"]:
                done.update(order.order_id for order in driver.orders)
        answered = Counter(answer.order_id for answer in engine.answers)
        assert answered == Counter(submitted)
        assert all(times == 1 for times in done.values())
        for answer in engine.answers:
            if answer.result is OrderResult.REFUSED:
                assert done[answer.order_id] == 0, "refused means provably not done"

    virtually(story())


def test_the_story_is_the_same_every_time() -> None:
    async def story() -> list[Any]:
        async with Rig("mk3", "x1") as rig:
            client, engine = await rig.gateway()
            for n in range(20):
                client.submit(start("mk3", f"o{n}"))
                rig.driver("x1").printing("a1", progress=n / 20)
                await asyncio.sleep(0.3)
                if n % 7 == 3:
                    rig.channels[-1].cut()
            return list(engine.heard)

    assert virtually(story()) == virtually(story())
