"""What one printer's machine leaves for its driver: facts for the engine, and things to do, in order."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.observations import OrderAnswered, OrderProgressed, OrderResult, PrinterObserved
from gateway.drivers.start_record import Note
from gateway.protocol.bambu.requests import Request


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a request once. `Machine.unsent` is told when it provably never left."""

    request: Request


@dataclass(frozen=True, slots=True)
class LookAtFile:
    """Find out what can be started in the file `path`: `Machine.looked`."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class Store:
    """Put a file on the printer: `Machine.told_bytes`, then `Machine.stored` or `Machine.not_stored`."""

    key: str
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class StopStoring:
    """End that, and remove what there is of it: `Machine.removed`."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, if it can be done; nobody waits for it."""

    name: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Give this connection up and make a new one."""

    why: str


Output = (
    PrinterObserved
    | OrderAnswered
    | OrderProgressed
    | Send
    | LookAtFile
    | Store
    | StopStoring
    | Remove
    | Reconnect
    | Note
)


class Outbox:
    """In order; emptied by the driver after everything that it hands in."""

    def __init__(self, printer: str) -> None:
        self.printer = printer
        self._out: list[Output] = []

    def put(self, output: Output) -> None:
        """Leave it."""
        self._out.append(output)

    def answer(
        self, order_id: str, result: OrderResult, message: str | None = None, *, is_final: bool = False
    ) -> None:
        """Answer an order; the caller sees to it that it is once."""
        self._out.append(OrderAnswered(self.printer, order_id, result, message, is_final))

    def take(self) -> list[Output]:
        """What there is to do and to tell."""
        out, self._out = self._out, []
        return out
