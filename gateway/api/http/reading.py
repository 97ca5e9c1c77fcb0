"""From bytes and strings to validated bodies (JSON, forms) and queries. 400 is syntax, 422 is sense."""

from __future__ import annotations

import asyncio
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from multidict import MultiMapping
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import from_json, to_json

from gateway.api.http import limits
from gateway.api.http.answers import encode
from gateway.api.http.nested_form import parse_form
from gateway.api.http.operations import FORM, JSON, Dialect, Operation
from gateway.api.http.problems import NAME_PATTERN, Failure, from_validation
from gateway.api.http.services import SERVICES

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def integer(text: str) -> int | None:
    """The integer a query parameter holds; None when it is none (Python's int() takes far more)."""
    return int(text) if _INTEGER.fullmatch(text) else None


def _query_integer(value: Any) -> Any:
    if isinstance(value, str):
        number = integer(value)
        if number is None:
            raise ValueError("an integer is needed")
        return number
    return value


#: An integer in a query string.
QueryInt = Annotated[int, BeforeValidator(_query_integer, json_schema_input_type=int)]
#: A command in a printer's own words.
CommandName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
#: A name that people give: no control characters, not blank.
Name = Annotated[str, Field(min_length=1, max_length=limits.NAME_CHARS, pattern=NAME_PATTERN)]


def read_query(model: type[BaseModel], query: MultiMapping[str]) -> BaseModel:
    """The query string as the model; unknown and repeated parameters are 400."""
    values: dict[str, Any] = {}
    for name in set(query):
        known = model.model_fields.get(name)
        if known is None:
            names = ", ".join(sorted(model.model_fields)) or "none"
            raise Failure(400, f"There is no query parameter {name[:40]!r} here. Known: {names}.")
        given = query.getall(name)
        if typing.get_origin(known.annotation) in (list, tuple):
            values[name] = given
        elif len(given) > 1:
            raise Failure(400, f"Query parameter {name!r} is given {len(given)} times; give it once.")
        else:
            values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise from_validation(error, 400, "query") from None


async def whole_body(request: web.Request) -> bytes:
    """The body as it came. Raises Failure 400 for one that does not come."""
    seconds = request.app[SERVICES].body_seconds
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise Failure(400, f"The body did not come within {seconds:.0f} s.") from None


async def read_body(request: web.Request, operation: Operation, dialect: Dialect) -> BaseModel | None:
    """The body as the operation's model. 415: other media type, 400: broken syntax, 422: the rest."""
    if operation.body is None:
        return None
    raw = await whole_body(request)
    media = _media_type(request, operation, dialect, raw)
    if not raw and (dialect.is_lenient or not operation.body_required):
        value: Any = {}
    elif media == FORM:
        value = parse_form(raw)
    else:
        value = parse_json(raw)
    try:
        if media == FORM or dialect.is_lenient:
            return operation.body.model_validate(value)
        return operation.body.model_validate_json(to_json(_whole(value)), strict=True)
    except ValidationError as error:
        raise from_validation(error, 422, "body", value) from None


def _whole(value: Any) -> Any:
    """30.0 as 30: in JSON both are the same integer (JSON Schema 2020-12, 6.1.1)."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _media_type(request: web.Request, operation: Operation, dialect: Dialect, raw: bytes) -> str:
    if not raw and not operation.body_required:
        return JSON  # whatever a library writes over nothing
    if "Content-Type" not in request.headers and (dialect.is_lenient or not raw):
        return JSON
    media = request.content_type
    if media not in operation.accepts:
        raise Failure(415, f"Send the body as {' or '.join(operation.accepts)}, with that Content-Type.")
    return media


def parse_json(raw: bytes) -> Any:
    """One JSON value; 400 when it is none. NaN, lone surrogates and bottomless nesting are none."""
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Failure(400, f"The body is not JSON: {error}.") from None


def object_from_text(value: Any) -> Any:
    """For fields that forms carry as JSON text: the object in it, anything else unchanged."""
    if isinstance(value, str):
        if not value.strip():
            return {}
        try:
            return from_json(value, allow_inf_nan=False)
        except ValueError as error:
            raise ValueError("a JSON object is needed") from error
    return value


def _kept(value: Any) -> Any:
    if len(encode(value)) > limits.OBJECT_BYTES:
        raise ValueError(f"{limits.OBJECT_BYTES} bytes as JSON are the most that is kept")
    return value


#: For what is kept as it came: no more of it than `limits.OBJECT_BYTES`.
KEPT = AfterValidator(_kept)
#: An object that may come as JSON text (multipart and URL-encoded forms).
LooseObject = Annotated[
    Mapping[str, Any], BeforeValidator(object_from_text, json_schema_input_type=Mapping[str, Any])
]
