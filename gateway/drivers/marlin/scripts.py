"""Small errands: macros, card orders, questions on an idle link; adjustments between the lines of a print."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.profile import Profile

#: Errands waiting at once; orders come from people and one engine.
SCRIPTS_MAX = 32
TOO_MANY = "Too many orders wait for the printer."


class Script:
    """Lines to send in order, and what to do when they have been answered (or never will be)."""

    def __init__(
        self,
        lines: tuple[str, ...],
        done: Callable[[], None] = lambda: None,
        lost: Callable[[str], None] | None = None,
        *,
        is_proven: bool = False,
        is_macro: bool = False,
        yields: bool = False,
    ) -> None:
        """`is_proven`: done when that is proven. `is_macro`: the printer counts as busy. `yields`: to a print
        that somebody starts at the printer.
        """
        self.lines = deque(lines)
        self.is_proven = is_proven
        self.done = done
        self.is_awaited = lost is not None  # somebody wants to know what becomes of it
        self.lost = lost or (lambda _: None)
        self.is_macro = is_macro
        self.yields = yields
        self.commands = frozenset(line.split(maxsplit=1)[0].upper() for line in lines if line.strip())
        self.objection: str | None = None  # what the firmware first said against one of its lines
        self.remark: str | None = None  # the first one of no consequence
        self.last_number = 0
        self.sent: dict[int, str] = {}  # lines of a macro by their number, for who asks what it is at

    def close(self, profile: Profile) -> None:
        """Put the proof behind the lines, if one is wanted; once, before the first of them is sent."""
        if self.is_proven:
            self.lines.extend(profile.proof)


class ScriptQueue:
    """Runs scripts one after another: the next one starts when the last line of this one is answered."""

    def __init__(self) -> None:
        self._waiting: deque[Script] = deque()
        self._running: list[Script] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be sent or answered."""
        return not self._waiting and not self._running

    @property
    def is_macro_running(self) -> bool:
        """Whether somebody's own G-code is under way."""
        return any(script.is_macro for script in (*self._running, *self._waiting))

    @property
    def is_awaited(self) -> bool:
        """Whether somebody's order is not answered yet."""
        return any(script.is_awaited for script in (*self._running, *self._waiting))

    def yield_to_print(self, reason: str) -> None:
        """Somebody prints from the card: the lines of a macro would come between those of the print."""
        dropped = [script for script in (*self._running, *self._waiting) if script.yields]
        for scripts in (self._running, self._waiting):
            kept = [script for script in scripts if not script.yields]
            scripts.clear()
            scripts.extend(kept)
        for script in dropped:
            script.lost(reason)

    def object(self, words: str, command: str | None = None) -> None:
        """The firmware did not do a line (this command) of the macro that is under way."""
        for script in self._running:
            is_meant = command is None or command.upper() in script.commands
            if script.is_macro and is_meant and script.objection is None:
                script.objection = words

    def remark(self, words: str, command: str) -> None:
        """The same of a line that only tells people something: the macro is done without it."""
        for script in self._running:
            if script.is_macro and command.upper() in script.commands and script.remark is None:
                script.remark = words

    def add(self, script: Script) -> bool:
        """Queue a script. False: too many wait already."""
        if len(self._waiting) >= SCRIPTS_MAX:
            return False
        self._waiting.append(script)
        return True

    def overtake(self, link: Link, script: Script) -> None:
        """Send lines although the running script is not answered: it waits for a person at the machine."""
        while script.lines:
            script.last_number = link.submit(script.lines.popleft())
        self._running.append(script)

    def feed(self, link: Link, now: float) -> None:
        """Hand over what there is room for, and see what has been answered."""
        self._settle(link, now)
        while link.wants_line:
            if not self._running:
                if not self._waiting:
                    return
                self._waiting[0].close(link.profile)
                self._running.append(self._waiting.popleft())
            script = self._running[-1]
            if not script.lines:
                return
            line = script.lines.popleft()
            script.last_number = link.submit(line)
            if script.is_macro:
                script.sent[script.last_number] = line

    def line_under_way(self, link: Link) -> str | None:
        """The line of a macro at which the firmware is: the first one that it has not answered."""
        lines = (script.sent.get(link.acked + 1) for script in self._running)
        return next((line for line in lines if line is not None), None)

    def _settle(self, link: Link, now: float) -> None:
        running = self._running
        while running and not running[0].lines and running[0].last_number <= link.acked:
            if running[0].is_proven and len(running) == 1 and not link.is_done(running[0].last_number):
                if link.wants_proof(now):  # counted, not proven: ask once more
                    running[0].lines.append(link.profile.proof[-1])
                return
            running.pop(0).done()

    def clear(self, reason: str) -> None:
        """The connection is over."""
        lost = (*self._running, *self._waiting)
        self._running.clear()
        self._waiting.clear()
        for script in lost:
            script.lost(reason)
