"""The hand on a Bambu printer: orders of its control socket, one a line.

panel start PATH | panel pause | panel resume | panel stop | panel dismiss
cloud PATH [TASK_ID] | slicer PATH [IDS]       a file of the storage, started by the cloud, or over the LAN
trip HEX [fatal] | hms HEX HEX | heater E0|bed dead|slow|open|short|runaway|drift
power-cut [SECONDS] | power-on | drop | access-code CODE
fault NAME [KEY=VALUE ...]                     keys as in a plan file: command, at, count, seconds
status
"""

from __future__ import annotations

import math
from collections.abc import Callable

from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.ledger import physical_starts
from firmware_sim.bambu.panel import CLOUD_TASK, SLICER_TASK, BambuPanel
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.endpoints.words import BadOrder, row_of, seconds_of


def obey(printer: BambuPrinter, text: str, now: float) -> dict[str, object]:
    """Carry out one line; what it answers. Raises BadOrder, NotNow, BadFaults (all ValueError)."""
    printer.poll(now)
    match text.split():
        case ["panel", *words]:
            _press(printer.panel, words)
        case ["cloud" | "slicer" as who, path, *number] if len(number) < 2:
            _from_elsewhere(printer, who, path, number)
        case ["status"]:
            return printer_status(printer)
        case ["fault", name, *words]:
            printer.panel.arm(BambuFault.parsed("the order", row_of(name, words)))
        case words:
            _accident(printer.panel, words)
    return {}


def printer_status(printer: BambuPrinter) -> dict[str, object]:
    """What `status` answers."""
    course = printer.course
    return {
        "t": round(printer.now, 3),
        "personality": printer.personality.name,
        "serial": printer.serial,
        "on": printer.is_on,
        "gcode_state": course.state,
        "step": course.step.value,
        "file": course.job.file,
        "subtask_id": course.job.subtask_id,
        "percent": course.percent,
        "layer": course.layer,
        "print_error": f"{course.print_error:08X}",
        "connections": len(printer.seats),
        "starts": len(physical_starts(printer.ledger)),
        "files": sorted(printer.files.contents),
    }


def _press(panel: BambuPanel, words: list[str]) -> None:
    plain: dict[str, Callable[[], None]] = {
        "pause": panel.pause,
        "resume": panel.resume,
        "stop": panel.stop,
        "dismiss": panel.dismiss,
    }
    match words:
        case ["start", *path] if path:
            panel.start(" ".join(path))
        case [word] if word in plain:
            plain[word]()
        case _:
            raise BadOrder(f"no such key: {' '.join(words)!r}")


def _from_elsewhere(printer: BambuPrinter, who: str, path: str, number: list[str]) -> None:
    content = printer.files.get(path)
    if content is None:
        raise FileNotFoundError(f"no file {path!r} on the printer")
    if who == "cloud":
        name = path.rpartition("/")[2].partition(".")[0]
        printer.panel.start_from_cloud(name, content, task_id=_whole(number[0], 10) if number else CLOUD_TASK)
    else:
        printer.panel.start_from_slicer(path, ids=_whole(number[0], 10) if number else SLICER_TASK)


def _accident(panel: BambuPanel, words: list[str]) -> None:
    match words:
        case ["trip", code]:
            panel.trip(_whole(code, 16))
        case ["trip", code, "fatal"]:
            panel.trip(_whole(code, 16), is_fatal=True)
        case ["hms", attr, code]:
            panel.warn(_whole(attr, 16), _whole(code, 16))
        case ["heater", heater, kind]:
            panel.break_heater(heater, kind)
        case ["power-cut", *seconds] if len(seconds) < 2:
            panel.cut_power(seconds_of(seconds[0]) if seconds else math.inf)
        case ["power-on"]:
            panel.switch_on()
        case ["drop"]:
            panel.drop_connections()
        case ["access-code", code]:
            panel.change_access_code(code)
        case _:
            raise BadOrder(f"not understood: {' '.join(words)!r}")


def _whole(text: str, base: int) -> int:
    try:
        value = int(text.replace("_", ""), base) if len(text) < 20 else -1
    except ValueError:
        value = -1
    if value < 0:
        raise BadOrder(f"not a {'hexadecimal ' if base == 16 else ''}number from 0 up: {text!r}")
    return value
