"""How far the start of a print got, on disk: what the next driver host can say of a start that it never saw.

    what the driver does            what the record says        the next host says of this start
    takes the order                 (another start, or nothing)  what the machine proves, else unclear
    before the file goes out        preparing <key>              never sent: refused, it may be tried again
    before the last look at the     sending <key>                what the machine proves, else unclear
    machine, and the publish

A start is published only when `sending` is on the disk. So `preparing` is a proof; that there is no record,
or one of another start, is none: files are lost, and folders are restored from backups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.domain.observations import PrintPhase
from gateway.drivers.left import LeftPrint

NEVER_SENT: Final = "the gateway was restarted before the start was sent: nothing moved"
_NOT_NOTED: Final = (
    "the start could not be noted on the gateway's disk ({why}), and was not sent: look whether it is full"
)


class StartRecord(Protocol):
    """Of one printer; the newest start only."""

    async def preparing(self, key: str) -> None:
        """This start is on its way to the printer. On the disk when it returns; raises OSError."""

    async def sending(self, key: str) -> None:
        """From now on this start may have been published. On the disk when it returns; raises OSError."""

    def is_unsent(self, key: str) -> bool:
        """Whether the record says `preparing` of this very start; what cannot be read says nothing."""


@dataclass(frozen=True, slots=True)
class Note:
    """Left by a driver's core, which goes on when it is told what `note` gave."""

    key: str
    is_sending: bool  # else: preparing


async def note(record: StartRecord, asked: Note) -> str | None:
    """Make it durable. Gives the sentence that refuses the start where that fails."""
    try:
        await (record.sending(asked.key) if asked.is_sending else record.preparing(asked.key))
    except OSError as error:
        return _NOT_NOTED.format(why=error.strerror or error)
    return None


def never_sent(record: StartRecord, left: LeftPrint) -> bool:
    """Whether this was a start of the former host that provably never went out.

    One that a person was asked to look at is left to that person.
    """
    is_start = not left.is_local and not left.is_held and left.phase in (None, PrintPhase.STARTING)
    return is_start and record.is_unsent(left.key)
