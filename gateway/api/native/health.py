"""How the gateway's connections are: to its printers, to the user's broker. For who runs it."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.api.http.answers import reply
from gateway.api.http.operations import ADMIN, Call, NoQuery, operation
from gateway.api.http.services import BrokerStatus
from gateway.api.native.shapes import instant
from gateway.domain.assign import hold
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Presence, Printer
from gateway.domain.state import State


class PrinterHealth(BaseModel):
    """One printer that is in use."""

    id: int
    name: str
    driver: str
    link: LinkState
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
async def get_health(call: Call[NoQuery, None]) -> web.StreamResponse:
    """How the connections to printers and to the user's broker are, and what to do where they are bad."""
    services = call.services
    state = services.engine.state
    used = [printer for _, printer in sorted(state.printers.items()) if printer.enabled]
    broker = services.broker_status()
    return reply(
        {
            "version": services.version,
            "printers": [_printer(printer, state) for printer in used],
            "broker": None if broker is None else _broker(broker),
        }
    )


def _printer(printer: Printer, state: State) -> dict[str, object]:
    presence = state.presence.get(printer.printer_id, Presence())
    return {
        "id": printer.printer_id,
        "name": printer.shown_name,
        "driver": printer.driver,
        "link": presence.link.value,
        "troubles": troubles(printer, presence, state),
    }


def troubles(printer: Printer, presence: Presence, state: State) -> list[str]:
    """What a person should do something about, one sentence each."""
    found: list[str | None] = []
    if presence.link is not LinkState.UP:
        found.append(f"not connected: {presence.link_reason or 'no reason given'}")
    elif presence.activity is Activity.ERROR:
        found.append(f"it says that it has an error: {presence.message or 'no words given'}")
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
