"""The printer's network client without I/O: when it registers, listens and pings.

A manner (`smith`, `browser`, `documented`) decides what bodies look like and how a command is answered. What
is to be done on the network is put into `acts`; what came of it is told by `answered`, `downloaded`,
`uploaded`, `heard` and `subscribed`. Every method takes `now` in seconds.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

from firmware_sim.forge.acts import Act, Answer, Disconnect, Download, Downloaded, Post, Subscribe, UploadLogs
from firmware_sim.forge.identity import Identity, IdentityFile
from firmware_sim.forge.machine import Machine
from firmware_sim.forge.state import Print, Report

REGISTRATION_PATH = "/print/printers/registration_code"
STATUS_PATH = "/print/printers/status"
JOBS_PATH = "/print/printers/jobs"

Command = Mapping[str, Any]


class Firmware(ABC):
    """One client of the API on top of one machine."""

    recontacts = True
    """Whether it posts registration_code again at every start, with its token."""
    forgets_on_403 = True
    """Whether 403 means that its identity is revoked."""
    shows_code_at_once = False
    """Whether the code is shown before the printer would hear of its owner."""

    def __init__(self, machine: Machine, keep: IdentityFile, chance: Random) -> None:
        self.machine = machine
        self.ledger = machine.ledger
        self.personality = machine.personality
        self.acts: deque[Act] = deque()
        self.panel_text = ""
        """What the display shows: the registration code until the printer belongs to somebody."""
        self.is_contacted = False
        """The server has answered once since switch-on."""
        self.chance = chance
        self._keep = keep
        self._register_at: float | None = None
        self._ping_at: float | None = None

    # -- the course of time -------------------------------------------------------------------------------

    def switch_on(self, now: float) -> None:
        """Begin from nothing but the kept identity."""
        self.acts.clear()
        self.is_contacted = False
        self._register_at = self._ping_at = None
        if self.identity.auth_token is None or self.recontacts:
            self._register(now)
        else:
            self._go_online(now)

    def advance(self, now: float) -> None:
        """The machine's changes are told, pings and retries that are due are made."""
        self.machine.advance(now)
        while self.machine.changes:
            self.changed(self.machine.changes.popleft())
        if self._register_at is not None and self._register_at <= now:
            self._register(now)
        if self._ping_at is not None and self._ping_at <= now:
            self.post_status(self.machine.report())
            self._ping_at = now + self.personality.ping_seconds

    def next_deadline(self) -> float | None:
        """When `advance` has something to do, if nothing comes in between."""
        waits = (self.machine.next_deadline(), self._register_at, self._ping_at)
        return min((at for at in waits if at is not None), default=None)

    # -- what comes back ----------------------------------------------------------------------------------

    def answered(self, post: Post, answer: Answer, now: float) -> None:
        """The server's answer to a post, or that there was none."""
        self.ledger.append(
            now, "posted", "machine", post.job, what=post.what, path=post.path, status=answer.status,
            body=dict(post.body),
        )  # fmt: skip
        self.is_contacted = self.is_contacted or answer.is_success
        if answer.status == 403 and self.forgets_on_403:
            self._forget(post, now)
        elif post.what == "registration":
            self._registration_answered(answer, now)

    def heard(self, channel: str, data: Any, now: float) -> None:
        """A message on a channel."""
        if channel == self.users_channel:
            self.ledger.append(now, "registered", "server", message=data)
            self._belongs(now)
            return
        self.advance(now)
        command = self.parsed(data, now)
        if command is not None:
            self.ledger.append(
                now, "message", "server", _text(command.get("job_id")), command=command.get("command"),
                task=command.get("task_id"), fields=dict(command),
            )  # fmt: skip
            self.obey(command, now)
            self.advance(now)

    def subscribed(self, channel: str, error: str | None, now: float) -> None:
        """The Bayeux server took a subscription, or refused it with an error."""
        if error is None:
            self.ledger.append(now, "subscribed", "machine", channel=channel)
            self.is_contacted = True
            if channel == self.users_channel:
                self._show_own_code()
        else:
            self.ledger.append(now, "subscription_refused", "server", channel=channel, error=error)

    # -- manners ------------------------------------------------------------------------------------------

    @abstractmethod
    def post_status(self, report: Report) -> None:
        """A ping, or the word of a change."""

    @abstractmethod
    def changed(self, report: Report) -> None:
        """The machine is another than before."""

    @abstractmethod
    def obey(self, command: Command, now: float) -> None:
        """Carry out a command and acknowledge it."""

    @abstractmethod
    def downloaded(self, download: Download, result: Downloaded, now: float) -> None:
        """A file came, or did not."""

    def uploaded(self, upload: UploadLogs, status: int, now: float) -> None:
        """The logs went out, or did not. Only smith sends logs anywhere."""
        raise NotImplementedError(f"{type(self).__name__} uploads nothing")

    @abstractmethod
    def parsed(self, data: Any, now: float) -> Command | None:
        """The command in what came over the channel; None if this client chokes on it."""

    @abstractmethod
    def registration_body(self) -> dict[str, Any]:
        """What it posts to registration_code."""

    @abstractmethod
    def listen(self, now: float) -> None:
        """The channels it subscribes to with its present identity."""

    @abstractmethod
    def came_to_belong(self, now: float) -> None:
        """A member has registered the printer."""

    # -- people -------------------------------------------------------------------------------------------

    def start_local(self, name: str, layers: int | None, now: float) -> str:
        """Somebody starts a file of the machine's own; the job id `local_<uuid>`. Raises Refused."""
        self.machine.advance(now)
        job_id = f"local_{UUID(int=self.chance.getrandbits(128), version=4)}"
        count = layers or self.personality.layers
        self.machine.load(Print(job_id, name, count, "panel"), now)
        self.advance(now)
        return job_id

    def show_code(self, text: str) -> None:
        """On the display."""
        self.panel_text = text

    # -- for the manners ----------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """Id, token, code."""
        return self._keep.identity

    @property
    def users_channel(self) -> str:
        """Where it hears that it came to belong to a member."""
        return f"/printers/{self.identity.printer_id}/users"

    @property
    def command_channel(self) -> str:
        """Where it hears commands."""
        return f"/printers/{self.identity.printer_id}/command"

    def post(self, what: str, path: str, body: Mapping[str, Any], job: str | None = None) -> None:
        """Queue one."""
        self.acts.append(Post(what, path, body, self.is_form, job))

    is_form = False

    def ping_from(self, at: float) -> None:
        """The next ping is at `at`, the others follow."""
        self._ping_at = at

    # -- identity -----------------------------------------------------------------------------------------

    def _register(self, now: float) -> None:
        self._register_at = None
        self.post("registration", REGISTRATION_PATH, self.registration_body())

    def _registration_answered(self, answer: Answer, now: float) -> None:
        body = answer.body if isinstance(answer.body, Mapping) else {}
        printer_id, token = body.get("printer_id"), body.get("auth_token")
        if not answer.is_success or not isinstance(printer_id, int) or not isinstance(token, str):
            self._register_at = now + self.personality.retry_seconds
            return
        identity = self.identity
        identity.printer_id, identity.auth_token = printer_id, token
        identity.registered = bool(body.get("registered"))
        identity.registration_code = _text(body.get("registration_code"))
        self._keep.save()
        self.ledger.append(
            now, "contacted", "server", printer_id=identity.printer_id, code=identity.registration_code,
            registered=identity.registered,
        )  # fmt: skip
        self._go_online(now)

    def _go_online(self, now: float) -> None:
        self.show_code("")
        if self.shows_code_at_once:
            self._show_own_code()
        self.listen(now)

    def _show_own_code(self) -> None:
        if not self.identity.registered:
            self.show_code(self.identity.registration_code or "")

    def _belongs(self, now: float) -> None:
        self.identity.registered = True
        self._keep.save()
        self.show_code("")
        self.came_to_belong(now)

    def _forget(self, post: Post, now: float) -> None:
        """The identity is revoked: leave, and begin as a new printer."""
        if self.identity.auth_token is None:
            # Refused without any identity, or a second refusal of the one that is gone.
            if post.what == "registration":
                self._register_at = now + self.personality.retry_seconds
            return
        self.ledger.append(now, "identity_wiped", "server", printer_id=self.identity.printer_id)
        self.identity.forget()
        self._keep.save()
        self._ping_at = None
        self.acts.append(Disconnect())
        self._register(now)


def subscription(channel: str, token: str | None) -> Subscribe:
    """With the token where one is given, as smith's client sends it."""
    return Subscribe(channel, {"authentication_token": token} if token else {})


def json_command(data: Any) -> Command | None:
    """A command that came as an object, or as an object in a JSON string."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except json.JSONDecodeError:
            return None
    return data if isinstance(data, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
