"""Commands that a printer was told and has yet to answer.

its acknowledgement           the command is
state received                on its way: DONE_SECONDS from now instead of ACK_SECONDS
state failed, or an error     refused, with the printer's words
state completed, or none      done (one client acknowledges once, without a state)
none in time                  unclear: it "did not answer"
not even fetched in time      taken back, and refused: nobody finds an old command in the queue
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.call_in import TaskPost
from gateway.domain.observations import OrderResult
from gateway.drivers.forge.words import failure_text, is_refusal

#: Seconds for the first acknowledgement, from the moment the command went out.
ACK_SECONDS: Final = 60.0
#: Seconds for the last one, once it was received: a firmware upgrade, a calibration.
DONE_SECONDS: Final = 3600.0
#: Seconds for a message that was taken back: the next turn of the loop, unless it is just being written.
RECALL_SECONDS: Final = 10.0
#: Commands a printer may have unanswered: people press a button again, nobody presses it a hundred times.
ASKED_MAX: Final = 64

_FIELDS: Final = ("progress", "error_code", "error_message", "job_id", "job_status", "job_progress")


@dataclass(slots=True)
class Asked:
    """One command."""

    order_id: str  # the task of its acknowledgements
    command: str
    deadline: float  # monotonic seconds
    ends_print: str | None = None  # ident of the print that it cancels
    is_received: bool = False
    is_waiting: bool = True  # nobody knows yet what became of its message
    is_recalled: bool = False

    def sent(self, now: float) -> None:
        """It has left: the time to answer begins."""
        self.is_waiting = False
        if not self.is_received:
            self.deadline = now + ACK_SECONDS

    def judge(self, post: TaskPost, now: float) -> tuple[OrderResult, str | None] | None:
        """The answer that this acknowledgement is; None while another one follows."""
        if is_refusal(post):
            return OrderResult.REFUSED, failure_text(post.error_code, post.error_message)
        if post.data.get("state") == "received":
            self.is_received = True
            self.deadline = now + DONE_SECONDS
            return None
        return OrderResult.ACCEPTED, None

    def overdue(self) -> str:
        """What people are told when the deadline has passed."""
        if self.is_received:
            return f"the printer took the command and did not say within {DONE_SECONDS:g} s how it went"
        return f"the printer did not answer within {ACK_SECONDS:g} s; look at it before you try again"


def answer_fields(post: TaskPost) -> dict[str, Any]:
    """The acknowledgement as it is kept with its command: the fields of the post, flat, as far as given."""
    fields = {name: getattr(post, name) for name in _FIELDS}
    if post.printer_status is not None:
        fields["printer_status"] = post.printer_status.value
    found = {name: value for name, value in fields.items() if value is not None}
    return {**found, "data": dict(post.data)}
