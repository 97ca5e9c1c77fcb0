"""What is found in print files that can harm, surprise or not work; and how fast it is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.gcode.chunks import CHUNK_BYTES
from gateway.gcode.safe import Finding, Limits, Verdict, check_safety, verdict
from gateway.gcode.safe_rules import RULES, Severity

ROOT = Path(__file__).parents[2]
START = "M104 S215\nM140 S60\nG28\nM109 S215\nG92 E0\n"
PRINT = START + "G1 X10 Y10 E1 F1800\nG1 X20 E2\n"
NOTE, WARN, REFUSE = Severity.NOTE, Severity.WARN, Severity.REFUSE


def found(tmp_path: Path, text: str, limits: Limits | None = None) -> tuple[Finding, ...]:
    path = tmp_path / "part.gcode"
    path.write_bytes(text.encode())
    with path.open("rb") as file:
        return check_safety(file, limits=limits)


def told(tmp_path: Path, text: str) -> list[tuple[int, str, Severity, int]]:
    return [(one.line, one.code, one.severity, one.count) for one in found(tmp_path, text)]


def test_a_print_as_slicers_write_it_has_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, PRINT) == ()
    for path in sorted((ROOT / "gateway" / "cli" / "demo_files").glob("*.gcode")):
        with path.open("rb") as file:
            assert check_safety(file) == ()


@pytest.mark.parametrize("command", sorted(RULES))
def test_a_command_that_does_not_belong_is_found_with_its_line(tmp_path: Path, command: str) -> None:
    line = f"{command} S0"
    (one,) = found(tmp_path, f"{PRINT}; {line}\nM117 {line}\n{line}\nG1 X1 E3\n {line.lower()} ; again\n")
    assert (one.line, one.code, one.count) == (10, command, 2)
    assert (one.severity, one.words) == RULES[command]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G1 X10 F3000\n" + PRINT, [(1, "not-homed", WARN, 1)]),
        (" g1 x10 f3000\n" + PRINT, [(1, "not-homed", WARN, 1)]),
        ("START_PRINT BED=60\nG1 X10 E1\n", []),  # a macro of the firmware homes and heats
        ("M104 S215\nG28\nG1 X1 E1\n", []),
        ("G28\nG1 X1 E1\nG1 X2 E2\n", [(0, "no-heat", WARN, 1)]),
        ("G28\nG1 X1 E1\nM104 S200\nG1 X2 E2\n", [(2, "early-extrusion", WARN, 1)]),
        ("G28\nM104 S120\nG1 X1 E1\n", [(3, "cold-extrusion", WARN, 1)]),
        ("G28\nM302 P1\nG1 X1 E1\n", [(2, "M302", WARN, 1)]),
        ("G28\nG1 X10 F3000\nG1 E-2\n", []),  # nothing is laid: a plotter
        (PRINT + "G1 X1 F60000\n", []),
        (PRINT + "G1 X1 F600000\nG0 X2 F999999.5 ; fast\n", [(8, "feed-rate", WARN, 2)]),
        (PRINT + "G1 X1 ; F600000\nM117 F600000\n", []),
        (PRINT + "G20\nG1 X1 F3000\n", [(9, "feed-rate", WARN, 1)]),
        (PRINT + "G20\nG1 X1 F300\n", []),
        (PRINT + "M109 S310\n", [(8, "hotend-heat", WARN, 1)]),
        (PRINT + "M109 R310\nM104 S320\n", [(8, "hotend-heat", WARN, 2)]),
        (PRINT + "M104 S2150\n", [(8, "hotend-heat", REFUSE, 1)]),
        (PRINT + "M190 S130\n", [(8, "bed-heat", WARN, 1)]),
        (PRINT + "M141 S95\n", [(8, "chamber-heat", WARN, 1)]),
        (PRINT + "G10 P0 R100 S350\n", [(8, "hotend-heat", WARN, 1)]),
        (PRINT + "M211 S1\n", []),
        (PRINT + "M500", [(8, "M500", REFUSE, 1)]),  # without a newline
        (PRINT + "N7 M112*45\r\n", [(8, "M112", REFUSE, 1)]),
    ],
)  # fmt: skip
def test_what_is_told(tmp_path: Path, text: str, expected: list[tuple[int, str, Severity, int]]) -> None:
    assert told(tmp_path, text) == expected


def test_limits_are_an_argument(tmp_path: Path) -> None:
    (one,) = found(tmp_path, PRINT, Limits(hotend=210))
    assert (one.line, one.code) == (1, "hotend-heat")
    assert "215 °C" in one.words
    assert "210 °C" in one.words


def test_lines_are_counted_across_pieces(tmp_path: Path) -> None:
    many = CHUNK_BYTES // 10
    text = PRINT + "G1 X1 E3\n" * many + "M112\n" + ";x\n" * many + "M500\n"
    assert told(tmp_path, text) == [(8 + many, "M112", REFUSE, 1), (9 + 2 * many, "M500", REFUSE, 1)]


def test_a_file_of_nothing_but_trouble_has_few_findings(tmp_path: Path) -> None:
    text = "".join(f"M104 S{300 + number % 199 + 1}\nM92 E{number}\n" for number in range(20_000))
    assert told(tmp_path, text) == [(1, "hotend-heat", WARN, 20_000), (2, "M92", WARN, 20_000)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Verdict.SAFE),
        ("M0\n", Verdict.SAFE),
        ("M92 E1\n", Verdict.LOOK),
        ("M92 E1\nM112\n", Verdict.UNSAFE),
    ],
)
def test_the_worst_is_the_verdict(tmp_path: Path, text: str, expected: Verdict) -> None:
    assert verdict(found(tmp_path, text)) is expected


def test_it_can_be_given_up_between_pieces(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_bytes(b"G1 X1\n" * CHUNK_BYTES)
    read: list[int] = []

    def breathe(offset: int) -> None:
        read.append(offset)
        if len(read) == 2:
            raise InterruptedError

    with path.open("rb") as file, pytest.raises(InterruptedError):
        check_safety(file, breathe=breathe)
    assert 0 < read[0] < read[1] < path.stat().st_size


def test_no_line_can_be_written_that_takes_forever(tmp_path: Path) -> None:
    """Zeros in front of a point were once counted in all ways, seconds a line with the interpreter's lock."""
    long = "0" * 30_000
    assert told(tmp_path, f"G28\nM104 S200\nG1 X1 E{long}\nG1 X1 E{long}.{long}\n") == []
    assert told(tmp_path, f"G28\nG1 X1 E{long}1\n") == [(0, "no-heat", WARN, 1)]
