"""What the monitor of one printer says and does, from snapshots and time alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.observations import Activity, Alarm, LinkState, PrinterObserved, PrintPhase, PrintReport
from gateway.safety.limits import SafetyLimits
from gateway.safety.monitor import AGAIN_SECONDS, Action, PrinterMonitor
from gateway.safety.stance import ACTING, TELLING, TELLING_IN_ERROR, Stance

LIMITS = SafetyLimits(idle=900, held=600, paused_hotend=1800, paused_bed=7200, warning=300)
MINUTE = 60


def temperatures(hotend: float = 215.0, bed: float = 60.0) -> dict[str, float]:
    """At their targets, or at room temperature when off."""
    return {"T": hotend or 22.0, "T_target": hotend, "B": bed or 22.0, "B_target": bed}


def seen(phase: PrintPhase | None = None, **changes: Any) -> PrinterObserved:
    current = None if phase is None else PrintReport("mark-1", phase, is_local=False)
    values: dict[str, Any] = {
        "link": LinkState.UP,
        "activity": Activity.READY if phase is None else Activity.PRINTING,
        "current": current,
        "temperatures": temperatures(),
        "temperature_age": 0.0,
    }
    return PrinterObserved("mk3", **{**values, **changes})


class Time:
    """A monitor, looked at every two seconds; what came of it."""

    def __init__(self, limits: SafetyLimits = LIMITS, stance: Stance = ACTING) -> None:
        self.monitor = PrinterMonitor(limits, stance)
        self.now = 1000.0
        self.alarms: tuple[Alarm, ...] = ()
        self.actions: list[tuple[Action, int]] = []
        self.began = self.now

    def goes_on(self, seconds: float, shot: PrinterObserved) -> None:
        """The same snapshot for some seconds."""
        end = self.now + seconds
        while self.now < end:
            finding = self.monitor.look(self.now, shot)
            self.alarms = finding.alarms
            if finding.action is not None:
                self.actions.append((finding.action, round(self.now - self.began)))
            self.now += 2

    @property
    def rules(self) -> list[str]:
        return [alarm.rule for alarm in self.alarms]


def test_heat_that_nobody_uses_is_announced_and_switched_off() -> None:
    time = Time()
    time.goes_on(9 * MINUTE, seen())
    assert (time.rules, time.actions) == ([], [])
    time.goes_on(5 * MINUTE, seen())
    assert (time.rules, time.actions) == (["idle-heat"], [])
    time.goes_on(80, seen())
    assert time.actions[0] == (Action.HEATERS_OFF, 15 * MINUTE)
    assert time.actions[1] == (Action.HEATERS_OFF, 15 * MINUTE + 16), "again, until it has worked"
    time.goes_on(10, seen(temperatures=temperatures(0, 0)))
    assert time.rules == []


def test_a_file_on_its_way_to_the_card_is_no_use_of_the_heaters() -> None:
    time = Time()
    time.goes_on(14 * MINUTE, seen())
    time.goes_on(2 * MINUTE, seen(activity=Activity.BUSY, is_receiving=True))
    assert time.actions[0] == (Action.HEATERS_OFF, 15 * MINUTE)


@pytest.mark.parametrize(
    "other",
    [
        seen(PrintPhase.PRINTING),
        seen(PrintPhase.STARTING),
        seen(current=PrintReport("local-1", PrintPhase.PRINTING, is_local=True)),
        seen(activity=Activity.BUSY),
        seen(temperatures=temperatures(0, 0)),
    ],
    ids=["printing", "starting", "a print from the card", "a macro", "cold"],
)
def test_use_begins_the_time_anew(other: PrinterObserved) -> None:
    time = Time()
    time.goes_on(14 * MINUTE, seen())
    time.goes_on(60 * MINUTE, other)
    time.goes_on(14 * MINUTE, seen())
    assert time.actions == []


def test_a_person_begins_the_time_anew_by_an_order_and_at_the_panel() -> None:
    time = Time()
    time.goes_on(14 * MINUTE, seen())
    time.monitor.person_seen(time.now)
    time.goes_on(14 * MINUTE, seen())
    time.goes_on(14 * MINUTE, seen(temperatures=temperatures(bed=70.0)))
    assert time.actions == []
    time.goes_on(2 * MINUTE, seen(temperatures=temperatures(bed=70.0)))
    assert time.actions[0][0] is Action.HEATERS_OFF


def test_the_bed_alone_is_heat_too() -> None:
    time = Time()
    time.goes_on(16 * MINUTE, seen(temperatures=temperatures(hotend=0)))
    assert time.actions[0][0] is Action.HEATERS_OFF


def test_a_held_print_is_cooled_down() -> None:
    time = Time()
    time.goes_on(6 * MINUTE, seen(PrintPhase.HELD))
    assert (time.rules, time.actions) == (["held-heat"], [])
    time.goes_on(5 * MINUTE, seen(PrintPhase.HELD))
    assert time.actions[0] == (Action.HEATERS_OFF, 10 * MINUTE)


def test_a_held_prints_time_goes_on_while_the_link_is_gone() -> None:
    time = Time()
    time.goes_on(60, seen(PrintPhase.PRINTING))
    gone = seen(PrintPhase.HELD, link=LinkState.DOWN, temperatures={}, temperature_age=None, activity=None)
    time.goes_on(20 * MINUTE, gone)
    assert set(time.rules) == {"unreachable-heat", "held-heat"}
    assert time.actions == [], "nothing can be sent"
    time.goes_on(4, seen(PrintPhase.HELD))
    assert time.actions == [(Action.HEATERS_OFF, 21 * MINUTE)]


def test_an_idle_printer_that_comes_back_hot_is_switched_off_at_once() -> None:
    time = Time()
    time.goes_on(60, seen())
    time.goes_on(20 * MINUTE, seen(link=LinkState.DOWN, temperatures={}, temperature_age=None, activity=None))
    time.goes_on(4, seen())
    assert [action for action, _ in time.actions] == [Action.HEATERS_OFF]


def test_a_paused_print_keeps_its_bed_for_longer() -> None:
    time = Time()
    paused = seen(PrintPhase.PAUSED)
    time.goes_on(26 * MINUTE, paused)
    assert (time.rules, time.actions) == (["paused-heat"], [])
    time.goes_on(5 * MINUTE, paused)
    assert time.actions[0] == (Action.HOTENDS_OFF, 30 * MINUTE)
    time.actions.clear()
    cooled = replace(paused, temperatures=temperatures(hotend=0))
    time.goes_on(84 * MINUTE, cooled)
    assert time.actions == []
    time.goes_on(6 * MINUTE, cooled)
    assert time.actions[0] == (Action.HEATERS_OFF, 120 * MINUTE)


def test_a_paused_print_of_the_card_is_only_told() -> None:
    """Nothing here would heat again before the firmware goes on with it."""
    time = Time()
    time.goes_on(9000, seen(current=PrintReport("local-1", PrintPhase.PAUSED, is_local=True)))
    assert (time.rules, time.actions) == (["paused-heat"], [])


def test_no_temperatures_for_minutes_are_told_and_a_silent_homing_is_not() -> None:
    time = Time()
    time.goes_on(10, seen(PrintPhase.PRINTING))
    for age in range(0, 320, 2):
        time.goes_on(2, seen(PrintPhase.PRINTING, temperature_age=float(age)))
        assert time.rules == ([] if age < 300 else ["unseen-heat"])
    said = time.alarms
    time.goes_on(90, seen(PrintPhase.PRINTING, temperature_age=410.0))
    assert time.alarms == said, "a new text is news to everybody who listens"
    assert time.actions == []


def stuck(second: int) -> dict[str, float]:
    return {**temperatures(), "T": 215.0 + second / 2}


def test_a_nozzle_that_goes_on_heating_stops_the_printer() -> None:
    time = Time()
    for second in range(0, 300, 2):
        time.goes_on(2, seen(PrintPhase.PRINTING, temperatures=stuck(second)))
    assert time.actions[0][0] is Action.STOP
    assert time.actions[1][1] - time.actions[0][1] >= AGAIN_SECONDS
    time.goes_on(10, seen(activity=Activity.ERROR, temperatures=stuck(300), temperature_age=100.0))
    assert time.rules == [], "a board that has stopped itself tells nothing new"


def test_a_bed_without_heat_is_switched_off_gently_and_the_printer_stopped_if_that_fails() -> None:
    time = Time()
    cold = {**temperatures(), "B": 22.0}
    time.goes_on(620, seen(PrintPhase.PRINTING, temperatures=cold))
    assert time.actions[0][0] is Action.PAUSE
    time.goes_on(20, seen(PrintPhase.PAUSED, temperatures=cold))
    assert time.actions[-1][0] is Action.HEATERS_OFF
    time.goes_on(120, seen(PrintPhase.PAUSED, temperatures=cold))
    assert time.actions[-1][0] is Action.STOP
    off = {**cold, "B_target": 0.0}
    time.goes_on(6, seen(PrintPhase.PAUSED, temperatures=off))
    assert time.rules == []


def test_every_rule_can_be_switched_off() -> None:
    time = Time(SafetyLimits(idle=0, held=0, paused_hotend=0, paused_bed=0, watches_temperatures=False))
    for phase in (None, PrintPhase.HELD, PrintPhase.PAUSED, PrintPhase.PRINTING):
        time.goes_on(20_000, seen(phase, temperatures={**temperatures(), "B": 22.0, "T": 400.0}))
    assert time.actions == []


def test_a_resume_begins_the_time_of_a_pause_anew() -> None:
    """While it heats it counts as paused still: switched off again at once, it would never go on."""
    time = Time()
    cooled = seen(PrintPhase.PAUSED, temperatures=temperatures(hotend=0))
    time.goes_on(30 * MINUTE + 4, seen(PrintPhase.PAUSED))
    assert [action for action, _ in time.actions] == [Action.HOTENDS_OFF]
    time.goes_on(20 * MINUTE, cooled)
    time.monitor.resumed(time.now)
    time.goes_on(5 * MINUTE, seen(PrintPhase.PAUSED))
    assert [action for action, _ in time.actions] == [Action.HOTENDS_OFF]
    time.goes_on(30 * MINUTE, seen(PrintPhase.PAUSED))
    assert time.actions[1][0] is Action.HOTENDS_OFF, "it never came to go on"


# ---------------------------------------------------------------- printers that print by themselves


@pytest.mark.parametrize("is_local", [False, True], ids=["ours", "somebody else's"])
@pytest.mark.parametrize("stance", [TELLING, TELLING_IN_ERROR], ids=["klipper", "bambu"])
@pytest.mark.parametrize(
    ("changes", "seconds", "rule"),
    [
        ({"temperatures": {"T": 351.0, "T_target": 210.0}}, 10, "too-hot-t"),
        ({"temperatures": {"B": 151.0, "B_target": 60.0}}, 10, "too-hot-b"),
        ({"temperatures": {"T": -14.0, "T_target": 210.0}}, 10, "sensor-t"),
        ({"temperatures": {"T": 240.0, "T_target": 210.0}}, 70, "stuck-on-t"),
        ({"temperatures": {"T": 100.0, "T_target": 210.0}}, 130, "no-heat-t"),
        ({"temperatures": {"B": 30.0, "B_target": 60.0}}, 610, "no-heat-b"),
    ],
)
def test_what_is_wrong_with_a_heater_is_told_and_nothing_is_done(
    changes: dict[str, Any], seconds: float, rule: str, stance: Stance, is_local: bool
) -> None:
    time = Time(stance=stance)
    shot = seen(PrintPhase.PRINTING, **changes)
    assert shot.current is not None
    shot = replace(shot, current=replace(shot.current, is_local=is_local))
    for _ in range(int(seconds / 2) + 2):
        finding = time.monitor.look(time.now, shot)
        assert finding.action is None
        time.now += 2
    assert [alarm.rule for alarm in finding.alarms] == [rule]
    assert "is stopped" not in finding.alarms[0].message
    assert "switched off." not in finding.alarms[0].message
    assert "ook at the machine" in finding.alarms[0].message


def test_forgotten_heat_is_told_when_the_time_is_over() -> None:
    time = Time(stance=TELLING)
    time.goes_on(15 * MINUTE, seen())
    assert time.rules == [], "nothing is about to be switched off"
    time.goes_on(20, seen())
    assert time.rules == ["idle-heat"]
    time.goes_on(60 * MINUTE, seen())
    assert (time.rules, time.actions) == (["idle-heat"], [])
    time.goes_on(10, seen(temperatures=temperatures(0, 0)))
    assert time.rules == []


@pytest.mark.parametrize("is_local", [False, True], ids=["ours", "somebody else's"])
def test_a_print_that_stands_hot_is_told(is_local: bool) -> None:
    time = Time(stance=TELLING)
    paused = seen(PrintPhase.PAUSED)
    assert paused.current is not None
    paused = replace(paused, current=replace(paused.current, is_local=is_local))
    time.goes_on(31 * MINUTE, paused)
    assert (time.rules, time.actions) == (["paused-heat"], [])
    cold_nozzle = replace(paused, temperatures=temperatures(0, 60))
    time.goes_on(10, cold_nozzle)
    assert time.rules == []
    time.goes_on(90 * MINUTE, cold_nozzle)
    assert (time.rules, time.actions) == (["paused-heat"], [])


def test_a_network_that_is_away_for_a_moment_is_no_alarm() -> None:
    time = Time(stance=TELLING)
    time.goes_on(60, seen(PrintPhase.PRINTING))
    gone = seen(PrintPhase.PRINTING, link=LinkState.DOWN, temperatures={}, temperature_age=None)
    time.goes_on(290, gone)
    assert time.rules == []
    time.goes_on(30, gone)
    assert time.rules == ["unreachable-heat"]
    time.goes_on(10, seen(PrintPhase.PRINTING))
    assert (time.rules, time.actions) == ([], [])


@pytest.mark.parametrize(("stance", "rules"), [(TELLING, []), (TELLING_IN_ERROR, ["idle-heat"])])
def test_an_error_means_cold_heaters_where_the_firmware_sees_to_it(stance: Stance, rules: list[str]) -> None:
    time = Time(stance=stance)
    time.goes_on(16 * MINUTE, seen(activity=Activity.ERROR))
    assert (time.rules, time.actions) == (rules, [])
