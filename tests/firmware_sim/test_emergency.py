"""The emergency parser sees what the queue cannot reach yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.machine.emergency import EmergencyParser
from tests.firmware_sim.talk import Talk


@pytest.mark.parametrize(
    ("data", "orders"),
    [
        (b"M112\n", ["M112"]),
        (b"M112", []),
        (b"  M112\n", ["M112"]),
        (b"N1 M112*32\n", ["M112"]),
        (b"N202 M117 safe M112 text*119\n", []),
        (b"G1 X1\nM108\nM410\r\n", ["M108", "M410"]),
        (b"M876 S1\n", ["M876 S1"]),
        (b"KILL\n", ["KILL"]),
        (b"; M112\n", []),
        (b"M11\n2\n", []),
        (b"M1125\n", ["M112"]),
        (b"XM112\n", []),
        (b"M 112\n", ["M112"]),
        (b"N-5 M112\n", ["M112"]),
        (b"N+5 M112\n", []),
        (b"NM108\n", ["M108"]),
        (b"M112 now\n", ["M112"]),
        (b"m112\n", []),
        (b"M876\n", []),
        (b"M876 S\n", []),
        (b"M876S0\r", ["M876 S0"]),
        (b"N3 M876 S 7*99\n", ["M876 S7"]),
        (b"M876 P1\n", []),
        (b"KILLER\n", ["KILL"]),
        (b"NKILL\n", []),
        (b"\n\n  \nM410\n", ["M410"]),
        (b"M1\nM112\n", []),
        (b"M1\nM112\nM112\n", ["M112"]),
        (b"N5\nM108\nM108\n", ["M108"]),
        (b"G1 X1\nM112\n", ["M112"]),
        (b"M108\n" * 3, ["M108"] * 3),
    ],
)
def test_orders_within_the_stream(data: bytes, orders: list[str]) -> None:
    assert EmergencyParser().feed(data) == orders


@given(
    st.lists(st.sampled_from([b"M112\n", b"G1 X1\n", b"N1 M108*43\n", b"M117 M112\n", b"\n"]), max_size=12)
)
def test_it_does_not_matter_where_the_bytes_are_cut(lines: list[bytes]) -> None:
    data = b"".join(lines)
    single = EmergencyParser()
    assert [order for byte in data for order in single.feed(bytes([byte]))] == EmergencyParser().feed(data)


def test_m112_acts_in_the_middle_of_a_dwell_and_nothing_speaks_afterwards() -> None:
    talk = Talk("marlin-full")
    talk.send("G4 S20\n")
    talk.wait(1.0)
    assert talk.send("M112\n") == [
        "echo:M112 Shutdown",
        "Error:Printer halted. kill() called!",
        "//action:poweroff",
    ]
    assert talk.send("M105\nM999\n") + talk.wait(60.0) == []
    assert talk.board.is_halted


def test_kill_text_restarts_a_halted_board_that_was_built_with_it() -> None:
    talk = Talk("marlin-full")
    talk.send("M112\n")
    assert talk.send("KILL\n") == []
    assert talk.wait(1.0)[0] == "start"


def test_kill_text_resets_a_running_board_too() -> None:
    talk = Talk("marlin-full")
    talk.send("G4 S20\nM104 S60\n")
    assert talk.send("KILL\n") == []
    assert talk.wait(1.0)[0] == "start"
    assert talk.board.hotend.target == 0.0
    assert [entry.event for entry in talk.ledger.events("reset", "unknown")] == ["reset"]


def test_kill_text_is_an_unknown_command_where_it_is_not_built_in() -> None:
    assert Talk("marlin-sd").send("KILL\n") == ['echo:Unknown command: "KILL"', "ok"]


def test_without_the_parser_m112_waits_until_it_can_be_read() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S6\n" + "G92 E0\n" * 12 + "M112\n")
    assert "echo:M112 Shutdown" not in talk.wait(5.9)
    heard = talk.wait(0.2)
    assert heard[-1] == "Error:Printer halted. kill() called!"
    assert sum(line.startswith("X:") for line in heard) == 9, "three commands were still in the ring"


def test_without_the_parser_a_numbered_m112_is_a_command_like_any_other() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S4\nN1 M112*32\n")
    assert talk.wait(3.9) == ["echo:busy: processing"]
    assert talk.wait(0.2)[-2:] == ["echo:M112 Shutdown", "Error:Printer halted. kill() called!"]


def test_a_line_cut_short_hides_the_order_behind_it_from_the_parser_but_not_from_the_queue() -> None:
    """As in Marlin: `M1` without more takes the next line with it. The queue still reads both."""
    talk = Talk("marlin-full")
    talk.send("G4 S5\nM1\nM112\n")
    assert not talk.board.is_halted
    talk.wait(5.1)
    assert not talk.board.is_halted, "M1 waits for the user"
    assert talk.send("M108\n")[-1] == "//action:poweroff"


def test_m410_acts_at_once_and_its_ok_comes_a_second_later() -> None:
    talk = Talk("marlin-full")
    talk.send("G1 X100 F600\nG1 X0\n")
    talk.wait(3.1)
    assert talk.send("M410\n") == []
    where = talk.board.axes.native[0]
    assert where == pytest.approx(30.0, abs=0.5)
    assert talk.wait(2.0) == ["ok P15 B7"]
    assert talk.board.axes.native[0] == where


@pytest.mark.parametrize("order", ["M108", "M876 S0", "N7 M108*45"])
def test_what_ends_a_wait_for_the_user(order: str) -> None:
    talk = Talk("marlin-full")
    talk.send("M0 Look\n")
    talk.wait(5.0)
    heard = talk.send(f"{order}\n")
    assert heard[0] == "ok P15 B7"
    assert talk.board.is_idle or order.startswith("N7")


@pytest.mark.parametrize("order", ["M105", "M24", "M27", "M524", "M876", "M876 P0", "G28"])
def test_what_does_not_end_a_wait_for_the_user(order: str) -> None:
    talk = Talk("marlin-full")
    talk.send("M0 Look\n")
    assert talk.send(f"{order}\n") == []
    assert talk.wait(40.1) == ["echo:busy: paused for user"] * 20


@pytest.mark.parametrize(
    ("line", "seconds"), [("M0 S5", 5.0), ("M1 P1500", 1.5), ("M0 S3 P9000", 3.0), ("M0 S0", 600.0)]
)
def test_m0_with_a_time_goes_on_by_itself(line: str, seconds: float) -> None:
    talk = Talk("marlin-full")
    heard = talk.send(f"{line}\n")
    assert heard[1] == f"//action:prompt_begin {line[:2]} Stop"
    assert not any(row.startswith("ok") for row in talk.wait(min(seconds, 300.0) - 0.01))
    assert ("ok P15 B7" in talk.wait(0.02)) == (seconds < 300.0)


def test_an_answer_to_a_prompt_that_informs_only_closes_it() -> None:
    talk = Talk("marlin-full", sd={"A.GCO": b"G4 S60\n"})
    assert "//action:prompt_begin Resuming SD" in talk.send("M23 A.GCO\nM24\n")
    talk.send("M876 S0\n")
    assert talk.board.question == ""
    assert "//action:prompt_begin Resuming SD" in talk.send("M24\n") + talk.wait(100.0)


def test_m600_is_ended_by_the_answer_and_m125_is_m25_by_another_name() -> None:
    for command, says in (("M600", "Insert filament and send M108"), ("M125", "Send M108 to resume")):
        talk = Talk("marlin-full")
        assert f"echo:{says}" in talk.send(f"{command}\n") + talk.wait(1.0)
        assert talk.send("M876 S1\n")[0] == "//action:resumed"
        assert talk.wait(100.0) == []
        assert talk.board.is_idle
