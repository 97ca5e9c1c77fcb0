"""One declaration an operation: it routes, checks, validates, and describes itself in OpenAPI.

    @operation("POST", "/jobs/{job_id}/cancel", scopes=READ_WRITE, responses={202: Task})
    async def cancel(call: Call[NoQuery, None]) -> web.StreamResponse: ...

The query and body models are read off the handler's own annotation, so that they cannot disagree with it.
A dialect is a set of operations with one root, one way to know who asks, and one shape of errors.

Order of checks, the same for all: who asks (401), what they may do (403), content type (415), syntax (400),
sense (422), and only then the handler.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.api.http.problems import Failure
from gateway.api.http.services import Services
from gateway.domain.member import Principal, Scope

Q = TypeVar("Q")
B = TypeVar("B")

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BYTES = "application/octet-stream"

READ = (Scope.DATA_READ,)
WRITE = (Scope.DATA_WRITE,)
READ_WRITE = (Scope.DATA_READ, Scope.DATA_WRITE)
ADMIN = (Scope.ADMIN,)

#: Who asks where nobody has to say so.
NOBODY = Principal(member_id="", organization_id=0, scopes=frozenset())


class NoQuery(BaseModel):
    """No query parameters are known: any is refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A variable part of a path: what matches it (else the address does not exist), and its schema."""

    pattern: str
    schema: Mapping[str, Any]
    description: str


#: A positive integer below 2**31; ten digits at most reach the router.
INTEGER_ID = PathParameter(
    r"[0-9]{1,10}", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "A number below 2**31."
)
#: Anything in one path segment.
SEGMENT = PathParameter(
    r"[^/]{1,200}", {"type": "string", "minLength": 1, "maxLength": 200}, "An id or name."
)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One authenticated, validated request."""

    request: web.Request
    services: Services
    principal: Principal
    query: Q
    body: B

    def path(self, name: str) -> str:
        """A variable part of the path, decoded."""
        return self.request.match_info[name]

    def path_int(self, name: str) -> int:
        """A variable part of the path that is declared as INTEGER_ID."""
        return int(self.request.match_info[name])


#: A request whose query and body do not matter.
AnyCall = Call[Any, Any]
Handler = Callable[[AnyCall], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Door:
    """Another way in than the dialect's, for callers who are no members: printers."""

    name: str | None  # of its security scheme; None: the address itself is the permission
    scheme: Mapping[str, Any]  # as OpenAPI has it
    admit: Callable[[web.Request, Services], None]  # raises Failure
    error_codes: frozenset[int]  # of its failures
    is_optional: bool = False  # who shows nothing comes in too


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of one method on one path."""

    method: str
    path: str  # relative to the dialect's root; `{name}` for variable parts
    handler: Handler
    scopes: tuple[Scope, ...] | None  # None: nobody has to say who they are
    query: type[BaseModel]
    body: type[BaseModel] | None
    accepts: tuple[str, ...]
    responses: Mapping[int, type[BaseModel] | str | None]  # a model, a media type, or nothing
    summary: str
    description: str
    path_parameters: Mapping[str, PathParameter] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()  # other spellings of the path that are served, not described
    reads_query: bool = True  # False: the handler reads the query itself, by the dialect's own rules
    body_required: bool = True
    is_conditional: bool = False  # answers If-None-Match
    is_idempotent_by_key: bool = False  # knows Idempotency-Key
    door: Door | None = None  # who asks, where it is no member; then scopes are None
    more_errors: frozenset[int] = frozenset()  # besides those that any operation of its method has
    response_headers: Mapping[str, str] = field(default_factory=dict)  # name -> description
    examples: Mapping[str, Any] = field(default_factory=dict)  # of the body

    def parameter(self, name: str) -> PathParameter:
        """How a variable part of the path looks."""
        return self.path_parameters.get(name, SEGMENT)

    def routes(self) -> Iterator[str]:
        """The path and its aliases in aiohttp's words, with the patterns."""
        for path in (self.path, *self.aliases):
            yield re.sub(r"\{(\w+)\}", lambda m: f"{{{m[1]}:{self.parameter(m[1]).pattern}}}", path)


def operation(
    method: str,
    path: str,
    *,
    scopes: tuple[Scope, ...] | None,
    responses: Mapping[int, type[BaseModel] | str | None],
    accepts: tuple[str, ...] = (JSON,),
    **options: Any,
) -> Callable[[Handler], Operation]:
    """Declare a handler; its `Call[Query, Body]` annotation names the models.

    `options` are Operation's own optional fields. The docstring's first line is the summary.
    """

    def declare(handler: Handler) -> Operation:
        query, body = typing.get_args(typing.get_type_hints(handler)["call"])
        summary, _, description = (handler.__doc__ or "").partition("\n")
        is_model = isinstance(body, type) and issubclass(body, BaseModel)
        return Operation(
            method=method,
            path=path,
            handler=handler,
            scopes=scopes,
            query=query,
            body=body if is_model else None,
            accepts=accepts,
            responses=responses,
            summary=summary.strip().rstrip("."),
            description=re.sub(r"\n +", "\n", description).strip(),
            **options,
        )

    return declare


@dataclass(frozen=True, slots=True)
class Dialect:
    """A family of operations that speak alike."""

    name: str
    description: str
    roots: tuple[str, ...]  # path prefixes; the first is the one in the documentation
    operations: tuple[Operation, ...]
    authenticate: Callable[[web.Request, Services], Awaitable[Principal | None]]
    render: Callable[[Failure, web.Request], web.Response]
    error_model: type[BaseModel]
    error_media: str
    error_codes: frozenset[int]  # that this dialect's errors can have
    security: Mapping[str, Any]  # an OpenAPI security scheme
    is_cross_origin: bool = (
        False  # browsers of other origins may call it (bearer only, never ambient authority)
    )
    is_lenient: bool = False  # a body without content type is taken for JSON, an empty one for {}
