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
