"""What a few lines would do to an idle machine; what is not known is taken for the worst."""

from __future__ import annotations

import pytest

from gateway.gcode.footprint import Footprint, footprint, unread_heat


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), Footprint()),
        (("; G28", "M117 G28", "G4 P1", "M106 S255", "G90", "G92 E0", "M84"), Footprint()),
        (("G28",), Footprint(moves=True)),
        (("g1 x10",), Footprint(moves=True)),
        (("G1 F3000",), Footprint()),
        (("G1 E5",), Footprint()),  # a drop at the nozzle; nothing moves
        (("G1 Z10", "G1 E5"), Footprint(moves=True, prints=True)),
        (("G1 Z10 E-2",), Footprint(moves=True)),
        (("T1",), Footprint(moves=True)),
        (("BED_MESH_CALIBRATE",), Footprint(moves=True)),  # Klipper's: not known to stand still
        (("G99",), Footprint(moves=True)),
        (("M701",), Footprint(moves=True, prints=True)),
        (("M104 S200", "M109 R220", "M104 S0"), Footprint(hotend=220)),
        (("M190 R60",), Footprint(bed=60)),
        (("M303 E0 S210",), Footprint(hotend=210)),
        (("M303 E-1 S70",), Footprint(bed=70)),
        (("SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=65",), Footprint(bed=65)),
        (("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=205.5",), Footprint(hotend=205.5)),
        # the same said otherwise
        (("SET_HEATER_TEMPERATURE TARGET=205 HEATER=extruder",), Footprint(hotend=205)),
        (("SET_HEATER_TEMPERATURE HEATER='heater_bed' TARGET=\"65\"",), Footprint(bed=65)),
        (("PID_CALIBRATE HEATER=extruder TARGET=205",), Footprint(moves=True, hotend=205)),
        (("M104.1 S400",), Footprint(hotend=400)),
        (("M104 S400 S0",), Footprint(hotend=400)),  # Prusa takes the first
        (("M104 S40E1",), Footprint(hotend=400)),
        (("M109 F S180 B240",), Footprint(hotend=240)),
        (("M145 S0 H240 B70",), Footprint(hotend=240, bed=70)),
        (("G10 S205",), Footprint(hotend=205)),
        (("M141 S60",), Footprint(bed=60)),
        (("M303 E-1 E0 S110",), Footprint(hotend=110, bed=110)),
        *(((word,), Footprint(moves=True)) for word in ("M45", "M125", "M290 Z1", "M360", "M605 S2", "M915")),
        (("G31",), Footprint(moves=True)),
        (("M48.0",), Footprint(moves=True)),
        (("G1.0 X5 E2",), Footprint(moves=True, prints=True)),
        (("G1 X5 E2 E-1",), Footprint(moves=True, prints=True)),
        (("G92 E-10", "G1 X5 E-1"), Footprint(moves=True, prints=True)),
    ],
)
def test_footprints(lines: tuple[str, ...], expected: Footprint) -> None:
    assert footprint(lines) == expected


@pytest.mark.parametrize(
    ("line", "unread"),
    [
        ("M140 S60", None),
        ("M104 S200T1", None),
        ("M109 F S200.5 B+230", None),
        ("M104 S", None),
        ("M104 S T1", None),
        ("M140 S1E2", None),  # footprint reads it, too
        ("M140 S0X200", "S0X200"),  # 512 degrees to C's strtod
        ("M140.1 S0X200", "S0X200"),
        ("M190 R INF", "R INF"),
        ("M109 S200 BNAN", "BNAN"),
        ("M145 S0 H0X1F", "H0X1F"),
        ("M140 SABC", "SABC"),
        ("G1 X0 S0X20", None),  # heats nothing
        ("M117 S0X20", None),
        ("SET_HEATER_TEMPERATURE HEATER=EXTRUDER TARGET='200'", None),
        ("SET_HEATER_TEMPERATURE HEATER=EXTRUDER TARGET=NAN", "TARGET=NAN"),
    ],
)
def test_a_temperature_that_is_no_plain_number(line: str, unread: str | None) -> None:
    assert unread_heat(line) == unread
