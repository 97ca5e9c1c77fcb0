"""What is on a printer's plate: occupied by whatever moved, clear when somebody said so.

A start takes the plate when it is intended; a start that was refused gives it back, if nothing else has moved
since and nobody has said anything of it (`plate_taken_by`).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import subjects
from gateway.domain.events import PlateChanged
from gateway.domain.printer import Plate, Printer
from gateway.domain.state import Draft


def occupy(draft: Draft, printer: Printer, by: str) -> None:
    """Something moved, or is about to."""
    set_plate(draft, printer, Plate.OCCUPIED, by)


def set_plate(draft: Draft, printer: Printer, plate: Plate, by: str) -> Printer:
    """Change the plate, if it changes, with its row and its event."""
    printer = draft.printers[printer.printer_id]
    draft.plate_taken_by.pop(printer.printer_id, None)
    if printer.plate is plate:
        return printer
    draft.events.append(
        PlateChanged(
            **subjects.of_printer(draft, printer),
            printer=printer.shown_name,
            plate=plate.value,
            by=by,
        )
    )
    return draft.put_printer(replace(printer, plate=plate))


def is_taken_for(draft: Draft, printer: Printer, work_id: int) -> bool:
    """Whether the plate is occupied for this start, of a job or a run, alone, and was clear before it."""
    return draft.plate_taken_by.get(printer.printer_id) == work_id
