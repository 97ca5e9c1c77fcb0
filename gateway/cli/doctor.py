"""`print-gateway doctor`: how the running gateway's connections are, and what to do where they are bad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call

if TYPE_CHECKING:
    from gateway.client.models import BrokerHealth, Health, StorageHealth

_PROOFS = {"proven": "may read and write there", "pending": "is being tried out", "denied": "is denied"}


def doctor(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at the connections to printers and to your broker; exit code 1 when something is to be done.

    Where print files go over the network, it logs in to the printer's storage and writes nothing there.
    """
    found = call(context, lambda client: client.health(storage=True))
    if json:
        show.as_json(found)
    else:
        for line in lines(found):
            print(show.plain(line))
    if not is_well(found):
        raise typer.Exit(Exit.TROUBLE)


def is_well(found: Health) -> bool:
    """Whether nobody has to do anything."""
    broker = found.broker
    is_broker_well = broker is None or (
        broker.is_connected and not any(right.proof == "denied" for right in broker.rights)
    )
    return is_broker_well and not any(printer.troubles for printer in found.printers)


def lines(found: Health) -> Iterator[str]:
    """The report."""
    if not found.printers:
        yield "printers: none is in use"
    for printer in found.printers:
        words = [*(printer.troubles or ("well",)), *_storage(printer.storage)]
        yield f"printer {printer.name} ({printer.driver}): {'; '.join(words)}"
    if found.broker is None:
        yield "broker: none is configured (url under [mqtt])"
    else:
        yield from _broker_lines(found.broker)


def _storage(found: StorageHealth | None) -> Iterator[str]:
    """What is no trouble: those are told already."""
    if found is not None and found.is_open:
        yield "takes print files"
    elif found is not None and found.is_open is None:
        yield f"its storage: {found.reason or 'not looked at'}"


def _broker_lines(broker: BrokerHealth) -> Iterator[str]:
    since = show.instant(broker.since)
    if not broker.is_connected:
        yield f"broker: not connected since {since}: {broker.reason or 'no reason given'}"
        return
    yield f"broker: connected since {since}"
    for right in broker.rights:
        yield f"broker {right.prefix}/: {right.advice or _PROOFS.get(right.proof, right.proof)}"
