"""The target of a heater that is being tuned is what the macro gave it, and only while it is tuned."""

from __future__ import annotations

import pytest

from gateway.drivers.marlin import tuning

ONE = {"T": 150.0, "T_target": 0.0, "B": 20.0, "B_target": 0.0}
TWO = {"T_target": 0.0, "T0_target": 0.0, "T1_target": 0.0, "B_target": 0.0}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("M303 E0 S210 C8 U1", {"T_target": 210.0}),
        ("M303 S185.5", {"T_target": 185.5}),
        ("m303 e-1 s60", {"B_target": 60.0}),
        ("M303", {"T_target": 150.0}),  # Marlin's default
        ("M303 E-1", {"B_target": 70.0}),
        ("M303 E-2 S50", {}),  # the chamber
        ("M303 E3 S200", {}),  # none is known
        ("M3030 E0 S200", {}),
        ("M104 S200", {}),
        (None, {}),
    ],
)
def test_what_it_is_told(line: str | None, told: dict[str, float]) -> None:
    assert tuning.shown(ONE, line) == {**ONE, **told}


def test_of_two_nozzles_it_is_the_one() -> None:
    assert tuning.shown(TWO, "M303 E1 S200") == {**TWO, "T1_target": 200.0}
    assert tuning.shown(TWO, "M303 E0 S200") == {**TWO, "T_target": 200.0, "T0_target": 200.0}


def test_a_target_that_the_firmware_tells_is_its_own() -> None:
    assert tuning.shown({"T_target": 90.0}, "M303 E0 S200") == {"T_target": 90.0}
