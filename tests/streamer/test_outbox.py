"""The outbox: what a gateway hears, how often, and how much can pile up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.streamer.messages import Answered, Observed, Progressed, Snapshot
from gateway.streamer.outbox import MAX_ANSWERS, Outbox, OutboxFull, is_news
from tests.streamer.fakes import settle, virtually

PRINTING = PrinterObserved(
    "mk3",
    LinkState.UP,
    activity=Activity.PRINTING,
    current=PrintReport("a1", PrintPhase.PRINTING, False, position=0, line=0, progress=0.0),
    temperatures={"T": 200.0},
)


def progressed(position: int) -> PrinterObserved:
    assert PRINTING.current is not None
    report = replace(PRINTING.current, position=position, line=position, progress=position / 1e6)
    return replace(PRINTING, current=report, temperatures={"T": 200.0 + position % 3}, silent_for=0.1)


def answer(number: int) -> OrderAnswered:
    return OrderAnswered("mk3", f"o{number}", OrderResult.ACCEPTED)


def new_outbox(*printers: PrinterObserved) -> Outbox:
    return Outbox(lambda: printers, asyncio.get_running_loop().time)


def test_the_first_thing_is_everything() -> None:
    async def story() -> None:
        outbox = new_outbox(PRINTING)
        outbox.put_answer(answer(1))
        assert await outbox.next() == Snapshot(printers=(PRINTING,))
        assert await outbox.next() == Answered(answer=answer(1))

    virtually(story())


def test_progress_goes_out_twice_a_second_and_is_the_latest() -> None:
    async def story() -> list[tuple[float, int | None]]:
        loop = asyncio.get_running_loop()
        outbox = new_outbox(PRINTING)
        await outbox.next()
        sent: list[tuple[float, int | None]] = []

        async def sender() -> None:
            while True:
                message = await outbox.next()
                assert isinstance(message, Observed)
                assert message.printer.current is not None
                sent.append((loop.time(), message.printer.current.position))

        task = asyncio.create_task(sender(), name="sender")
        for line in range(1, 3001):  # 600 lines/s for 5 s
            outbox.put(progressed(line))
            await asyncio.sleep(1 / 600)
        await asyncio.sleep(1)
        task.cancel()
        return sent

    sent = virtually(story())
    assert 9 <= len(sent) <= 11
    assert sent[-1][1] == 3000, "the last word is always said"
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(sent)]
    assert min(gaps) >= 0.499


def test_news_does_not_wait() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        outbox = new_outbox(PRINTING)
        await outbox.next()
        outbox.put(progressed(5))
        waiting = asyncio.create_task(outbox.next(), name="next")
        await settle()
        assert not waiting.done(), "progress alone waits"
        paused = replace(PRINTING, activity=Activity.PAUSED)
        before = loop.time()
        outbox.put(paused)
        assert await waiting == Observed(printer=paused)
        assert loop.time() == before

    virtually(story())


def test_a_slow_gateway_finds_one_snapshot_a_printer_and_every_answer() -> None:
    async def story() -> None:
        outbox = new_outbox()
        await outbox.next()
        for n in range(500):
            for name in ("mk3", "x1"):
                outbox.put(replace(progressed(n), printer=name))
            if n % 10 == 0:
                outbox.put_answer(answer(n))
        heard: list[Any] = []
        for _ in range(52):
            heard.append(await outbox.next())
        assert [m.answer.order_id for m in heard[:50]] == [f"o{n}" for n in range(0, 500, 10)]
        assert [(m.printer.printer, m.printer.current.position) for m in heard[50:]] == [
            ("mk3", 499),
            ("x1", 499),
        ]
        rest = asyncio.create_task(outbox.next(), name="next")
        await asyncio.sleep(10)
        assert not rest.done()
        rest.cancel()

    virtually(story())


def test_of_an_orders_progress_only_the_newest_waits_and_it_goes_before_the_answer() -> None:
    async def story() -> None:
        outbox = new_outbox()
        await outbox.next()
        outbox.put_progress(OrderProgressed("mk3", "o1", 0.1, {"sent": 10}))
        outbox.put_progress(OrderProgressed("mk3", "o2", 0.5, {"sent": 5}))
        outbox.put_answer(answer(1))
        outbox.put_progress(OrderProgressed("mk3", "o1", 0.2, {"sent": 20}))
        assert [await outbox.next() for _ in range(3)] == [
            Progressed(progress=OrderProgressed("mk3", "o1", 0.2, {"sent": 20})),
            Progressed(progress=OrderProgressed("mk3", "o2", 0.5, {"sent": 5})),
            Answered(answer=answer(1)),
        ]

    virtually(story())


def test_a_full_snapshot_makes_older_ones_superfluous() -> None:
    async def story() -> None:
        outbox = new_outbox(PRINTING)
        await outbox.next()
        outbox.put(replace(PRINTING, activity=Activity.PAUSED))
        outbox.put_everything()
        outbox.put_everything()
        assert isinstance(await outbox.next(), Snapshot)
        rest = asyncio.create_task(outbox.next(), name="next")
        await asyncio.sleep(10)
        assert not rest.done()
        rest.cancel()

    virtually(story())


def test_too_many_answers_are_said_to_be_too_many() -> None:
    async def story() -> None:
        outbox = new_outbox()
        for n in range(MAX_ANSWERS):
            outbox.put_answer(answer(n))
        with pytest.raises(OutboxFull):
            outbox.put_answer(answer(MAX_ANSWERS))
        assert [one.order_id for one in outbox.take_answers()] == [f"o{n}" for n in range(MAX_ANSWERS)]
        assert outbox.take_answers() == []

    virtually(story())


REPORT = PRINTING.current
assert REPORT is not None


@pytest.mark.parametrize(
    "changed",
    [
        replace(PRINTING, link=LinkState.DOWN),
        replace(PRINTING, link_reason="unplugged"),
        replace(PRINTING, activity=None),
        replace(PRINTING, message="Heating failed"),
        replace(PRINTING, firmware="Marlin 2.1"),
        replace(PRINTING, current=None),
        replace(PRINTING, ended=(REPORT,)),
        replace(PRINTING, temperatures={"T": 200.0, "B": 60.0}),
        replace(PRINTING, current=replace(REPORT, key="a2")),
        replace(PRINTING, current=replace(REPORT, phase=PrintPhase.PAUSED)),
        replace(PRINTING, current=replace(REPORT, reason="job-canceled-at-device")),
        replace(PRINTING, current=replace(REPORT, message="?")),
        replace(PRINTING, current=replace(REPORT, progress=None)),
    ],
)
def test_what_is_news(changed: PrinterObserved) -> None:
    assert is_news(PRINTING, changed)
    assert is_news(changed, PRINTING)


def test_what_is_none() -> None:
    assert not is_news(PRINTING, progressed(99))
    assert not is_news(PRINTING, PRINTING)
