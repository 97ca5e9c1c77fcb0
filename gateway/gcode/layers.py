"""Where the layers of a print file begin.

Slicers say it in comments, each in words of its own. A file without them is read by its moves: a layer begins
with the move that brings the nozzle to another height at which plastic is laid.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from gateway.gcode.chunks import whole_lines

#: Layers kept, the last ones: a metre of 0.05 mm layers.
LAYERS_MAX = 20_000
#: Millimetres by which heights must differ to be two: a spiral vase rises a little with every move.
STEP_MIN = 0.04

_NUMBER = rb"[ \t]*(-?(?:\d+\.?\d*|\.\d+))"
#: PrusaSlicer, SuperSlicer, OrcaSlicer; Bambu Studio; Cura, ideaMaker; Simplify3D; KISSlicer. Some say the
#: height in a comment of its own behind the mark.
_MARK_OR_HEIGHT = re.compile(
    rb"\n; ?(?:(LAYER_CHANGE|CHANGE_LAYER|LAYER:-?\d+|(?:layer \d+, Z =|BEGIN_LAYER_OBJECT z=)"
    rb"" + _NUMBER + rb")|(?:Z|Z_HEIGHT):" + _NUMBER + rb")"
)
_LIFT = re.compile(rb"\nG[01][ \t][^;\n]*Z" + _NUMBER)
_LIFT_OR_LAYING = re.compile(
    rb"\nG[0-3][ \t](?:(?=[^;\n]*[XY])(?=[^;\n]*E[ \t]*[+.\d])|(?=[^;\n]*Z))([^;\n]*)"
)
_Z = re.compile(rb"Z" + _NUMBER)
_LAYS = re.compile(rb"(?=[^;\n]*[XY])[^;\n]*E[ \t]*[+.\d]")


class Layer(NamedTuple):
    """One layer, as the file orders them: objects printed one after another begin again at the plate."""

    number: int  # from 1
    begin: int  # bytes of the file in front of its first line
    z: float | None  # mm; None: its comments do not say


def layers_in(file: BinaryIO, end: int, breathe: Callable[[], None] = lambda: None) -> tuple[Layer, ...]:
    """The layers that begin before byte `end` of a file on disk, the last LAYERS_MAX of them.

    Blocks, seconds for big files; see `state.state_at` about threads and `breathe`. Raises OSError.
    """
    marked = deque(_marked(file.fileno(), end, breathe), LAYERS_MAX)
    if marked:
        return tuple(marked)
    return tuple(deque(_by_height(file.fileno(), end, breathe), LAYERS_MAX))


def highest_in(file: BinaryIO, end: int, breathe: Callable[[], None] = lambda: None) -> float:
    """Millimetres up to which plastic was laid before byte `end`, whatever object it belongs to; 0: none.

    Objects printed one after another stand in the way of a head that moves aside above the present one.
    """
    heights = (layer.z for layer in _by_height(file.fileno(), end, breathe) if layer.z is not None)
    return max(heights, default=0.0)


def _marked(descriptor: int, end: int, breathe: Callable[[], None]) -> Iterator[Layer]:
    layer: Layer | None = None
    for lines, start in whole_lines(descriptor, 0, end, breathe):
        for found in _MARK_OR_HEIGHT.finditer(lines):
            mark, *heights = found.groups()
            z = next((float(height) for height in heights if height), None)
            if mark is not None:
                if layer is not None:
                    yield layer
                layer = Layer(layer.number + 1 if layer else 1, start + found.start() + 1, z)
            elif layer is not None and layer.z is None:
                layer = layer._replace(z=z)
    if layer is not None:
        yield layer


def _by_height(descriptor: int, end: int, breathe: Callable[[], None]) -> Iterator[Layer]:
    number, laid_at = 0, -STEP_MIN
    reached: tuple[int, float] | None = None  # where, and to what height, the nozzle moved since it laid
    for lines, start in whole_lines(descriptor, 0, end, breathe):
        place = 0
        while found := (_LIFT if reached is None else _LIFT_OR_LAYING).search(lines, place):
            height = _Z.search(lines, found.start(), found.end())
            if height is not None:
                reached = (start + found.start() + 1, float(height[1]))
            line_end = lines.index(b"\n", found.start() + 1)
            if reached is not None and _LAYS.match(lines, found.start() + 1, line_end):
                begin, z = reached
                if abs(z - laid_at) >= STEP_MIN:
                    number += 1
                    laid_at = z
                    yield Layer(number, begin, z)
                reached = None
            place = found.end()
