"""Personalities of printers that are brokers: pure data, one TOML file each beside this module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from firmware_sim.personality import BadPersonality, HeaterConstants, Personality
from firmware_sim.personality_files import names_in, table_of, text_of

CHOICES: Mapping[str, tuple[str, ...]] = {
    "busy_start": ("refuses", "cancels"),
    "stop_ends": ("failed", "idle"),
    "local_ids": ("zeros", "counter"),
    "result_case": ("lower", "upper"),
    "tls": ("1.2", "any"),
}
"""What a personality chooses from."""

READ_AHEAD_LINES, PLANNER_BLOCKS = 2, 5
"""What is still run after a pause: few moves, since the real ones pause within seconds."""


@dataclass(frozen=True, slots=True)
class BambuPersonality:
    """One model with one firmware. Times in seconds, temperatures in degrees Celsius."""

    name: str
    product: str
    project_code: str
    """What `get_version` calls the model (`N2S`)."""
    firmware: str
    sends_deltas: bool
    """Reports are changes only (`msg:1`); the full state (`msg:0`) comes when asked for. Else always full."""
    drops_request_subscribe: bool
    """The connection of a client that subscribes to `/request` is closed."""
    clamps_ids: bool = False
    """Ids beyond 32 bits become 2147483647; a job that is the last failed one by that id continues it."""
    busy_start: str = "refuses"
    """A start while a job is active is refused, or cancels the running job."""
    stop_ends: str = "failed"
    """A stopped job is shown as FAILED with the cancel's print_error, or as IDLE."""
    local_ids: str = "zeros"
    """Ids of a print from the panel: all "0", or an empty subtask_id and a counter as task_id."""
    result_case: str = "lower"
    verifies: bool = False
    """Commands must be signed unless the printer is in developer mode."""
    fun: str = ""
    """Hexadecimal feature bits; empty: not sent. 0x20000000 is added while signatures are required."""
    url_prefixes: tuple[str, ...] = ("ftp:///", "file:///sdcard/")
    stage_idle: int = 255
    """`stg_cur` while nothing prints."""
    chamber: float = 5.0
    """5: no sensor."""
    report_seconds: float = 2.0
    accept_seconds: float = 2.0
    """From the order to the first report with the new job."""
    finish_lingers: float = 0.0
    """The former end is still shown for so long after the new job's ids are."""
    prepare_seconds: float = 4.0
    cloud_prepare_seconds: float = 9.0
    stop_seconds: float = 1.0
    pause_seconds: float = 1.0
    boot_seconds: float = 25.0
    most_connections: int = 4
    tls: str = "1.2"
    """The broker and the file server speak TLS 1.2 alone, or any version."""
    ftps_session_reuse: bool = False
    """A data connection must resume the control connection's TLS session (vsftpd's 522)."""
    ftps_426: bool = False
    """A complete upload is answered with 426."""
    ambient: float = 22.0
    home_seconds: float = 12.0
    bed: tuple[float, float, float] = (256.0, 256.0, 256.0)
    hotend: HeaterConstants = field(default_factory=lambda: HeaterConstants(4.0, 180.0, 320.0))
    plate: HeaterConstants = field(default_factory=lambda: HeaterConstants(0.8, 400.0, 125.0))

    def build(self) -> Personality:
        """The board inside."""
        return Personality(
            name=self.name,
            bufsize=READ_AHEAD_LINES,
            planner_blocks=PLANNER_BLOCKS,
            banner=(),
            identity="",
            features=frozenset({"sd", "progress", "probe"}),
            ambient=self.ambient,
            home_seconds=self.home_seconds,
            boot_seconds=self.boot_seconds,
            bed=self.bed,
            hotend=self.hotend,
            plate=self.plate,
        )


def bambu_personality_names() -> list[str]:
    """The personalities that ship with the simulator, sorted."""
    return names_in("bambu")


def load_bambu_personality(name: str) -> BambuPersonality:
    """Read the personality `name`; raises UnknownPersonality with the list of names, or BadPersonality."""
    return parse_bambu_personality(name, text_of("bambu", name, "of a bambu printer"))


def parse_bambu_personality(name: str, text: str) -> BambuPersonality:
    """A personality from the text of its file; raises BadPersonality with the key that is wrong."""
    table = table_of(name, text, BambuPersonality, _fits)
    for key, value in table.items():
        if key in CHOICES and value not in CHOICES[key]:
            raise BadPersonality(f"personality {name}: {key} is one of: {', '.join(CHOICES[key])}")
        if isinstance(value, list):
            table[key] = tuple(value)
    for key in ("hotend", "plate"):
        if key in table:
            table[key] = _heater(f"personality {name}, {key}", table[key])
    return BambuPersonality(name=name, **table)


def _heater(where: str, table: Mapping[str, object]) -> HeaterConstants:
    known = {entry.name for entry in fields(HeaterConstants)}
    numbers = {key: float(value) for key, value in table.items() if _is_number(value)}  # type: ignore[arg-type]
    if numbers.keys() != table.keys() or not {"rate", "tau", "max_celsius"} <= numbers.keys() <= known:
        raise BadPersonality(f"{where} needs rate, tau and max_celsius, as numbers")
    return HeaterConstants(**numbers)


def _fits(value: object, wanted: str) -> bool:
    match wanted:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "HeaterConstants":
            return isinstance(value, dict)
        case "tuple[float, float, float]":
            return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
        case "tuple[str, ...]":
            return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return _is_number(value)


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0.0  # type: ignore[arg-type, operator]
