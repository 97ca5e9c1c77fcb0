"""What the heaters are set to is believed when two reports say so: they come without a checksum."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway.drivers.marlin.reports import MachineView
from gateway.protocol.marlin.parsing import parse_reply
from gateway.protocol.marlin.replies import Ok, Temperature

GOOD = "ok T:50.00 /50.00 B:53.00 /53.00 @:5 B@:7"


def view_of(lines: Iterable[str]) -> MachineView:
    view = MachineView("mk3")
    for line in lines:
        reply = parse_reply(line.encode())
        if isinstance(reply, Ok) and reply.temperatures is not None:
            reply = Temperature(reply.temperatures, is_waiting=False)
        view.hear(reply, 1.0)
    return view


def test_two_reports_that_agree() -> None:
    assert view_of([GOOD]).agreed_targets is None
    assert view_of([GOOD, GOOD]).agreed_targets == {"T_target": 50.0, "B_target": 53.0}
    assert view_of([GOOD.replace("/50", "/40"), GOOD, GOOD]).agreed_targets == {
        "T_target": 50.0,
        "B_target": 53.0,
    }


@pytest.mark.parametrize(
    "harmed",
    [
        GOOD.replace("/50.00", "/5000"),  # a byte lost
        GOOD.replace("/50.00", "/550.00"),  # doubled
        GOOD.replace("/50.00", "/10.00"),  # flipped
        GOOD.replace(" B:", " C:"),
    ],
)
def test_a_harmed_one_agrees_with_none(harmed: str) -> None:
    assert view_of([GOOD, harmed]).agreed_targets is None
    assert view_of([harmed, GOOD]).agreed_targets is None
    assert view_of([harmed, GOOD, GOOD]).agreed_targets == {"T_target": 50.0, "B_target": 53.0}


def test_a_report_without_targets_says_nothing_of_them() -> None:
    assert view_of([GOOD, GOOD, "T:50.00 E:0 W:?"]).agreed_targets is not None


def test_another_connection_begins_anew() -> None:
    view = view_of([GOOD, GOOD])
    view.went_down("The cable was pulled.")
    assert view.agreed_targets is None
