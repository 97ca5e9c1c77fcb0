"""A print file in which no line is like another: a ledger tells which were executed, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be printed: the file, and the lines of it that a printer runs."""

    content: bytes
    lines: tuple[str, ...]


def part(seed: int, length: int) -> Part:
    """A file of about `length` lines: heating, homing, moves, arcs, fans, dwells, words for the display.

    Every second one is printed hot, the others cold and without filament.
    """
    dice = Random(f"part {seed}")
    is_hot = seed % 2 == 1
    hot = 200 if is_hot else 50
    head = ["M140 S51.0", f"M104 S{hot}.2", "G28", "M190 S53.0", f"M109 S{hot}.0", "M105 T0", "G90 S0"]
    head += ["M82 S0", "G92 E0.0", "G1 Z0.3 F600"]
    tail = ["M106 S255", "M400 S99", "M140 S1.0", "M104 S1.0", "G1 X190 Y190 F3001"]  # a long way to the end
    body = [_line(dice, n, is_hot=is_hot) for n in range(max(0, length - len(head) - len(tail)))]
    lines = (*head, *body, *tail)
    return Part(_written(dice, lines), lines)


def _line(dice: Random, n: int, *, is_hot: bool) -> str:
    """Line `n` of the body: its own in at least one number."""
    kind = dice.random()
    filament = f" E{n / 50:.3f}" if is_hot else ""
    x, y = 10 + n % 90, 10 + n // 90
    if kind < 0.80:
        return f"G1 X{x}.{n % 10} Y{y}{filament} F{dice.choice((3000, 6000, 9000))}"
    if kind < 0.86:
        return f"G0 X{x} Y{y}.5 F{7000 + n}"
    if kind < 0.90:
        return f"G2 X{x} Y{y} I{1 + n / 1000:.3f} J0{filament}"
    if kind < 0.93:
        return f"M106 S{1 + n % 250} P0 I{n}"
    if kind < 0.96:
        return f"M117 Layer {n}"
    if kind < 0.98:
        return f"G4 P{n}"
    return f"M400 S{1000 + n}"


def _written(dice: Random, lines: tuple[str, ...]) -> bytes:
    """With comments, blank lines and both line ends, as slicers and people leave them."""
    rows = ["; a part", ""]
    for line in lines:
        if dice.random() < 0.03:
            rows.append(dice.choice(["", ";LAYER_CHANGE", "   ; nothing", "\t"]))
        rows.append(line + dice.choice(["", "", "", " ; comment", "  "]) + dice.choice(["", "", "\r"]))
    return "\n".join([*rows, ""]).encode()
