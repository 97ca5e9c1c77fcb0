"""The printer that a path names."""

from __future__ import annotations

from gateway.api.forge import answers
from gateway.api.http.finding import usable_printer
from gateway.api.http.operations import AnyCall
from gateway.domain.printer import Printer


def printer_asked_for(call: AnyCall) -> Printer:
    """The printer of the path, if the caller may use it; else Failure 401, as for one that is not there."""
    printer = usable_printer(call, call.path_int("printer_id"))
    if printer is None:
        raise answers.no_access()
    return printer
