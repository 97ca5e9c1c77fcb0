"""What a merged state says, in the gateway's words: one frozen object, every field read leniently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.protocol.bambu.codes import UNSIGNED_HMS, Hms, read_hms
from gateway.protocol.bambu.names import base_name, mark_in_name
from gateway.protocol.bambu.reading import hexadecimal, native_id, real, text, whole

#: Bit of `fun`: commands must be signed. X1, P2, H2 send it; A1 and P1 do not.
SIGNED_ONLY: Final = 0x20000000
#: `chamber_temper` of a printer without such a sensor (P1, A1), always.
NO_SENSOR: Final = 5.0


class GcodeState(StrEnum):
    """`gcode_state`."""

    IDLE = "IDLE"
    SLICING = "SLICING"
    PREPARE = "PREPARE"
    RUNNING = "RUNNING"
    PAUSE = "PAUSE"
    FINISH = "FINISH"
    FAILED = "FAILED"
    OTHER = "OTHER"  # a word that is not known, or none


ACTIVE: Final = frozenset({GcodeState.SLICING, GcodeState.PREPARE, GcodeState.RUNNING, GcodeState.PAUSE})
RESTING: Final = frozenset({GcodeState.IDLE, GcodeState.FINISH, GcodeState.FAILED})
_STATES: Final = {state.value: state for state in GcodeState}


@dataclass(frozen=True, slots=True)
class PrinterState:
    """A printer at one moment."""

    gcode_state: GcodeState
    print_type: str  # idle, local, cloud, system; "" when it does not say
    native_id: str | None  # the printer's name for the print that it shows; None: it has none
    mark: int | None  # of the gateway that started it, from the name of its file
    name: str | None  # of the print that it shows, for people
    file: str | None  # without its folder; None again when the print is over
    percent: int | None
    minutes_left: int | None
    layer: int | None
    layers: int | None
    stage: int | None  # `stg_cur`
    print_error: int
    hms: tuple[Hms, ...]
    nozzle: float | None  # deg C
    nozzle_target: float | None
    bed: float | None
    bed_target: float | None
    chamber: float | None
    speed_level: int | None  # 1 to 4
    is_signed_only: bool | None  # None: it does not say

    @property
    def is_active(self) -> bool:
        """It has a print under way, if only paused or being prepared."""
        return self.gcode_state in ACTIVE

    @property
    def is_resting(self) -> bool:
        """It says that it would take a print."""
        return self.gcode_state in RESTING

    @property
    def shown(self) -> tuple[str | None, str | None]:
        """Which print it shows; the name only where it has no id for it."""
        return (self.native_id, None) if self.native_id else (None, self.name)

    def is_marked(self, mark: int) -> bool:
        """Whether the print that it shows was started with this mark.

        By its id; where there is none (plain G-code carries none), by the name of its file.
        """
        return self.native_id == str(mark) if self.native_id else self.mark == mark

    @property
    def is_a_gateways(self) -> bool:
        """Whether a gateway, this one or another, started the print that it shows."""
        return self.mark is not None and self.native_id in (None, str(self.mark))


def read_state(known: Mapping[str, Any]) -> PrinterState:
    """What a merged state says."""
    hms = read_hms(known.get("hms"))
    chamber = real(known.get("chamber_temper"), -100, 1000)
    file = base_name(text(known.get("gcode_file"))) or None
    name = text(known.get("subtask_name"))
    return PrinterState(
        gcode_state=_STATES.get(text(known.get("gcode_state"), 20).upper(), GcodeState.OTHER),
        print_type=text(known.get("print_type"), 20).lower(),
        native_id=native_id(known.get("subtask_id")) or native_id(known.get("task_id")),
        mark=mark_in_name(name) or mark_in_name(file or ""),
        name=base_name(name) or file,
        file=file,
        percent=whole(known.get("mc_percent"), 0, 100),
        minutes_left=whole(known.get("mc_remaining_time"), 0, 100_000),
        layer=whole(known.get("layer_num"), 0, 1_000_000),
        layers=whole(known.get("total_layer_num"), 0, 1_000_000),
        stage=whole(known.get("stg_cur"), -1, 100_000),
        print_error=whole(known.get("print_error"), 0, 2**32 - 1) or 0,
        hms=hms,
        nozzle=real(known.get("nozzle_temper"), -100, 1000),
        nozzle_target=real(known.get("nozzle_target_temper"), -100, 1000),
        bed=real(known.get("bed_temper"), -100, 1000),
        bed_target=real(known.get("bed_target_temper"), -100, 1000),
        chamber=None if chamber == NO_SENSOR else chamber,
        speed_level=whole(known.get("spd_lvl"), 1, 4),
        is_signed_only=_is_signed_only(known, hms),
    )


def _is_signed_only(known: Mapping[str, Any], hms: tuple[Hms, ...]) -> bool | None:
    if any(entry.code == UNSIGNED_HMS for entry in hms):
        return True
    bits = hexadecimal(known.get("fun"))
    return None if bits is None else bool(bits & SIGNED_ONLY)
