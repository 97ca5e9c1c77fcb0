"""Lines of scripts: what their variables say, and what cannot be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.gcode.macros import LINE_CHARS_MAX, VARIABLES, MacroInvalid, check, render
from gateway.protocol.marlin.framing import numbered


@pytest.mark.parametrize(
    ("line", "values", "sent"),
    [
        ("G28", {}, "G28"),
        ("G1 X{x} Y{y}", {"x": 110.25, "y": 5.0}, "G1 X110.25 Y5"),
        ("M104 S{hotend}", {"hotend": 215}, "M104 S215"),
        ("M104 S{hotend}", {}, "M104 S0"),
        ("M117 {file}", {"file": "W\u00fcrfel; M112\n*7\\.gcode"}, "M117 W_rfel_ M112_7_.gcode"),
        ("M117 {file}", {"file": "\u00fc"}, "M117 _"),
        ("M117 {{x}} {x}", {"x": 0.0}, "M117 {x} 0"),
        (
            "M117 {file} {job}",
            {"file": "f" * 99, "job": "j" * 99},
            ("M117 " + "f" * 40 + " " + "j" * 40)[:80],
        ),
    ],
)
def test_variables_are_filled_in(line: str, values: dict[str, object], sent: str) -> None:
    assert check(line) is None
    assert render(line, values) == sent


def test_a_line_that_its_values_make_too_long_is_not_cut() -> None:
    """Half a command is another command; only what is shown may be cut."""
    with pytest.raises(MacroInvalid, match="84 characters"):
        render("M23 {file}{job}", {"file": "f" * 40, "job": "j" * 40})


@given(
    st.text(max_size=90),
    st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.text() | st.floats(), max_size=11),
)
def test_what_check_accepts_can_be_sent(line: str, values: dict[str, object]) -> None:
    if check(line) is not None:
        return
    try:
        text = render(line, values)
    except MacroInvalid:
        return
    assert len(text) <= LINE_CHARS_MAX
    numbered(9_999_999, text)
