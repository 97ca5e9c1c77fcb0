"""How far a print is by its printer's own word: which layer, of how many, and the time left.

Printers say it each in their own way (`Job.reported`); whatever is no count is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.job import Job

#: Layers and seconds beyond this are nonsense: ten thousand kilometres, four months.
MOST_COUNT: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Outlook:
    """None: the printer has not said."""

    layer: int | None = None  # the one it is at, or was at last
    layers: int | None = None
    seconds_left: int | None = None  # an estimate; None also when the print is over


def outlook(job: Job) -> Outlook:
    """What its printer said last."""
    said: Mapping[str, Any] = job.reported or {}
    return Outlook(
        layer=_count(said.get("layer")),
        layers=_count(said.get("layers", said.get("total_layers"))),  # the second: printers made for Forge
        seconds_left=None if job.is_over else _count(said.get("seconds_left")),
    )


def _count(said: object) -> int | None:
    """A number of layers or seconds as printers send it; None: it is none."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 0 <= said <= MOST_COUNT else None
