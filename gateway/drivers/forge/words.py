"""What the words of a printer's posts mean for the print that they name.

    job_status                      the print is          (Forge API 2.2)
    received                        taken, not begun      also: any acknowledgement of its `print_data`
    printing                        printing              whatever printer_status says: a door may be open
    paused                          paused
    completed, canceled, failed     over                  printer_status is often `ready` already
    anything else, or missing       as printer_status says: printing, paused; else only known to be there

An end is final. What comes behind it, late or again, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.call_in import StatusPost, TaskPost
from gateway.domain.observations import Activity, PrintPhase

#: The least `error_code` that refuses a command: what the clients of that time sent with their reasons.
REFUSING_CODE: Final = 400
#: Characters of a printer's own words that are passed on.
TEXT_CHARS: Final = 500
#: Characters of a print's name, as everywhere in the gateway.
NAME_CHARS: Final = 200

P = PrintPhase
PHASES: Final[Mapping[str, PrintPhase]] = {
    "received": P.STARTING,
    "printing": P.PRINTING,
    "paused": P.PAUSED,
    "completed": P.COMPLETED,
    "canceled": P.CANCELED,
    "failed": P.FAILED,
}
PHASE_OF_ACTIVITY: Final[Mapping[Activity, PrintPhase]] = {
    Activity.PRINTING: P.PRINTING,
    Activity.PAUSED: P.PAUSED,
}
_ENDS: Final = frozenset({P.COMPLETED, P.CANCELED, P.FAILED})
RUNNING: Final = frozenset({P.PRINTING, P.PAUSED})
#: From -> where to. None: the start was sent, nothing proves that it arrived. The rest is late or repeated.
FOLLOWS: Final[Mapping[PrintPhase | None, frozenset[PrintPhase]]] = {
    None: frozenset({P.STARTING}) | RUNNING | _ENDS,
    P.STARTING: RUNNING | _ENDS | {P.HELD},
    P.PRINTING: frozenset({P.PAUSED, P.HELD}) | _ENDS,
    P.PAUSED: frozenset({P.PRINTING, P.HELD}) | _ENDS,
    P.HELD: RUNNING | _ENDS,
}


@dataclass(frozen=True, slots=True)
class Word:
    """A post, as far as it is about a print."""

    wire_id: str | None  # the print that it names, as the printer wrote it
    activity: Activity | None
    job_status: PrintPhase | None
    progress: float | None
    data: Mapping[str, Any]
    error_code: int | None
    error_message: str | None
    is_status: bool  # the printer says all of how it is; an acknowledgement says less
    is_refusal: bool = False  # of the `print_data` that it acknowledges
    is_proof: bool = False  # it acknowledges `print_data`

    @property
    def phase(self) -> PrintPhase | None:
        """Where the print is, as far as it says so."""
        if self.job_status is not None:
            return self.job_status
        by_activity = None if self.activity is None else PHASE_OF_ACTIVITY.get(self.activity)
        return by_activity or (P.STARTING if self.is_proof else None)

    @property
    def name(self) -> str | None:
        """What the printer calls it."""
        return short_text(self.data.get("job_name"), NAME_CHARS)


def word_of_status(post: StatusPost) -> Word:
    """A status post. Ember names the print in `data` only."""
    inner = post.data.get("job_id")
    named = post.job_id or (inner if isinstance(inner, str) else None)
    return Word(
        wire_id=named or None,
        activity=post.printer_status,
        job_status=PHASES.get(post.job_status or ""),
        progress=post.job_progress,
        data=post.data,
        error_code=post.error_code,
        error_message=post.error_message,
        is_status=True,
    )


def word_of_print_task(post: TaskPost) -> Word:
    """An acknowledgement of `print_data`, whose task has the id of its job (Forge API 2.3, 6 to 8).

    `state: completed` there means that the file was loaded, not that it was printed: that is what
    `job_status` is for. Without a state, `progress` is the print's.
    """
    progress = post.job_progress
    if progress is None and post.job_status is not None and "state" not in post.data:
        progress = post.progress
    return Word(
        wire_id=post.task_id,
        activity=post.printer_status,
        job_status=PHASES.get(post.job_status or ""),
        progress=progress,
        data=post.data,
        error_code=post.error_code,
        error_message=post.error_message,
        is_status=False,
        is_refusal=is_refusal(post),
        is_proof=True,
    )


def word_of_command_task(post: TaskPost) -> Word:
    """An acknowledgement of another command: what it says of the print. Its errors are the command's."""
    return Word(
        wire_id=post.job_id,
        activity=post.printer_status,
        job_status=PHASES.get(post.job_status or ""),
        progress=post.job_progress,
        data={},
        error_code=None,
        error_message=None,
        is_status=False,
    )


def word_of_announcement(wire_id: str, name: str | None) -> Word:
    """The printer says that it started a print by itself."""
    return Word(
        wire_id=wire_id,
        activity=None,
        job_status=PrintPhase.PRINTING,
        progress=None,
        data={} if name is None else {"job_name": name},
        error_code=None,
        error_message=None,
        is_status=False,
    )


def is_refusal(post: TaskPost) -> bool:
    """Whether the printer says that it will not do it, or could not."""
    return post.data.get("state") == "failed" or (post.error_code or 0) >= REFUSING_CODE


def short_text(value: object, most: int = TEXT_CHARS) -> str | None:
    """A printer's own words on one line, without control characters, cut; None for none."""
    if not isinstance(value, str):
        return None
    words = ("".join(char for char in word if char.isprintable()) for word in value[: 4 * most].split())
    return " ".join(word for word in words if word)[:most] or None


def failure_text(error_code: int | None, error_message: str | None) -> str:
    """Why the printer failed, in its own words where it has any."""
    said = short_text(error_message)
    if said is not None:
        return said
    return f"the printer reported error {error_code}" if error_code else "the printer reported a failure"
