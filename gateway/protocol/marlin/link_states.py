"""The link's state machine: one table, and what it means.

A link lives from the opening of a port to its failure. It is born IDENTIFYING: M115 goes out, un-numbered,
and again every few seconds, because a board that was reset by the opening of its port hears nothing for a
while. Once the firmware has named itself the link is either NUMBERING (`M110 N0` and a numbered M105 that
proves it) or, while a print of a former streamer is unfinished on the machine, ASKING: then the firmware's
line number is the only witness of what it has printed and must not be touched, so only un-numbered questions
go out until the driver decides: the print is given up (`NUMBERING_WANTED`), or it shall go on
(`POSITION_WANTED`).

LOCATING asks the firmware for the last line it accepted (`asking` tells how). When it has told, and the
driver has found that line in its record, PROVING sends one numbered M105 behind it: its own kind of answer
proves the number, and that everything read before has been dealt with; then the link is STREAMING as if
nothing had happened. Refused or unanswered, the link is LOCATING again. A firmware that will not tell leaves
the link ASKING.

STREAMING is the normal state: lines fly, oks come back. A Resend takes the link to RECOVERING: one single
line flies until it is answered. Silence takes it to PROBING: a next numbered line (M105) asks what became of
the others; a line is never repeated because of silence alone, for a firmware that has it already answers a
repetition with nothing at all. Whatever answers first decides: a Resend leads to RECOVERING, an ok back to
STREAMING.

`start` means the board was reset: harmless while the link is still finding out whom it talks to, the end of
the link later on, because position, heaters and numbers are gone. HALTED is a link to a board that was
killed: nothing is sent, a `start` (somebody pressed reset) begins anew. FAILED is final: this connection is
over, a new link begins.

Everything that changes the state is in this table; signals without an effect in a state are written as that
state itself.
"""

from __future__ import annotations

from enum import Enum, auto


class LinkPhase(Enum):
    """Where one connection stands."""

    HALTED = auto()
    IDENTIFYING = auto()
    ASKING = auto()
    LOCATING = auto()
    PROVING = auto()
    NUMBERING = auto()
    STREAMING = auto()
    RECOVERING = auto()
    PROBING = auto()
    FAILED = auto()

    @property
    def is_locating(self) -> bool:
        """Whether the firmware is being asked where an unfinished print stands."""
        return self in (LinkPhase.LOCATING, LinkPhase.PROVING)

    @property
    def is_sending(self) -> bool:
        """Whether numbered lines go out, the application's or our own."""
        return self in NUMBERED_PHASES or self in (LinkPhase.NUMBERING, LinkPhase.PROVING)


class Signal(Enum):
    """What can happen to a link."""

    STARTED = auto()  # the board booted
    IDENTIFIED = auto()  # the firmware named itself
    IDENTIFIED_IN_MID_PRINT = auto()  # the same, and its line number must not be touched
    NUMBERING_WANTED = auto()  # the print is given up; or the numbers were not taken after all
    POSITION_WANTED = auto()
    POSITION_TAKEN = auto()  # the driver goes on behind the line that the firmware named
    POSITION_UNKNOWN = auto()  # nobody can tell where the print stands
    ANSWERED = auto()  # an ok for something in flight
    REFUSED = auto()  # a Resend that rewinds
    SILENCE = auto()  # longer than a working firmware keeps quiet
    GAVE_UP = auto()  # any failure


