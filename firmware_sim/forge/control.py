"""The hand on a printer that calls in: orders of its control socket, one a line.

    start-local NAME [LAYERS] | press | pause | resume | cancel | open-door | close-door | clear-plate
    fault CODE TEXT | clear-error | silence | speak | power-cycle [SECONDS] | network NAME [SECONDS] | status

`network` takes the names of `network_faults`; such a fault strikes at its next occasion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from firmware_sim.endpoints.words import BadOrder, seconds_of
from firmware_sim.faults.strokes import DEFAULT_SECONDS

if TYPE_CHECKING:
    from firmware_sim.forge.printer import ForgePrinter


def obey(printer: ForgePrinter, text: str) -> dict[str, object]:
    """Carry out one line; what it answers. Raises BadOrder, Refused, BadFaults (all ValueError)."""
    panel = printer.panel
    plain: dict[str, Callable[[], object]] = {
        "press": panel.press,
        "pause": panel.pause,
        "resume": panel.resume,
        "cancel": panel.cancel,
        "open-door": panel.open_door,
        "close-door": panel.close_door,
        "clear-plate": panel.clear_plate,
        "clear-error": panel.clear_error,
        "silence": panel.silence,
        "speak": panel.speak,
    }
    match text.split():
        case [word] if word in plain:
            plain[word]()
        case ["start-local", name]:
            return {"job_id": panel.start_local(name)}
        case ["start-local", name, layers]:
            return {"job_id": panel.start_local(name, _whole(layers))}
        case ["fault", code, *words] if words:
            panel.break_down(_whole(code), " ".join(words))
        case ["power-cycle", *seconds] if len(seconds) < 2:
            panel.power_cycle(seconds_of(seconds[0]) if seconds else None)
        case ["network", name, *seconds] if len(seconds) < 2:
            panel.arm(name, seconds_of(seconds[0]) if seconds else DEFAULT_SECONDS)
        case ["status"]:
            return printer_status(printer)
        case _:
            raise BadOrder(f"not understood: {text!r}")
    return {}


def printer_status(printer: ForgePrinter) -> dict[str, object]:
    """What `status` answers."""
    report, identity = printer.machine.report(), printer.firmware.identity
    job = report.print
    return {
        "t": round(printer.now(), 3),
        "personality": printer.personality.name,
        "printer_id": identity.printer_id,
        "registered": identity.registered,
        "code": printer.firmware.panel_text or None,
        "printer_status": report.printer_status,
        "job_id": job.job_id if job else None,
        "job_status": job.status if job else None,
        "layer": job.layer if job else 0,
        "layers": job.layers if job else 0,
        "plate_occupied": printer.machine.is_plate_occupied,
        "silent": printer.cable.is_pulled,
    }


def _whole(text: str) -> int:
    if not text.isdecimal() or not 0 < len(text) < 10 or not int(text):
        raise BadOrder(f"not a whole number from 1 up: {text!r}")
    return int(text)
