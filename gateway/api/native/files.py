"""Print files: upload and look at."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import reply, reply_if_changed
from gateway.api.http.operations import BYTES, MULTIPART, READ, READ_WRITE, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.uploads import keep, receive
from gateway.api.native import file_schemas as schemas
from gateway.api.native import shapes
from gateway.api.native.jobs import ROOT, owner_of


@operation(
    "POST",
    "/files",
    scopes=READ_WRITE,
    responses={201: schemas.File},
    accepts=(MULTIPART, BYTES),
    is_idempotent_by_key=True,
    more_errors=frozenset({507}),
    response_headers={"Location": "The file."},
)
async def upload_file(call: Call[schemas.UploadQuery, None]) -> web.StreamResponse:
    """Upload a print file: as the field `file` of a form, or raw with `?name=`.

    The content is looked at before it is kept: what no printer can print is refused with the reason. Archives
    are for some printers that call in; whoever sends one to be kept says so.
    """
    inspect = call.services.inspect_printable if call.query.archive else None
    received = await receive(call, call.query.name, inspect)
    try:
        member = owner_of(call, call.query.member or received.fields.get("member") or None)
    except Failure:
        await received.upload.discard()
        raise
    file = await keep(call, received, member)
    return reply(shapes.file(file), 201, {"Location": f"{ROOT}/files/{file.file_id}"})


@operation("GET", "/files", scopes=READ, responses={200: schemas.Files})
async def list_files(call: Call[schemas.PageQuery, None]) -> web.StreamResponse:
    """Your uploads, newest first; an administrator sees everybody's."""
    member_id = None if call.principal.is_admin else call.principal.member_id
    page = {"limit": call.query.limit, "offset": call.query.offset}
    files = await call.services.queries.files(member_id=member_id, **page)
    return reply({"files": [shapes.file(file) for file in files], **page})


@operation("GET", "/files/{file_id}", scopes=READ, responses={200: schemas.File}, is_conditional=True)
async def get_file(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One upload."""
    file = await call.services.queries.file(call.path("file_id").lower())
    if file is None or not (call.principal.is_admin or file.member_id == call.principal.member_id):
        raise Failure(404, "There is no such file for you. GET /gateway/v1/files lists yours.")
    return reply_if_changed(call.request, shapes.file(file))
