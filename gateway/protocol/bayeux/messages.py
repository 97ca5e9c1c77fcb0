"""Requests as they come: JSON text to checked messages, and what is wrong with the rest of them.

A message of the wrong shape fails alone, the others of its batch are carried out; text that is no batch at
all is `NotABatch`. Fields nobody here reads (`data`, other extensions) are dropped unlooked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.protocol.bayeux import errors
from gateway.protocol.bayeux.bounds import (
    CHANNEL_CHARS,
    CHANNELS,
    CONNECTION_TYPES,
    TOKEN_CHARS,
    WORD_CHARS,
    Bounds,
)

#: Largest integer taken as a message id: what JavaScript counts exactly.
MAX_ID = 2**53

Word = Annotated[str, Field(max_length=WORD_CHARS)]
Channel = Annotated[str, Field(max_length=CHANNEL_CHARS)]
MessageId = Word | Annotated[int, Field(ge=-MAX_ID, le=MAX_ID)]


class NotABatch(ValueError):
    """What came is no Bayeux request. The text is one line that says why."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Advice(_Part):
    """What a client wishes of its connect (Bayeux 1.0, section 3.6; Faye and CometD send `timeout`)."""

    timeout: float | None = None  # milliseconds


class Extension(_Part):
    """The one extension that is read."""

    authentication_token: Annotated[str, Field(max_length=TOKEN_CHARS)] | None = None


class Request(_Part):
    """One message of a client. Which fields are needed depends on its channel."""

    channel: Channel
    id: MessageId | None = None
    clientId: Word | None = None
    version: Word | None = None
    supportedConnectionTypes: Annotated[list[Word], Field(max_length=CONNECTION_TYPES)] | None = None
    connectionType: Word | None = None
    subscription: Channel | Annotated[list[Channel], Field(max_length=CHANNELS)] | None = None
    advice: Advice | None = None
    ext: Extension | None = None

    @property
    def token(self) -> str | None:
        """The client's `ext.authentication_token`."""
        return self.ext.authentication_token if self.ext else None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that cannot be carried out, and what is echoed of it."""

    error: str
    channel: str | None = None
    id: str | int | None = None


def parse(text: str | bytes, bounds: Bounds) -> list[Request | Malformed]:
    """The messages of one request. Raises NotABatch."""
    if len(text) > bounds.request_bytes:
        raise NotABatch(f"A request may have {bounds.request_bytes} bytes.")
    try:
        batch = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise NotABatch("This is nested too deeply.") from None
    except ValueError:  # also: no UTF-8, an integer of thousands of digits
        raise NotABatch("This is no JSON.") from None
    messages = [batch] if isinstance(batch, dict) else batch
    if not isinstance(messages, list):
        raise NotABatch("A request is one message or an array of messages.")
    if len(messages) > bounds.batch:
        raise NotABatch(f"A request may have {bounds.batch} messages.")
    return [_message(message) for message in messages]


def refusal(code: int, text: str) -> str:
    """The one message that answers what is no batch: a JSON object, with `code` and a line for people."""
    return json.dumps({"successful": False, "error": f"{code}::{text}"})


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _message(message: object) -> Request | Malformed:
    if not isinstance(message, dict):
        return Malformed(errors.bad_request())
    try:
        return Request.model_validate(message)
    except ValidationError as failure:
        return _malformed(message, failure)


def _malformed(message: Mapping[str, Any], failure: ValidationError) -> Malformed:
    if message.get("channel") is None:
        error = errors.parameter_missing("channel")
    else:
        error = errors.bad_request(*sorted({str(wrong["loc"][0]) for wrong in failure.errors()}))
    channel, number = message.get("channel"), message.get("id")
    is_short = isinstance(channel, str) and len(channel) <= CHANNEL_CHARS
    is_word = isinstance(number, str) and len(number) <= WORD_CHARS
    is_count = type(number) is int and abs(number) <= MAX_ID
    return Malformed(error, channel if is_short else None, number if is_word or is_count else None)
