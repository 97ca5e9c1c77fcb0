"""Bad luck drawn from one seed.

    RandomPlan(seed=7, rates={"byte-flipped to-board": 1e-4, "ok-lost": 0.005, "reset": 1 / 600})

A rate is strikes per occasion of that fault: per byte of its direction, per line, per ok, per refused line,
per boot, or per second of machine time. Every fault has dice of its own, made of the seed and its name:
adding one fault leaves the others where they were, and the same seed is the same run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

from firmware_sim.faults.catalogue import Fault, NoSuchFault, Occasion, fault_named
from firmware_sim.faults.plan import Armoury

Rate = float | Mapping[str, object]
"""A number, or a table with `rate` and the settings of the fault."""


class RandomPlan:
    """Rates by label. Raises NoSuchFault for a label, a setting or a rate that cannot be."""

    def __init__(self, seed: int, rates: Mapping[str, Rate]) -> None:
        self.seed = seed
        self._rates: list[tuple[Fault, float]] = [_read(label, rate) for label, rate in rates.items()]

    def load(self, armoury: Armoury) -> None:
        """Arm every fault with a rate above 0."""
        for fault, rate in self._rates:
            if rate > 0.0:
                armoury.arm_at_random(fault, rate, f"{self.seed}/{fault.label}")


def _read(label: str, rate: Rate) -> tuple[Fault, float]:
    settings = dict(rate) if isinstance(rate, Mapping) else {"rate": rate}
    value = settings.pop("rate", None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise NoSuchFault(f"{label}: the rate is a number from 0 to 1, not {value!r}")
    return fault_named(label, **settings), float(value)


def gap(dice: Random, rate: float, occasion: Occasion) -> float:
    """How many occasions until the next strike: whole numbers from 1, or seconds."""
    if occasion is Occasion.INSTANT:
        return dice.expovariate(rate)
    if rate >= 1.0:
        return 1
    return 1 + math.floor(math.log(1.0 - dice.random()) / math.log1p(-rate))
