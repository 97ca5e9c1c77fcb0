"""Commands that arrive over MQTT: read, judged, carried out once, answered.

    {"command": "pause" | "resume" | "cancel", "job": "<id>", "id": "<of the sender's making>"}
    -> {"id", "command", "job", "result": "accepted" | "refused" | "unclear", "message"}

MQTT delivers at least once, so a command that was answered is answered from memory and not carried out again.
A retained one is left alone: it would strike at every reconnect. `job` must be the printer's present one:
what was meant for one print never hits the next. What the engine decides holds, as for everybody else.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.assign import holder_of
from gateway.domain.commands import CancelJob, Command, CommandRefused, PauseJob, ResumeJob
from gateway.domain.job import Job
from gateway.domain.printer import Printer
from gateway.domain.state import State
from gateway.engine.ports import StoreUnavailable
from gateway.publish.mqtt.documents import encoded
from gateway.publish.mqtt.sight import Action
from gateway.transport.mqtt import MqttMessage

log = logging.getLogger(__name__)

#: Bytes of a command: five times the longest that makes sense.
MOST_BYTES: Final = 1024
#: Characters of its ids: a UUID has 36.
MOST_ID: Final = 64
#: Commands of one printer in so many seconds: a person presses two or three buttons, a loop is cut short.
MOST_COMMANDS, RATE_SECONDS = 10, 10.0
#: Answers kept for commands that come twice: some minutes of the busiest hour, 300 bytes each.
ANSWERS_KEPT: Final = 512
_KEYS: Final = frozenset({"command", "job", "id"})
_SHAPE: Final = 'a command is {"command": "pause", "job": "<id>", "id": "<uuid>"}: these keys, no other'
_ORDERS: Final[Mapping[Action, type[PauseJob | ResumeJob | CancelJob]]] = {
    Action.PAUSE: PauseJob,
    Action.RESUME: ResumeJob,
    Action.CANCEL: CancelJob,
}


class Malformed(Exception):
    """It is no command. The text is for people; `named` is what of it the sender may know it by."""

    def __init__(self, why: str, named: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.named: Final = dict(named or {})


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it was read."""

    action: Action
    job_id: str
    command_id: str


def parse(payload: bytes) -> Asked:
    """Raises Malformed."""
    if len(payload) > MOST_BYTES:
        raise Malformed(f"a command has at most {MOST_BYTES} bytes")
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        raise Malformed("this is no JSON") from None
    if not isinstance(said, dict):
        raise Malformed(_SHAPE)
    named = {key: said[key] for key in _KEYS if _is_name(said.get(key))}
    if said.keys() != _KEYS:
        raise Malformed(_SHAPE, named)
    word, job_id, command_id = (said[key] for key in ("command", "job", "id"))
    if word not in tuple(Action):
        raise Malformed(f"the commands are {', '.join(Action)}; a print is started elsewhere", named)
    for name in ("job", "id"):
        if name not in named:
            raise Malformed(f"{name} must be a text of 1 to {MOST_ID} characters", named)
    return Asked(Action(word), job_id, command_id)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_ID and value.isprintable()


class Commands:
    """One gateway's. `may_command`: whether the printer's owner may command the job, as for every surface."""

    def __init__(
        self,
        *,
        state: Callable[[], State],
        execute: Callable[[Command], Awaitable[Any]],
        may_command: Callable[[Job, Printer], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._state = state
        self._execute = execute
        self._may_command = may_command
        self._monotonic = monotonic
        self._answers: OrderedDict[tuple[int, str], tuple[Asked, bytes]] = OrderedDict()
        self._times: dict[int, deque[float]] = {}  # of the last commands, by printer

    async def answer(self, printer_id: int, message: MqttMessage) -> bytes | None:
        """What is to be published about it; None: nothing, it is left alone."""
        printer = self._state().printers.get(printer_id)
        if message.retain or printer is None or not printer.enabled:
            return None
        try:
            asked = parse(message.payload)
        except Malformed as wrong:
            return None if self._is_too_often(printer_id) else _answer(wrong.named, "refused", str(wrong))
        known = self._answers.get((printer_id, asked.command_id))
        if known is not None:
            return known[1] if known[0] == asked else _answer(asked, "refused", "this id had another command")
        if self._is_too_often(printer_id):
            return _answer(asked, "refused", f"at most {MOST_COMMANDS} commands in {RATE_SECONDS:.0f} s")
        result, why = await self._carry_out(printer, asked)
        log.info(
            "%s of job %s asked over MQTT: %s%s",
            asked.action,
            asked.job_id,
            result,
            f", {why}" if why else "",
        )
        answer = _answer(asked, result, why)
        self._answers[printer_id, asked.command_id] = (asked, answer)
        while len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return answer

    async def _carry_out(self, printer: Printer, asked: Asked) -> tuple[str, str | None]:
        job = holder_of(self._state(), printer)
        if job is None or job.job_id != asked.job_id:
            return "refused", "this job is not on the printer now; nothing was done"
        if not self._may_command(job, printer):
            return "refused", "the printer's owner may not command this job"
        try:
            await self._execute(_ORDERS[asked.action](job.job_id, printer.owner_id, printer.printer_id))
        except CommandRefused as refused:
            return "refused", refused.message
        except StoreUnavailable as failure:
            is_sent = asked.action is not Action.RESUME  # safety first: they go out before the commit
            return ("unclear" if is_sent else "refused"), str(failure)
        except Exception as failure:  # the engine stops, or is overloaded, or has a bug: it says so itself
            log.warning("a command over MQTT was not decided: %s", failure)
            return "unclear", "the gateway could not decide it; look at the printer"
        return "accepted", None

    def _is_too_often(self, printer_id: int) -> bool:
        """Counts this one; whether it is one too many."""
        now = self._monotonic()
        times = self._times.setdefault(printer_id, deque(maxlen=MOST_COMMANDS))
        if len(times) == MOST_COMMANDS and now - times[0] < RATE_SECONDS:
            return True
        times.append(now)
        return False


def _answer(asked: Asked | Mapping[str, str], result: str, message: str | None) -> bytes:
    if isinstance(asked, Asked):
        asked = {"id": asked.command_id, "command": asked.action.value, "job": asked.job_id}
    named = {key: asked.get(key) for key in ("id", "command", "job")}
    return encoded({**named, "result": result, "message": message})
