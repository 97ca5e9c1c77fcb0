"""What a few lines would do to an idle machine; what is not known is taken for the worst."""

from __future__ import annotations

import pytest

from gateway.gcode.footprint import Footprint, footprint


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
    ],
)
def test_footprints(lines: tuple[str, ...], expected: Footprint) -> None:
    assert footprint(lines) == expected
