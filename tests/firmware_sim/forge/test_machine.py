"""The machine without a network: phases, people, time, and what the ledger says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.forge.ledger import CallInLedger, read_call_in_ledger
from firmware_sim.forge.machine import Machine
from firmware_sim.forge.personality import load_call_in_personality
from firmware_sim.forge.state import Phase, Print, Refused

JOB = Print("44964c43-176e-43a5-b36c-7694054fe028", "part", 3, "server", "task")


def machine(personality: str = "documented", speed: float = 1.0) -> Machine:
    return Machine(load_call_in_personality(personality), CallInLedger(), speed)


def printing(personality: str = "documented") -> Machine:
    """Its first layer has begun at 2 s."""
    one = machine(personality)
    one.load(JOB, 0.0)
    one.advance(2.0)
    assert one.phase is Phase.PRINTING
    one.changes.clear()
    return one


def causes(one: Machine) -> list[tuple[str, str, str | None]]:
    """What changed, the printer's status and the job's."""
    return [(r.cause, r.printer_status, r.print.status if r.print else None) for r in one.changes]


def test_a_print_from_end_to_end() -> None:
    one = machine("ember")
    one.load(JOB, 0.0)
    one.advance(100.0)
    assert causes(one) == [
        ("loading", "busy", "received"),
        ("started", "printing", "printing"),
        ("layer", "printing", "printing"),
        ("layer", "printing", "printing"),
        ("completed", "busy", "completed"),
        ("ready", "ready", None),
    ]
    assert [(deed.t, deed.event) for deed in one.ledger] == [
        (2.0, "print_started"), (3.0, "layer"), (4.0, "layer"), (5.0, "layer"), (5.0, "completed"),
    ]  # fmt: skip
    assert one.is_plate_occupied


def test_speed_is_of_the_machine() -> None:
    one = machine("ember", speed=10.0)
    one.load(JOB, 0.0)
    assert one.next_deadline() == 0.2
    one.advance(0.5)
    assert one.phase is Phase.ENDING
    with pytest.raises(ValueError, match="speed"):
        machine(speed=0.0)


def test_paused_time_is_no_printing_time() -> None:
    one = printing()
    one.advance(3.25)
    one.pause("panel", 3.25)
    one.advance(1000.0)
    assert one.print is not None
    assert (one.print.layer, one.print.status, one.printer_status) == (2, "paused", "paused")
    one.resume("server", 1000.0)
    assert one.next_deadline() == 1000.75, "what was left of the layer"
    events = [
        (deed.event, deed.source, deed.facts["layer"]) for deed in one.ledger.events("paused", "resumed")
    ]
    assert events == [("paused", "panel", 2), ("resumed", "server", 2)]


def test_an_open_door_stops_the_layers_and_the_print_stays_a_print() -> None:
    one = printing()
    one.open_door(2.5)
    one.advance(500.0)
    assert causes(one) == [("door_opened", "maintenance", "printing")]
    one.close_door(500.0)
    one.advance(500.5)
    assert one.print is not None
    assert one.print.layer == 2


def test_paused_with_the_door_open_it_waits_for_both() -> None:
    one = printing()
    one.open_door(2.5)
    one.pause("panel", 3.0)
    one.close_door(4.0)
    assert (one.printer_status, one.next_deadline()) == ("paused", None)
    one.resume("panel", 5.0)
    assert one.next_deadline() == 5.5


def test_a_resume_while_the_door_is_open_prints_when_it_is_closed() -> None:
    one = printing()
    one.pause("panel", 2.5)
    one.open_door(3.0)
    one.resume("server", 4.0)
    assert (one.printer_status, one.next_deadline()) == ("maintenance", None)
    one.close_door(9.0)
    assert one.next_deadline() == 9.5


@pytest.mark.parametrize("phase", ["loading", "waiting", "printing", "paused"])
def test_a_print_can_be_canceled_in_every_phase(phase: str) -> None:
    one = machine("ember-button" if phase == "waiting" else "ember")
    one.load(JOB, 0.0)
    now = 1.0 if phase == "loading" else 2.5
    one.advance(now)
    if phase == "paused":
        one.pause("panel", now)
    assert one.phase.value == phase
    one.cancel("panel", now)
    one.advance(60.0)
    assert one.phase is Phase.IDLE
    [deed] = one.ledger.events("canceled")
    assert (deed.source, deed.job) == ("panel", JOB.job_id)
    assert one.is_plate_occupied == (phase in ("printing", "paused"))


def test_the_button_starts_what_the_server_sent() -> None:
    one = machine("ember-button")
    one.load(JOB, 0.0)
    one.advance(500.0)
    assert (one.phase, one.printer_status) == (Phase.WAITING, "ready")
    assert one.ledger.starts() == []
    one.press_button(600.0)
    assert one.ledger.starts() == [JOB.job_id]


def test_an_error_ends_the_print_and_stays_until_it_is_cleared() -> None:
    one = printing()
    one.break_down(70, "resin tray", 2.5)
    one.advance(100.0)
    assert causes(one)[0] == ("failed", "error", "failed")
    assert (one.report().error_code, one.report().error_message) == (70, "resin tray")
    with pytest.raises(Refused, match="error 70: resin tray"):
        one.load(JOB, 101.0)
    one.clear_error(102.0)
    assert one.printer_status == "ready"


REFUSALS = ["press_button", "pause", "resume", "cancel"]


@pytest.mark.parametrize("what", REFUSALS)
def test_what_an_idle_machine_cannot_do(what: str) -> None:
    one = machine()
    arguments = (0.0,) if what == "press_button" else ("panel", 0.0)
    with pytest.raises(Refused):
        getattr(one, what)(*arguments)
    assert len(one.ledger) == 0
    assert not one.changes


def test_no_second_print_and_no_homing_in_mid_print() -> None:
    one = printing()
    for do in (lambda: one.load(JOB, 3.0), lambda: one.move("home", "server", 3.0)):
        with pytest.raises(Refused, match="the printer is printing"):
            do()
    assert one.ledger.starts() == [JOB.job_id]


def test_without_power_everything_is_gone_but_the_part_on_the_plate() -> None:
    one = printing()
    one.power_off(2.5)
    assert (one.next_deadline(), one.print) == (None, None)
    with pytest.raises(Refused, match="the printer is off"):
        one.load(JOB, 3.0)
    one.power_on(4.0)
    one.advance(100.0)
    assert (one.printer_status, one.is_plate_occupied) == ("ready", True)
    assert [deed.event for deed in one.ledger][-2:] == ["power_off", "power_on"]
    assert not one.ledger.events("canceled", "completed", "failed")


def test_what_must_not_happen_is_a_violation_that_is_written_down() -> None:
    one = printing()
    one.advance(60.0)
    one.load(JOB, 100.0)
    one.advance(200.0)
    assert one.ledger.starts() == [JOB.job_id] * 2
    assert one.ledger.violations() == ["started twice", "plate occupied"]


def test_another_print_on_a_cleared_plate_is_none() -> None:
    one = printing()
    one.advance(60.0)
    one.clear_plate(61.0)
    one.load(Print("other", "part", 3, "panel"), 100.0)
    one.advance(200.0)
    assert one.ledger.violations() == []


def test_moving_takes_its_time() -> None:
    one = machine()
    one.move("home", "server", 0.0)
    assert one.printer_status == "busy"
    one.advance(3.0)
    assert one.printer_status == "ready"
    assert [deed.facts for deed in one.ledger.events("moved")] == [{"what": "home"}]


def test_a_ledger_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    one = Machine(load_call_in_personality("ember"), CallInLedger(path))
    one.load(JOB, 0.0)
    one.advance(4.0)
    one.ledger.close()
    with path.open("a") as file:
        file.write('{"t": 5.0, "event": "lay')
    back = read_call_in_ledger(path)
    assert [deed.as_dict() for deed in back] == [deed.as_dict() for deed in one.ledger]
    assert back.starts() == [JOB.job_id]
