"""Whose print is it? Asked when a printer becomes active, or is found active.

    rung  the mark   a start's reply    `print_type`     it is
          is ours    to another client                   of
    1     yes        -                  -                this gateway
    2     no         -                  cloud            the cloud
    3     no         yes, < 120 s ago   anything else    an app on the LAN: a slicer, another gateway
    4     no         no                 local            the panel, or the storage in it
    5     no         no                 anything else    nobody knows

Seen on recordings of an A1 (01.07): a print of the cloud has a `project_file` reply with its ids and
`print_type` cloud 2 s later; one of the panel has no reply, `print_type` local and all ids "0". These rules
named the origin right in 6 of 6 recorded sessions. Whoever is found printing at the first look may have had a
reply that nobody heard: then rung 4 says "panel" also of a slicer's print.

A name is no sign of anything: people print the same file again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Seconds for which a start that was taken explains the print that begins then.
REPLY_SECONDS: Final = 120.0


class Whose(StrEnum):
    """Who started a print."""

    GATEWAY = "gateway"
    CLOUD = "cloud"
    LAN_APP = "lan-app"
    PANEL = "panel"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the table; None: whatever it is."""

    has_mark: bool
    has_reply: bool | None
    print_type: str | None
    whose: Whose


LADDER: Final = (
    Rung(True, None, None, Whose.GATEWAY),
    Rung(False, None, "cloud", Whose.CLOUD),
    Rung(False, True, None, Whose.LAN_APP),
    Rung(False, False, "local", Whose.PANEL),
    Rung(False, False, None, Whose.UNKNOWN),
)


def whose(*, has_mark: bool, has_reply: bool, print_type: str) -> Whose:
    """The first rung that fits."""
    for rung in LADDER:
        if (
            rung.has_mark is has_mark
            and rung.has_reply in (None, has_reply)
            and rung.print_type in (None, print_type)
        ):
            return rung.whose
    return Whose.UNKNOWN
