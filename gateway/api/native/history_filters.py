"""Which jobs a schedule's history export has: never more than its member may see, whatever they say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from gateway.api.http import limits
from gateway.api.http.finding import usable_printer
from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure
from gateway.api.native.fields import Body, JobWord, Number
from gateway.api.native.shapes import instant
from gateway.auth.access import is_admin_of
from gateway.domain.job import JobStatus, Verdict

_WORDS = frozenset(status.value for status in JobStatus) | {Verdict.SUCCESSFUL.value}
#: Different statuses there are, with room for repetitions.
_MOST_STATUSES = 20


def _known(word: str) -> str:
    if word not in _WORDS:
        raise ValueError(f"there is no status {word[:40]!r}; known: {', '.join(sorted(_WORDS))}")
    return word


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("this is at an end of the calendar, where no job was ever created") from None


#: An instant with its offset, as people write it; in UTC from here on.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class HistoryFilters(Body):
    """Filters of a history export; what is left out does not narrow."""

    member_id: Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS)] | None = Field(
        None,
        description="Whose jobs. For administrators of the organization; everybody else's are their own.",
    )
    printer_id: Number | None = None
    statuses: Annotated[
        list[Annotated[JobWord, AfterValidator(_known)]], Field(max_length=_MOST_STATUSES)
    ] = Field(default_factory=list, description="Empty: all.")
    created_after: Instant | None = Field(None, description="ISO 8601 with an offset or `Z`.")
    created_before: Instant | None = None


def filter_params(call: AnyCall, asked: HistoryFilters, organization_id: int) -> dict[str, Any]:
    """The params of a schedule of that organization; raises Failure 422 for what the caller may not see."""
    is_own = asked.member_id in (None, call.principal.member_id)
    if not is_own and not is_admin_of(call.principal, organization_id):
        raise Failure(422, "member_id: only your own jobs can be exported.")
    if asked.printer_id is not None and usable_printer(call, asked.printer_id) is None:
        raise Failure(422, f"printer_id: there is no printer {asked.printer_id} for you.")
    return asked.model_dump(exclude={"created_after", "created_before"}, exclude_none=True) | {
        name: instant(at)
        for name in ("created_after", "created_before")
        if (at := getattr(asked, name)) is not None
    }
