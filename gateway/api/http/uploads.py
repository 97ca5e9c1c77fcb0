"""Print files on their way in: streamed to the file store, looked at, and only then visible."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.api.http import limits
from gateway.api.http.idempotency import idempotency_of
from gateway.api.http.operations import BYTES, MULTIPART, AnyCall
from gateway.api.http.problems import Failure
from gateway.api.http.services import Inspect, Services
from gateway.domain.commands import AddFile
from gateway.domain.file import FileRejected, StoredFile
from gateway.domain.member import Member
from gateway.engine.ports import Upload

T = TypeVar("T")

_FALLBACK_NAME = "upload.gcode"


@dataclass(slots=True)
class Received:
    """A whole upload, not yet visible to anybody."""

    upload: Upload
    name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)  # the text fields beside the file


async def receive(call: AnyCall, name: str | None = None, inspect: Inspect | None = None) -> Received:
    """Read the request's file and look at it; the caller finishes or discards it.

    `name` is used for raw bodies; `inspect` looks at it, left out: as at G-code. Raises Failure: 400 broken
    multipart, 413 too large, 415 other media, 422 what no printer can print; StoreFull, as soon as it
    is known that it will not fit. Nothing is left behind then.
    """
    services, request = call.services, call.request
    if request.content_type not in (MULTIPART, BYTES, "text/x.gcode", "text/plain"):
        raise Failure(415, f"Send the file as {MULTIPART} (field `file`) or as {BYTES} with ?name=.")
    if (request.content_length or 0) > services.max_upload_bytes + limits.BODY_BYTES:
        raise _too_large(services)
    received = Received(await services.files.begin(request.content_length or 0), shown_name(name))
    try:
        if request.content_type == MULTIPART:
            await _read_parts(request, services, received)
        else:
            await _write(received.upload, _raw(request, services.stall_seconds), services)
        received.metadata = await _inspected(inspect or services.inspect, received.upload)
    except BaseException:
        await received.upload.discard()
        raise
    return received


async def keep(call: AnyCall, received: Received, member: Member) -> StoredFile:
    """Make an upload visible as a file of `member`."""
    services = call.services
    try:
        sha256, size = await received.upload.finish()
    finally:
        await received.upload.discard()
    file = StoredFile(
        file_id=services.ids.uuid(),
        sha256=sha256,
        name=received.name,
        size=size,
        member_id=member.member_id,
        organization_id=member.organization_id,
        created_at=services.clock.wall(),
        metadata=received.metadata,
    )
    idempotency = idempotency_of(call.request, sha256, received.name)
    stored: StoredFile = await services.engine.execute(AddFile(file, idempotency))
    return stored


def shown_name(name: str | None) -> str:
    """The last component of a client's file name, without control characters; never a path."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(char for char in last if char.isprintable()).strip()
    return clean[-limits.NAME_CHARS :] if clean.strip(".") else _FALLBACK_NAME


async def _read_parts(request: web.Request, services: Services, received: Received) -> None:
    has_file, seconds = False, services.stall_seconds
    try:
        reader = await request.multipart()
        for _ in range(limits.FORM_FIELDS):
            part = await _soon(reader.next(), seconds)
            if part is None:
                break
            if not isinstance(part, BodyPartReader):
                raise Failure(400, "Nested multipart parts are not read; send one part named `file`.")
            if part.name == "file" and not has_file:
                has_file = True
                # Client libraries percent-encode the name in the part's header; browsers at least its quotes.
                received.name = shown_name(unquote(part.filename or ""))
                await _write(received.upload, _chunks(part, seconds), services)
            else:
                received.fields[part.name or ""] = await _text(part, seconds)
        else:
            raise Failure(400, f"The form has more than {limits.FORM_FIELDS} fields.")
    except (ValueError, AssertionError) as error:
        raise Failure(400, f"The multipart body is broken: {error}.") from None
    except HttpProcessingError:
        raise Failure(400, "The multipart body is broken: a part's header cannot be read.") from None
    if not has_file:
        raise Failure(422, "The form has no field `file`.")


async def _text(part: BodyPartReader, seconds: float) -> str:
    raw = b""
    async for chunk in _chunks(part, seconds, limits.FORM_FIELD_BYTES):
        raw += chunk
        if len(raw) > limits.FORM_FIELD_BYTES:
            raise Failure(413, f"A form field beside the file has more than {limits.FORM_FIELD_BYTES} bytes.")
    return raw.decode("utf-8", "replace")


async def _chunks(
    part: BodyPartReader, seconds: float, size: int = limits.UPLOAD_CHUNK
) -> AsyncIterator[bytes]:
    while chunk := await _soon(part.read_chunk(size), seconds):
        yield chunk


async def _raw(request: web.Request, seconds: float) -> AsyncIterator[bytes]:
    while chunk := await _soon(request.content.read(limits.UPLOAD_CHUNK), seconds):
        yield chunk


async def _soon(piece: Awaitable[T], seconds: float) -> T:
    """The next piece. Raises Failure 400 when it does not come."""
    try:
        async with asyncio.timeout(seconds):
            return await piece
    except TimeoutError:
        raise Failure(400, f"Nothing more of the file came for {seconds:.0f} s.") from None


async def _write(upload: Upload, chunks: AsyncIterator[bytes], services: Services) -> None:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > services.max_upload_bytes:
            raise _too_large(services)
        await upload.write(chunk)
    if size == 0:
        raise Failure(422, "The file is empty.")


async def _inspected(inspect: Inspect, upload: Upload) -> Mapping[str, Any]:
    loop = asyncio.get_running_loop()
    try:
        return await loop.run_in_executor(None, inspect, upload.temporary_path)
    except FileRejected as rejected:
        raise Failure(422, str(rejected)) from None


def _too_large(services: Services) -> Failure:
    text = f"The file is larger than the {services.max_upload_bytes} bytes this gateway takes."
    return Failure(413, f"{text} Its operator can raise `max_upload_bytes` under [server].")
