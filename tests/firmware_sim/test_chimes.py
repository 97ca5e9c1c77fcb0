"""The clockwork of periodic lines, by itself."""

from __future__ import annotations

import math

from firmware_sim.machine.chimes import Chimes


def clockwork(keepalive: float = 2.0, wait_every: float = 0.0) -> tuple[Chimes, list[str]]:
    said: list[str] = []
    chimes = Chimes(keepalive, wait_every, lambda: said.append("busy"), lambda: said.append("wait"))
    for name in ("a", "b"):
        chimes.add_report(name, lambda name=name: said.append(name))  # type: ignore[misc]
    return chimes, said


def run(chimes: Chimes, until: float) -> list[float]:
    times = []
    while (due := chimes.next_due()) <= until:
        chimes.ring(due)
        times.append(due)
    return times


def test_nothing_is_due_in_a_quiet_machine() -> None:
    chimes, said = clockwork()
    assert chimes.next_due() == math.inf
    chimes.ring(100.0)
    assert said == []


def test_keepalive_counts_from_the_start_of_the_command() -> None:
    chimes, said = clockwork()
    chimes.command_began(1.5)
    assert run(chimes, 8.0) == [3.5, 5.5, 7.5]
    chimes.command_ended(8.0)
    assert run(chimes, 100.0) == []
    assert said == ["busy"] * 3


def test_a_build_without_keepalive_is_silent() -> None:
    chimes, said = clockwork(keepalive=0.0)
    chimes.command_began(0.0)
    assert run(chimes, 1000.0) == said == []


def test_wait_counts_from_the_end_of_the_last_command_and_stops_when_one_is_queued() -> None:
    chimes, said = clockwork(wait_every=1.0)
    chimes.command_ended(5.0)
    assert run(chimes, 7.5) == [6.0, 7.0]
    chimes.queue_filled()
    assert run(chimes, 20.0) == []
    assert said == ["wait", "wait"]


def test_reports_keep_the_order_of_registration() -> None:
    chimes, said = clockwork()
    chimes.reports["b"].every(2.0, 0.0)
    chimes.reports["a"].every(1.0, 0.0)
    chimes.command_began(0.0)
    run(chimes, 2.0)
    assert said == ["a", "busy", "a", "b"]


def test_intervals_are_bounded_and_zero_is_off() -> None:
    chimes, said = clockwork()
    chimes.reports["a"].every(1000.0, 0.0)
    assert chimes.next_due() == 60.0
    chimes.reports["a"].every(0.0, 0.0)
    assert chimes.next_due() == math.inf
    chimes.reports["a"].every(-5.0, 0.0)
    assert chimes.next_due() == math.inf
    assert said == []


def test_silence_ends_everything() -> None:
    chimes, said = clockwork(wait_every=1.0)
    chimes.command_began(0.0)
    chimes.command_ended(0.0)
    chimes.reports["a"].every(1.0, 0.0)
    chimes.silence()
    assert run(chimes, 1e9) == said == []
