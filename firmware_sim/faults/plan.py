"""A scripted plan: which fault strikes when.

    FaultPlan([
        Planned(catalogue.ok_lost(), Trigger(line=200)),           # the ok of line N200
        Planned(catalogue.reset(), Trigger(at=60.0)),              # a minute after switch-on
        Planned(catalogue.byte_flipped(TO_BOARD), Trigger(byte=5000)),
        Planned(catalogue.unplug(5.0), Trigger(state="homing", delay=3.0)),
    ])

A fault that waits for an occasion (an ok, a byte) and is triggered by time or state strikes at its first
occasion from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.faults.catalogue import Fault

STATES = ("heating", "homing", "printing")
"""heating: M109 or M190 begins; homing: G28 begins; printing: the first move that extrudes begins."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """When. Exactly one of the four, or none of them: at the next occasion.

    line: the line number in question (its bytes, its ok, its refusal; else the moment it begins to run).
    at: machine time in seconds. byte: so many bytes have passed in the fault's direction (else to the board).
    state: one of STATES, and `delay` seconds on top.
    """

    line: int | None = None
    at: float | None = None
    byte: int | None = None
    state: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry: the fault strikes `count` times from its trigger on."""

    fault: Fault
    trigger: Trigger = Trigger()
    count: int = 1


class Armoury(Protocol):
    """What a plan is loaded into: the injector of a board."""

    def arm(self, fault: Fault, trigger: Trigger = ..., count: int = 1) -> None:
        """Let `fault` strike at its trigger."""

    def arm_at_random(self, fault: Fault, rate: float, seed: str) -> None:
        """Let `fault` strike again and again, `rate` times an occasion on average."""


class Plan(Protocol):
    """Anything that can be loaded: FaultPlan, RandomPlan."""

    def load(self, armoury: Armoury) -> None:
        """Arm everything."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A list of entries, and random plans beside it."""

    entries: Sequence[Planned] = ()
    also: tuple[Plan, ...] = ()

    def load(self, armoury: Armoury) -> None:
        """Arm every entry."""
        for entry in self.entries:
            armoury.arm(entry.fault, entry.trigger, entry.count)
        for plan in self.also:
            plan.load(armoury)
