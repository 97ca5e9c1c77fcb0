"""The firmware's side: `printers/registration_code`, `printers/status`, `printers/command/:task_id`.

What a printer posts is handed to its driver, and answered when the engine has decided and committed what it
means: an app that asks next reads what the printer said.
"""

from __future__ import annotations

import math
import re
import secrets
from typing import Final

from aiohttp import web

from gateway.api.forge.answers import FirmwareFailure
from gateway.api.forge.firmware.door import (
    FIRST_DOOR,
    HEADER,
    PRINTER_DOOR,
    caller_of,
    caller_or_stranger,
    hash_of,
)
from gateway.api.forge.firmware.jobs import announce_job, list_own_jobs, withdraw_job
from gateway.api.forge.firmware.schemas import ContactBody, Contacted, Heard, StatusBody, TaskBody
from gateway.api.http.answers import reply
from gateway.api.http.operations import FORM, JSON, Call, NoQuery, Operation, operation
from gateway.api.http.problems import Failure
from gateway.api.http.rate import client_of
from gateway.domain.call_in import Contact
from gateway.domain.call_in_commands import ContactAgain, ContactFirst
from gateway.domain.commands import CommandRefused

_PATH: Final = "/print/printers"
#: Random bytes of a printer's token: 43 characters of base64url (Forge API 0, printer auth).
TOKEN_BYTES: Final = 32
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@operation(
    "POST",
    f"{_PATH}/registration_code",
    scopes=None,
    door=FIRST_DOOR,
    responses={200: Contacted},
    accepts=(JSON, FORM),
)
async def contact(call: Call[NoQuery, ContactBody]) -> web.StreamResponse:
    """A printer asks for the code by which a member registers it.

    Without a token it is a new printer and gets one; with its token it is the printer that it was.
    """
    known = caller_or_stranger(call)
    if known is None:
        token, made = await _first_contact(call)
    else:
        token = call.request.headers[HEADER]
        made = await _contact_again(call, known.printer_id)
    return reply(
        {
            "printer_id": made.printer_id,
            "registration_code": made.code,
            "auth_token": token,
            "registered": made.is_registered,
            "registration_url": call.services.public_url,
        }
    )


async def _contact_again(call: Call[NoQuery, ContactBody], printer_id: int) -> Contact:
    try:
        made = await call.services.engine.execute(ContactAgain(printer_id, call.body.firmware))
    except CommandRefused as refused:  # forgotten since its token was looked at
        raise FirmwareFailure(403, refused.message) from None
    assert isinstance(made, Contact)
    return made


async def _first_contact(call: Call[NoQuery, ContactBody]) -> tuple[str, Contact]:
    wait = call.services.contact_attempts.spend(client_of(call.request.remote or ""))
    if wait is not None:
        text = "Too many printers ask for their first code from this address: try again later."
        raise Failure(429, text, headers={"Retry-After": str(math.ceil(wait))})
    type_id = (call.body.type_id or "").strip()
    if not type_id:
        raise Failure(
            422, f"type_id: needed without {HEADER}: the id of its kind, of GET printdb/printerTypes"
        )
    if not call.services.printdb.knows_type(type_id):
        raise Failure(422, "type_id: no printer of this kind is known; GET printdb/printerTypes lists them")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = await call.services.engine.execute(
        ContactFirst(
            type_id=type_id.upper(),
            firmware=call.body.firmware,
            serial_number=call.body.serial_number or "",
            token_sha256=hash_of(token),
        )
    )
    return token, made


@operation(
    "POST",
    f"{_PATH}/status",
    scopes=None,
    door=PRINTER_DOOR,
    responses={200: Heard},
    accepts=(JSON, FORM),
)
async def post_status(call: Call[NoQuery, StatusBody]) -> web.StreamResponse:
    """A printer says how it is, and that it is there.

    After 60 s without a word it counts as offline.
    """
    caller = caller_of(call)
    call.services.call_ins.status_posted(caller.printer_id, call.body.post())
    await call.services.engine.settled()
    return reply({"printer_id": caller.printer_id})


@operation(
    "POST",
    f"{_PATH}/command/{{task_id}}",
    scopes=None,
    door=PRINTER_DOOR,
    responses={204: None},
    accepts=(JSON, FORM),
)
async def acknowledge(call: Call[NoQuery, TaskBody]) -> web.StreamResponse:
    """A printer acknowledges a command, or says how far a print is.

    May come many times for one task. The task of a print is its job.
    """
    caller, task_id = caller_of(call), call.path("task_id").lower()
    if not _UUID.fullmatch(task_id):
        raise FirmwareFailure(422, "task_id should be a UUID.")
    if not await _is_its_task(call, caller.printer_id, task_id):
        raise FirmwareFailure(422, f"Task {task_id} cannot be found.")
    call.services.call_ins.task_posted(caller.printer_id, call.body.post(task_id))
    await call.services.engine.settled()
    return web.Response(status=204)


async def _is_its_task(call: Call[NoQuery, TaskBody], printer_id: int, task_id: str) -> bool:
    """Whether this printer was told that: a command, or a print of its own."""
    state = call.services.engine.state
    known = state.commands.get(task_id)
    if known is not None:
        return known.printer_id == printer_id
    if any(job.job_id == task_id and job.printer_id == printer_id for job in state.jobs.values()):
        return True
    command = await call.services.queries.command(task_id)
    if command is not None:
        return command.printer_id == printer_id
    job = await call.services.queries.job(task_id)
    return job is not None and job.printer_id == printer_id


FIRMWARE_OPERATIONS: Final[tuple[Operation, ...]] = (
    contact,
    post_status,
    acknowledge,
    list_own_jobs,
    announce_job,
    withdraw_job,
)
