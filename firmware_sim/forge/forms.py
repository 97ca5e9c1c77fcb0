"""Bodies as the browser's `application/x-www-form-urlencoded` with PHP's brackets: `data[layer]=3`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode


def form_body(fields: Mapping[str, Any]) -> bytes:
    """Numbers become text, null becomes nothing, true is `true`: what jQuery made of an object."""
    return urlencode(list(_flat("", fields))).encode("ascii")


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _flat(f"{prefix}[{key}]" if prefix else str(key), inner)
        case list() | tuple():
            for number, inner in enumerate(value):
                nested = isinstance(inner, Mapping | list | tuple)
                yield from _flat(f"{prefix}[{number if nested else ''}]", inner)
        case None:
            yield prefix, ""
        case bool():
            yield prefix, "true" if value else "false"
        case float() if value.is_integer():
            yield prefix, str(int(value))  # JavaScript knows one kind of number
        case _:
            yield prefix, str(value)
