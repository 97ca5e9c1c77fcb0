"""Which page of which jobs: the query of every list, read and checked. Pure.

Filters and paging are those of GreenArrow's current documentation ("Jobs", "Pagination"). What it does not
name is ignored, as its server does. A state or a type that nothing here has (`idle`, `Campaign`) matches
nothing.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from multidict import MultiMapping

from gateway.api.greenarrow import mapping
from gateway.api.greenarrow.answers import RequestedTooMany
from gateway.api.http import limits
from gateway.api.http.problems import Failure
from gateway.api.http.reading import integer
from gateway.auth.access import JobScope
from gateway.auth.signing import UrlSigner
from gateway.engine.ports import WorkFilter

#: Rows of a page: GreenArrow's default for jobs and its maximum.
PER_PAGE: Final = 2000
#: Parameters that make a list say which page it is.
PAGING: Final = ("page", "per_page", "page_token")
#: How long a page's token leads on. Who reads a list to its end is there within minutes.
TOKEN_GOOD: Final = timedelta(days=1)
#: Characters of a token at most: a work id, an instant, a signature and base64 around them make 99.
_TOKEN_CHARS: Final = 200
_TOKEN: Final = re.compile(r"([0-9]{1,10})~([0-9A-Za-z._-]{1,100})", re.ASCII)
#: A number with more digits than `integer` reads is beyond every bound, and refused as such.
_LONG: Final = re.compile(r"-?[0-9]{20,}", re.ASCII)
_BEYOND: Final = limits.INTEGER_MAX + 1
#: Words in one filter; more can only repeat themselves.
_MOST_WORDS: Final = 100
#: ISO 8601 whose `+` was not encoded in the address, and arrived as a blank.
_BLANK_ZONE: Final = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)", re.ASCII)
#: What is shown is cut to the second; bounds compare what is shown. The store keeps milliseconds.
_SECOND, _STORED_UNIT = timedelta(seconds=1), timedelta(milliseconds=1)
#: What lies beyond these is as good as these.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Paging:
    """A page that was asked for: by its number, or as what follows a former one."""

    per_page: int = PER_PAGE
    page: int = 0  # from 0
    token: str | None = None  # as it was sent
    after: int = 0  # work id: rows behind it
    is_shown: bool = False  # some parameter of paging was sent

    @property
    def offset(self) -> int:
        """Rows in front of the page."""
        return self.page * self.per_page

    def shown(self, total: int, next_token: str | None) -> dict[str, int | str | None]:
        """What stands beside the rows."""
        return {
            "page": self.page if self.token is None else None,
            "per_page": self.per_page,
            "num_records": total,
            "num_pages": -(-total // self.per_page),
            "page_token": self.token,
            "next_page_token": next_token,
        }


class PageTokens:
    """Makes tokens that lead on from a row, and knows those it made."""

    def __init__(self, signer: UrlSigner, now: datetime) -> None:
        self._signer = signer
        self._now = now

    def make(self, work_id: int) -> str:
        """The token of the page behind this row."""
        permit = self._signer.sign(_signed(work_id), int((self._now + TOKEN_GOOD).timestamp()))
        return urlsafe_b64encode(f"{work_id}~{permit}".encode()).rstrip(b"=").decode()

    def read(self, token: str) -> int:
        """The row behind which the page begins. Raises Failure 400 for anything that `make` did not give."""
        text = _decoded(token)
        parts = None if text is None else _TOKEN.fullmatch(text)
        if parts is not None:
            work_id = int(parts[1])
            if self._signer.verify(_signed(work_id), parts[2], self._now.timestamp()):
                return work_id
        raise Failure(400, "page_token is not one that this list gave, or is too old. Begin with page=0.")


def _signed(work_id: int) -> str:
    return f"greenarrow/jobs/after/{work_id}"


def _decoded(token: str) -> str | None:
    if len(token) > _TOKEN_CHARS or not token.isascii():
        return None
    try:
        return b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True).decode("ascii")
    except ValueError:
        return None


def read_paging(query: MultiMapping[str], tokens: PageTokens) -> Paging:
    """The page a request asks for; without any of its parameters the first, and the answer does not say so.

    Raises Failure 400, RequestedTooMany for a `per_page` above PER_PAGE.
    """
    if not any(name in query for name in PAGING):
        return Paging()
    if "page" in query and "page_token" in query:
        raise Failure(400, "page and page_token cannot be sent together: send one of them.")
    per_page = _number(query, "per_page", PER_PAGE)
    if per_page > PER_PAGE:
        raise RequestedTooMany(f"per_page is {PER_PAGE} at most.")
    if per_page < 1:
        raise Failure(400, "per_page is 1 at least.")
    page = _number(query, "page", 0)
    if not 0 <= page <= limits.INTEGER_MAX:
        raise Failure(400, f"page is a number from 0 to {limits.INTEGER_MAX}.")
    token = _single(query, "page_token")
    after = tokens.read(token) if token else 0  # an empty one asks for the first page
    return Paging(per_page, page, token, after, is_shown=True)


def read_filter(query: MultiMapping[str], scope: JobScope, *, only_unfinished: bool) -> WorkFilter:
    """Which of the works in `scope` a request asks for. Raises Failure 400."""
    wanted = WorkFilter(
        organization_id=scope.organization_id,
        member_id=scope.member_id,
        begins_after=_after(query, "begins_at__after"),
        begins_before=_before(query, "begins_at__before"),
        ended_after=_after(query, "finished_at__after"),
        ended_before=_before(query, "finished_at__before"),
    )
    states = _words(query, "state")
    if only_unfinished:
        states = mapping.UNFINISHED if states is None else states & mapping.UNFINISHED
    if states is not None:
        found, standings = mapping.job_statuses(states), mapping.standings(states)
        wanted = replace(wanted, job_statuses=found, standings=standings)
    types = _words(query, "job_type")
    return wanted if types is None else _of_types(wanted, types)


def _of_types(wanted: WorkFilter, types: frozenset[str]) -> WorkFilter:
    kinds = frozenset(kind for kind, name in mapping.TASK_TYPES.items() if name in types)
    if mapping.PRINT_JOB not in types:
        wanted = replace(wanted, job_statuses=frozenset())
    if not kinds:
        return replace(wanted, standings=frozenset())
    return replace(wanted, task_kinds=kinds)


def _words(query: MultiMapping[str], name: str) -> frozenset[str] | None:
    """One word, a comma list, the parameter repeated, or Rails' array `name[]`; None: not narrowed."""
    given = [*query.getall(name, []), *query.getall(f"{name}[]", [])]
    words = [word.strip() for value in given for word in value.split(",")]
    if len(words) > _MOST_WORDS:
        raise Failure(400, f"{name} has {len(words)} values; {_MOST_WORDS} are the most.")
    return frozenset(filter(None, words)) or None


