"""What runs of schedules send: arguments in their places, what is refused, what the lines would do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.schedule import Macro, ScheduleType
from gateway.gcode.macros import LINE_CHARS_MAX
from gateway.tasks.run_plans import MACRO_LINES_MAX, RunPlans, split_arguments

GCODE, MAINTENANCE = ScheduleType.GCODE_MACRO, ScheduleType.MAINTENANCE
CALIBRATION, EXPORT = ScheduleType.CALIBRATION, ScheduleType.HISTORY_EXPORT


def macro(type: ScheduleType, params: dict[str, Any], arguments: str | None = None) -> Macro | None:
    return RunPlans().macro(type, params, arguments)


@pytest.mark.parametrize(
    ("type", "params", "arguments", "expected"),
    [
        (GCODE, {"gcode": ["M300 S440 P200"]}, None, Macro(("M300 S440 P200",))),
        (GCODE, {"gcode": ["M140 S60"]}, None, Macro(("M140 S60",), bed=60)),
        (GCODE, {"gcode": ["G28", "M109 R215"]}, None, Macro(("G28", "M109 R215"), moves=True, hotend=215)),
        (
            GCODE,
            {"gcode": ["G28", "M109 S{1}", "G92 E0", "G1 E{2} F100"]},
            "200 50",
            Macro(("G28", "M109 S200", "G92 E0", "G1 E50 F100"), moves=True, prints=True, hotend=200),
        ),
        (GCODE, {"gcode": ["M104S{1}", "M140 S{1}"]}, " 9 ", Macro(("M104S9", "M140 S9"), hotend=9, bed=9)),
        (GCODE, {"gcode": ["M104 S{1}"]}, None, None),  # it wants one, and none is given
        (GCODE, {"gcode": ["M117 {1=all well}"]}, None, Macro(("M117 all well",))),  # the clock gives none
        (GCODE, {"gcode": ["M117 {1=all well}"]}, "", Macro(("M117 all well",))),
        (GCODE, {"gcode": ["M117 {1=all well}"]}, "Arg1", Macro(("M117 Arg1",))),
        (GCODE, {"gcode": ["M140 S{1=60}"]}, None, Macro(("M140 S60",), bed=60)),
        (GCODE, {"gcode": ["M117 {1}"]}, "x" * 255, Macro(("M117 " + "x" * (LINE_CHARS_MAX - 5),))),
        (GCODE, {"gcode": ["G28 {1=}"]}, None, Macro(("G28",), moves=True)),
        (GCODE, {"gcode": ["G4 S{1}", "M140 S{2=60}"]}, None, None),  # the first one has no text of its own
        (GCODE, {"gcode": ["G4 S{1}", "M140 S{2=60}"]}, "5", Macro(("G4 S5", "M140 S60"), bed=60)),
        (GCODE, {"gcode": ["G4 S{1}", "M140 S{2=60}"]}, "5 70", Macro(("G4 S5", "M140 S70"), bed=70)),
        (MAINTENANCE, {"note": "grease the rods"}, None, None),
        (MAINTENANCE, {"note": "park", "gcode": ["G28 X Y"]}, None, Macro(("G28 X Y",), moves=True)),
        (CALIBRATION, {"procedure": "home"}, None, Macro(("G28",), moves=True)),
        (CALIBRATION, {"procedure": "bed-level"}, None, Macro(("G28", "G29"), moves=True)),
        (CALIBRATION, {"procedure": "pid-hotend"}, None, Macro(("M303 E0 S200 C8 U1",), hotend=200)),
        (CALIBRATION, {"procedure": "pid-bed", "target": 75}, None, Macro(("M303 E-1 S75 C8 U1",), bed=75)),
        (GCODE, {"gcode": ["M117 G28 {1}"]}, "M81", Macro(("M117 G28 M81",))),  # what a display shows
        (GCODE, {"gcode": ["PARK NAME=M5"]}, None, Macro(("PARK NAME=M5",), moves=True)),
        (GCODE, {"gcode": ["NOZZLE_WIPE"]}, None, Macro(("NOZZLE_WIPE",), moves=True)),
        (EXPORT, {"statuses": ["failed"]}, None, None),
    ],
)  # fmt: skip
def test_what_a_run_sends(
    type: ScheduleType, params: dict[str, Any], arguments: str | None, expected: Macro | None
) -> None:
    assert macro(type, params, arguments) == expected


@pytest.mark.parametrize(
    ("type", "params", "arguments", "words"),
    [
        (GCODE, {}, None, "gcode is empty"),
        (GCODE, {"gcode": "G28"}, None, "list of lines"),
        (GCODE, {"gcode": [28]}, None, "each of them text"),
        (GCODE, {"gcode": ["G4"] * (MACRO_LINES_MAX + 1)}, None, "256 are taken"),
        (GCODE, {"gcode": ["G28", ""]}, None, "line 2: there is nothing to send"),
        (GCODE, {"gcode": ["G28 ; home"]}, None, "line 1: a comment is not sent"),
        (GCODE, {"gcode": ["M117 2*3"]}, None, "line 1: firmware ends a line at `*`"),
        (GCODE, {"gcode": ["M117 {1=2*3}"]}, None, "line 1: firmware ends a line at `*`"),
        (GCODE, {"gcode": ["M112"]}, None, "M112 is for the gateway alone"),
        (GCODE, {"gcode": ["m0112"]}, None, "line 1: M112 is for the gateway alone"),
        (GCODE, {"gcode": ["M24"]}, None, "line 1: M24 starts or writes a print on the printer's card"),
        (GCODE, {"gcode": ["M0 look"]}, None, "line 1: M0 waits for a person"),
        (GCODE, {"gcode": ["M140 S{1}"]}, "0x200", "line 1: `S0X200` is no temperature in plain digits"),
        (GCODE, {"gcode": ["M140 S{1=warm}"]}, None, "line 1: `SWARM` is no temperature"),
        (GCODE, {"gcode": ["M997"]}, None, "firmware"),
        (GCODE, {"gcode": ["M117 {file}"]}, None, "{file} is no argument"),
        (GCODE, {"gcode": ["M117 {0}"]}, None, "{0} is no argument"),
        (GCODE, {"gcode": ["M117 {10}"]}, None, "{10} is no argument"),
        (GCODE, {"gcode": ["M117 {{1}}"]}, "a", "braces"),
        (GCODE, {"gcode": ["M117 }1{"]}, None, "braces"),
        (GCODE, {"gcode": ["M117 \u00e4"]}, None, "ASCII"),
        (GCODE, {"gcode": ["M104 S{2}"]}, "200", "1 argument given, the macro takes 2"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "", "0 arguments given, the macro takes 1"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "200 210", "2 arguments given, the macro takes 1"),
        (GCODE, {"gcode": ["G28"]}, "X", "1 argument given, it takes none"),
        (GCODE, {"gcode": ["G4 S{1=5}"]}, "5 6", "2 arguments given, the macro takes 0 to 1"),
        (GCODE, {"gcode": ["G4 S{1}", "M140 S{2=60}"]}, "", "0 arguments given, the macro takes 1 to 2"),
        (GCODE, {"gcode": ["M140 S{1=60}", "M104 S{1}"]}, "", "0 arguments given, the macro takes 1"),
        (GCODE, {"gcode": ["M140 S{2=60}", "M104 S{3}"]}, "1 2", "the macro takes 3"),
        (GCODE, {"gcode": ["M117 {=text}"]}, None, "{=text} is no argument"),
        (GCODE, {"gcode": ["M117 {1:text}"]}, None, "{1:text} is no argument"),
        (GCODE, {"gcode": ["M117 {1={2}}"]}, None, "braces"),
        (GCODE, {"gcode": ["G4 S{2}", "M117 {1=a\nM112}"]}, None, "line 2: only printable ASCII"),
        (GCODE, {"gcode": ["G4 S{2}", "M117 {1=a;b}"]}, None, "line 2: a comment is not sent"),
        (GCODE, {"gcode": ["{1=M24}"]}, None, "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["M2{1=4}"]}, None, "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["M104 S{1=2000}"]}, None, "hotend target 2000 °C is a mistake"),
        (EXPORT, {}, "X", "1 argument given, it takes none"),
        (GCODE, {"gcode": ["N5 M112"]}, None, "line 1: M112 is for the gateway alone"),
        (GCODE, {"gcode": ["M 112"]}, None, "line 1: M112 is for the gateway alone"),
        (GCODE, {"gcode": ["N5 M24"]}, None, "line 1: M24 starts or writes a print"),
        (GCODE, {"gcode": ["M{1}"]}, "112", "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["M10{1} S0"]}, "4", "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["{1}"]}, "M24", "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["N5 {1}"]}, "M24", "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["N5{1}"]}, "M24", "the command itself cannot be an argument"),
        (GCODE, {"gcode": ["M98 P{1}{1}{1}"]}, "x" * 40, f"{LINE_CHARS_MAX} fit"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "2000", "hotend target 2000 °C is a mistake"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "200;M112", "`;`"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "200*9", "`*`"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "200\nM112", "one line"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "2\u00b2", "ASCII"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "9" * 256, "256 characters, 255 are taken"),
        # As firmware reads them: numbers in front, a dot behind, a second command.
        (GCODE, {"gcode": ["5 M112"]}, None, "M112 is for the gateway alone"),
        (GCODE, {"gcode": ["-M112"]}, None, "M112 is for the gateway alone"),
        (GCODE, {"gcode": ["N 5 M112"]}, None, "M112 is for the gateway alone"),
        (GCODE, {"gcode": ["N-5N6 M112"]}, None, "M112 is for the gateway alone"),
        (GCODE, {"gcode": ["5 M24"]}, None, "begins with its command"),
        (GCODE, {"gcode": ["N5 N6 M24"]}, None, "begins with its command"),
        (GCODE, {"gcode": ["/M24"]}, None, "begins with its command"),
        (GCODE, {"gcode": ["M81.0"]}, None, "M81 switches the printer's power"),
        (GCODE, {"gcode": ["G4 P1 M81"]}, None, "`M81` is a second command"),
        (GCODE, {"gcode": ["M105 G28"]}, None, "`G28` is a second command"),
        (GCODE, {"gcode": ["X5 M81"]}, None, "`M81` is a second command"),
        (GCODE, {"gcode": ["M104 S{1}"]}, "200G28", "`G28` is a second command"),
        (GCODE, {"gcode": ["M118 {1}"]}, "m81", "`m81` is a second command"),
        (GCODE, {"gcode": ["M3 S255"]}, None, "a laser"),
        (GCODE, {"gcode": ["sdcard_print_file FILENAME=a.gcode"]}, None, "starts one"),
        (CALIBRATION, {}, None, "procedure must be one of home, bed-level, pid-hotend, pid-bed"),
        (CALIBRATION, {"procedure": ["home"]}, None, "procedure must be one of"),
        (CALIBRATION, {"procedure": "home", "target": 60}, None, "takes no target"),
        (CALIBRATION, {"procedure": "pid-bed", "target": "60"}, None, "degrees Celsius"),
        (CALIBRATION, {"procedure": "pid-bed", "target": True}, None, "degrees Celsius"),
        (CALIBRATION, {"procedure": "pid-hotend", "target": 501}, None, "from 1 to 500"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_told_in_words(
    type: ScheduleType, params: dict[str, Any], arguments: str | None, words: str
) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its words are looked at
        macro(type, params, arguments)
    assert words in str(refused.value)


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_arguments_never_bring_a_second_command_or_one_that_is_not_for_them(arguments: str) -> None:
    try:
        made = macro(GCODE, {"gcode": ["M117 {1}"]}, arguments)
    except ValueError:
        return
    assert made is not None
    (line,) = made.lines
    assert line.isascii()
    assert line.isprintable()
    assert not set(line) & set(";*\\")
    assert line.startswith("M117 ")


def test_arguments_are_split_at_blanks() -> None:
    assert split_arguments(None) is None
    assert split_arguments("") == ()
    assert split_arguments("  a  b ") == ("a", "b")
