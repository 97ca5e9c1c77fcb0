"""The Forge print API as one dialect, under the three prefixes its clients knew."""

from __future__ import annotations

from aiohttp import web

from gateway.api.forge import answers, jobs, mapping, printers
from gateway.api.forge.printdb.operations import PRINTDB_OPERATIONS
from gateway.api.forge.schemas import Error, Uploaded
from gateway.api.http.answers import reply
from gateway.api.http.credentials import by_bearer
from gateway.api.http.operations import JSON, MULTIPART, READ_WRITE, Call, Dialect, NoQuery, operation
from gateway.api.http.uploads import keep, receive


@operation(
    "POST",
    "/files/upload",
    scopes=READ_WRITE,
    responses={200: Uploaded},
    accepts=(MULTIPART,),
    is_idempotent_by_key=True,
)
async def upload_file(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Upload a print file; its `printable_id` is what a new job needs.

    The fields `unzip` and `public` are taken and ignored: nothing is unpacked, nothing is public.
    """
    received = await receive(call)
    member = call.services.engine.state.members[call.principal.member_id]
    return reply({"files": [mapping.uploaded(await keep(call, received, member))]})


FORGE = Dialect(
    name="forge",
    description="Autodesk's Forge 3D Print API v1, as it was until January 2017.",
    roots=answers.ROOTS,
    operations=(
        jobs.list_jobs,
        jobs.get_job,
        jobs.get_printable,
        jobs.create_job,
        printers.list_printers,
        printers.get_printer,
        printers.get_printer_status,
        printers.command_printer,
        printers.get_command,
        upload_file,
        *PRINTDB_OPERATIONS,
    ),
    authenticate=by_bearer,
    render=answers.render,
    error_model=Error,
    error_media=JSON,
    error_codes=frozenset({400, 401, 404, 405, 413, 422, 429, 500, 503}),
    security={"type": "http", "scheme": "bearer", "description": "A token of a member, with its scopes."},
    is_cross_origin=True,
    is_lenient=True,
)
