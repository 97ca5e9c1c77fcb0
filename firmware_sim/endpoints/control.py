"""The hand on the machine: a Unix socket for demos and end-to-end tests to act as a person or as bad luck.

One text command a line, one JSON object a line back: `{"ok": true, …}` or `{"ok": false, "error": "…"}`.

    panel start NAME | panel pause | panel resume | panel cancel | panel click
    panel filament-out | panel door open|closed | panel action WORDS
    reset | kill | status
    fault lose-ok [COUNT] | fault corrupt-line [COUNT] | fault silent SECONDS
    fault heater E0|bed dead|slow|open|short|runaway|drift|slow
    fault NAME [to-board|to-host] [KEY=VALUE ...]     any fault of the catalogue, keys as in a plan file
    unplug [SECONDS] | replug
"""

from __future__ import annotations

import math
from pathlib import Path

from firmware_sim.endpoints.line_socket import ControlRefused, LineSocket
from firmware_sim.endpoints.pump import Pump
from firmware_sim.endpoints.words import BadOrder, row_of
from firmware_sim.faults.acts import Cable
from firmware_sim.faults.plan_file import BadPlan, parse_plan
from firmware_sim.machine.board import Board

__all__ = ["BadOrder", "ControlRefused", "ControlSocket", "board_status", "obey"]


def board_status(board: Board, now: float) -> dict[str, object]:
    """What `status` answers: temperatures in °C, position in mm, card, last line number, executed count."""
    card = board.card
    state = "printing" if card.printing else "paused" if card.paused else "idle"
    return {
        "t": round(now, 3),
        "personality": board.personality.name,
        "hotend": {"actual": round(board.hotend.celsius(now), 2), "target": board.hotend.target},
        "bed": {"actual": round(board.bed.celsius(now), 2), "target": board.bed.target},
        "position": dict(zip("xyze", (round(value, 3) for value in board.axes.logical()), strict=True)),
        "sd": {
            "state": state,
            "file": card.opened.short if card.opened else None,
            "byte": card.position,
            "size": len(card.opened.content) if card.opened else 0,
        },
        "last_line_number": board.last_line_number,
        "executed": board.ledger.count("executed"),
        "idle": board.is_idle,
        "halted": board.is_halted,
    }


def obey(board: Board, text: str, now: float) -> dict[str, object]:
    """Carry out one control line. Raises BadOrder, or what the board raises (no such file)."""
    match text.split():
        case ["panel", "start", *name] if name:
            board.panel.start(" ".join(name), now)
        case ["panel", "pause"]:
            board.panel.pause(now)
        case ["panel", "resume"]:
            board.panel.resume(now)
        case ["panel", "cancel"]:
            board.panel.cancel(now)
        case ["panel", "click"]:
            board.panel.click(now)
        case ["panel", "filament-out"]:
            board.panel.filament_out(now)
        case ["panel", "door", "open"]:
            board.panel.open_door(now)
        case ["panel", "door", "closed"]:
            board.panel.close_door(now)
        case ["panel", "action", *words] if words:
            board.panel.announce(" ".join(words), now)
        case ["reset"]:
            board.reset(now)
        case ["kill"]:
            board.kill_button(now)
        case ["status"]:
            board.stay_current(now)
            return board_status(board, now)
        case ["unplug", *seconds] if len(seconds) < 2:
            _cable(board).unplug(_seconds(seconds[0]) if seconds else math.inf, elsewhere=False)
        case ["replug"]:
            _cable(board).plug()
        case ["fault", *fault]:
            _fault(board, fault, now)
        case _:
            raise BadOrder(f"not understood: {text!r}")
    return {}


def _fault(board: Board, words: list[str], now: float) -> None:
    match words:
        case ["lose-ok", *count]:
            board.fault_lose_ok(_count(count))
        case ["corrupt-line", *count]:
            board.fault_corrupt_line(_count(count))
        case ["silent", seconds]:
            board.fault_silent(_seconds(seconds), now)
        case ["heater", heater, kind]:
            board.fault_heater(heater, kind, now)
        case [name, *rest] if name not in ("silent", "heater"):
            _by_name(board, name, rest, now)
        case _:
            raise BadOrder(f"no such fault: {' '.join(words)!r}")


def _by_name(board: Board, name: str, words: list[str], now: float) -> None:
    """`ok-lost line=200`, `byte-lost to-host`: one row of a plan file in one line."""
    board.stay_current(now)
    if words and "=" not in words[0]:
        name = f"{name} {words.pop(0)}"
    row = row_of(name, words)
    try:
        board.faults.load(parse_plan({"fault": [row]}))
    except BadPlan as error:
        raise BadOrder(f"no such fault: {name!r}: {error}") from error


def _cable(board: Board) -> Cable:
    cable = board.faults.cable
    if cable is None:
        raise BadOrder("there is no cable to pull here")
    return cable


def _count(words: list[str]) -> int:
    match words:
        case []:
            return 1
        case [text] if text.isdecimal() and len(text) < 10 and int(text) > 0:
            return int(text)
    raise BadOrder(f"not a count from 1 up: {' '.join(words)!r}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0.0:
        raise BadOrder(f"not a number of seconds: {text!r}")
    return value


class ControlSocket(LineSocket):
    """Serves `obey` on a Unix socket."""

    def __init__(self, pump: Pump, path: Path) -> None:
        super().__init__(self._obey, path)
        self._pump = pump

    def _obey(self, text: str) -> dict[str, object]:
        answer = obey(self._pump.board, text, self._pump.now())
        self._pump.turn()
        return answer
