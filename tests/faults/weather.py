"""What goes wrong in one run, drawn from its seed: faults by rate, deaths of the streamer, people at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from firmware_sim.faults.random_plan import Rate
from gateway.domain.adjustment import Adjustment

#: Faults that spoil bytes: strikes per byte, from the least to the most.
NOISE: Mapping[str, tuple[float, float]] = {
    "byte-lost to-board": (5e-5, 2e-3),
    "byte-lost to-host": (5e-5, 2e-3),
    "byte-flipped to-board": (5e-5, 2e-3),
    "byte-flipped to-host": (5e-5, 2e-3),
    "byte-doubled to-board": (5e-5, 2e-3),
    "byte-doubled to-host": (5e-5, 2e-3),
    "byte-inserted to-board": (5e-5, 1e-3),
    "byte-inserted to-host": (5e-5, 1e-3),
    "line-corrupted": (2e-3, 3e-2),
    "rx-overflow": (1e-5, 2e-4),
}
#: Faults of answers: strikes per answer of that kind.
ANSWERS: Mapping[str, tuple[float, float]] = {
    "ok-lost": (2e-3, 5e-2),
    "ok-garbled": (2e-3, 5e-2),
    "ok-doubled": (2e-3, 5e-2),
    "ok-late": (1e-3, 1e-2),
    "report-in-mid-answer": (2e-3, 3e-2),
    "resend-without-ok": (5e-2, 5e-1),
    "resend-repeated": (5e-2, 5e-1),
    "resend-long-gone": (1e-2, 1e-1),
}
#: Faults of time: strikes per second. A print here takes some two minutes.
STALLS: Mapping[str, tuple[float, float]] = {
    "silent": (1 / 600, 1 / 60),
    "slow-host": (1 / 600, 1 / 60),
    "busy-for-minutes": (1 / 2000, 1 / 200),
    "half-line-then-silence to-board": (1e-5, 2e-4),
    "half-line-then-silence to-host": (1e-5, 2e-4),
    "wait-for-ever": (1 / 1000, 1 / 200),
    "suspend": (1 / 2000, 1 / 200),
}
#: After these a print may be held or failed for a good reason.
SEVERE: Mapping[str, tuple[float, float]] = {
    "unplug-and-return": (1 / 600, 1 / 100),
    "port-busy": (1 / 600, 1 / 100),
    "reset": (1 / 1000, 1 / 100),
    "halt": (1 / 1000, 1 / 200),
    "runaway": (1 / 1000, 1 / 200),
}
KINDS = {"noise": NOISE, "answers": ANSWERS, "stalls": STALLS, "severe": SEVERE}
#: Which kinds of faults a run has, by the name of a mixture; what a seed draws from `default`.
MIXTURES: Mapping[str, tuple[str, ...]] = {
    "calm": (),
    "noise": ("noise",),
    "answers": ("answers",),
    "stalls": ("stalls",),
    "mixed": ("noise", "answers", "stalls"),
    "severe": ("noise", "answers", "stalls", "severe"),
}
DEFAULT = (*MIXTURES, "noise", "answers", "mixed", "mixed")
NAMES = ("default", *MIXTURES)


@dataclass(frozen=True, slots=True)
class Death:
    """The streamer dies at its `effects`-th record store or write; `passed` bytes of that write get out.

    `is_gentle`: it is stopped instead, as an upgrade does. Another one starts after `away` seconds.
    """

    effects: int
    passed: int
    away: float
    is_gentle: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """A person does something when `lines` lines of the file were executed."""

    lines: int
    what: str  # pause, cancel, adjust
    rest: float = 0.0  # seconds from a pause to its resume
    change: Adjustment | None = None


@dataclass(frozen=True, slots=True)
class Weather:
    """Everything that befalls one run."""

    mixture: str
    rates: Mapping[str, Rate]
    deaths: tuple[Death, ...] = ()
    acts: tuple[Act, ...] = ()
    baud: int = 0
    latency: float = 0.0
    resets_on_open: bool = False
    parks_aside: bool = False  # with the nozzle cooler, else above the part


def weather(seed: int, mixture: str, length: int, *, is_blind: bool = False) -> Weather:
    """The weather of one run of a file of `length` lines; `mixture` is one of NAMES.

    is_blind: the firmware looks at no checksum. What is lost on its way there is lost for good, with no entry
    that could be labelled, so nothing is: such firmware sits behind a pipe that takes writes whole.
    """
    dice = Random(f"weather {seed}")
    name = dice.choice(DEFAULT)
    if mixture != "default":
        name = mixture
    return Weather(
        name,
        _rates(dice, name, is_blind=is_blind),
        _deaths(dice, length, is_blind=is_blind) if dice.random() < 0.5 else (),
        _acts(dice, length) if dice.random() < 0.4 else (),
        baud=dice.choice((0, 0, 115200, 250000)),
        latency=dice.choice((0.0, 0.0, 0.004)),
        resets_on_open=name == "severe" and dice.random() < 0.2,
        parks_aside=dice.random() < 0.5,
    )


def _rates(dice: Random, mixture: str, *, is_blind: bool) -> dict[str, Rate]:
    rates: dict[str, Rate] = {}
    for kind in MIXTURES[mixture]:
        table = {label: span for label, span in KINDS[kind].items() if not (is_blind and _harms(label))}
        for label in dice.sample(sorted(table), dice.randint(1, min(4, len(table)))):
            low, high = table[label]
            rates[label] = low * (high / low) ** dice.random()
            if label in ("unplug-and-return", "port-busy"):
                rates[label] = {"rate": rates[label], "seconds": dice.choice((1.0, 5.0, 20.0, 90.0))}
            elif label == "busy-for-minutes":  # three in a row are less than any firmware may be silent
                rates[label] = {"rate": rates[label], "seconds": 55.0}
            elif label in ("silent", "suspend", "slow-host"):
                rates[label] = {"rate": rates[label], "seconds": dice.choice((1.0, 5.0, 20.0))}
    return rates


def _harms(label: str) -> bool:
    """Klipper plans a dwell like a move, also one of the machine's own: it would count as the print's."""
    return label.endswith("to-board") or label in ("line-corrupted", "rx-overflow", "busy-for-minutes")


def _deaths(dice: Random, length: int, *, is_blind: bool) -> tuple[Death, ...]:
    return tuple(
        Death(
            dice.randint(1, 2 * length) if dice.random() < 0.8 else dice.randint(1, 12),
            dice.choice((0, 0, 10_000 if is_blind else dice.randrange(1, 90), 10_000)),
            dice.choice((0.0, 0.02, 0.4, 3.0, 25.0, 25.0, 90.0)),
            is_gentle=dice.random() < 0.2,
        )
        for _ in range(dice.randint(1, 3))
    )


def _acts(dice: Random, length: int) -> tuple[Act, ...]:
    acts = []
    for n in range(dice.randint(1, 4)):
        what = dice.choice(("pause", "pause", "adjust", "adjust", "adjust", "cancel"))
        change = Adjustment(speed=101 + n) if dice.random() < 0.5 else Adjustment(flow=101 + n)
        acts.append(Act(dice.randrange(length), what, dice.choice((0.0, 0.5, 5.0, 100.0)), change))
    return tuple(sorted(acts, key=lambda act: act.lines))
