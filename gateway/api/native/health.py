"""How the gateway's connections are: to its printers, to the user's broker. For who runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.api.http.answers import reply
from gateway.api.http.operations import ADMIN, Call, operation
from gateway.api.http.services import BrokerStatus, Services, StorageLook
from gateway.api.native.fields import Body
from gateway.api.native.shapes import instant
from gateway.domain.assign import hold
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Presence, Printer
from gateway.domain.state import State


class HealthQuery(Body):
    """What to look at besides."""

    storage: bool = Field(
        False,
        description="Log in to the storage of each connected printer that takes files over the network, and"
        " see whether print files would get there. Takes up to 25 s; found at most every 10 s anew.",
    )


class StorageHealth(BaseModel):
    """Whether print files would get onto a printer."""

    is_open: bool | None = Field(description="null: it was not looked at.")
    reason: str | None = Field(description="Why not, with what to do.")


class PrinterHealth(BaseModel):
    """One printer that is in use."""

    id: int
    name: str
    driver: str
    link: LinkState
    storage: StorageHealth | None = Field(
        description="null: not asked for, not connected, or it takes no files over the network."
    )
    troubles: list[str] = Field(description="What a person should do something about; empty: all is well.")


class BrokerRight(BaseModel):
    """Whether the broker lets the gateway read and write below a prefix; proven by what comes back."""

    prefix: str
    proof: str = Field(description="pending, proven, denied")
    advice: str | None


class BrokerHealth(BaseModel):
    """How it goes with the user's own broker."""

    is_connected: bool
    since: datetime
    reason: str | None = Field(description="Why there is no connection, with what to do.")
    rights: list[BrokerRight]


class Health(BaseModel):
    """All connections."""

    version: str
    printers: list[PrinterHealth]
    broker: BrokerHealth | None = Field(description="null: no broker is configured.")


@operation("GET", "/health", scopes=ADMIN, responses={200: Health})
async def get_health(call: Call[HealthQuery, None]) -> web.StreamResponse:
    """How the connections to printers and to the user's broker are, and what to do where they are bad."""
    services = call.services
    used = [printer for _, printer in sorted(services.engine.state.printers.items()) if printer.enabled]
    looks = await _look(services, used) if call.query.storage else {}
    state, broker = services.engine.state, services.broker_status()
    return reply(
        {
            "version": services.version,
            "printers": [_printer(printer, state, looks.get(printer.name)) for printer in used],
            "broker": None if broker is None else _broker(broker),
        }
    )


async def _look(services: Services, printers: Sequence[Printer]) -> Mapping[str, StorageLook]:
    """At the connected ones: what keeps the others away would keep a look away, and is told already."""
    presence = services.engine.state.presence
    connected = [
        printer.name
        for printer in printers
        if presence.get(printer.printer_id, Presence()).link is LinkState.UP
    ]
    return await services.look_at_storages(connected)


def _printer(printer: Printer, state: State, look: StorageLook | None) -> dict[str, object]:
    presence = state.presence.get(printer.printer_id, Presence())
    closed = [look.reason or "files do not get there"] if look is not None and look.is_open is False else []
    return {
        "id": printer.printer_id,
        "name": printer.shown_name,
        "driver": printer.driver,
        "link": presence.link.value,
        "storage": None if look is None else {"is_open": look.is_open, "reason": look.reason},
        "troubles": troubles(printer, presence, state) + closed,
    }


def troubles(printer: Printer, presence: Presence, state: State) -> list[str]:
    """What a person should do something about, one sentence each."""
    found: list[str | None] = []
    if presence.link is not LinkState.UP:
        found.append(f"not connected: {presence.link_reason or 'no reason given'}")
    elif presence.activity is Activity.ERROR:
        found.append(f"it has an error ({presence.message or 'no words given'}): look at it, then reset it")
    if presence.link is LinkState.UP and presence.obstacle is not None:
        found.append(f"takes no job now: {presence.obstacle}")
    found += [hold(state, printer), *(alarm.message for alarm in presence.alarms)]
    return [sentence for sentence in found if sentence is not None]


def _broker(status: BrokerStatus) -> dict[str, object]:
    return {
        "is_connected": status.is_connected,
        "since": instant(status.since),
        "reason": status.reason,
        "rights": [
            {"prefix": right.prefix, "proof": str(right.proof), "advice": right.advice}
            for right in status.rights
        ],
    }
