"""What printers post and are answered, and what of it becomes of a domain's post.

Read as its clients write it: JSON or a form, `data` as an object, as bracketed fields or as JSON text,
numbers as text, `temprature`, nulls and empty strings for what is missing (Forge API 0 and 1.1). Of `data`
every key is kept; at the top unknown ones are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from gateway.api.forge.schemas import JobObject, not_a_boolean
from gateway.api.http import limits
from gateway.api.http.answers import encode
from gateway.api.http.reading import LooseObject, object_from_text
from gateway.domain.call_in import StatusPost, TaskPost
from gateway.domain.observations import Activity

#: Characters of `data`, as JSON (Forge API 1.1, limit of POST printers/status).
DATA_CHARS: Final = 5000
#: Characters of a printer's message about an error.
MESSAGE_CHARS: Final = 2000
#: Characters of an id as printers write it: `local_` and a UUID are 42.
ID_CHARS: Final = 100
#: Documented numbers of `data`; one client writes the last one so.
_NUMBERS: Final = ("layer", "total_layers", "seconds_left", "temperature", "temprature", "job_progress")
#: How far a fraction may be beyond 0 and 1: single-precision sums of a thousand layers are off by less.
ROUNDING: Final = 0.001
_INTEGER: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)


def _empty_as_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _optional_number(value: Any) -> Any:
    return not_a_boolean(_empty_as_none(value))


def _number(value: Any) -> Any:
    """A number that came as text; anything else unchanged."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _optional_fraction(value: Any) -> Any:
    """A little beyond the end is the end: a sum of layers in floats, as firmware counts them."""
    number = _number(_optional_number(value))
    is_rounding = isinstance(number, float) and (-ROUNDING <= number < 0 or 1 < number <= 1 + ROUNDING)
    return round(number) if is_rounding else number


def _read_data(value: Any) -> Any:
    """`data` in any of its spellings; a text is measured as it came."""
    if isinstance(value, str) and len(value) > DATA_CHARS:
        raise ValueError(f"data may have {DATA_CHARS} characters")
    return {} if value is None else object_from_text(value)


def _known_numbers(data: Mapping[str, Any]) -> Mapping[str, Any]:
    text = encode(data).decode()
    if len(text) > DATA_CHARS:
        raise ValueError(f"data may have {DATA_CHARS} characters")
    kept = object_from_text(text)  # as it goes out: `1e999` is a number for the reader, and none for a store
    found = {name: _number(value) if name in _NUMBERS else value for name, value in kept.items()}
    if "temperature" not in found and "temprature" in found:
        found["temperature"] = found["temprature"]
    return found


_Id = Annotated[str, Field(max_length=ID_CHARS)]
_OptionalId = Annotated[_Id | None, BeforeValidator(_empty_as_none, json_schema_input_type=_Id | None)]
_Message = Annotated[str, Field(max_length=MESSAGE_CHARS)]
_Name = Annotated[str, Field(max_length=limits.NAME_CHARS)]
_OptionalName = Annotated[_Name | None, BeforeValidator(_empty_as_none, json_schema_input_type=_Name | None)]
_Integer = Annotated[
    Annotated[int, Field(ge=-(2**31), lt=2**31)] | None,
    BeforeValidator(_optional_number, json_schema_input_type=int | None),
]
_Fraction = Annotated[
    Annotated[float, Field(ge=0, le=1)] | None,
    BeforeValidator(_optional_fraction, json_schema_input_type=float | None),
]
_Activity = Annotated[
    Activity | None, BeforeValidator(_empty_as_none, json_schema_input_type=Activity | None)
]
Data = Annotated[
    LooseObject,
    BeforeValidator(_read_data, json_schema_input_type=Mapping[str, Any] | str | None),
    AfterValidator(_known_numbers),
]


class _PrintWords(BaseModel):
    """What both posts say of a print."""

    error_code: _Integer = None
    error_message: _Message | None = Field(None, description="Kept as it came, empty too.")
    job_id: _OptionalId = Field(None, description="A UUID, or `local_` and a UUID.")
    job_status: _OptionalId = Field(
        None, description="received, printing, paused, completed, canceled, failed."
    )
    job_progress: _Fraction = None
    data: Data = Field(
        default_factory=dict,
        description=f"Anything the printer says; {DATA_CHARS} characters as JSON. May come as JSON text.",
    )


class StatusBody(_PrintWords):
    """How a printer is. Other fields are ignored."""

    printer_status: Activity

    def post(self) -> StatusPost:
        """The same in the domain's words."""
        return StatusPost(**dict(self))


class TaskBody(_PrintWords):
    """A printer's word about a command. Other fields are ignored."""

    progress: Annotated[
        float, Field(ge=0, le=1), BeforeValidator(_optional_fraction, json_schema_input_type=float)
    ]
    printer_status: _Activity = None

    def post(self, task_id: str) -> TaskPost:
        """The same in the domain's words."""
        return TaskPost(task_id=task_id, **dict(self))


class ContactBody(BaseModel):
    """A printer that asks for a registration code. Other fields are ignored."""

    firmware: Annotated[str, Field(min_length=1, max_length=ID_CHARS)]
    type_id: _OptionalId = Field(None, description="UUID of its kind; needed without a token.")
    serial_number: _OptionalId = None


class Contacted(BaseModel):
    """Who the printer is from now on."""

    printer_id: int
    registration_code: str = Field(description="To be typed in by its owner, shown by the printer.")
    auth_token: str = Field(description="To be sent as X-Printer-Auth-Token.")
    registered: bool
    registration_url: str


class Heard(BaseModel):
    """A post was taken."""

    printer_id: int


class LocalJobBody(BaseModel):
    """A print that was started at the printer. Other fields are ignored."""

    job_id: _OptionalId = Field(None, description="A UUID, or `local_` and a UUID; else one is given.")
    job_name: _OptionalName = None
    job_data: Data = Field(default_factory=dict)


class OwnJobPage(BaseModel):
    """A page of a printer's jobs."""

    count: int = Field(description="How many are in this page; the total is in `X-Total-Count`.")
    limit: int
    offset: int
    link_prev: str = Field(alias="_link_prev", serialization_alias="_link_prev")
    link_next: str = Field(alias="_link_next", serialization_alias="_link_next")
    link: str = Field(alias="_link", serialization_alias="_link")
    printer_id: int
    jobs: list[JobObject]


class LocalJob(BaseModel):
    """The job that it became."""

    printer_id: int
    job_id: UUID
    status: str
