"""How the demo waits: for what other processes do, while they live, until somebody stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from gateway.cli.demo_children import Children, DemoFailed

#: Seconds the whole demo may take: the ready file is promised within 110.
ALL_WITHIN = 105.0
#: Seconds until everything is up.
UP_WITHIN = 30.0
#: Seconds between two looks at what cannot be awaited.
LOOK_EVERY = 0.1

T = TypeVar("T")


async def until(
    late: str, child: str, look: Callable[[], Awaitable[T | None]], *, within: float = UP_WITHIN
) -> T:
    """What `look` finds at last; DemoFailed with what was late, and whose log tells more."""
    try:
        async with asyncio.timeout(within):
            while (found := await look()) is None:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(LOOK_EVERY)
            return found
    except TimeoutError:
        raise DemoFailed(f"{late} within {within:.0f} s", child) from None


async def unless_stopped(
    work: Awaitable[bool], stopped: asyncio.Event, *, within: float | None = ALL_WITHIN
) -> bool:
    """The work's answer; False when a signal came first, DemoFailed when the time was up."""
    task, signal_came = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({task, signal_came}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if not stopped.is_set():
            raise DemoFailed(f"the prints did not end within {within:.0f} s", "gateway")
        return False
    finally:
        for waiting in (task, signal_came):
            waiting.cancel()
        await asyncio.gather(task, signal_came, return_exceptions=True)


async def while_all_live(children: Children, work: Coroutine[Any, Any, T]) -> T:
    """The work's answer; DemoFailed when a child ended before it."""
    task, death = asyncio.ensure_future(work), asyncio.ensure_future(children.first_death())
    try:
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        if death.done() and not (task.done() and not task.exception()):
            raise death.result()
        return task.result()
    finally:
        for waiting in (task, death):
            waiting.cancel()
        await asyncio.gather(task, death, return_exceptions=True)
