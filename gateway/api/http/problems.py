"""What can go wrong with a request, before any dialect gives it a shape.

A handler raises `Failure`; the dialect renders it. Foreign exceptions are mapped here, at the border:
`CommandRefused` and `StoreUnavailable` of the engine, aiohttp's own HTTP errors, and whatever is left
(a bug of ours: status 500, logged with its trace, never shown).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from gateway.api.http import limits
from gateway.domain.commands import CommandRefused, Refusal
from gateway.engine.engine import EngineBusy
from gateway.engine.ports import StoreFull, StoreUnavailable

#: A name that people give: no control characters, not blank.
NAME_PATTERN: Final = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f]$"
EMAIL_PATTERN: Final = r"^[^@\s]+@[^@\s]+$"
PATTERNS_IN_WORDS: Final = {
    NAME_PATTERN: "A name is one line of text that does not end in a blank",
    EMAIL_PATTERN: "An e-mail address is needed, like ana@example.org",
}
#: A word in pydantic's list of those that it knows.
_QUOTED: Final = re.compile(r"'([^']+)'")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_STATUS_OF = {Refusal.UNKNOWN: 404, Refusal.CONFLICT: 409, Refusal.INVALID: 422}


class Failure(Exception):
    """A request that is not carried out. `detail` says what is wrong and what to do next, for people."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        errors: Sequence[Mapping[str, str]] = (),
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.errors = errors
        self.refusal = refusal

    @property
    def title(self) -> str:
        """The status code's own phrase."""
        return HTTPStatus(self.status).phrase


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str
    message: str


class Problem(BaseModel):
    """An error of the native API (RFC 9457, `application/problem+json`)."""

    type: str = Field(description="A URN that names the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do next.")
    request_id: str = Field(description="Also in the service's log.")
    errors: list[FieldError] | None = None


def unauthorized(detail: str) -> Failure:
    """401 with the challenge RFC 6750 asks for."""
    challenge = 'Bearer realm="print-gateway"'
    return Failure(401, detail, headers={"WWW-Authenticate": challenge})


def from_validation(error: ValidationError, status: int, what: str, given: Any = None) -> Failure:
    """A body or query that parsed but makes no sense, field by field, without echoing the input.

    `given` is what was validated, where it may be one of several shapes.
    """
    errors = [
        {"field": ".".join(_field(item, given)) or what, "message": _in_words(item)}
        for item in error.errors(include_url=False, include_input=False)
    ]
    first = errors[0]
    return Failure(status, f"{first['field']}: {first['message']}", errors=errors)


def _field(item: Mapping[str, Any], given: Any) -> Sequence[str]:
    """Where a mistake is in what was given, without pydantic's names of the shapes that it tried."""
    if given is None:
        return [str(step) for step in item["loc"]]
    found = []
    for step in item["loc"]:
        try:
            given = given[step]
        except (LookupError, TypeError):
            continue  # the name of a shape, or a field that is not there
        found.append(str(step))
    return [*found, str(item["loc"][-1])] if item["type"] == "missing" else found


#: Kinds of mistakes that pydantic names by its own classes, or without saying what to do.
_KINDS_IN_WORDS: Final = {
    "missing": "this field is needed",
    "extra_forbidden": "there is no such field here",
    "model_type": "an object is needed",
    "model_attributes_type": "an object is needed",
    "dict_type": "an object is needed",
    "mapping_type": "an object is needed",
}


def _in_words(item: Mapping[str, Any]) -> str:
    """Pydantic's words, but patterns and bounds in ours: nobody at a printer reads a regular expression."""
    if item["type"] in _KINDS_IN_WORDS:
        return _KINDS_IN_WORDS[item["type"]]
    context = item.get("ctx", {})
    if item["type"] == "less_than_equal":
        return f"{context['le']} is the most that is possible"
    if item["type"] == "greater_than_equal":
        return f"{context['ge']} is the least that is possible"
    if item["type"] == "union_tag_invalid":
        words = ", ".join(_QUOTED.findall(context["expected_tags"]))
        return f"{context['discriminator'][1:-1]} must be one of {words}"
    if item["type"] == "union_tag_not_found":
        return f"{context['discriminator'][1:-1]} is needed"
    pattern = context.get("pattern")
    if item["type"] == "value_error":
        return str(context["error"])  # our own words, without the name of their class
    return PATTERNS_IN_WORDS.get(pattern, str(item["msg"]))


def from_exception(error: Exception) -> Failure | None:
    """The failure an exception stands for; None when it is a bug of ours."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, CommandRefused):
        return Failure(_STATUS_OF[error.refusal], error.message, refusal=error.refusal)
    if isinstance(error, StoreFull):
        return Failure(507, str(error))  # coming again soon does not help: somebody must free space
    if isinstance(error, StoreUnavailable | EngineBusy):
        return Failure(503, str(error), headers={"Retry-After": str(limits.RETRY_AFTER)})
    if isinstance(error, web.RequestPayloadError):
        return Failure(400, "The body ends too early, or is not encoded as its Content-Encoding says.")
    if isinstance(error, web.HTTPException) and error.status >= 400:
        return _from_http(error)
    return None


def _from_http(error: web.HTTPException) -> Failure:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Failure(405, f"This address takes {allowed}.", headers={"Allow": allowed})
    if isinstance(error, web.HTTPNotFound):
        return Failure(404, "There is no such address. /openapi.json lists all of them.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Failure(413, f"The body is larger than the {limits.BODY_BYTES} bytes this address takes.")
    return Failure(error.status, error.reason)


BUG = Failure(500, "Something went wrong in the gateway. The request id is in its log.")


def as_problem(failure: Failure, request_id: str) -> dict[str, Any]:
    """The body of a native error."""
    slug = failure.title.lower().replace(" ", "-").replace("'", "")
    body: dict[str, Any] = {
        "type": f"urn:print-gateway:problem:{slug}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
        "request_id": request_id,
    }
    if failure.errors:
        body["errors"] = list(failure.errors)
    return body
