"""Awaiting what may have a TaskGroup within, so that being cancelled is never lost.

Before Python 3.13 a TaskGroup that is cancelled while one of its tasks fails raises the failure alone. Who
catches failures and begins anew would live on, and whoever cancelled it would wait for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

log = logging.getLogger(__name__)


async def in_own_task(work: Awaitable[None]) -> None:
    """Await `work` in a task of its own; raises what it raises. Cancelling ends it, and waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.info("it died as it was cancelled: %r", failure)  # nobody else will ask
        raise
    task.result()
