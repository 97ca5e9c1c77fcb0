"""Reads the recorded conversations of tests/vectors/marlin and compares a board's answers with them."""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim import Board

VECTORS = Path(__file__).parent.parent / "vectors" / "marlin"
TIME_TOLERANCE = 1.0
"""Seconds a line may come earlier or later than recorded."""

Said = tuple[float, str]
"""When, and one line without its line end (a CR in front of the LF is kept)."""


@dataclass(frozen=True)
class Exchange:
    at: float
    send: bytes
    action: str
    note: str
    reply: list[Said]


@dataclass(frozen=True)
class Section:
    title: str
    relax: frozenset[str]
    exchanges: list[Exchange]


@dataclass(frozen=True)
class Conversation:
    name: str
    personality: str
    card: dict[str, bytes]
    sections: list[Section]


def conversation(path: Path) -> Conversation:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Conversation(
        path.stem,
        table["personality"],
        {name: text.encode("latin-1") for name, text in table.get("card", {}).items()},
        [
            Section(
                section["title"],
                frozenset(section.get("relax", [])),
                [
                    Exchange(
                        row["at"],
                        row.get("send", "").encode("latin-1"),
                        row.get("action", ""),
                        row.get("note", ""),
                        [(at, line.removesuffix("\n")) for at, line in row["reply"]],
                    )
                    for row in section["exchange"]
                ],
            )
            for section in table["section"]
        ],
    )


def conversations() -> list[Conversation]:
    return [conversation(path) for path in sorted(VECTORS.glob("*.toml")) if path.stem != "frames"]


class Player:
    """Plays the host's part of a conversation and collects what the board says, with times."""

    def __init__(self, script: Conversation) -> None:
        self.board = Board(script.personality, sd_files=script.card)
        self._switched_on = False

    def play(self, exchange: Exchange, until: float) -> list[Said]:
        said = self._act(exchange)
        board = self.board
        while (due := board.next_deadline()) is not None and due < until:
            said += self._heard(max(due, exchange.at))
        return said + self._heard(until - 1e-6)

    def _act(self, exchange: Exchange) -> list[Said]:
        if not self._switched_on:
            # A board that is switched on speaks at once; the recording has the moment of its first line.
            self._switched_on = True
            return self._heard(exchange.reply[0][0])
        match exchange.action.split():
            case []:
                self.board.receive(exchange.send, exchange.at)
            case ["reset"]:
                self.board.reset(exchange.at)
                # The recorded "board" was a process: its simulated heaters started cold with it.
                self.board.hotend.cool_to_ambient()
            case ["fault", "heater", heater, kind]:
                self.board.fault_heater(heater, kind, exchange.at)
            case ["repair"]:
                self.board.hotend.repair(exchange.at)
                self.board.hotend.cool_to_ambient()
        return []

    def _heard(self, now: float) -> list[Said]:
        lines = self.board.poll(now).decode("latin-1").split("\n")
        assert lines[-1] == "", "the board says whole lines"
        return [(now, line) for line in lines[:-1]]


@dataclass
class Group:
    """A run of lines that count as one: the first line's time, the text after relaxing, how many."""

    at: float
    text: str
    count: int = 1
    kinds: set[str] = field(default_factory=set)


_NUMBER = r"-?\d+\.\d\d"
_TEMPERATURES = re.compile(rf"T:{_NUMBER} /({_NUMBER}) B:{_NUMBER} /({_NUMBER}) @:\d+ B@:\d+")
_POSITION = re.compile(rf"X:{_NUMBER} Y:{_NUMBER} Z:{_NUMBER} E:{_NUMBER} Count X:-?\d+ Y:-?\d+ Z:-?\d+")
_FIRST_BOOT = re.compile(r"echo:No EEPROM|echo:Hardcoded|echo:EEPROM|echo:V\d+ stored|echo: Compiled")


def groups(said: list[Said], relax: frozenset[str]) -> list[Group]:
    """The lines as they are compared under the relaxations of their section."""
    found: list[Group] = []
    for at, raw in said:
        line = _relaxed(raw, relax)
        if line is None:
            continue
        last = found[-1] if found else None
        if "heating" in relax and (line.startswith((" T:", "echo:busy: processing"))):
            if last is None or last.text != "<waiting>":
                last = Group(at, "<waiting>", 0)
                found.append(last)
            last.count += 1
            last.kinds.add(re.sub(r"W:\d", "W:#", line))
        elif "busy" in relax and last is not None and last.text == line and line.startswith("echo:busy:"):
            last.count += 1
        else:
            found.append(Group(at, line))
    return found


def _relaxed(line: str, relax: frozenset[str]) -> str | None:
    if "wait" in relax and line == "wait":
        return None
    if "first-boot" in relax and _FIRST_BOOT.match(line):
        return None
    if relax & {"heating", "temperatures"}:
        line = _TEMPERATURES.sub(r"T:# /\1 B:# /\2 @:# B@:#", line)
    if "position" in relax:
        line = _POSITION.sub("X:# Y:# Z:# E:# Count X:# Y:# Z:#", line)
    return line


def differences(expected: list[Said], said: list[Said], relax: frozenset[str]) -> list[str]:
    """Every difference in words; empty when the board said what the real firmware said."""
    want, have = groups(expected, relax), groups(said, relax)
    found = []
    for left, right in itertools.zip_longest(want, have):
        if left is None or right is None or left.text != right.text:
            real, sim = (side and (side.at, side.text) for side in (left, right))
            found.append(f"real: {real!r}  sim: {sim!r}")
            break
        if left.text == "<waiting>":
            if left.kinds != right.kinds:
                found.append(f"waiting lines: real {sorted(left.kinds)} sim {sorted(right.kinds)}")
        elif abs(left.count - right.count) > 1:
            found.append(f"{left.text!r}: real {left.count} times, sim {right.count}")
        elif "heating" not in relax and "busy" not in relax and abs(left.at - right.at) > TIME_TOLERANCE:
            found.append(f"{left.text!r}: real at {left.at}, sim at {right.at}")
    return found
