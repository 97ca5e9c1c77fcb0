"""The shapes of the printer database's records (Forge 1.5, printdb)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


def _record_id(value: str) -> str:
    if not _UUID.fullmatch(value):
        raise ValueError("a UUID is needed, like 7FAF097F-DB2E-45DC-9395-A30210E789AA")
    return value.upper()


#: A UUID in upper case, as apps and firmware write these.
RecordId = Annotated[str, AfterValidator(_record_id), Field(json_schema_extra={"format": "uuid"})]
Text = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    """What all of them have. More keys may stand in a file, and are shown."""

    model_config = ConfigDict(extra="allow")

    id: RecordId
    version: int = 1
    name: Text
    technology: Text = Field(description="DLP, FDM and so on.")


class PrinterType(Record):
    """A kind of printers."""

    manufacturer: str | None = None
    profile_id: RecordId | None = None
    default_material_id: RecordId | None = None
    default_profile_id: RecordId | None = None
    icon_id: str | None = None
    icons: Mapping[str, str] = Field(default_factory=dict)
    supported_connections: list[Mapping[str, Any]] = Field(default_factory=list)
    build_volume: Mapping[str, Any] | None = Field(None, description="`type`; `bed_size` in centimetres.")
    registration_url: str | None = None


class Material(Record):
    """A material."""

    composition: str | None = None
    color: str | None = Field(None, description="Six hexadecimal digits.")
    printer_types: list[RecordId] = Field(default_factory=list)


class Profile(Record):
    """How a kind of printers prints."""

    printer_types: list[RecordId] = Field(default_factory=list)
    materials: list[RecordId] = Field(default_factory=list)


class PrinterTypes(BaseModel):
    """All kinds of printers."""

    printer_types: list[PrinterType] = Field(alias="printerTypes", serialization_alias="printerTypes")


class Materials(BaseModel):
    """The materials that match."""

    materials: list[Material]


class ProfilePage(BaseModel):
    """A page of profiles."""

    count: int = Field(description="How many there are in all pages.")
    limit: int
    offset: int
    link_prev: str = Field(alias="_link_prev", serialization_alias="_link_prev")
    link_next: str = Field(alias="_link_next", serialization_alias="_link_next")
    link: str = Field(alias="_link", serialization_alias="_link")
    profiles: list[Profile]
