"""What is uploaded, and whether any of it was run."""

from __future__ import annotations

from tests.support.marlin_stand import MarlinStand

LINES = ["G28", "M104 S60", "M105", *(f"G1 X{n % 150} Y{n // 150} F6000" for n in range(600)), "M108", "M84"]
AS_WRITTEN = b"".join(f"{line}\r\n".encode() for line in LINES)


def ran(stand: MarlinStand) -> list[str]:
    """Lines of the file that were run instead of written."""
    return [line for line in stand.ledger.executed() if line in LINES and line != "M105"]
