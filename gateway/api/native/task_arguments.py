"""What a new task is to do: the body's arguments, checked against what the caller may name.

Each kind has its own function; what names nothing of the caller's is refused with 422 and words for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.api.http import limits
from gateway.api.http.finding import usable_printer
from gateway.api.http.operations import AnyCall
from gateway.api.http.problems import Failure
from gateway.api.native import task_schemas as schemas
from gateway.api.native.history_filters import HistoryFilters
from gateway.api.native.printers import printer_by
from gateway.api.native.shapes import instant
from gateway.domain.file import StoredFile
from gateway.domain.kinds import misfit
from gateway.domain.printer import Printer


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task's arguments, as `AddTask` takes them, and its name when nobody gave one."""

    arguments: dict[str, Any]
    name: str


async def wanted_of(call: AnyCall, asked: schemas.AnyNewTask) -> Wanted:
    """What the task is to do. Raises Failure 422 for what is not there for the caller."""
    if isinstance(asked, schemas.NewFileImport):
        return await _file_import(call, asked.arguments)
    if isinstance(asked, schemas.NewHistoryExport):
        return Wanted(_history(call, asked.arguments), "history export")
    if isinstance(asked, schemas.NewPrinterUpload):
        return await _printer_upload(call, asked.arguments)
    if isinstance(asked, schemas.NewBackup):
        return Wanted(asked.arguments.model_dump(), "backup")
    return Wanted({}, "diagnostics")


def _history(call: AnyCall, asked: HistoryFilters) -> dict[str, Any]:
    """The organization's jobs for its admins and the gateway's, for everybody else their own.

    Never more than one organization's, whoever asks: the task is shown to that organization's admin.
    """
    principal, member_id = call.principal, asked.member_id
    if not (principal.is_admin or principal.is_org_admin):
        if member_id not in (None, principal.member_id):
            raise Failure(422, "arguments.member_id: only your own jobs can be exported.")
        member_id = principal.member_id
    if asked.printer_id is not None and usable_printer(call, asked.printer_id) is None:
        raise Failure(422, f"arguments.printer_id: there is no printer {asked.printer_id} for you.")
    return {
        "member_id": member_id,
        "organization_id": principal.organization_id,
        "printer_id": asked.printer_id,
        "statuses": list(asked.statuses),
        "created_after": instant(asked.created_after),
        "created_before": instant(asked.created_before),
    }


async def _file_import(call: AnyCall, asked: schemas.UploadedFile | schemas.FileAtUrl) -> Wanted:
    if isinstance(asked, schemas.UploadedFile):
        file = await _file(call, str(asked.file_id))
        return Wanted({"file_id": file.file_id}, f"import {file.name}"[: limits.NAME_CHARS])
    refusal = call.services.url_refusal(asked.url)
    if refusal is not None:
        raise Failure(422, f"arguments.url: {refusal}")
    name = asked.name or unquote(urlsplit(asked.url).path.rpartition("/")[2]) or "a file"
    return Wanted({"url": asked.url, "name": asked.name}, f"import {_one_line(name)}"[: limits.NAME_CHARS])


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "_" for char in text).strip()


async def _printer_upload(call: AnyCall, asked: schemas.PrinterUpload) -> Wanted:
    printer = _printer(call, asked.printer)
    file = await _file(call, str(asked.file_id))
    why_not = misfit(printer, file.name, file.format)
    if why_not is not None:
        raise Failure(422, f"arguments.file_id: {why_not}.")
    name = asked.name or file.name
    arguments = {
        "printer_id": printer.printer_id,
        "printer": printer.shown_name,
        "file_id": file.file_id,
        "sha256": file.sha256,
        "size": file.size,
        "name": name,
    }
    return Wanted(arguments, f"{name} to {printer.shown_name}"[: limits.NAME_CHARS])


def _printer(call: AnyCall, name_or_id: str) -> Printer:
    try:
        printer = printer_by(call, name_or_id)
    except Failure as failure:
        raise Failure(422, f"arguments.printer: {failure.detail}") from None
    if not printer.enabled:
        raise Failure(422, f"arguments.printer: {printer.shown_name} is gone from the configuration.")
    return printer


async def _file(call: AnyCall, file_id: str) -> StoredFile:
    principal, file = call.principal, await call.services.queries.file(file_id)
    is_there = file is not None and (
        file.member_id == principal.member_id
        or (principal.is_admin and file.organization_id == principal.organization_id)
    )
    if file is None or not is_there:
        text = "there is no such file for you. POST /gateway/v1/files uploads one."
        raise Failure(422, f"arguments.file_id: {text}")
    return file
