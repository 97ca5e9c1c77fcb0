"""The hand on a Moonraker machine: orders of its control socket, one a line.

    panel start NAME | panel pause | panel resume | panel cancel | panel firmware-restart
    klippy kill | klippy start | klippy restart | moonraker kill [SECONDS] | moonraker start
    power-cycle [SECONDS] | emergency-stop | mcu-shutdown [WHY] | heater E0|bed KIND
    fault NAME [KEY=VALUE ...] | status

`moonraker kill 5` brings it back after 5 s, as systemd does. `fault` takes the names and keys of `faults`.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_sim.endpoints.words import BadOrder, row_of, seconds_of
from firmware_sim.faults.strokes import DEFAULT_SECONDS
from firmware_sim.machine.thermal import HEATER_FAULTS
from firmware_sim.moonraker.faults import Misfortune
from firmware_sim.moonraker.printer import MoonrakerPrinter


def obey(printer: MoonrakerPrinter, text: str, now: float) -> dict[str, object]:
    """Carry out one line; what it answers. Raises BadOrder, BadFaults (ValueError), FileNotFoundError."""
    plain: dict[str, Callable[[float], object]] = {
        "panel pause": printer.panel.pause,
        "panel resume": printer.panel.resume,
        "panel cancel": printer.panel.cancel,
        "panel firmware-restart": printer.panel.firmware_restart,
        "klippy kill": printer.kill_klippy,
        "klippy start": printer.start_klippy,
        "klippy restart": printer.restart_klippy,
        "moonraker kill": printer.kill_moonraker,
        "moonraker start": printer.start_moonraker,
        "emergency-stop": printer.emergency_stop,
        "mcu-shutdown": printer.shut_down_mcu,
    }
    words = text.split()
    order = " ".join(words)
    if order in plain:
        plain[order](now)
        return {}
    match words:
        case ["panel", "start", *name] if name:
            printer.panel.start(" ".join(name), now)
        case ["moonraker", "kill", seconds]:
            printer.kill_moonraker(now, back_after=seconds_of(seconds))
        case ["power-cycle", *seconds] if len(seconds) < 2:
            printer.power_cycle(now, back_after=seconds_of(seconds[0]) if seconds else DEFAULT_SECONDS)
        case ["mcu-shutdown", *why]:
            printer.shut_down_mcu(now, " ".join(why))
        case ["heater", ("E0" | "bed") as heater, kind] if kind in HEATER_FAULTS:
            printer.break_heater(heater, kind, now)
        case ["fault", name, *settings]:
            printer.faults.arm(Misfortune.parsed("the order", row_of(name, settings)))
        case ["status"]:
            return machine_status(printer, now)
        case _:
            raise BadOrder(f"not understood: {text!r}")
    return {}


def machine_status(printer: MoonrakerPrinter, now: float) -> dict[str, object]:
    """What `status` answers: the machine as it is, whatever it tells others."""
    printer.live_until(now)
    klippy = printer.klippy
    return {
        "t": round(now, 3),
        "instance": printer.config.instance,
        "klippy": klippy.life.value,
        "moonraker": "up" if printer.server.is_up else "down",
        "broker": printer.server.is_connected,
        "state": klippy.stats.state,
        "file": klippy.stats.filename,
        "byte": klippy.sdcard.position,
        "size": klippy.sdcard.size,
        "hotend": {"actual": round(klippy.hotend.celsius(now), 2), "target": klippy.hotend.target},
        "bed": {"actual": round(klippy.bed.celsius(now), 2), "target": klippy.bed.target},
        "starts": klippy.starts,
        "executed": printer.ledger.count("executed"),
    }
