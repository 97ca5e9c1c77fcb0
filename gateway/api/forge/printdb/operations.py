"""`GET printdb/...` (Forge 1.5): kinds of printers, materials, profiles. Nobody has to say who they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.api.forge import answers
from gateway.api.forge.listing import read_page
from gateway.api.forge.printdb.records import (
    Material,
    Materials,
    PrinterType,
    PrinterTypes,
    Profile,
    ProfilePage,
)
from gateway.api.forge.schemas import PageQuery
from gateway.api.http.answers import reply_if_changed
from gateway.api.http.operations import AnyCall, Call, Handler, NoQuery, Operation, operation
from gateway.api.http.problems import Failure

_ROOT: Final = "/printdb"
_TYPES: Final = f"{_ROOT}/printerTypes"
_MATERIALS: Final = f"{_ROOT}/materials"
_PROFILES: Final = f"{_ROOT}/profiles"


class MaterialsQuery(BaseModel):
    """Which materials; capitals do not matter, other parameters are ignored."""

    color: str | None = Field(None, description="Six hexadecimal digits.")
    technology: str | None = Field(None, description="DLP, FDM and so on.")
    composition: str | None = Field(None, description="PLA, ABS and so on.")


def _spellings(path: str) -> tuple[str, ...]:
    """With a slash behind it, as the SDK wrote them, and printerTypes in lower case."""
    lower = path.replace("printerTypes", "printertypes")
    return tuple(dict.fromkeys(name for name in (f"{path}/", lower, f"{lower}/") if name != path))


def _reading(path: str, answer: type[BaseModel]) -> Callable[[Handler], Operation]:
    """An operation as all of these are: open to everybody, in all spellings, with an ETag."""
    return operation(
        "GET",
        path,
        scopes=None,
        responses={200: answer},
        reads_query=False,
        is_conditional=True,
        aliases=_spellings(path),
    )


@_reading(_TYPES, PrinterTypes)
async def list_printer_types(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Lists the kinds of printers that are known."""
    known = call.services.printdb.printer_types
    return reply_if_changed(call.request, {"printerTypes": list(known.values())})


@_reading(f"{_TYPES}/{{type_id}}", PrinterType)
async def get_printer_type(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One kind of printers."""
    return _one(call, call.services.printdb.printer_types, "type_id")


@_reading(_MATERIALS, Materials)
async def list_materials(call: Call[MaterialsQuery, None]) -> web.StreamResponse:
    """Lists the materials, all of them or those that match."""
    wanted = {
        name: call.request.query[name].casefold()
        for name in MaterialsQuery.model_fields
        if call.request.query.get(name)
    }
    found = [
        material
        for material in call.services.printdb.materials.values()
        if all(str(material.get(name)).casefold() == value for name, value in wanted.items())
    ]
    return reply_if_changed(call.request, {"materials": found})


@_reading(f"{_MATERIALS}/{{material_id}}", Material)
async def get_material(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One material."""
    return _one(call, call.services.printdb.materials, "material_id")


@_reading(_PROFILES, ProfilePage)
async def list_profiles(call: Call[PageQuery, None]) -> web.StreamResponse:
    """Lists the profiles.

    `count` is that of all pages: here the reference's example shows so (37 with a limit of 5).
    """
    page = read_page(call.request.query)
    every = list(call.services.printdb.profiles.values())
    body = answers.page_of(_PROFILES, page, len(every), len(every))
    body["profiles"] = every[page.offset :][: page.rows]
    return reply_if_changed(call.request, body)


@_reading(f"{_PROFILES}/{{profile_id}}", Profile)
async def get_profile(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One profile."""
    return _one(call, call.services.printdb.profiles, "profile_id")


def _one(call: AnyCall, records: Mapping[str, Mapping[str, Any]], name: str) -> web.StreamResponse:
    record = records.get(call.path(name).upper())
    if record is None:
        # Everybody may see all of them: 404 gives nothing away.
        raise Failure(404, answers.NO_SUCH_ENDPOINT)
    return reply_if_changed(call.request, record)


PRINTDB_OPERATIONS: Final = (
    list_printer_types,
    get_printer_type,
    list_materials,
    get_material,
    list_profiles,
    get_profile,
)
