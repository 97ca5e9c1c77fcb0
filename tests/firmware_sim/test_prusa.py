"""Prusa-Firmware for the MK3, as its protocol reads."""

from __future__ import annotations

from tests.firmware_sim.talk import Talk, frame


def prusa(**options: dict[str, bytes]) -> Talk:
    return Talk("prusa", **options)


def test_who_it_is() -> None:
    heard = prusa().send("M115\n")
    assert heard[0].startswith("FIRMWARE_NAME:Prusa-Firmware 3.14.0")
    assert heard[1:] == [
        "Cap:AUTOREPORT_TEMP:1",
        "Cap:AUTOREPORT_FANS:1",
        "Cap:AUTOREPORT_POSITION:1",
        "Cap:EXTENDED_M20:1",
        "Cap:PRUSA_MMU2:1",
        "ok",
    ]


def test_a_repeated_line_is_an_error_and_not_silence() -> None:
    talk = prusa()
    assert talk.send(frame(1, "G90")) == ["ok"]
    assert talk.send(frame(1, "G90")) == [
        "Error:Line Number is not Last Line Number+1, Last Line: 1",
        "Resend: 2",
        "ok",
    ]


def test_a_checksum_wants_a_number() -> None:
    assert prusa().send("G90*17\n") == ["Error:No Line Number with checksum, Last Line: 0", "Resend: 1", "ok"]
    assert prusa().send("G90\n") == ["ok"]


def test_half_a_line_is_forgotten_after_two_seconds() -> None:
    talk = prusa()
    talk.send("G9")
    assert talk.wait(1.9) == []
    assert talk.wait(0.2) == ["RX timeout"]
    assert talk.send("G90\n") == ["ok"]


def test_eight_bit_characters_are_ignored() -> None:
    talk = prusa()
    assert talk.send("G\xff9\x800\n") == ["ok"]
    assert talk.ledger.executed() == ["G90"]


def test_a_full_ring_is_forgotten() -> None:
    talk = prusa()
    talk.send("G4 S5\n" + "G90\n" * 3)
    talk.send("M117 something long enough to fill it\n" * 5)
    heard = talk.wait(6.0)
    assert "Full RX Buffer" in heard
    assert not any(line.startswith("M117") for line in talk.ledger.executed())


def test_m112_even_with_a_number_kills_when_it_is_read_and_the_board_resets_and_waits_for_the_knob() -> None:
    talk = prusa()
    assert talk.send("G4 S9\n" + frame(1, "M112")) == [
        "Error:Printer halted. kill() called!",
        "Error:M112 called. Emergency Stop.",
    ]
    assert talk.wait(2.0)[0] == "start"
    assert talk.send("M105\n") == []
    assert "echo:busy: paused for user" in talk.wait(3.0)
    talk.board.panel.click(talk.now)
    assert talk.wait(0.1)[0].startswith("ok T:")


def test_a_thermal_fault_stops_without_a_halt() -> None:
    talk = prusa()
    talk.send("M104 S200\n")
    talk.board.fault_heater("E0", "open", talk.now)
    assert talk.wait(0.1) == ["Error:0: Heaters switched off. MINTEMP triggered!", "//action:cancel"]
    assert talk.board.hotend.target == 0.0
    assert talk.send("G28\n") == []
    assert set(talk.wait(6.1)) == {"echo:busy: paused for user"}


def test_a_card_print_names_its_file() -> None:
    talk = prusa(sd={"Vase.gcode": b"G4 S500\n"})
    talk.send("M23 VASE~1.GCO\nM24\n")
    assert talk.send("M27\n") == []
    talk.board.panel.pause(talk.now)
    assert "//action:paused" in talk.wait(501.0)
