"""A person at the printer: the menu of the display.

What each press makes the firmware say follows Marlin 2.1: starting a file queues M23 (name in lower case) and
M24 with an `echo:enqueueing` line each, pausing and resuming inject M25 and M24, none of them answered by
`ok`; cancelling says `//action:cancel` in builds with host actions and is otherwise silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sim.machine.state import INFORMATION

if TYPE_CHECKING:
    from firmware_sim.machine.board import Board


class Panel:
    """The display and its knob. `now` is the instant of the press, in machine seconds."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def start(self, name: str, now: float) -> None:
        """Print a file from the card, by 8.3 or long name. Raises FileNotFoundError if it is not there."""
        board = self._board
        found = board.card.find(name, long_too=True)
        if found is None:
            raise FileNotFoundError(f"no file {name!r} on the card")
        if not self._press(f"start {found.short}", now):
            return
        for command in (f"M23 {found.short.lower()}", "M24"):
            board.say(f'echo:enqueueing "{command}"')
            board.inject(command, "panel")

    def pause(self, now: float) -> None:
        """Pause: a card print through M25; a host's print only through what the host makes of the action."""
        board = self._board
        if not self._press("pause", now):
            return
        if board.personality.has("sd"):
            for command in ("M25 P", "M24") if board.personality.has("park_on_pause") else ("M25",):
                board.inject(command, "panel")
        else:
            board.host_action("pause")

    def resume(self, now: float) -> None:
        """Resume a card print, or tell the host to resume its own."""
        board = self._board
        if not self._press("resume", now):
            return
        if board.personality.has("park_on_pause"):
            board.release(user=True)
        if board.card.paused and not board.personality.has("park_on_pause"):
            board.inject("M24", "panel")
        board.host_action("resume")
        board.start_job_clock()

    def cancel(self, now: float) -> None:
        """Stop the print: a card print ends at the running command; a host hears `//action:cancel`."""
        board = self._board
        if not self._press("cancel", now):
            return
        if board.personality.has("sd"):
            board.release(user=True)
            if board.card.printing or (board.card.paused and board.card.begun):
                board.card.abort_wanted = True
        board.host_action("cancel")

    def click(self, now: float) -> None:
        """Press the knob: M0 and parked pauses go on."""
        if self._press("click", now):
            self._board.release(user=True)

    def filament_out(self, now: float) -> None:
        """The runout sensor sees no filament: builds that park inject M600, the others only tell the host.

        Words and order as in Marlin's runout.cpp: a prompt, then `paused` or `pause` with the reason.
        """
        board = self._board
        if not self._press("filament out", now):
            return
        if not board.personality.has("runout_sensor"):
            return
        parks = board.personality.has("park_on_pause")
        board.prompt("FilamentRunout T0", about=INFORMATION)
        if not parks:
            board.host_action(board.words.runout)
        board.host_action(f"{'paused' if parks else 'pause'} filament_runout 0")
        if parks:
            board.inject("M600", "machine")

    def open_door(self, now: float) -> None:
        """Somebody opens the door: the host is asked to pause."""
        if self._press("door open", now):
            self._board.host_action("pause")

    def close_door(self, now: float) -> None:
        """Closing it says nothing: going on is for a person."""
        self._press("door closed", now)

    def announce(self, action: str, now: float) -> None:
        """A menu entry says a host action as it is: `disconnect`, `ready`, `not_ready`, `start`."""
        if self._press(f"action {action}", now):
            self._board.host_action(action)

    def _press(self, what: str, now: float) -> bool:
        """Whether anything is behind the display: a killed or booting board does not react."""
        self._board.stay_current(now)
        alive = self._board.is_running
        self._board.note("panel", source="panel", line=what, effect=None if alive else "no reaction")
        return alive
