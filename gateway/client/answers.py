"""From an answer's JSON to models, and why it is no answer of a gateway."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.client.errors import GatewayUnreachable

M = TypeVar("M", bound=BaseModel)


def segment(text: str) -> str:
    """A name or an id as one part of a path."""
    return quote(text, safe="")


def one(model: type[M], body: Any) -> M:
    """The answer as a model. Raises GatewayUnreachable for one that is none."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _strange(model, error) from error


def many(model: type[M], body: Any, key: str) -> tuple[M, ...]:
    """What an answer has under `key`, as models. Raises as `one`."""
    items = body.get(key) if isinstance(body, dict) else body
    try:
        return TypeAdapter(tuple[model, ...]).validate_python(items)  # type: ignore[valid-type]
    except ValidationError as error:
        raise _strange(model, error) from error


def _strange(model: type[BaseModel], error: ValidationError) -> GatewayUnreachable:
    field = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the whole"
    return GatewayUnreachable(
        f"the answer is no {model.__name__} of a Print Gateway ({field}); check the URL and both versions"
    )