def _after(query: MultiMapping[str], name: str) -> datetime | None:
    at = _instant(query, name)
    return None if at is None else at.replace(microsecond=0) + (_SECOND - _STORED_UNIT)


def _before(query: MultiMapping[str], name: str) -> datetime | None:
    at = _instant(query, name)
    return None if at is None else (at if at.microsecond == 0 else at.replace(microsecond=0) + _SECOND)


def _instant(query: MultiMapping[str], name: str) -> datetime | None:
    """UNIX seconds or ISO 8601; without a zone it is UTC."""
    text = (_single(query, name) or "").strip()
    if not text:
        return None
    seconds = integer(text)
    try:
        if seconds is not None:
            found = _EPOCH + timedelta(seconds=seconds)
        else:
            at = datetime.fromisoformat(_BLANK_ZONE.sub("+", text))
            found = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return min(max(found, _EPOCH), _LATEST)
    except (ValueError, OverflowError):
        hint = "UNIX seconds or ISO 8601, like 2014-07-03T13:37:00Z"
        raise Failure(400, f"{name} must be {hint}.") from None


def _number(query: MultiMapping[str], name: str, default: int) -> int:
    text = _single(query, name)
    if text is None:
        return default
    number = integer(text)
    if number is None and _LONG.fullmatch(text):
        number = -_BEYOND if text.startswith("-") else _BEYOND
    if number is None:
        raise Failure(400, f"{name} must be an integer.")
    return number


def _single(query: MultiMapping[str], name: str) -> str | None:
    given = query.getall(name, [])
    if len(given) > 1:
        raise Failure(400, f"{name} is given {len(given)} times; give it once.")
    return given[0] if given else None
