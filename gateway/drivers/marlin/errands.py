"""What orders have in common: the print they are meant for, lines to send for them, words of refusal."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from gateway.domain.observations import OrderResult
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.scripts import TOO_MANY, Script

NOT_CONNECTED = "The printer is not connected."
BUSY = "The printer is busy with G-code somebody sent."
WAITS = "The printer waits for somebody to press its button."


def refusal_by_expect(driver: DriverState, expect: str) -> str | None:
    """Why an order for the print `expect` is not for what is on the machine; None when it is."""
    current = driver.current()
    if current is None:
        return "Nothing is being printed."
    return None if current.key == expect else "Another print is on the machine."


def file_refusal(path: str, size: int, name: str) -> str | None:
    """Why the ordered file cannot be sent, as far as a look at its folder tells."""
    found = _size_of(path)
    if found is None:
        return f"The file {name} is not there any more. Upload it again."
    if found == 0:
        return f"The file {name} is empty. Upload it again."
    if found != size:
        return f"The file {name} has {found} bytes instead of {size}. Upload it again."
    return None


def _size_of(path: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None


def unclear(driver: DriverState, order_id: str) -> Callable[[str], None]:
    """What to do when the lines of an order may or may not have arrived."""
    return lambda reason: driver.answer(order_id, OrderResult.UNCLEAR, reason)


def errand(driver: DriverState, order_id: str, script: Script) -> bool:
    """Queue lines for an order. False: it was refused, nothing is sent."""
    if driver.scripts.add(script):
        return True
    driver.answer(order_id, OrderResult.REFUSED, TOO_MANY)
    return False
