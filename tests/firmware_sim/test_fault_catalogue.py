"""What each named fault does, as a host hears it and as the ledger tells it."""

from __future__ import annotations

import pytest

from firmware_sim import FaultPlan, Planned, Trigger
from firmware_sim.faults import catalogue
from firmware_sim.faults.catalogue import TO_BOARD, TO_HOST
from tests.firmware_sim.talk import Talk, frame

BAD = "N9 M117 x*1\n"


def armed(fault: catalogue.Fault, personality: str = "marlin-full", **sd: bytes) -> Talk:
    talk = Talk(personality, sd={f"{name}.GCO": content for name, content in sd.items()})
    talk.board.faults.arm(fault)
    return talk


# -- oks and refusals -------------------------------------------------------------------------------------


def test_an_ok_said_twice() -> None:
    assert armed(catalogue.ok_doubled()).send("M117 x\n") == ["ok P15 B7"] * 2


def test_a_garbled_ok_is_no_ok() -> None:
    [said] = armed(catalogue.ok_garbled()).send("M117 x\n")
    assert not said.startswith("ok")
    assert said.endswith(" P15 B7")


def test_a_late_ok_keeps_its_place_in_front_of_what_follows() -> None:
    talk = armed(catalogue.ok_late(5.0))
    assert talk.send("M117 x\nM118 E1 behind\n") == []
    assert talk.wait(4.9) == []
    assert talk.wait(0.2) == ["ok P15 B6", "echo:behind\r", "ok P15 B7"]


def test_a_report_in_the_middle_of_an_answer() -> None:
    talk = armed(catalogue.report_in_mid_answer())
    said = "".join(talk.send("M117 x\n"))
    report = " T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0"
    assert report in said
    assert said.replace(report, "") == "ok P15 B7"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (catalogue.resend_without_ok(), ["Resend: 1"]),
        (catalogue.resend_repeated(), ["Resend: 1", "ok"] * 2),
        (catalogue.resend_long_gone(5), ["Resend: 1", "ok"]),
    ],
)
def test_refusals(fault: catalogue.Fault, said: list[str]) -> None:
    heard = [line for line in armed(fault).send(BAD) if not line.startswith("Error")]
    assert heard == said


def test_a_resend_for_a_line_long_gone() -> None:
    talk = Talk("marlin-full")
    talk.send("M110 N40\n")
    talk.board.faults.arm(catalogue.resend_long_gone(30))
    assert talk.send(BAD)[1] == "Resend: 11"
    assert talk.send(BAD)[1] == "Resend: 41"


# -- firmware ---------------------------------------------------------------------------------------------


def test_m110_ignored() -> None:
    talk = armed(catalogue.m110_ignored())
    assert talk.send(frame(0, "M110 N0") + "M110 N77\n")[-1].startswith("ok")
    assert talk.send(frame(78, "M105"))[1] == "Resend: 1"


def test_an_unknown_command_is_echoed() -> None:
    talk = armed(catalogue.unknown_command_echoed("M155"))
    assert talk.send("M155 S1\n") == ['echo:Unknown command: "M155 S1"', "ok P15 B7"]
    assert talk.wait(5.0) == []


def test_no_checksum_support() -> None:
    talk = armed(catalogue.no_checksum_support())
    assert talk.send("N7 M117 x*99\nN3 M117 y\n") == ["ok N7 P15 B6", "ok N3 P15 B7"]


def test_busy_for_minutes() -> None:
    talk = armed(catalogue.busy_for_minutes(180.0))
    heard = talk.send("M117 x\n") + talk.wait(179.0)
    assert set(heard) == {"//action:notification Sleep...", "echo:busy: processing"}
    assert heard.count("echo:busy: processing") == 89
    assert talk.wait(2.0)[-1] == "ok P15 B7"


def test_wait_for_ever() -> None:
    talk = armed(catalogue.wait_for_ever(10.0))
    talk.send("G4 S30\n")
    assert talk.wait(9.5).count("wait") >= 9
    assert "wait" not in talk.wait(60.0)[1:]


def test_noise_at_boot() -> None:
    talk = armed(catalogue.noise_at_boot(12))
    talk.board.reset(talk.now)
    talk.now += 1.0
    said = talk.board.poll(talk.now)
    assert said.index(b"start\n") == 12


