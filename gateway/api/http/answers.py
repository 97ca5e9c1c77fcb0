"""What goes back: compact JSON, strong ETags, and lists that are written piece by piece."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic_core import PydanticSerializationError, to_json

from gateway.api.http.operations import JSON

#: For what pydantic's encoder refuses: half a surrogate pair, as a file name off an SD card may have.
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
)

#: Replies belong to who asked; a client may keep one if it asks again whether it still holds.
REVALIDATE: Final = "private, no-cache"


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8. A number that JSON does not have (NaN, infinity) is null."""
    try:
        return to_json(value, inf_nan_mode="null")  # a third of what the standard library's encoder costs
    except PydanticSerializationError:
        return _ENCODER.encode(value).encode("utf-8", "replace")


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return reply_body(encode(value), status, headers)


def reply_body(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response of JSON that is encoded already (`fragments.list_body`)."""
    return web.Response(body=body, status=status, headers=headers, content_type=JSON)


def etag_of(body: bytes, version: int | None = None) -> str:
    """A strong validator of these very bytes, led by the row's version.

    The version alone would be weak: progress moves many times within one version.
    """
    digest = hashlib.sha256(body, usedforsecurity=False).hexdigest()[:16]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def reply_if_changed(
    request: web.Request, value: Any, *, version: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON response with an ETag, or 304 when the client has exactly that (RFC 9110 13.1.2)."""
    return reply_body_if_changed(request, encode(value), version=version, headers=headers)


def reply_body_if_changed(
    request: web.Request, body: bytes, *, version: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """The same with JSON that is encoded already."""
    etag = etag_of(body, version)
    head = {"ETag": etag, "Cache-Control": REVALIDATE, **(headers or {})}
    if matches(request.headers.get("If-None-Match"), etag):
        return web.Response(status=304, headers=head)
    return web.Response(body=body, headers=head, content_type=JSON)


def matches(condition: str | None, etag: str) -> bool:
    """Whether an `If-None-Match` names this ETag (weak comparison, RFC 9110 8.8.3.2)."""
    if condition is None:
        return False
    if condition.strip() == "*":
        return True
    return any(item.strip().removeprefix("W/") == etag for item in condition.split(","))


async def stream(
    request: web.Request, head: bytes, pieces: AsyncIterator[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Write a long JSON reply piece by piece; the event loop gets its turn after each."""
    response = web.StreamResponse(headers=headers)
    response.content_type = JSON
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(head)
    async for piece in pieces:
        await response.write(piece)
        await asyncio.sleep(0)
    await response.write_eof()
    return response
