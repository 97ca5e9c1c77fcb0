"""What the streamer still has to tell one gateway; bounded however slow that gateway reads.

A snapshot replaces the former one of the same printer, so at most one a printer waits. Word of an order's
progress replaces the former one of the same order, and goes before the order's answer. Answers are all kept;
a gateway that lets MAX_ANSWERS of them pile up is beyond help and loses its connection (it then reads where
things stand by attaching again).

Progress goes out at most PROGRESS_PER_SECOND times a second and printer, everything else at once: between two
processes, messages and not bytes are what costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.domain.observations import OrderAnswered, OrderProgressed, PrinterObserved, PrintReport
from gateway.streamer.messages import Answered, Message, Observed, Progressed, Snapshot

#: Messages a second and printer that tell nothing but progress and temperatures: what a person can follow.
PROGRESS_PER_SECOND = 2
#: Answers waiting for one gateway: 64 printers with a few orders each, several times over.
MAX_ANSWERS = 1024


class OutboxFull(Exception):
    """The gateway does not read; answers would be lost."""


class Outbox:
    """Filled by drivers, emptied by one sender task. `now` is the loop's time, seconds."""

    def __init__(
        self, everything: Callable[[], tuple[PrinterObserved, ...]], now: Callable[[], float]
    ) -> None:
        self._everything = everything
        self._now = now
        self._wants_everything = True  # the first thing a gateway hears
        self._answers: deque[OrderAnswered] = deque()
        self._progress: dict[str, OrderProgressed] = {}  # order -> the newest word of it
        self._changed: dict[str, PrinterObserved] = {}
        self._told: dict[str, tuple[float, PrinterObserved]] = {}  # when, what
        self._filled = asyncio.Event()
        self._filled.set()

    def put_everything(self) -> None:
        """A snapshot of all printers, taken when it is sent."""
        self._wants_everything = True
        self._filled.set()

    def put(self, printer: PrinterObserved) -> None:
        """One printer changed."""
        waiting = printer.printer in self._changed
        self._changed[printer.printer] = printer
        if not waiting or self._is_news(printer):
            self._filled.set()

    def put_answer(self, answer: OrderAnswered) -> None:
        """An answer. Raises OutboxFull."""
        if len(self._answers) >= MAX_ANSWERS:
            raise OutboxFull(f"{MAX_ANSWERS} answers are waiting")
        self._answers.append(answer)
        self._filled.set()

    def put_progress(self, progress: OrderProgressed) -> None:
        """How far an order has come; bounded by the orders that a host has unanswered."""
        self._progress[progress.order_id] = progress
        self._filled.set()

    def take_answers(self) -> list[OrderAnswered]:
        """The answers not yet sent, for a connection that is about to end."""
        answers = list(self._answers)
        self._answers.clear()
        return answers

    async def next(self) -> Message:
        """The next message that is due; waits for it."""
        while True:
            if self._wants_everything:
                return self._all()
            if self._progress:
                return Progressed(progress=self._progress.pop(next(iter(self._progress))))
            if self._answers:
                return Answered(answer=self._answers.popleft())
            now = self._now()
            due_at: float | None = None
            for name, printer in self._changed.items():
                due = self._due(printer)
                if due <= now:
                    del self._changed[name]
                    self._told[name] = (now, printer)
                    return Observed(printer=printer)
                due_at = due if due_at is None else min(due, due_at)
            self._filled.clear()
            await self._wait_until(due_at)

    def _all(self) -> Message:
        self._wants_everything = False
        self._changed.clear()  # older than what is taken now
        printers = self._everything()
        now = self._now()
        self._told = {printer.printer: (now, printer) for printer in printers}
        return Snapshot(printers=printers)

    async def _wait_until(self, due_at: float | None) -> None:
        if due_at is None:
            await self._filled.wait()
            return
        try:
            async with asyncio.timeout(due_at - self._now()):
                await self._filled.wait()
        except TimeoutError:
            pass

    def _is_news(self, printer: PrinterObserved) -> bool:
        told = self._told.get(printer.printer)
        return told is None or is_news(told[1], printer)

    def _due(self, printer: PrinterObserved) -> float:
        told = self._told.get(printer.printer)
        if told is None or is_news(told[1], printer):
            return 0.0
        return told[0] + 1 / PROGRESS_PER_SECOND


def is_news(old: PrinterObserved, new: PrinterObserved) -> bool:
    """Whether more than progress, temperatures, the position and the time of silence has changed."""
    return (
        (old.link, old.link_reason, old.activity, old.message, old.firmware)
        != (new.link, new.link_reason, new.activity, new.message, new.firmware)
        or _print_news(old.current) != _print_news(new.current)
        or old.ended != new.ended
        or old.temperatures.keys() != new.temperatures.keys()
    )


def _print_news(report: PrintReport | None) -> tuple[object, ...] | None:
    if report is None:
        return None
    return (
        report.key,
        report.phase,
        report.is_local,
        report.name,
        report.size,
        report.reason,
        report.message,
        report.progress is None,
    )
