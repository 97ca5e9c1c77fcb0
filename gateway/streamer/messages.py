"""The driver protocol as messages: what the gateway and the streamer say to each other.

One message is one JSON object on one line, told apart by `type`. Both sides say `hello` first and stop there
when the versions differ. Then the streamer sends one `snapshot` of all its printers, and `observed`,
`progressed` and `answered` as things happen; the gateway sends orders. `bye` says why a side leaves.

    gateway                         streamer
    hello            <------>       hello
                     <-------       snapshot            (again every few seconds: a sign of life)
    start, cancel .. ------->
                     <-------       observed, progressed, answered
    drain            ------->                           park and take no more prints
    bye              <------>       bye

The domain's dataclasses are the payload, unchanged, so a field added there travels without a line here.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.domain import orders
from gateway.domain.observations import OrderAnswered, OrderProgressed, PrinterObserved

#: Raised with every change that the other side would misunderstand.
PROTOCOL_VERSION = 2
#: Bytes of one line. A snapshot of 64 printers is about 40 KiB, a macro a few; unacknowledged ends of a long
#: absence add 0.5 KiB each, 2.4 KiB with the longest file name there can be, and 16 a printer at most.
#: Beyond this the other side is broken.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class BadMessage(Exception):
    """A line that is no message of this protocol, or a message that is no line. The text is for the log."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Hello(_Message):
    """The first message of each side. Its fields may grow, but never change: it tells versions apart."""

    type: Literal["hello"] = "hello"
    version: int
    instance: str  # of the sender; another one after each start
    host: str = ""  # the streamer's name; the gateway has none


class Snapshot(_Message):
    """All printers of the streamer."""

    type: Literal["snapshot"] = "snapshot"
    printers: tuple[PrinterObserved, ...]


class Observed(_Message):
    """One printer has changed."""

    type: Literal["observed"] = "observed"
    printer: PrinterObserved


class Answered(_Message):
    """What became of an order."""

    type: Literal["answered"] = "answered"
    answer: OrderAnswered


class Progressed(_Message):
    """How far an order has come."""

    type: Literal["progressed"] = "progressed"
    progress: OrderProgressed


class Start(_Message):
    """orders.StartPrint."""

    type: Literal["start"] = "start"
    order: orders.StartPrint


class Pause(_Message):
    """orders.PausePrint."""

    type: Literal["pause"] = "pause"
    order: orders.PausePrint


class Resume(_Message):
    """orders.ResumePrint."""

    type: Literal["resume"] = "resume"
    order: orders.ResumePrint


class Cancel(_Message):
    """orders.CancelPrint."""

    type: Literal["cancel"] = "cancel"
    order: orders.CancelPrint


class Emergency(_Message):
    """orders.EmergencyStop."""

    type: Literal["emergency_stop"] = "emergency_stop"
    order: orders.EmergencyStop


class Gcode(_Message):
    """orders.SendGcode."""

    type: Literal["send_gcode"] = "send_gcode"
    order: orders.SendGcode


class Adjusted(_Message):
    """orders.Adjust."""

    type: Literal["adjust"] = "adjust"
    order: orders.Adjust


class PromptAnswered(_Message):
    """orders.AnswerPrompt."""

    type: Literal["answer_prompt"] = "answer_prompt"
    order: orders.AnswerPrompt


class Cooled(_Message):
    """orders.HeatersOff."""

    type: Literal["heaters_off"] = "heaters_off"
    order: orders.HeatersOff


class Recovered(_Message):
    """orders.RecoverPrint."""

    type: Literal["recover"] = "recover"
    order: orders.RecoverPrint


class Upload(_Message):
    """orders.UploadFile."""

    type: Literal["upload"] = "upload"
    order: orders.UploadFile


class UploadAborted(_Message):
    """orders.AbortUpload."""

    type: Literal["abort_upload"] = "abort_upload"
    order: orders.AbortUpload


class Acknowledged(_Message):
    """orders.Acknowledge."""

    type: Literal["acknowledge"] = "acknowledge"
    order: orders.Acknowledge


class Drain(_Message):
    """Pause what prints and start nothing more, until the streamer is started anew."""

    type: Literal["drain"] = "drain"


class Bye(_Message):
    """The sender leaves. `final`: coming back would do harm (another gateway has taken over)."""

    type: Literal["bye"] = "bye"
    reason: str
    final: bool = False


OrderMessage = (
    Start
    | Pause
    | Resume
    | Cancel
    | Emergency
    | Gcode
    | Adjusted
    | PromptAnswered
    | Cooled
    | Recovered
    | Upload
    | UploadAborted
    | Acknowledged
)
Message = Hello | Snapshot | Observed | Progressed | Answered | OrderMessage | Drain | Bye

_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def order_message(order: orders.Order) -> OrderMessage:
    """The message that carries `order`. Raises BadMessage for one that is not for serial printers."""
    match order:
        case orders.StartPrint():
            return Start(order=order)
        case orders.PausePrint():
            return Pause(order=order)
        case orders.ResumePrint():
            return Resume(order=order)
        case orders.CancelPrint():
            return Cancel(order=order)
        case orders.EmergencyStop():
            return Emergency(order=order)
        case orders.SendGcode():
            return Gcode(order=order)
        case orders.Adjust():
            return Adjusted(order=order)
        case orders.RecoverPrint():
            return Recovered(order=order)
        case orders.HeatersOff():
            return Cooled(order=order)
        case orders.AnswerPrompt():
            return PromptAnswered(order=order)
        case orders.UploadFile():
            return Upload(order=order)
        case orders.AbortUpload():
            return UploadAborted(order=order)
        case orders.Acknowledge():
            return Acknowledged(order=order)
        case orders.Tell():
            raise BadMessage(f"a printer on a serial port knows no command {order.command!r}")


def encode(message: Message) -> bytes:
    """One line. Raises BadMessage when it would be longer than the other side accepts."""
    # json and not pydantic's own writer: that one has no way to say NaN, nor a path that is not UTF-8.
    body = _ADAPTER.dump_python(message, warnings=False)
    line = json.dumps(body, default=dict, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"a {message.type} of {len(line)} bytes; {MAX_MESSAGE_BYTES} are possible")
    return line


def decode(line: bytes) -> Message:
    """The message of one line. Raises BadMessage for everything that is none."""
    if len(line) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"a line of {len(line)} bytes; {MAX_MESSAGE_BYTES} are possible")
    try:
        body: Any = json.loads(line)
        return _ADAPTER.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(f"not understood: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"not JSON: {error}") from error


def version_conflict(hello: Hello, other: str) -> str | None:
    """Why the two sides cannot talk, for people; None when they can. `other` names the sender of `hello`."""
    if hello.version == PROTOCOL_VERSION:
        return None
    return (
        f"the {other} speaks version {hello.version} of the driver protocol, this side {PROTOCOL_VERSION}: "
        "install the same print-gateway for both and restart the older one "
        "(the streamer between prints, the gateway at any time)"
    )
