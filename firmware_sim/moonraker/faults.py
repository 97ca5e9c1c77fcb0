"""Bad luck between a client and Moonraker, by plan or by seed.

    [[fault]]
    name = "reply-lost"
    method = "printer.print.start"   # the next request of this method; or request = 3, the third of all
    count = 1                        # how many times in a row
    at = 12.0                        # not before this second
    seconds = 5.0                    # for the faults that take time

    [random]
    reply-late = 0.01                # strikes per request, upload, ...

Keys that say when may be put together: all of them must fit. A fault on the occasion
`instant` strikes at `at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from firmware_sim.faults.strokes import Stroke, Strokes

KINDS: Mapping[str, tuple[str, str]] = {
    "request-lost": ("request", "a request never reaches Moonraker"),
    "request-doubled": ("request", "the broker hands a request over twice (QoS 1)"),
    "reply-lost": ("request", "a request is carried out and its reply is lost"),
    "reply-late": ("request", "a request is carried out and its reply comes late"),
    "upload-truncated": ("upload", "a part of the file arrives, and nobody notices without a checksum"),
    "upload-refused": ("upload", "Unable to save file"),
    "upload-answer-lost": ("upload", "the file is stored, and the connection breaks before the answer"),
    "klippy-death": ("instant", "klippy is killed; it stays away"),
    "klippy-restart": ("instant", "klippy ends and comes back"),
    "moonraker-death": ("instant", "kill -9 of Moonraker; systemd brings it back"),
    "emergency-stop": ("instant", "somebody presses the emergency stop of another app"),
    "mcu-shutdown": ("instant", "the micro-controller shuts down"),
}
"""What there is: on which occasion it strikes, and what it does."""


@dataclass(frozen=True, slots=True)
class Misfortune(Stroke):
    """One entry. method: the next request of it. request: its number, from 1."""

    KINDS: ClassVar[Mapping[str, tuple[str, str]]] = KINDS
    BY_THE_CLOCK: ClassVar[str] = "instant"

    method: str | None = None
    request: int | None = None


class Misfortunes(Strokes[Misfortune]):
    """Plan and chance of it."""

    @classmethod
    def kind(cls) -> type[Misfortune]:
        """What the entries are."""
        return Misfortune
