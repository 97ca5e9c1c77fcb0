"""Which page of which jobs: the query of `GET jobs`, in every way the clients of that time wrote it.

Pure. The reference calls `status` "a JSON array"; its SDK sent a comma list, sample apps a bare value, a
script a JSON body on GET. All are read here, and written back in one normal form: `limit`, `offset`, then
`status` as a URL-encoded JSON array, relative to the API's root (Forge: GET jobs, `_link`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from multidict import MultiMapping

from gateway.api.http import limits
from gateway.api.http.problems import Failure
from gateway.api.http.reading import integer
from gateway.domain.job import JobStatus, Verdict

#: Every word a job's `status` can be: the seed's five and the rest of the job enum (Forge API 2.2).
STATUSES: Final = frozenset(status.value for status in JobStatus) | {Verdict.SUCCESSFUL.value}
#: `limit=-1`: all jobs (Forge: GET jobs, `limit`).
ALL: Final = -1
#: Different statuses there are; a longer list can only repeat itself.
_MOST_STATUSES: Final = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """A page that was asked for. `statuses` is empty for all, else in the order given, each once."""

    limit: int = limits.PAGE_DEFAULT
    offset: int = 0
    statuses: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """At most so many rows; None for all."""
        return None if self.limit == ALL else self.limit

    def link(self, path: str, offset: int | None = None) -> str:
        """This page's own link, or that of the page at another offset."""
        at = self.offset if offset is None else offset
        return f"{path}?limit={self.limit}&offset={at}{self._status_part()}"

    def previous(self, path: str) -> str:
        """The link of the page before; empty when this is the first, or all."""
        if self.limit == ALL or self.offset == 0:
            return ""
        return self.link(path, max(0, self.offset - self.limit))

    def following(self, path: str, total: int) -> str:
        """The link of the page behind, of `total` rows in all; empty when there is none."""
        if self.limit == ALL or self.offset + self.limit >= total:
            return ""
        return self.link(path, self.offset + self.limit)

    def _status_part(self) -> str:
        if not self.statuses:
            return ""
        return "&status=" + quote(json.dumps(self.statuses, separators=(",", ":")), safe="")


def read_listing(query: MultiMapping[str], body: Mapping[str, Any] | None = None) -> Listing:
    """The page of jobs a request asks for; what the query leaves out may stand in a JSON body.

    Raises as `read_page`.
    """
    body = body or {}
    page = read_page(query, body)
    given = query.getall("status", [])
    statuses = read_statuses(given) if given else _statuses_of_body(body.get("status"))
    return replace(page, statuses=statuses)


def read_page(query: MultiMapping[str], body: Mapping[str, Any] | None = None) -> Listing:
    """The page a request asks for, of any list.

    Raises Failure: 400 for what cannot be parsed, 422 for what parses but makes no sense. Unknown
    parameters are ignored: the clients of that time sent several.
    """
    body = body or {}
    limit = _number(query, body, "limit", limits.PAGE_DEFAULT)
    offset = _number(query, body, "offset", 0)
    if limit == 0 or limit < ALL:
        raise Failure(422, "limit must be 1 or more, or -1 for all.")
    if offset < 0:
        raise Failure(422, "offset must be 0 or more.")
    return Listing(limit, offset)


def read_statuses(given: Sequence[str]) -> tuple[str, ...]:
    """The statuses in the values of `status`: JSON array, comma list, one bare word, repeated key.

    Nothing given (also an empty array or an empty text) means all.
    """
    words = [word for value in given for word in _words(value.strip())]
    return _known(words)


def _words(text: str) -> Sequence[str]:
    if text.startswith("["):
        return _array(text)
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        text = text[1:-1]
    return [word.strip() for word in text.split(",")] if text else []


def _array(text: str) -> Sequence[str]:
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        raise Failure(400, 'status is not a JSON array; write it like ["queued","failed"].') from None
    return _strings(words)


def _strings(words: Any) -> Sequence[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Failure(400, 'status must be an array of strings, like ["queued","failed"].')
    return words


def _statuses_of_body(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return read_statuses([value])
    return _known(_strings(value))


def _known(words: Sequence[str]) -> tuple[str, ...]:
    unknown = next((word for word in words if word not in STATUSES), None)
    if unknown is not None:
        raise Failure(422, f"There is no status {unknown[:40]!r}. Known: {', '.join(sorted(STATUSES))}.")
    if len(words) > _MOST_STATUSES:
        raise Failure(422, f"status holds {len(words)} values; {len(STATUSES)} different ones exist.")
    return tuple(dict.fromkeys(words))


def _number(query: MultiMapping[str], body: Mapping[str, Any], name: str, default: int) -> int:
    given = query.getall(name, [])
    if len(given) > 1:
        raise Failure(400, f"{name} is given {len(given)} times; give it once.")
    value: Any = given[0] if given else body.get(name, default)
    if isinstance(value, str):
        value = integer(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Failure(400, f"{name} must be an integer.")
    if value > limits.INTEGER_MAX:
        raise Failure(422, f"{name} must be at most {limits.INTEGER_MAX}.")
    return value
