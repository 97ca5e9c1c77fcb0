"""The demo's child processes: started, watched, and none of them left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds a child has to end by itself before it is killed; the demo itself has 5.
ENDS_WITHIN = 3.0
#: Lines of a child's log that are shown when it made the demo fail.
TAIL_LINES = 15
#: Of the outer world that would change what a child does.
_FOREIGN = ("PRINT_GATEWAY_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")


class DemoFailed(Exception):
    """The demo cannot show what it is for. `child` is whose log tells more."""

    def __init__(self, message: str, child: str | None = None) -> None:
        super().__init__(message)
        self.child = child


@dataclass(frozen=True, slots=True)
class Child:
    """One running process and its log."""

    name: str
    running: asyncio.subprocess.Process
    log: Path


class Children:
    """All processes of one demo; ends them in reverse order of their start, all at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[Child] = []

    async def start(self, name: str, module: str, *arguments: str) -> None:
        """Run `python -m module …` with its output in the folder's `name.log`."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            running = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=clean_environment(os.environ.items()),
                start_new_session=True,  # a Ctrl-C in the terminal is for the demo, which ends them in order
            )  # fmt: skip
        self.all.append(Child(name, running, log))

    async def first_death(self) -> DemoFailed:
        """Waits until any of them ends by itself, which none should."""
        waits = {asyncio.ensure_future(child.running.wait()): child for child in self.all}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        child = waits[done.pop()]
        return DemoFailed(f"the {child.name} ended (exit code {child.running.returncode})", child.name)

    def tail(self, name: str) -> Sequence[str]:
        """The last lines of a child's log."""
        for child in self.all:
            if child.name == name:
                return child.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return ()

    async def stop(self, within: float = ENDS_WITHIN) -> None:
        """SIGTERM to all, SIGKILL to who does not end; none is left when this returns. Idempotent."""
        for child in reversed(self.all):
            with contextlib.suppress(ProcessLookupError):
                child.running.terminate()
        waits = [asyncio.ensure_future(child.running.wait()) for child in self.all]
        if waits:
            await asyncio.wait(waits, timeout=within)
        for child in self.all:
            if child.running.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.running.kill()
        if waits:
            await asyncio.wait(waits)
        self.all.clear()


def clean_environment(outer: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The environment without what would configure the children."""
    return {name: value for name, value in outer if not name.startswith(_FOREIGN)} | {"PYTHONUNBUFFERED": "1"}
