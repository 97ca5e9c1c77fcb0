"""Where faults meet a board: every byte and line that passes is shown to the injector of the board.

    host --bytes--> on_the_wire --> receive buffer --> commands --> spoken, refusal --> off_the_wire --> host

A board without armed faults pays a comparison a chunk and a line.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from firmware_sim.faults import acts
from firmware_sim.faults.catalogue import (
    KINDS,
    TO_BOARD,
    TO_HOST,
    Fault,
    Occasion,
)
from firmware_sim.faults.damage import LINE_ENDS, Damage
from firmware_sim.faults.plan import Plan, Trigger
from firmware_sim.faults.random_plan import gap
from firmware_sim.faults.tally import Armed, Tally
from firmware_sim.faults.undetectable import SentLines
from firmware_sim.machine import replies
from firmware_sim.machine.words import Command

if TYPE_CHECKING:
    from firmware_sim.machine.board import Board

_NUMBER = re.compile(rb" *N *(\d+)")
_PLANNED = frozenset({"G0", "G1", "G2", "G3"})
_BEGINS_STATE = {"M109": "heating", "M190": "heating", "G28": "homing"}
_ZERO_WAIT = -math.inf


class Injector:
    """The faults of one board. `load` a plan, or `arm` single faults; see `plan.Trigger` for when."""

    def __init__(self, board: Board, seed: int = 0) -> None:
        self._board = board
        self._dice = Random(f"{seed}/faults")
        self.cable: acts.Cable | None = None
        self.ignores_m110_until = _ZERO_WAIT
        self.checks_nothing_until = _ZERO_WAIT
        self.watches_planner = False
        self.watches_commands = False
        self.listens = False
        self._tallies = {
            (Occasion.BYTE, TO_BOARD): Tally(),
            (Occasion.BYTE, TO_HOST): Tally(),
            (Occasion.LINE, TO_BOARD): Tally(),
            (Occasion.OK, TO_HOST): Tally(),
            (Occasion.REFUSAL, TO_HOST): Tally(),
            (Occasion.BOOT, TO_HOST): Tally(),
        }
        self._bytes_to_board = self._tallies[Occasion.BYTE, TO_BOARD]
        self._bytes_to_host = self._tallies[Occasion.BYTE, TO_HOST]
        self._to_board = Damage(self._dice, self.log, to_board=True)
        self._to_host = Damage(self._dice, self.log, to_board=False)
        self._by_line: dict[int, list[tuple[Fault, int]]] = {}
        self._by_state: list[tuple[Trigger, Fault, int]] = []
        self._alert = False
        self._sent = SentLines()
        self._timed: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.due = math.inf
        """The next instant at which a fault wants to strike; infinity for none."""
        self._held: list[str] = []
        self._held_bytes = b""
        self._hold_until = _ZERO_WAIT
        self._holds_both = False
        self._moves_ended_at: float | None = None

    # -- arming ------------------------------------------------------------------------------------------

    def load(self, plan: Plan) -> None:
        """Arm a whole plan."""
        plan.load(self)

    def arm(self, fault: Fault, trigger: Trigger | None = None, count: int = 1) -> None:
        """Let `fault` strike `count` times from `trigger` on; without a trigger at its next occasion."""
        self._prepare(fault)
        trigger = trigger if trigger is not None else Trigger()
        if trigger.line is not None:
            self._by_line.setdefault(trigger.line, []).append((fault, count))
            self.watches_commands = True
            return
        if trigger.state is not None:
            self._by_state.append((trigger, fault, count))
            self.watches_commands = True
            return
        if trigger.at is not None:
            self.at(trigger.at, lambda: self._due_now(fault, count))
            return
        if trigger.byte is not None and KINDS[fault.name].occasion is not Occasion.BYTE:
            self._alert = True
            self._bytes_to_board.arm(Armed(fault, trigger.byte))
            return
        self._due_now(fault, count, at_count=trigger.byte)

    def arm_at_random(self, fault: Fault, rate: float, seed: str) -> None:
        """Let `fault` strike `rate` times an occasion on average, for ever, with dice of its own."""
        self._prepare(fault)
        dice = Random(seed)
        occasion = KINDS[fault.name].occasion
        if occasion is Occasion.INSTANT:
            self._again_and_again(fault, dice, rate)
            return
        tally = self._tally_of(fault)
        armed = Armed(fault, 0, gap=lambda: gap(dice, rate, occasion))
        armed.due = tally.count + int(gap(dice, rate, occasion))
        tally.arm(armed)

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Plan something at a machine instant."""
        heapq.heappush(self._timed, (when, next(self._order), do))
        self.due = self._timed[0][0]

    def _again_and_again(self, fault: Fault, dice: Random, rate: float) -> None:
        def strike() -> None:
            self._again_and_again(fault, dice, rate)
            acts.strike(fault, self._board, self)

        self.at(self._board.now + gap(dice, rate, Occasion.INSTANT), strike)

    def _due_now(self, fault: Fault, count: int, at_count: int | None = None) -> None:
        if KINDS[fault.name].occasion is Occasion.INSTANT:
            for _ in range(count):
                self.at(self._board.now, lambda: acts.strike(fault, self._board, self))
            return
        tally = self._tally_of(fault)
        tally.arm(Armed(fault, tally.count + 1 if at_count is None else at_count, count))

    def _prepare(self, fault: Fault) -> None:
        """From now on look where this fault may strike."""
        occasion = KINDS[fault.name].occasion
        if occasion in (Occasion.OK, Occasion.REFUSAL):
            self.listens = True
        if fault.name in ("baud-mismatch", "no-checksum-support", "suspend") or (
            occasion in (Occasion.BYTE, Occasion.LINE) and self._way(fault) == TO_BOARD
        ):
            self._alert = True
        if fault.name == "planner-starved":
            self.watches_commands = True

    @staticmethod
    def _way(fault: Fault) -> str:
        return fault.direction or KINDS[fault.name].directions[0]

    def _tally_of(self, fault: Fault) -> Tally:
        return self._tallies[KINDS[fault.name].occasion, self._way(fault)]

    # -- time --------------------------------------------------------------------------------------------

    def on_time(self) -> None:
        """Do what is due now."""
        while self._timed and self._timed[0][0] <= self._board.now:
            do = heapq.heappop(self._timed)[2]
            self.due = self._timed[0][0] if self._timed else math.inf
            do()

    # -- toward the board --------------------------------------------------------------------------------

    def on_the_wire(self, data: bytes, entered: int) -> bytes:
        """What reaches the board of what the host sent; `entered`: bytes that ever entered its buffer."""
        now = self._board.now
        if self._holds_both and now < self._hold_until:
            self._held_bytes += data
            return b""
        if not self._alert:
            self._bytes_to_board.count += len(data)
            self._sent.glance(data)
            return data
        struck = self._struck(data)
        if struck or self._to_board.is_under_way(now):
            arrived, places = self._to_board.carry(data, struck, now)
        else:
            arrived, places = data, []
        self._sent.note(data, places, entered)
        return arrived

    def has_entered(self, entered: int) -> None:
        """After the bytes went into the receive buffer, or did not."""
        if self._sent.has_harm:
            self._sent.settle(entered)

    def label(self, line: bytes, start: int, end: int) -> str:
        """Why no host could tell that this accepted line is not what was sent; empty for nearly all."""
        if not self._sent.has_harm:
            return ""
        return self._sent.judge(line, start, end, unchecked=self.checks_nothing)

    @property
    def checks_nothing(self) -> bool:
        """`no-checksum-support` is in force, or the firmware has no line numbers anyway."""
        return self._board.now < self.checks_nothing_until or self._board.firmware.checks_nothing

    @property
    def ignores_m110(self) -> bool:
        """`m110-ignored` is in force, or the firmware is built so."""
        return self._board.now < self.ignores_m110_until or self._board.firmware.ignores_m110

    def mismatch(self, baud: int, until: float) -> None:
        """Both directions run at the wrong rate until then."""
        self._to_board.mismatch(baud, until)
        self._to_host.mismatch(baud, until)

    def _struck(self, data: bytes) -> list[tuple[int, Fault]]:
        """Which bytes of a chunk are struck by what."""
        struck: list[tuple[int, Fault]] = []
        for at, fault in self._bytes_to_board.pass_by(len(data)):
            if KINDS[fault.name].occasion is Occasion.INSTANT:
                self._due_now(fault, 1)
            else:
                struck.append((at, fault))
        lines = self._tallies[Occasion.LINE, TO_BOARD]
        if lines.next < math.inf or self._by_line:
            struck += self._struck_lines(data, lines)
            struck.sort(key=lambda one: one[0])
        return struck

    def _struck_lines(self, data: bytes, tally: Tally) -> list[tuple[int, Fault]]:
        struck: list[tuple[int, Fault]] = []
        start, before = 0, self._sent.tail
        while start < len(data):
            end = next((at for at in range(start, len(data)) if data[at] in LINE_ENDS), len(data))
            whole = before + data[start:end]
            target = whole.find(b" ") + 1 - len(before)
            if target > 0 or (target == 0 and before):
                if start + target < end:
                    struck += [(start + target, fault) for _, fault in tally.pass_by()]
            if self._by_line and (found := _NUMBER.match(whole)):
                struck += self._struck_by_number(int(found[1]), start, end)
            start, before = end + 1, b""
        return struck

    def _struck_by_number(self, number: int, start: int, end: int) -> list[tuple[int, Fault]]:
        struck: list[tuple[int, Fault]] = []
        for fault in self._taken_by_line(number, (Occasion.BYTE, Occasion.LINE), TO_BOARD):
            struck.append((self._dice.randrange(start, max(end, start + 1)), fault))
        return struck

    def _taken_by_line(self, number: int, occasions: tuple[Occasion, ...], way: str) -> list[Fault]:
        """The faults that wait for this line and such an occasion; each loses one of its strikes."""
        waiting = self._by_line.get(number)
        if waiting is None:
            return []
        taken: list[Fault] = []
        left: list[tuple[Fault, int]] = []
        for fault, count in waiting:
            if KINDS[fault.name].occasion in occasions and self._way(fault) == way:
                taken.append(fault)
                count -= 1
            if count > 0:
                left.append((fault, count))
        if left:
            self._by_line[number] = left
        else:
            del self._by_line[number]
        return taken

    # -- toward the host ---------------------------------------------------------------------------------

    def spoken(self, line: str, number: int | None) -> list[str]:
        """What is said in place of `line`; `number` of the command it answers, if it has one."""
        lines = [line]
        if line.startswith(replies.OK):
            faults = [fault for _, fault in self._tallies[Occasion.OK, TO_HOST].pass_by()]
            if number is not None and self._by_line:
                faults += self._taken_by_line(number, (Occasion.OK,), TO_HOST)
            for fault in faults:
                lines = self._harm_ok(fault, lines)
        if self._board.now < self._hold_until:
            self._held += lines
            return []
        return lines

    def _harm_ok(self, fault: Fault, lines: list[str]) -> list[str]:
        if not lines:
            return lines
        *others, line = lines
        match fault.name:
            case "ok-lost":
                self.log(fault, line)
                return others
            case "ok-doubled":
                self.log(fault, line)
                return [*lines, line]
            case "ok-late":
                self.log(fault, f"{fault.seconds:g} s: {line}")
                self.hold(self._board.now + fault.seconds)
                return lines
            case "report-in-mid-answer":
                cut = self._dice.randrange(1, len(line) + 1)
                self.log(fault, f"{line} cut behind {line[:cut]}")
                return [*others, f"{line[:cut]} {self._board.temperatures()}", line[cut:]]
            case "ok-garbled":
                at = self._dice.randrange(min(2, len(line)))
                other = chr(ord(line[at]) ^ 1 << self._dice.randrange(7))
                harmed = line[:at] + other + line[at + 1 :]
                self.log(fault, f"{line} said as {harmed!r}")
                return [*others, harmed]
        raise ValueError(f"{fault.name} is no fault of an ok")

    def refusal(self, lines: list[str], wanted: int) -> list[str]:
        """The three lines of a refused line (Error, Resend, ok) and the number asked for."""
        faults = [fault for _, fault in self._tallies[Occasion.REFUSAL, TO_HOST].pass_by()]
        if self._by_line:
            faults += self._taken_by_line(wanted, (Occasion.REFUSAL,), TO_HOST)
        for fault in faults:
            match fault.name:
                case "resend-without-ok":
                    lines = lines[:-1]
                    self.log(fault, f"{wanted}")
                case "resend-repeated":
                    lines = lines + lines
                    self.log(fault, f"{wanted}")
                case "resend-long-gone":
                    gone = max(1, wanted - fault.size)
                    lines = [
                        self._board.words.resend.format(number=gone) if one.startswith("Resend") else one
                        for one in lines
                    ]
                    self.log(fault, f"{gone} in place of {wanted}")
        return lines

    def noise(self) -> bytes:
        """What comes out of the line in front of a banner."""
        noise = b""
        for _, fault in self._tallies[Occasion.BOOT, TO_HOST].pass_by():
            noise += self._dice.randbytes(fault.size)
            self.log(fault, repr(noise.decode("latin-1"))[1:-1])
        return noise

    def off_the_wire(self, data: bytes) -> bytes:
        """What reaches the host of what the board said."""
        if not data:
            return data
        struck: list[tuple[int, Fault]] = []
        tally = self._bytes_to_host
        if tally.next <= tally.count + len(data):
            struck = tally.pass_by(len(data))
        else:
            tally.count += len(data)
        if not struck and not self._to_host.is_under_way(self._board.now):
            return data
        return self._to_host.carry(data, struck, self._board.now)[0]

    def hold(self, until: float, *, both_ways: bool = False) -> None:
        """Keep what is said (and sent) until then; nothing is lost."""
        self.listens = True
        self._hold_until = max(self._hold_until, until)
        self._holds_both = self._holds_both or both_ways
        self.at(self._hold_until, self._let_go)

    def _let_go(self) -> None:
        if self._board.now < self._hold_until:
            return
        held, self._held = self._held, []
        sent, self._held_bytes = self._held_bytes, b""
        self._holds_both = False
        for line in held:
            self._board.utter(line)
        if sent:
            self._board.receive(sent, self._board.now)

    # -- what the machine does ---------------------------------------------------------------------------

    def command_begins(self, command: Command) -> None:
        """For triggers by line and by state, and for the watch on the planner."""
        board = self._board
        if command.number is not None and command.number in self._by_line:
            for fault in self._taken_by_line(command.number, (Occasion.INSTANT,), ""):
                self._due_now(fault, 1)
            for fault in self._taken_by_line(command.number, (Occasion.BYTE,), TO_HOST):
                self._due_now(fault, 1)
        if self._by_state:
            self._enter(self._state_of(command))
        if self.watches_planner:
            ended = self._moves_ended_at
            if command.code in _PLANNED and ended is not None and ended < board.now:
                board.note("underrun", line=command.text, effect=f"{board.now - ended:.6f} s")

    def command_ended(self, command: Command) -> None:
        """Remember when the planner will be empty, if only moves come behind this one."""
        if self.watches_planner:
            is_move = command.code in _PLANNED
            self._moves_ended_at = self._board.planner.drained_at(self._board.now) if is_move else None

    @staticmethod
    def _state_of(command: Command) -> str:
        if command.code in _PLANNED and command.values.get("E", 0.0) > 0.0:
            return "printing"
        return _BEGINS_STATE.get(command.code, "")

    def _enter(self, state: str) -> None:
        struck = [entry for entry in self._by_state if entry[0].state == state]
        if struck:
            self._by_state = [entry for entry in self._by_state if entry[0].state != state]
            for trigger, fault, count in struck:
                self.at(self._board.now + trigger.delay, lambda f=fault, c=count: self._due_now(f, c))  # type: ignore[misc]

    # -- the ledger --------------------------------------------------------------------------------------

    def log(self, fault: Fault, details: str = "", *, effect: str | None = None) -> None:
        """One strike: `ok-lost: ok N1 P15 B7`."""
        self._board.note("fault", line=f"{fault.label}: {details}" if details else fault.label, effect=effect)
