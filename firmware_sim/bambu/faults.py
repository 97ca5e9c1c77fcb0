"""Bad luck between a printer and who talks to it, by plan or by seed.

    [[fault]]
    name = "no-echo"
    command = "project_file"  # only for this command; or at = 12.0 (seconds)
    count = 1                 # how many times in a row
    seconds = 5.0             # for the faults that take time

    [random]
    echo-late = 0.01          # strikes per occasion

Keys that say when (command, at) may be put together: all of them must fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from firmware_sim.faults.strokes import BadFaults, Stroke, Strokes

COMMAND, REPORT, TICK = "command", "report", "tick"
CONNECTION, SUBSCRIPTION, UPLOAD = "connection", "subscription", "upload"
KINDS: Mapping[str, tuple[str, str]] = {
    "no-echo": (COMMAND, "a command is done, and its echo never comes"),
    "echo-late": (COMMAND, "a command is done, and its echo comes late"),
    "refused": (COMMAND, "a command is not done: result failed"),
    "verify-failed": (COMMAND, "a command is not done: its signature is missed, with an HMS message"),
    "vanished": (COMMAND, "a command is taken and nothing happens, without a word"),
    "half-dead": (COMMAND, "from here on all commands of this connection vanish; reports flow on"),
    "lost-before": (COMMAND, "the connection breaks before a command is done"),
    "lost-after": (COMMAND, "a command is done, and the connection breaks before its echo"),
    "int32-clamp": (COMMAND, "ids beyond 32 bits become 2147483647"),
    "connection-lost": (REPORT, "the connection breaks instead of a report"),
    "non-utf8": (REPORT, "one byte of a report is no UTF-8"),
    "power-cut": (TICK, "the power fails, for a time"),
    "deltas-only": (CONNECTION, "for a time the full state is not sent to a new connection, only changes"),
    "request-drop": (SUBSCRIPTION, "the connection is closed when somebody subscribes to /request"),
    "file-truncated": (UPLOAD, "the end of a file is not kept, though the upload ends well"),
    "upload-cut": (UPLOAD, "the connection breaks in the middle of a file"),
    "storage-full": (UPLOAD, "there is no room for the file"),
}
"""What there is: on which occasion it strikes, and what it does. A tick is when a report is due, whether
somebody listens or not."""


@dataclass(frozen=True, slots=True)
class BambuFault(Stroke):
    """One entry. command: strikes only there (`project_file`, `pause`)."""

    KINDS: ClassVar[Mapping[str, tuple[str, str]]] = KINDS

    command: str | None = None

    def check(self) -> None:
        """Only what strikes commands waits for one."""
        if self.command is not None and self.occasion != COMMAND:
            raise BadFaults(f"{self.name} strikes no commands: leave `command` out")


class BambuFaults(Strokes[BambuFault]):
    """Plan and chance of it."""

    @classmethod
    def kind(cls) -> type[BambuFault]:
        """What the entries are."""
        return BambuFault
