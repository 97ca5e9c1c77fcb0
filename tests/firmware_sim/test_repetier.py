"""Repetier-Firmware, as its protocol reads."""

from __future__ import annotations

from tests.firmware_sim.talk import Talk, frame


def plain(lines: list[str]) -> list[str]:
    assert all(line.endswith("\r") for line in lines)
    return [line[:-1] for line in lines]


def repetier() -> Talk:
    talk = Talk("repetier")
    assert plain(talk.send("M110\n")) == ["ok"]
    return talk


def test_ok_with_the_number_comes_before_the_data() -> None:
    heard = plain(repetier().send(frame(1, "M105")))
    assert heard == ["ok 1", "T:19.50 /0 B:19.50 /0 B@:0 @:0"]


def test_a_wrong_checksum() -> None:
    heard = plain(repetier().send("N1 G90*1\n"))
    assert heard == ["Error:Wrong checksum", "", "Resend:1", "ok"]


def test_a_checksum_once_seen_is_wanted_for_ever() -> None:
    talk = repetier()
    talk.send(frame(1, "G90"))
    assert plain(talk.send("N2 G90\n")) == ["Error:Missing checksum", "", "Resend:2", "ok"]


def test_a_line_from_the_future_and_one_from_the_past() -> None:
    talk = repetier()
    talk.send(frame(1, "G90") + frame(2, "G90"))
    assert plain(talk.send(frame(2, "G90"))) == ["skip 2", "ok"]
    assert plain(talk.send(frame(5, "G90"))) == ["Error:expected line 3 got 5", "", "Resend:3", "ok"]
    assert plain(talk.send(frame(6, "G90"))) == ["skip 6", "ok"], "taken for what was on its way"
    assert plain(talk.send(frame(3, "G90"))) == ["ok 3"]
    assert talk.ledger.executed() == ["M110", "G90", "G90", "G90"]


def test_a_resend_without_an_answer_is_repeated() -> None:
    talk = repetier()
    talk.send("N1 G90*1\n")
    assert plain(talk.wait(0.41)) == ["", "Resend:1", "ok"] * 2
    assert plain(talk.send(frame(1, "G90"))) == ["ok 1"]
    assert talk.wait(0.5) == []


def test_idle_it_says_wait_once_a_second() -> None:
    talk = repetier()
    talk.wait(5.0)
    assert plain(talk.wait(3.0)) == ["wait"] * 3


def test_busy_without_echo() -> None:
    talk = repetier()
    assert plain(talk.send(frame(1, "G28"))) == ["ok 1"]
    assert set(plain(talk.wait(6.1))) == {"busy:processing"}


def test_m112_resets() -> None:
    talk = repetier()
    talk.send("M104 S200\n")
    talk.send("M112\n")
    assert plain(talk.wait(1.0))[0] == "start"
    assert talk.board.hotend.target == 0.0


def test_a_defect_sensor_refuses_everything_until_m999() -> None:
    talk = repetier()
    talk.send("M104 S200\n")
    talk.board.fault_heater("E0", "open", talk.now)
    heard = plain(talk.wait(0.1))
    assert heard[0] == "Disabling all heaters due to detected sensor defect."
    assert heard[1].startswith("fatal:Heater/sensor error")
    assert plain(talk.send(frame(1, "G28")))[-1] == "ok 1"
    assert "G28" not in talk.ledger.executed()
