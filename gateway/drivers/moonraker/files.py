"""Files on their way to the printer's storage: one for a print, and one that somebody uploads.

A file goes over HTTP to Moonraker, which keeps nothing of one that did not arrive whole. Nothing here starts
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.observations import OrderProgressed, OrderResult
from gateway.domain.orders import AbortUpload, UploadFile
from gateway.drivers.moonraker.names import upload_name
from gateway.transport.storage import StorageTrouble

#: What a transfer, or a removal, came to; None: well.
Outcome = Callable[[StorageTrouble | None, float], None]
#: Where outputs and answers go.
Put = Callable[[object], None]

_ABORTED: Final = "The upload was aborted."
_FORGOTTEN: Final = "That upload is not under way any more."
BUSY: Final = "Another file is on its way to the printer. Try again when it is there."
_MAY_BE_LEFT: Final = "The upload of {name} was interrupted, and it may be on the printer: {why}"


@dataclass(frozen=True, slots=True)
class Store:
    """Put the file `path` on the printer; its outcome is told with `ticket`."""

    ticket: int
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class StopStore:
    """End a transfer under way; its outcome is not told any more."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a file; `ticket` 0: nobody wants to know how that went."""

    ticket: int
    name: str


@dataclass(slots=True)
class Upload:
    """An UploadFile under way, and who joined it."""

    order: UploadFile
    name: str
    ticket: int
    orders: list[str]
    aborts: list[str] = field(default_factory=list)
    sent: int = 0  # bytes

    def told(self, printer: str, progress: float) -> OrderProgressed:
        """How far it has come, for whoever ordered it last."""
        answer = {"sent": self.sent, "size": self.order.size, "name_on_printer": self.name}
        return OrderProgressed(printer, self.orders[-1], progress, answer)


class Files:
    """One printer's. Outcomes are looked up by ticket: those of a transfer that was stopped are nobody's."""

    def __init__(self) -> None:
        self.upload: Upload | None = None
        self._tickets = 0
        self._outcomes: dict[int, Outcome] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a file is on its way, or on its way out."""
        return bool(self._outcomes)

    def store(self, path: str, name: str, outcome: Outcome, put: Callable[[Store], None]) -> int:
        """Begin a transfer; its ticket."""
        self._tickets += 1
        self._outcomes[self._tickets] = outcome
        put(Store(self._tickets, path, name))
        return self._tickets

    def stop(self, ticket: int, put: Callable[[StopStore], None]) -> None:
        """End it; nothing is told any more."""
        if self._outcomes.pop(ticket, None) is not None:
            put(StopStore(ticket))

    def remove(self, name: str, outcome: Outcome, put: Callable[[Remove], None]) -> None:
        """Delete a file."""
        self._tickets += 1
        self._outcomes[self._tickets] = outcome
        put(Remove(self._tickets, name))

    def settled(self, ticket: int, trouble: StorageTrouble | None, now: float) -> None:
        """What a transfer, or a removal, came to."""
        outcome = self._outcomes.pop(ticket, None)
        if outcome is not None:
            outcome(trouble, now)


class Uploads:
    """Orders about files that nobody prints yet."""

    def __init__(
        self,
        printer: str,
        files: Files,
        put: Callable[[Store | StopStore | Remove | OrderProgressed], None],
        answer: Callable[[str, OrderResult, str | None], None],
    ) -> None:
        self._printer = printer
        self._files = files
        self._put = put
        self._answer = answer

    def begin(self, order: UploadFile) -> None:
        """Begin, or join the same one."""
        present = self._files.upload
        if present is not None and (present.order.path, present.order.sha256) == (order.path, order.sha256):
            present.orders.append(order.order_id)
            self._put(present.told(self._printer, _part(present)))
            return
        if self._files.is_busy:
            self._answer(order.order_id, OrderResult.REFUSED, BUSY)
            return
        name = upload_name(order.name, order.sha256)
        ticket = self._files.store(order.path, name, self._stored, self._put)
        self._files.upload = Upload(order, name, ticket, [order.order_id])

    def told(self, ticket: int, sent: int) -> None:
        """So many bytes are on their way."""
        present = self._files.upload
        if present is not None and present.ticket == ticket:
            present.sent = sent
            self._put(present.told(self._printer, _part(present)))

    def abort(self, order: AbortUpload) -> None:
        """End it, and remove what may have become of it."""
        present = self._files.upload
        if present is None or order.upload_id not in present.orders:
            self._answer(order.order_id, OrderResult.REFUSED, _FORGOTTEN)
            return
        present.aborts.append(order.order_id)
        if len(present.aborts) == 1:
            self._files.stop(present.ticket, self._put)
            self._clear(present, _ABORTED)

    def _stored(self, trouble: StorageTrouble | None, _now: float) -> None:
        present = self._files.upload
        assert present is not None
        if trouble is None:
            present.sent = present.order.size
            self._put(present.told(self._printer, 1.0))
            self._end(present, OrderResult.ACCEPTED, None)
        elif trouble.is_absent:
            self._end(present, OrderResult.REFUSED, str(trouble))
        else:
            self._clear(present, str(trouble))

    def _clear(self, present: Upload, why: str) -> None:
        """Nobody knows what of it is on the printer: then nothing of it shall be."""

        def removed(trouble: StorageTrouble | None, _now: float) -> None:
            if trouble is None:
                self._end(present, OrderResult.REFUSED, why)
            else:
                text = _MAY_BE_LEFT.format(name=present.name, why=trouble)
                self._end(present, OrderResult.UNCLEAR, text)

        self._files.remove(present.name, removed, self._put)

    def _end(self, present: Upload, result: OrderResult, message: str | None) -> None:
        self._files.upload = None
        for order_id in present.orders:
            self._answer(order_id, result, message)
        done = OrderResult.UNCLEAR if result is OrderResult.UNCLEAR else OrderResult.ACCEPTED
        for order_id in present.aborts:
            self._answer(order_id, done, message if done is OrderResult.UNCLEAR else None)


def _part(present: Upload) -> float:
    """Below 1 until the printer has said that it has all of it."""
    return min(0.99, present.sent / present.order.size) if present.order.size else 0.0
