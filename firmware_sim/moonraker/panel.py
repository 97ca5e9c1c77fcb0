"""A person at the machine, with KlipperScreen: a client of Moonraker's websocket, so it needs that too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from firmware_sim.moonraker.later import Later, Refusal
from firmware_sim.moonraker.methods import start_print

if TYPE_CHECKING:
    from firmware_sim.moonraker.printer import MoonrakerPrinter

WHO = "panel"


class Panel:
    """Each press is an entry `panel`; one that Moonraker or klippy refused says why. `now` in seconds."""

    def __init__(self, printer: MoonrakerPrinter) -> None:
        self._printer = printer

    def start(self, name: str, now: float) -> None:
        """Print a file. Raises FileNotFoundError if it is not there."""
        if self._printer.gcodes.find(name) is None:
            raise FileNotFoundError(f"no file {name!r} in gcodes")
        server = self._printer.server
        self._press(f"start {name}", lambda: start_print(server, name, WHO), now)

    def pause(self, now: float) -> None:
        """Pause the print."""
        self._script("pause", "PAUSE", now)

    def resume(self, now: float) -> None:
        """Go on."""
        self._script("resume", "RESUME", now)

    def cancel(self, now: float) -> None:
        """Cancel the print."""
        self._script("cancel", "CANCEL_PRINT", now)

    def firmware_restart(self, now: float) -> None:
        """The button that a shutdown shows."""
        server = self._printer.server
        self._press("firmware restart", lambda: server.restart_klippy("FIRMWARE_RESTART", WHO), now)

    def _script(self, what: str, script: str, now: float) -> None:
        self._press(what, lambda: self._printer.server.run_script(script, WHO), now)

    def _press(self, what: str, act: Callable[[], object], now: float) -> None:
        printer = self._printer
        printer.live_until(now)
        if not printer.server.is_up:
            printer.klippy.note("panel", source=WHO, line=what, effect="no reaction")
            return
        printer.klippy.note("panel", source=WHO, line=what)
        try:
            later = act()
        except Refusal as refusal:
            self._refused(what, refusal)
            return
        assert isinstance(later, Later)
        later.then(lambda outcome: self._refused(what, outcome) if isinstance(outcome, Refusal) else None)
        printer.settle()

    def _refused(self, what: str, refusal: Refusal) -> None:
        self._printer.klippy.note("panel-refused", source=WHO, line=what, effect=refusal.message)
