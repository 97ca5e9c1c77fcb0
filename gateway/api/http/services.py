"""What the HTTP surfaces are given. Everything comes in as a port; the API builds none of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

from gateway.api.http import limits
from gateway.api.http.rate import AttemptLimit, RequestLimit
from gateway.api.http.sign_in import SignIn
from gateway.auth.issuer import Issuer
from gateway.auth.signing import UrlSigner
from gateway.domain.commands import Command
from gateway.domain.job import Job
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import Macro, ScheduleType
from gateway.domain.state import State
from gateway.domain.task import Task
from gateway.engine.ports import CallInPort, Clock, Files, IdSource, Outbox, Queries, Subscription


class EngineFace(Protocol):
    """The engine as a surface sees it. `state` is read, never written."""

    @property
    def state(self) -> State:
        """What is not over: printers, presence, running and waiting jobs, members, keys."""

    async def execute(self, command: Command) -> Any:
        """Carry out a command; returns after the commit, with the result its class documents.

        Raises CommandRefused (nothing changed) or StoreUnavailable (nothing changed, try again).
        """

    async def emergency_stop(self, printer_id: int, member_id: str) -> PrinterCommand:
        """Stop a printer now: sent before anything is written, past the engine's queue."""

    async def settled(self) -> None:
        """Until everything observed so far was decided and committed; StoreUnavailable if that failed."""

    def live(self, job: Job) -> Job:
        """A stored job with the newest progress in memory."""

    def live_task(self, task: Task) -> Task:
        """A stored task with the newest progress in memory."""

    def waiting(self, job: Job) -> str | None:
        """Why a waiting job waits and what to do about it, for people."""


class EventFeed(Protocol):
    """Where live events come from (`gateway.publish`)."""

    def subscribe(self) -> Subscription:
        """Start listening: every event published from now on is buffered."""

    def close(self) -> None:
        """End all subscriptions, for a clean shutdown. Idempotent."""


class RecoverySteps(Protocol):
    """How an interrupted print would go on (`gcode.recovery.RecoveryPlan`)."""

    @property
    def token(self) -> str:
        """Stands for all of it."""

    @property
    def layer(self) -> int:
        """The first layer that is printed again."""

    @property
    def layers_done(self) -> int:
        """Layers in front of it."""

    @property
    def z(self) -> float:
        """Millimetres at which it is printed."""

    @property
    def z_lost(self) -> float:
        """Millimetres at which the nozzle is taken to stand now."""

    @property
    def offset(self) -> int:
        """Bytes of the file that are not sent again."""

    @property
    def line(self) -> int:
        """Printable lines in them."""

    @property
    def hotend(self) -> float:
        """Degrees Celsius."""

    @property
    def bed(self) -> float:
        """Degrees Celsius; 0: none."""

    @property
    def heat_lines(self) -> tuple[str, ...]:
        """Sent first."""

    @property
    def move_lines(self) -> tuple[str, ...]:
        """Sent behind them."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at before."""


class PrinterDatabase(Protocol):
    """Kinds of printers, materials and profiles: records by id, ready for JSON. Never changes."""

    @property
    def printer_types(self) -> Mapping[str, Mapping[str, Any]]:
        """Kinds of printers."""

    @property
    def materials(self) -> Mapping[str, Mapping[str, Any]]:
        """What they print with."""

    @property
    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """How they print."""

    def knows_type(self, type_id: str) -> bool:
        """Whether this is the id of a kind of printers, in any spelling of its letters."""


class CronReader(Protocol):
    """When cron expressions are due (`tasks.cron`)."""

    def next_after(self, expression: str, timezone: str, after: datetime) -> datetime | None:
        """The first due time behind `after`, in UTC; None: never. Raises ValueError with words for people."""

    def must_be_seldom(self, expression: str) -> None:
        """Raises ValueError, with words for people, for one that comes more often than schedules may."""


class RunPlans(Protocol):
    """What runs of schedules send (`tasks.run_plans`)."""

    def macro(self, type: ScheduleType, params: Mapping[str, Any], arguments: str | None) -> Macro | None:
        """The lines of a run; None: none, or they want arguments. Raises ValueError with words for people."""


class BrokerRight(Protocol):
    """Reading and writing below one prefix of the user's broker."""

    @property
    def prefix(self) -> str:
        """Of topics."""

    @property
    def proof(self) -> str:
        """pending, proven, denied"""

    @property
    def advice(self) -> str | None:
        """For people, when it is denied."""


class BrokerStatus(Protocol):
    """How it goes with the user's broker (`publish.mqtt.rights`)."""

    @property
    def is_connected(self) -> bool:
        """Whether the gateway is on it now."""

    @property
    def since(self) -> datetime:
        """When that became so."""

    @property
    def reason(self) -> str | None:
        """Why there is no connection, with what to do."""

    @property
    def rights(self) -> Sequence[BrokerRight]:
        """What was tried out on this connection."""


def no_broker() -> BrokerStatus | None:
    """None is configured."""
    return None


class StorageLook(Protocol):
    """Whether print files would get onto a printer (`transport.storage_looks`)."""

    @property
    def is_open(self) -> bool | None:
        """None: nobody has looked."""

    @property
    def reason(self) -> str | None:
        """For people, when it is not open."""


async def no_storages(_printers: Collection[str]) -> Mapping[str, StorageLook]:
    """No printer takes files over the network."""
    return {}


#: Path of a file -> its metadata; blocking; raises FileRejected.
Inspect = Callable[[str], Mapping[str, Any]]
#: Names of printers -> of those that take files over the network: whether files would get there now.
LookAtStorages = Callable[[Collection[str]], Awaitable[Mapping[str, StorageLook]]]
#: (path, sha256, bytes accepted, layer or None, firmware's name or None) -> the plan; blocking; raises
#: CommandRefused.
PlanRecovery = Callable[[str, str, int, int | None, str | None], RecoverySteps]


@dataclass(frozen=True, slots=True)
class Services:
    """The ports of all surfaces, put together by `gateway.main`."""

    engine: EngineFace
    queries: Queries
    files: Files
    clock: Clock
    ids: IdSource
    inspect: Inspect  # takes G-code
    inspect_printable: Inspect  # takes archives for printers that read them, too
    plan_recovery: PlanRecovery
    events: EventFeed
    outbox: Outbox
    signer: UrlSigner
    printable_link: Callable[[Job], str]  # of a job that has a file: where it is read without a key
    url_refusal: Callable[[str], str | None]  # why nothing goes to an address that an app named
    printdb: PrinterDatabase
    code_attempts: AttemptLimit  # by member: registration codes have six letters
    contact_attempts: AttemptLimit  # by address: printers that call for the first time
    call_ins: CallInPort  # what printers post
    cron: CronReader
    run_plans: RunPlans
    result_link: Callable[[Task], str | None]  # of a task that has a file: where it is read without a key
    sign_in: SignIn
    public_url: str
    max_upload_bytes: int
    version: str
    service_uid: int  # the daemon's own user: its peers on the Unix socket are administrators
    broker_status: Callable[[], BrokerStatus | None] = no_broker  # None: no broker is configured
    look_at_storages: LookAtStorages = no_storages
    issuer: Issuer | None = None  # whose tokens are believed besides the gateway's own
    rate_limit: RequestLimit | None = None  # None: requests are not counted
    body_seconds: float = limits.BODY_SECONDS  # that a body may take
    stall_seconds: float = limits.STALL_SECONDS  # between two pieces of an upload
    heartbeat: float = limits.HEARTBEAT  # seconds between signs of life on a silent event stream


SERVICES = web.AppKey("services", Services)
