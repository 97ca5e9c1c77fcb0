"""What a person, or bad luck, does to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from firmware_sim.faults.strokes import DEFAULT_SECONDS
from firmware_sim.forge.network_faults import NetworkFault

if TYPE_CHECKING:
    from firmware_sim.forge.printer import ForgePrinter


T = TypeVar("T")


class Panel:
    """Each method raises Refused (a ValueError) when the machine is in no state for it."""

    def __init__(self, printer: ForgePrinter) -> None:
        self._printer = printer

    def start_local(self, name: str, layers: int | None = None) -> str:
        """Start a file of the machine's own; its job id `local_<uuid>`."""
        printer = self._printer
        return self._act(lambda now: printer.firmware.start_local(name, layers, now))

    def press(self) -> None:
        """Start the loaded print that waits for the button."""
        self._act(self._printer.machine.press_button)

    def pause(self) -> None:
        """Pause the print."""
        self._act(lambda now: self._printer.machine.pause("panel", now))

    def resume(self) -> None:
        """Go on with it."""
        self._act(lambda now: self._printer.machine.resume("panel", now))

    def cancel(self) -> None:
        """End it."""
        self._act(lambda now: self._printer.machine.cancel("panel", now))

    def open_door(self) -> None:
        """The printer shows `maintenance`."""
        self._act(self._printer.machine.open_door)

    def close_door(self) -> None:
        """It goes on."""
        self._act(self._printer.machine.close_door)

    def clear_plate(self) -> None:
        """Take the part off."""
        self._act(self._printer.machine.clear_plate)

    def break_down(self, code: int, message: str) -> None:
        """An error of the machine; a print fails of it."""
        self._act(lambda now: self._printer.machine.break_down(code, message, now))

    def clear_error(self) -> None:
        """Confirm it at the display."""
        self._act(self._printer.machine.clear_error)

    def silence(self) -> None:
        """Pull the network cable; the machine goes on."""
        self._printer.ledger.append(self._printer.now(), "silent", "panel")
        self._printer.cable.pull()

    def speak(self) -> None:
        """Put it back."""
        self._printer.cable.plug()
        self._printer.ledger.append(self._printer.now(), "back", "panel")
        self._printer.stir()

    def power_cycle(self, seconds: float | None = None) -> None:
        """Off and on again."""
        self._printer.power_cycle(seconds)

    def arm(self, name: str, seconds: float = DEFAULT_SECONDS) -> None:
        """A fault of the network, at its next occasion. Raises BadFaults."""
        self._printer.faults.arm(NetworkFault(name, seconds=seconds))

    def _act(self, do: Callable[[float], T]) -> T:
        now = self._printer.now()
        self._printer.machine.advance(now)
        result = do(now)
        self._printer.stir()
        return result
