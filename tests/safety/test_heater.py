"""One heater: courses that are an alarm, and many more that are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import pytest

from gateway.safety.heater import HeaterWatch, Trouble
from gateway.safety.limits import HeaterLimits, SafetyLimits, bed, hotend

HOTEND, BED = hotend(SafetyLimits()), bed(SafetyLimits())
Course = Iterable[tuple[float, float]]  # (celsius, target) every two seconds


def first_trouble(limits: HeaterLimits, course: Course) -> tuple[Trouble, int] | None:
    """What was found first, and at which second."""
    watch = HeaterWatch(limits)
    for number, (celsius, target) in enumerate(course):
        trouble = watch.read(2.0 * number, celsius, target)
        if trouble is not None:
            return trouble, 2 * number
    return None


def towards(begin: float, end: float, tau: float, seconds: int) -> Iterator[float]:
    """A heater of the first order."""
    for number in range(seconds // 2):
        yield end + (begin - end) * math.exp(-2 * number / tau)


def at(target: float, course: Iterable[float]) -> Iterator[tuple[float, float]]:
    return ((celsius, target) for celsius in course)


def heated(target: float, *, rate: float, seconds: int = 900, overshoot: float = 0.0) -> Iterator[float]:
    """Up to the target at `rate` a second, over it by `overshoot`, and swinging around it."""
    celsius = 22.0
    while celsius < target + overshoot:
        yield celsius
        celsius += 2 * rate
    for number in range(seconds // 2):
        yield target + overshoot * math.exp(-number / 30) * math.cos(number / 8) + math.sin(number) * 0.6


@pytest.mark.parametrize(
    ("limits", "course"),
    [
        (HOTEND, at(215, heated(215, rate=3.0))),
        (HOTEND, at(215, heated(215, rate=2.0, overshoot=15))),
        (HOTEND, at(215, heated(215, rate=0.5))),
        (HOTEND, at(300, heated(300, rate=1.0, overshoot=20))),
        (HOTEND, [*at(215, [215.0] * 200), *at(215, towards(215, 192, 20, 600))]),  # a strong fan
        (HOTEND, [*at(215, [215.0] * 50), *at(65, towards(215, 65, 150, 1200))]),  # a standby far below
        (HOTEND, [*at(215, [215.0] * 50), *at(0, towards(215, 25, 250, 3600))]),
        (HOTEND, [*at(250, [250.0] * 50), *at(30, towards(250, 62, 250, 3600))]),  # in a heated chamber
        (HOTEND, at(0, [22.0] * 600)),
        (HOTEND, at(0, towards(22, 55, 900, 3600))),  # warmed by the bed below
        (HOTEND, [*at(0, [60.0] * 50), *at(0, [60.0, 660.0, 60.0, 6.0, 60.0, math.nan, 60.0] * 60)]),
        (HOTEND, at(215, [215.0, 21.5, 215.0, 215.0, -14.0, 2150.0, 215.0] * 100)),  # damaged digits
        (BED, at(60, heated(60, rate=0.1))),
        (BED, at(110, heated(110, rate=0.03))),  # an hour to get there
        (BED, at(100, [*heated(88, rate=0.1)])),  # never quite
        (BED, [*at(100, [100.0] * 50), *at(60, towards(100, 58, 900, 3600))]),
        (BED, [*at(60, [60.0] * 50), *at(0, towards(60, 25, 1500, 3600))]),
        (BED, at(40, [*heated(40, rate=0.1), *towards(40, 72, 1800, 7200)])),  # warmed by its chamber
    ],
)
def test_good_courses_are_left_alone(limits: HeaterLimits, course: Course) -> None:
    assert first_trouble(limits, course) is None


HOT = [(215.0, 215.0)] * 100
WARM = [(60.0, 60.0)] * 100


@pytest.mark.parametrize(
    ("limits", "calm", "course", "trouble", "within"),
    [
        (HOTEND, HOT, at(215, (215.0 + second for second in range(500))), Trouble.STUCK_ON, 150),
        (HOTEND, HOT, at(100, [214.0] * 500), Trouble.STUCK_ON, 80),
        (HOTEND, [], at(0, (22.0 + second for second in range(500))), Trouble.STUCK_ON, 110),
        (HOTEND, HOT, at(0, (180.0 + second for second in range(500))), Trouble.STUCK_ON, 80),
        (HOTEND, [], at(215, [22.0] * 300), Trouble.NO_HEAT, 130),
        (HOTEND, HOT, at(215, towards(215, 25, 100, 900)), Trouble.NO_HEAT, 200),
        (HOTEND, [], at(215, heated(150, rate=2.0)), Trouble.NO_HEAT, 200),
        (HOTEND, HOT, at(215, [23.0] * 10), Trouble.SENSOR, 10),
        (HOTEND, HOT, at(215, [-15.0] * 10), Trouble.SENSOR, 10),
        (HOTEND, HOT, at(215, [math.nan] * 10), Trouble.SENSOR, 10),
        (HOTEND, HOT, at(215, [700.0] * 10), Trouble.TOO_HOT, 10),
        (BED, [], at(60, [22.0] * 500), Trouble.NO_HEAT, 620),
        (BED, WARM, at(60, towards(60, 130, 200, 900)), Trouble.STUCK_ON, 400),
        (BED, [(25.0, 0.0)] * 100, at(0, towards(25, 130, 200, 900)), Trouble.STUCK_ON, 200),
    ],
)
def test_bad_courses_are_found_in_time(
    limits: HeaterLimits, calm: list[tuple[float, float]], course: Course, trouble: Trouble, within: int
) -> None:
    """`within` seconds of the end of what was calm."""
    found = first_trouble(limits, [*calm, *course])
    assert found is not None
    assert found[0] is trouble
    assert 2 * len(calm) <= found[1] <= 2 * len(calm) + within


def test_every_trouble_needs_more_than_one_reading() -> None:
    odd: list[Callable[[HeaterWatch], Trouble | None]] = [
        lambda watch: watch.read(400, 700.0, 215),
        lambda watch: watch.read(400, -15.0, 215),
        lambda watch: watch.read(400, math.nan, 215),
        lambda watch: watch.read(400, 20.0, 215),
    ]
    for once in odd:
        watch = HeaterWatch(HOTEND)
        for second in range(0, 400, 2):
            assert watch.read(second, 215.0, 215) is None
        assert once(watch) is None
        assert watch.read(402, 215.0, 215) is None
