"""Why a link ended, by name, with words for people."""

from __future__ import annotations

from enum import StrEnum


class FailureReason(StrEnum):
    """Every way a link can end but the port's own (unplugged, closed)."""

    NO_ANSWER = "no-answer"
    NOT_UNDERSTOOD = "not-understood"
    NUMBERS_NOT_ACCEPTED = "numbers-not-accepted"
    WENT_SILENT = "went-silent"
    RESTARTED = "restarted"
    POSITION_LOST = "position-lost"
    LINE_REFUSED = "line-refused"
    NUMBERS_DISAGREE = "numbers-disagree"
    KILLED = "killed"
    THERMAL = "thermal"
    STOPPED = "stopped"

    @property
    def message(self) -> str:
        """What happened and what to do, for people."""
        return _MESSAGES[self]

    @property
    def is_halt(self) -> bool:
        """Whether the firmware stopped itself: nothing moves or heats until somebody resets the printer."""
        return self in (FailureReason.KILLED, FailureReason.THERMAL, FailureReason.STOPPED)

    @property
    def is_reset(self) -> bool:
        """Whether the board lost its position, temperatures and line numbers."""
        return self in (FailureReason.RESTARTED, FailureReason.POSITION_LOST)


_MESSAGES = {
    FailureReason.NO_ANSWER: "The printer does not answer. Check that it is switched on, that the cable"
    " is in, and that `baud` in the configuration is the printer's.",
    FailureReason.NOT_UNDERSTOOD: "The printer sends bytes that make no sense. Check `baud` in the"
    " configuration: most likely it is not the printer's (115200 and 250000 are usual).",
    FailureReason.NUMBERS_NOT_ACCEPTED: "The printer answers, but does not take numbered lines."
    " Check the cable, and whether another program uses the same port.",
    FailureReason.WENT_SILENT: "The printer stopped answering. Look at the machine, its cable and power.",
    FailureReason.RESTARTED: "The printer was reset, so its position is lost.",
    FailureReason.POSITION_LOST: "The printer has forgotten the lines it had accepted: it was reset, or"
    " another program uses the same port. Its position is lost.",
    FailureReason.LINE_REFUSED: "The printer refused one line again and again. Either the line is too long"
    " for its firmware, or the cable disturbs the signal: use a shorter, shielded cable.",
    FailureReason.NUMBERS_DISAGREE: "The printer asks for lines it was never sent. Check that no other"
    " program uses the same port, and the cable.",
    FailureReason.KILLED: "The printer stopped itself in an emergency stop: its heaters and motors are"
    " off. Look at it, then reset it.",
    FailureReason.THERMAL: "The printer's heater protection tripped, and it switched its heaters off."
    " Check heater and thermistor before you reset it.",
    FailureReason.STOPPED: "The printer's firmware stopped because of an error, and refuses every command."
    " Look at the machine, its heaters and its sensors, then reset it.",
}
