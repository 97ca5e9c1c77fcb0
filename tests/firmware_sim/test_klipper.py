"""Klipper's pseudo-terminal, as its protocol reads. Items are those of the notes on recorded runs."""

from __future__ import annotations

import pytest

from tests.firmware_sim.talk import Talk, frame


def klipper(**options: dict[str, bytes]) -> Talk:
    return Talk("klipper", **options)


def test_an_error_is_answered_with_ok_all_the_same() -> None:
    talk = klipper()
    assert talk.send("G1 X10 F6000\n") == ["!! Must home axis first: 10.000 0.000 0.000 [0.000]", "ok"]
    assert talk.ledger.executed() == []
    assert [entry.line for entry in talk.ledger.events("refused")] == ["G1 X10 F6000"]
    assert talk.send("M155 S1\n") == ['// Unknown command:"M155"', "ok"]


def test_numbers_and_checksums_are_ignored_and_nothing_is_ever_asked_for_again() -> None:
    talk = klipper()
    assert talk.send("N7 M105*99\n") == ["ok B:21.6 /0.0 T0:21.6 /0.0"]
    assert talk.send(frame(900, "M110 N0") + frame(3, "G90")) == ["ok", "ok"]


def test_nothing_is_said_while_it_works() -> None:
    talk = klipper()
    talk.send("G28\n")
    assert talk.wait(10.9) == []
    assert talk.wait(0.2) == ["ok"]


@pytest.mark.parametrize(("line", "seconds"), [("G4 P500", 0.0), ("G4 S1", 0.0), ("G4 P8000", 7.25)])
def test_ok_comes_when_less_than_a_second_is_planned(line: str, seconds: float) -> None:
    talk = klipper()
    heard = talk.send(f"{line}\nM105\n")
    if seconds:
        assert heard == []
        assert talk.wait(seconds - 0.05) == []
        heard = talk.wait(0.1)
    assert heard[0] == "ok"
    assert heard[1].startswith("ok B:"), "M105 waits behind it"


def test_m400_waits_for_the_end() -> None:
    talk = klipper()
    talk.send("G4 P500\n")
    assert talk.send("M400\n") == []
    assert talk.wait(0.8) == ["ok"]


def test_one_byte_that_is_no_text_drops_the_whole_read() -> None:
    talk = klipper()
    assert talk.send("M105\nM117 \xff\nM105\n") == []
    assert [entry.effect for entry in talk.ledger.events("dropped")] == ["no UTF-8"]
    assert talk.send("M117 \xc3") == [], "a character in two reads is two broken reads"
    assert talk.send("\xa9\n") == []
    assert talk.send("M110\n") == ["ok"]


def test_empty_lines_and_comments_are_answered() -> None:
    assert klipper().send("\n; hello\n  \nG90 ; absolute\n") == ["ok"] * 4


def test_m115_is_one_ok_line() -> None:
    assert klipper().send("M115\n") == ["ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:?"]


def test_m112_acts_only_as_a_line_of_its_own() -> None:
    talk = klipper()
    talk.send("G4 P3000\n")
    assert talk.send("N1 M112*32\n") == []
    assert talk.wait(2.5)[:2] == ["ok", "// Klipper state: Shutdown"]
    other = klipper()
    other.send("G4 P3000\n")
    assert other.send("M112\n")[0] == "// Klipper state: Shutdown"


def test_after_a_shutdown_only_status_tells_why() -> None:
    talk = klipper()
    talk.send("M104 S200\n")
    talk.board.fault_heater("E0", "open", talk.now)
    assert talk.wait(1.0) == ["// Klipper state: Shutdown"]
    assert talk.board.hotend.target == 0.0
    heard = talk.send("STATUS\n")
    assert "// Klipper state: Not ready" in heard
    assert heard[-2:] == ["!! MCU 'mcu' shutdown: ADC out of range", "ok"]
    assert talk.send("M118 still here\n") == ["echo: still here", "ok"]
    assert talk.send("M105\n") == ["ok T:0"]
    assert talk.send("G28\n")[-2:] == ["!! MCU 'mcu' shutdown: ADC out of range", "ok"]


def test_restarts() -> None:
    talk = klipper()
    talk.send("M112\n")
    assert talk.send("RESTART\n") == ["ok", "// Klipper state: Disconnect"]
    assert talk.wait(7.0) == [], "a restart alone does not mend a micro-controller that was shut down"
    assert talk.send("FIRMWARE_RESTART\n") == ["ok", "// Klipper state: Disconnect"]
    assert talk.wait(1.6) == []
    assert talk.wait(0.2) == ["// Klipper state: Ready"]
    assert talk.send("STATUS\n") == ["// Klipper state: Ready", "ok"]


def test_waiting_for_heat_gives_a_line_a_second() -> None:
    talk = klipper()
    assert talk.send("M109 S80\n") == ["B:21.6 /0.0 T0:21.6 /80.0"]
    heard = talk.wait_for("ok")
    assert all(line.startswith("B:") for line in heard[:-1])
    assert len(heard) > 20


def test_a_card_print() -> None:
    talk = klipper(sd={"x": b"M118 one\nG4 P100\nM118 end of it\n"})
    assert talk.send("M23 x\n") == ["File opened:x Size:32", "File selected", "ok"]
    assert talk.send("M24\n") == ["ok", "echo: one", "echo: end of it", "Done printing file"]
    assert talk.send("M27\n") == ["Not SD printing.", "ok"]
    assert talk.send("M23 nope\n") == ["!! Unable to open file", "ok"]


def test_twenty_lines_wait_and_no_more_are_read() -> None:
    talk = klipper()
    talk.send("G4 P60000\n" + "M110\n" * 19)
    talk.send("M112\n")
    assert talk.board.is_running
    assert talk.ledger.count("kill") == 0, "not even M112"
    assert talk.board.rx_free() == 4096 - 5