# -- machine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (catalogue.runaway(), "Error:Thermal Runaway, system stopped! Heater_ID: E0"),
        (catalogue.halt(), "Error:!! KILL caused by KILL button/pin"),
        (catalogue.reset(), "start"),
        (catalogue.filament_out(), "//action:out_of_filament T0"),
        (catalogue.door(), "//action:prompt_begin Door open"),
        (catalogue.panel("cancel"), "//action:cancel"),
        (catalogue.panel("resume"), "//action:resume"),
        (catalogue.panel_start("A.GCO"), 'echo:enqueueing "M24"'),
        (catalogue.sd_removed(), "echo:No media"),
    ],
    ids=lambda one: one.name if isinstance(one, catalogue.Fault) else "",
)
def test_what_happens_to_the_machine(fault: catalogue.Fault, words: str) -> None:
    talk = armed(fault, A=b"G4 S5\n")
    assert words in talk.send("") + talk.wait(2.0)


def test_a_slow_heater_takes_longer() -> None:
    def seconds(talk: Talk) -> float:
        talk.send("M109 S60\n")
        began = talk.now
        talk.wait_for("ok P15 B7")
        return talk.now - began

    assert seconds(armed(catalogue.heater_fault("slow"))) > 2 * seconds(Talk("marlin-full"))


def test_an_underrun_is_an_entry() -> None:
    talk = armed(catalogue.planner_starved())
    talk.send("G1 X10 F600\n")
    talk.wait(5.0)
    talk.send("G1 X20 F600\n")
    talk.send("G1 X30 F600\n")
    talk.send("M400\nG1 X40\n")
    [entry] = talk.ledger.events("underrun")
    assert entry.line == "G1 X20 F600"
    assert float((entry.effect or "").removesuffix(" s")) == pytest.approx(3.9, abs=0.01)


# -- wire and host ----------------------------------------------------------------------------------------


def test_half_a_line_then_silence() -> None:
    talk = armed(catalogue.half_line_then_silence(TO_HOST, 3.0))
    talk.board.faults.arm(catalogue.half_line_then_silence(TO_BOARD, 3.0), Trigger(line=2))
    assert talk.board.poll(talk.now) == b""
    talk.board.receive(frame(1, "M117 x").encode(), talk.now)
    assert talk.board.poll(talk.now) == b""
    talk.now += 4.0
    assert talk.send(frame(2, "M117 y")) == []
    assert talk.send(frame(3, "M117 z")) == []
    talk.now += 4.0
    assert talk.send("\n" + frame(4, "M117 z"))[-2:] == ["Resend: 2", "ok"]


def test_bytes_lost_in_a_row() -> None:
    talk = armed(catalogue.rx_overflow(10))
    assert talk.send("0123456789M118 E1 whole\n")[0] == "echo:whole\r"


def test_a_suspended_host_hears_and_says_it_all_later() -> None:
    talk = armed(catalogue.suspend(30.0))
    talk.board.poll(talk.now)
    assert talk.send("M118 E1 sent\n") == []
    assert talk.wait(29.0) == []
    assert talk.wait(2.0) == ["echo:sent\r", "ok P15 B7"]


def test_a_slow_host_hears_late_and_the_machine_works_on() -> None:
    talk = armed(catalogue.slow_host(1.0))
    talk.board.poll(talk.now)
    assert talk.send("M117 x\n") == []
    assert talk.ledger.executed() == ["M117 x"]
    assert talk.wait(1.1) == ["ok P15 B7"]


def test_a_rate_that_is_wrong_for_a_time() -> None:
    plan = FaultPlan([Planned(catalogue.baud_mismatch(2.0), Trigger(at=1.0))])
    talk = Talk("marlin-full")
    talk.board.faults.load(plan)
    talk.board.poll(talk.now)
    talk.board.receive(b"M118 E1 x\n", talk.now)
    assert b"echo:x" not in talk.board.poll(talk.now)
    talk.board.poll(talk.now + 5.0)
    talk.now += 5.0
    talk.board.receive(b"\nM118 E1 y\n", talk.now)
    assert talk.board.poll(talk.now).endswith(b"echo:y\r\nok P15 B7\n")
