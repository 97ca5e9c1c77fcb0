"""G-code as this klippy knows it: Klipper's commands, its extended ones, and the macros people have.

What a shut down klippy still runs is little; anything else is refused with its state message. A command it
does not know is accepted: `ok`, and a line on the console. Source: klippy's gcode.py, virtual_sdcard.py,
pause_resume.py, display_status.py; Mainsail's macros for CANCEL_PRINT.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from firmware_sim.machine import klipper_commands
from firmware_sim.machine.klipper_commands import GcodeError
from firmware_sim.machine.words import Command
from firmware_sim.moonraker.life import Life

if TYPE_CHECKING:
    from firmware_sim.moonraker.klippy import Klippy

PAUSE_LOOK_SECONDS = 0.05
"""The work loop sleeps so long while somebody else has the lock: it then sees that it must end."""
RESTART_DWELL_SECONDS = 0.5
"""A restart of a printer that is ready lets so much time pass before."""
_FREE_TEXT = ("M117", "M118", "M23")
_CONSOLE_ONLY = ("M20", "M27", "M105", "M114", "M115", "M118")
"""Answered on the console, which nobody here hears."""

Params = dict[str, str]


def begin(klippy: Klippy, command: Command, line: str) -> Iterator[float] | None:
    """Run one line. Raises GcodeError; what it yields are instants at which it looks again."""
    text = command.text
    if not text:
        return None
    word = text.split(" ", 1)[0]
    if not klippy.is_running and word not in WHEN_NOT_READY:
        raise GcodeError(klippy.message)
    own = OWN.get(word)
    if own is not None:
        running = own(klippy, command, _params(line, word))
    elif command.code in _CONSOLE_ONLY:
        running = None
    elif command.code in HANDLERS:
        running = _machine_command(klippy, command)
    else:
        klippy.note("unknown", source=command.source, line=line)
        return None
    klippy.note("executed", source=command.source, line=line.partition(";")[0].strip())
    return running


def _machine_command(klippy: Klippy, command: Command) -> Iterator[float] | None:
    before = klippy.axes.native[3]
    running = HANDLERS[command.code](klippy, command)
    if command.code in ("G0", "G1"):
        klippy.stats.note_filament(klippy.axes.native[3] - before)
    return running


def _params(line: str, word: str) -> Params:
    """`FILENAME="a b.gcode" X=1`; names in capitals. Free text as one parameter without a name."""
    rest = line[len(word) :].strip()
    if word in _FREE_TEXT:
        return {"": rest}
    try:
        pairs = [piece.partition("=") for piece in shlex.split(rest.partition(";")[0])]
    except ValueError as error:
        raise GcodeError(f"Malformed command '{line}'") from error
    return {name.upper(): value for name, equals, value in pairs if equals}


def _whole(params: Params, name: str) -> int | None:
    if name not in params:
        return None
    try:
        return int(params[name])
    except ValueError as error:
        raise GcodeError(f"Error on '{name}': unable to parse {params[name]}") from error


# -- the file on the virtual SD card ---------------------------------------------------------------------


def print_file(k: Klippy, c: Command, params: Params) -> None:
    """SDCARD_PRINT_FILE: whatever was loaded, also a paused print, is dropped for it."""
    _refuse_if_busy(k)
    k.sdcard.unload()
    name = params.get("FILENAME")
    if name is None:
        raise GcodeError(f"Error on '{c.text}': missing FILENAME")
    _load(k, name)
    k.begin_work_loop(c.source, _request(k))


def select_file(k: Klippy, _c: Command, params: Params) -> None:
    """M23."""
    _refuse_if_busy(k)
    k.sdcard.unload()
    _load(k, params[""])


def run_file(k: Klippy, c: Command, _params: Params) -> None:
    """M24: starts what M23 selected, or goes on."""
    _refuse_if_busy(k)
    if k.sdcard.content is not None:
        k.begin_work_loop(c.source, _request(k))


def reset_file(k: Klippy, c: Command, _params: Params) -> Iterator[float]:
    """SDCARD_RESET_FILE: the print is gone and print_stats back at standby."""
    if c.source == "sd":
        raise GcodeError("SDCARD_RESET_FILE cannot be run from the sdcard")
    yield from _stop_reading(k)
    k.sdcard.unload()


def _refuse_if_busy(k: Klippy) -> None:
    if k.sdcard.is_active:
        raise GcodeError("SD busy")


def _load(k: Klippy, name: str) -> None:
    found = k.gcodes.find(name.lstrip("/"))
    if found is None:
        raise GcodeError("Unable to open file")
    k.sdcard.load(name.lstrip("/"), found[1].content)


def _request(k: Klippy) -> str:
    return k.script.request if k.script is not None else ""


def _stop_reading(k: Klippy) -> Iterator[float]:
    """do_pause: the work loop ends behind the line that runs; from the file itself nobody waits for that."""
    if not k.sdcard.is_active:
        return
    k.sdcard.must_pause = True
    if k.sdcard.in_line:
        return
    end = k.now + PAUSE_LOOK_SECONDS
    while k.now < end:
        yield end
    k.end_work_loop()


# -- pause, resume, cancel -------------------------------------------------------------------------------


def pause(k: Klippy, c: Command, _params: Params) -> Iterator[float]:
    """PAUSE; M25 is the same without being `paused` for RESUME."""
    if c.code == "M25":
        yield from _stop_reading(k)
        return
    if k.is_paused:
        return
    k.sd_paused = k.sdcard.is_active
    yield from _stop_reading(k)
    k.is_paused = True
    if k.has_macros and c.source != "sd":
        yield from k.motion_done()


def resume(k: Klippy, c: Command, _params: Params) -> None:
    """RESUME: of a print that is not paused, it is a line on the console."""
    if not k.is_paused:
        return
    if k.sd_paused:
        _refuse_if_busy(k)
        k.begin_work_loop(c.source, _request(k))
        k.sd_paused = False
    k.is_paused = False


def cancel(k: Klippy, c: Command, _params: Params) -> Iterator[float]:
    """CANCEL_PRINT: `paused` is there for an instant only. The macro cools and waits for the moves."""
    if k.sdcard.is_active or k.sd_paused:
        name = k.stats.filename
        yield from _stop_reading(k)
        k.sdcard.close()
        k.stats.note_end("cancelled", k.now)
        k.sdcard.position = k.sdcard.size = 0
        k.note("print-cancelled", source=c.source, n=k.starts, line=name)
    k.is_paused = k.sd_paused = False
    if k.has_macros:
        k.heaters_off()
        k.fan = 0
        yield from k.motion_done()


def clear_pause(k: Klippy, _c: Command, _params: Params) -> None:
    """CLEAR_PAUSE."""
    k.is_paused = k.sd_paused = False


# -- the rest --------------------------------------------------------------------------------------------


def restart(k: Klippy, c: Command, _params: Params) -> Iterator[float]:
    """RESTART, FIRMWARE_RESTART: the process ends behind the moves; a shutdown needs the latter."""
    was_ready = k.is_running
    yield from k.motion_done()
    end = k.now + (RESTART_DWELL_SECONDS if was_ready else 0.0)
    while k.now < end:
        yield end
    k.exit_to(Life.READY if was_ready or c.text.startswith("FIRMWARE") else Life.ERROR)


def heaters_off(k: Klippy, _c: Command, _params: Params) -> None:
    """TURN_OFF_HEATERS."""
    k.heaters_off()


def set_heater(k: Klippy, c: Command, params: Params) -> None:
    """SET_HEATER_TEMPERATURE HEATER=extruder TARGET=210."""
    name = params.get("HEATER", "")
    heater = {"extruder": k.hotend, "heater_bed": k.bed}.get(name)
    if heater is None:
        raise GcodeError(f"The value '{name}' is not valid for HEATER")
    heater.set_target(float(params.get("TARGET", "0")), k.now)
    k.note("heater", source=c.source, line=heater.name, effect=f"target {heater.target:g}")


def layers(k: Klippy, _c: Command, params: Params) -> None:
    """SET_PRINT_STATS_INFO TOTAL_LAYER=100 CURRENT_LAYER=1."""
    k.stats.note_layers(_whole(params, "CURRENT_LAYER"), _whole(params, "TOTAL_LAYER"))


def progress(k: Klippy, c: Command, _params: Params) -> None:
    """M73 P: percent."""
    if "P" in c.values:
        k.display_progress = min(1.0, max(0.0, c.values["P"] / 100.0))


def message(k: Klippy, _c: Command, params: Params) -> None:
    """M117."""
    k.display_message = params[""] or None


def emergency(k: Klippy, _c: Command, _params: Params) -> None:
    """M112."""
    k.shut_down()


def nothing(_k: Klippy, _c: Command, _params: Params) -> None:
    """Known, and without an effect that anybody sees here."""


HANDLERS = klipper_commands.HANDLERS
OWN: dict[str, Callable[[Klippy, Command, Params], Iterator[float] | None]] = {
    "SDCARD_PRINT_FILE": print_file,
    "SDCARD_RESET_FILE": reset_file,
    "M23": select_file,
    "M24": run_file,
    "M25": pause,
    "PAUSE": pause,
    "RESUME": resume,
    "CANCEL_PRINT": cancel,
    "CLEAR_PAUSE": clear_pause,
    "RESTART": restart,
    "FIRMWARE_RESTART": restart,
    "TURN_OFF_HEATERS": heaters_off,
    "SET_HEATER_TEMPERATURE": set_heater,
    "SET_PRINT_STATS_INFO": layers,
    "M73": progress,
    "M117": message,
    "M112": emergency,
    "M1001": nothing,
}
WHEN_NOT_READY = frozenset({"M105", "M110", "M112", "M115", "M118", "M21", "RESTART", "FIRMWARE_RESTART"})
"""What a klippy that is shut down or starting still runs."""
