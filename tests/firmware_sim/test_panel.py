"""A person at the printer: what a host gets to hear of it."""

from __future__ import annotations

import pytest

from tests.firmware_sim.talk import Talk

FILE = b"G28\nM104 S60\n" + b"G4 S5\n" * 6 + b"M118 E1 end\n"
LINES = FILE.decode().splitlines()


def printer(name: str = "marlin-sd") -> Talk:
    return Talk(name, sd={"Big Vase.gcode": FILE})


def test_a_local_start_announces_the_file_and_gives_no_ok() -> None:
    talk = printer()
    talk.board.panel.start("Big Vase.gcode", talk.now)
    assert talk.wait(0.0) == [
        'echo:enqueueing "M23 bigvas~1.gco"',
        'echo:enqueueing "M24"',
        "echo:Now fresh file: bigvas~1.gco",
        f"File opened: bigvas~1.gco Size: {len(FILE)}",
        "File selected",
        "//action:resume",
    ]
    heard = talk.wait_for("Done printing file")
    assert "ok" not in heard
    assert talk.ledger.executed("panel") == ["M23 bigvas~1.gco", "M24"]
    assert [e.line for e in talk.ledger.events("panel")] == ["start BIGVAS~1.GCO"]
    assert [e.source for e in talk.ledger.events("sd_start")] == ["panel"]


def test_pause_and_resume_of_a_card_print() -> None:
    talk = printer()
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    talk.wait(5.0)
    talk.board.panel.pause(talk.now)
    assert "//action:pause" in talk.wait(200.0)
    assert talk.ledger.count("sd_pause") == 1
    talk.board.panel.resume(talk.now)
    assert talk.wait(0.0)[0] == "//action:resume"
    talk.wait_for("Done printing file")
    assert talk.ledger.executed("sd") == LINES


def test_cancel_of_a_card_print_is_an_action_and_no_done() -> None:
    talk = printer()
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    talk.wait(20.0)
    talk.board.panel.cancel(talk.now)
    heard = talk.wait(300.0)
    assert heard[0] == "//action:cancel"
    assert "Done printing file" not in heard
    assert "echo:end\r" not in heard
    assert talk.send("M27\n") == ["Not SD printing", "ok"]
    assert talk.board.hotend.target == 0.0
    assert talk.ledger.count("sd_abort") == 1


def test_cancel_of_a_paused_card_print() -> None:
    talk = printer()
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    talk.board.panel.pause(talk.now)
    talk.wait(100.0)
    talk.board.panel.cancel(talk.now)
    talk.wait(100.0)
    assert talk.ledger.count("sd_abort") == 1
    assert talk.board.is_idle


def test_cancel_in_a_heat_up_does_not_wait_for_the_heat() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": b"M109 S200\nG28\n"})
    talk.board.panel.start("A.GCO", talk.now)
    talk.wait(5.0)
    talk.board.panel.cancel(talk.now)
    talk.wait(0.1)
    assert talk.ledger.count("sd_abort") == 1
    assert "G28" not in talk.ledger.executed("sd")


def test_a_host_print_is_only_asked_for() -> None:
    talk = printer()
    talk.send("G1 X10 F6000\n")
    talk.board.panel.pause(talk.now)
    assert talk.wait(0.1) == ["//action:pause"]
    talk.board.panel.resume(talk.now)
    assert talk.wait(0.1) == ["//action:resume"]
    talk.board.panel.cancel(talk.now)
    assert talk.wait(0.1) == ["//action:cancel"]
    assert talk.send("G1 X20\n") == ["ok"], "the machine itself goes on obeying"


def test_the_full_build_parks_and_waits_for_the_knob() -> None:
    talk = printer("marlin-full")
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    talk.wait(50.0)
    talk.board.panel.cancel(talk.now)
    talk.wait(50.0)
    heard = talk.send("M25\n") + talk.wait(5.0)
    assert heard[:2] == ["//action:paused", "echo:Send M108 to resume"]
    assert heard[-1] == "echo:busy: paused for user"
    assert talk.send("M27\n") + talk.wait(40.0) == ["echo:busy: paused for user"] * 20, "M27 is not answered"
    talk.board.panel.click(talk.now)
    assert talk.wait(0.1) == ["//action:resumed", "ok P15 B6", "Not SD printing", "ok P15 B7"]


def test_a_parked_nozzle_left_alone_is_heated_again_only_when_asked() -> None:
    talk = Talk("marlin-full")
    talk.send("M302 P1\nM104 S200\n")
    talk.wait(120.0)
    assert talk.send("M25\n") + talk.wait(0.2) == [
        "//action:paused",
        "echo:Send M108 to resume",
        *question("Nozzle Parked", "Continue"),
    ]
    heard = talk.wait(45.0)
    assert heard[-5:] == ["echo:Send M108 to heat nozzle", *question("Heater Timeout", "Reheat")]
    assert talk.send("M105\n") == [], "the parked command holds the queue"
    assert talk.board.hotend.target == 0.0
    talk.wait(20.0)
    assert talk.send("M876 S0\n") == question("Reheating")
    assert talk.board.hotend.target == 200.0
    heard = talk.wait_for("echo:Send M108 to resume") + talk.wait(0.0)
    assert heard[-5:] == ["echo:Send M108 to resume", *question("Reheat Done", "Continue")]
    assert talk.board.hotend.celsius(talk.now) == pytest.approx(199.5)
    heard = talk.send("M876 S0\n")
    assert heard[:5] == ["//action:resumed", *question("Resuming", "Dismiss")]
    assert heard[-1] == "ok P15 B7"


def question(text: str, *buttons: str) -> list[str]:
    """A prompt as the firmware writes it."""
    shown = [f"//action:prompt_button {button}" for button in buttons]
    return ["//action:prompt_end", f"//action:prompt_begin {text}", *shown, "//action:prompt_show"]


def test_a_parked_card_print_goes_on_where_it_was() -> None:
    talk = printer("marlin-full")
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    talk.wait(5.0)
    talk.board.panel.pause(talk.now)
    assert "//action:paused" in talk.wait(30.0)
    talk.board.panel.resume(talk.now)
    talk.wait_for("Done printing file")
    assert talk.ledger.executed("sd") == LINES


def test_m0_waits_for_a_click() -> None:
    talk = printer()
    assert talk.send("M0 Change filament\n") == []
    assert talk.wait(4.1) == ["echo:busy: paused for user"] * 2
    talk.board.panel.click(talk.now)
    assert talk.wait(0.0) == ["ok"]


def test_a_machine_without_display_says_nothing() -> None:
    talk = Talk("marlin-stock")
    talk.board.panel.pause(talk.now)
    talk.board.panel.cancel(talk.now)
    assert talk.wait(1.0) == []


def test_a_file_that_is_not_there() -> None:
    talk = printer()
    with pytest.raises(FileNotFoundError, match="no file"):
        talk.board.panel.start("nope.gco", talk.now)


def test_the_display_of_a_halted_board_is_dead() -> None:
    talk = printer()
    talk.send("M112\n")
    talk.board.panel.start("BIGVAS~1.GCO", talk.now)
    assert talk.wait(100.0) == []
    assert [e.effect for e in talk.ledger.events("panel")] == ["no reaction"]
