"""Running as a service: signals, named tasks whose death is noticed, and systemd's notify protocol.

The notify protocol is a datagram of `KEY=value` lines to the socket that `$NOTIFY_SOCKET` names
(sd_notify(3)), with descriptors that it is to keep for the next process; that one finds them from 3
on (sd_listen_fds(3)). The watchdog wants one within `$WATCHDOG_USEC` microseconds (sd_watchdog_enabled(3)).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn

from gateway.transport.own_task import in_own_task

log = logging.getLogger(__name__)

#: The watchdog is fed this many times within its period: one late feed must not kill a healthy service.
FEEDS_PER_PERIOD = 3
#: Seconds that a busy supervisor is waited for: its queue is short, and 64 ports may open at once.
NOTIFY_SECONDS = 0.2
#: Seconds after which something that died had gone well.
GOOD_SECONDS = 300.0
#: Number of the first descriptor that a supervisor hands over (SD_LISTEN_FDS_START).
FIRST_INHERITED = 3


class Notifier:
    """Tells systemd how the service is; silent when it does not run under systemd."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_period = int(usec) / 1_000_000 if usec.isdigit() else None  # seconds

    @property
    def is_heard(self) -> bool:
        """Whether a supervisor wants to be told anything."""
        return bool(self._address)

    def tell(self, **words: str) -> None:
        """Send e.g. `READY="1"`, `STATUS="..."`. A supervisor that does not listen is no error."""
        self.hand_over(words, ())

    def hand_over(self, words: Mapping[str, str], fds: tuple[int, ...]) -> None:
        """The same, with descriptors for the supervisor's store (FDSTORE=1). Waits NOTIFY_SECONDS at most."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(f"{key}={value}" for key, value in words.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(NOTIFY_SECONDS)
                sender.connect(address)
                socket.send_fds(sender, [message.encode()], fds)
        except OSError as failure:
            log.warning("systemd could not be notified: %s", failure)


def inherited_fds(
    environment: Mapping[str, str] = os.environ, pid: int | None = None
) -> dict[str, list[int]]:
    """Descriptors that the supervisor kept for this process, by name (sd_listen_fds(3)). For the caller."""
    count = environment.get("LISTEN_FDS", "")
    if not count.isdigit() or environment.get("LISTEN_PID") != str(os.getpid() if pid is None else pid):
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[int]] = {}
    for number in range(int(count)):
        fd = FIRST_INHERITED + number
        os.set_inheritable(fd, False)
        found.setdefault(names[number] if number < len(names) else "unknown", []).append(fd)
    return found


class Service:
    """The tasks of one process. The first that dies ends the process; a signal ends it in good order."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._tasks: list[asyncio.Task[Any]] = []
        self._last: list[asyncio.Task[Any]] = []
        self._ended = asyncio.Event()
        self.failure: BaseException | None = None

    def spawn(self, work: Coroutine[Any, Any, Any], name: str, *, is_last: bool = False) -> asyncio.Task[Any]:
        """Run `work` for as long as the service lives; its death is the service's.

        `is_last`: others need it for their goodbyes, so that it is cancelled when they have ended.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._died)
        (self._last if is_last else self._tasks).append(task)
        return task

    def _died(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            self.failure = self.failure or task.exception()
            log.error("%s died", task.get_name(), exc_info=task.exception())
        self._ended.set()

    def heed_signals(self) -> None:
        """From here on SIGTERM and SIGINT are a wish to end in good order, and not a sudden death."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)

    def end(self) -> None:
        """Ask the service to end."""
        self._ended.set()

    async def until_ended(self, is_healthy: Callable[[], bool] = lambda: True) -> None:
        """Say READY, feed the watchdog while `is_healthy`, return at SIGTERM, SIGINT or a task's death."""
        self.heed_signals()
        self._notifier.tell(READY="1", STATUS="running")
        period = self._notifier.watchdog_period
        try:
            while not self._ended.is_set():
                try:
                    async with asyncio.timeout(period / FEEDS_PER_PERIOD if period else None):
                        await self._ended.wait()
                except TimeoutError:
                    if is_healthy():
                        self._notifier.tell(WATCHDOG="1")
        finally:
            self._notifier.tell(STOPPING="1")

    async def cancel(self) -> None:
        """Cancel what still runs and wait for it."""
        for tasks in (self._tasks, self._last):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def revived(
    name: str, work: Callable[[], Coroutine[Any, Any, None]], waits: Callable[[int], float]
) -> NoReturn:
    """Run `work` for ever; when it raises, or ends, it is begun anew `waits(deaths in a row)` seconds later.

    For what the service can do without for a while. A life of GOOD_SECONDS makes the next death a first one.
    """
    loop, deaths = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        try:
            await in_own_task(work())
            log.error("%s ended, which it never should", name)
        except Exception:
            log.exception("%s died", name)
        deaths = 1 if loop.time() - began >= GOOD_SECONDS else deaths + 1
        await asyncio.sleep(waits(deaths))


def run_process(work: Callable[[], Coroutine[Any, Any, int]], expected: tuple[type[Exception], ...]) -> int:
    """Run `work` to its end; returns its exit code. Failures that are `expected` are told in one line: 1."""
    try:
        return asyncio.run(work())
    except expected as failure:
        print(f"print-gateway: {failure}", file=sys.stderr)
    except OSError as failure:
        print(f"print-gateway: {failure.strerror or failure}: {failure.filename or ''}", file=sys.stderr)
    return 1


def log_to_stderr() -> None:
    """Plain lines for the journal, which adds the time itself; with the time elsewhere."""
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(level=logging.INFO, format=stamp + "%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