_P = LinkPhase
_S = Signal
TRANSITIONS: dict[LinkPhase, dict[Signal, LinkPhase]] = {
    _P.HALTED: {
        _S.STARTED: _P.IDENTIFYING,
        _S.IDENTIFIED: _P.HALTED,
        _S.IDENTIFIED_IN_MID_PRINT: _P.HALTED,
        _S.NUMBERING_WANTED: _P.HALTED,
        _S.POSITION_WANTED: _P.HALTED,
        _S.POSITION_TAKEN: _P.HALTED,
        _S.POSITION_UNKNOWN: _P.HALTED,
        _S.ANSWERED: _P.HALTED,
        _S.REFUSED: _P.HALTED,
        _S.SILENCE: _P.HALTED,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.IDENTIFYING: {
        _S.STARTED: _P.IDENTIFYING,
        _S.IDENTIFIED: _P.NUMBERING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.ASKING,
        _S.NUMBERING_WANTED: _P.IDENTIFYING,
        _S.POSITION_WANTED: _P.IDENTIFYING,
        _S.POSITION_TAKEN: _P.IDENTIFYING,
        _S.POSITION_UNKNOWN: _P.IDENTIFYING,
        _S.ANSWERED: _P.IDENTIFYING,
        _S.REFUSED: _P.IDENTIFYING,
        _S.SILENCE: _P.IDENTIFYING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.ASKING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.ASKING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.ASKING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.LOCATING,
        _S.POSITION_TAKEN: _P.ASKING,
        _S.POSITION_UNKNOWN: _P.ASKING,
        _S.ANSWERED: _P.ASKING,
        _S.REFUSED: _P.ASKING,
        _S.SILENCE: _P.ASKING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.LOCATING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.LOCATING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.LOCATING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.LOCATING,
        _S.POSITION_TAKEN: _P.PROVING,
        _S.POSITION_UNKNOWN: _P.ASKING,
        _S.ANSWERED: _P.LOCATING,
        _S.REFUSED: _P.LOCATING,
        _S.SILENCE: _P.LOCATING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.PROVING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.PROVING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.PROVING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.PROVING,
        _S.POSITION_TAKEN: _P.PROVING,
        _S.POSITION_UNKNOWN: _P.ASKING,
        _S.ANSWERED: _P.STREAMING,
        _S.REFUSED: _P.LOCATING,
        _S.SILENCE: _P.LOCATING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.NUMBERING: {
        _S.STARTED: _P.IDENTIFYING,
        _S.IDENTIFIED: _P.NUMBERING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.NUMBERING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.NUMBERING,
        _S.POSITION_TAKEN: _P.NUMBERING,
        _S.POSITION_UNKNOWN: _P.NUMBERING,
        _S.ANSWERED: _P.STREAMING,
        _S.REFUSED: _P.NUMBERING,
        _S.SILENCE: _P.NUMBERING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.STREAMING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.STREAMING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.STREAMING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.STREAMING,
        _S.POSITION_TAKEN: _P.STREAMING,
        _S.POSITION_UNKNOWN: _P.STREAMING,
        _S.ANSWERED: _P.STREAMING,
        _S.REFUSED: _P.RECOVERING,
        _S.SILENCE: _P.PROBING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.RECOVERING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.RECOVERING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.RECOVERING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.RECOVERING,
        _S.POSITION_TAKEN: _P.RECOVERING,
        _S.POSITION_UNKNOWN: _P.RECOVERING,
        _S.ANSWERED: _P.STREAMING,
        _S.REFUSED: _P.RECOVERING,
        _S.SILENCE: _P.PROBING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.PROBING: {
        _S.STARTED: _P.FAILED,
        _S.IDENTIFIED: _P.PROBING,
        _S.IDENTIFIED_IN_MID_PRINT: _P.PROBING,
        _S.NUMBERING_WANTED: _P.NUMBERING,
        _S.POSITION_WANTED: _P.PROBING,
        _S.POSITION_TAKEN: _P.PROBING,
        _S.POSITION_UNKNOWN: _P.PROBING,
        _S.ANSWERED: _P.STREAMING,
        _S.REFUSED: _P.RECOVERING,
        _S.SILENCE: _P.PROBING,
        _S.GAVE_UP: _P.FAILED,
    },
    _P.FAILED: dict.fromkeys(_S, _P.FAILED),
}

#: Phases in which numbered lines of the application may be handed over.
NUMBERED_PHASES = frozenset({_P.STREAMING, _P.RECOVERING, _P.PROBING})
#: Before the first numbered line of a print; what they do is in `opening`.
OPENING_PHASES = (_P.IDENTIFYING, _P.NUMBERING)
