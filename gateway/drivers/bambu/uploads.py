"""Files for the printer's own storage; nothing of them is started. One at a time.

all of it is there                  accepted, to every order that joined
it broke off, or was aborted        what there is of it is removed: refused; unclear when that fails too
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.observations import OrderProgressed, OrderResult
from gateway.domain.orders import AbortUpload, UploadFile
from gateway.drivers.bambu.outbox import Outbox, StopStoring, Store
from gateway.protocol.bambu.names import plain

#: Digits of the content's SHA-256 in the name: the same file twice is one, another one replaces none.
_DIGITS: Final = 8
_ENDING: Final = re.compile(r"(\.gcode)?\.[A-Za-z0-9]{1,8}$")
ABORTED: Final = "the upload was aborted, and what there was of it is removed"
LEFT: Final = "a part of the file may be on the printer, under the name {name}: remove it there"
BUSY: Final = "another file is on its way to the printer"
NOT_UNDER_WAY: Final = "that upload is not under way (any more)"


def stored_name(name: str, sha256: str) -> str:
    """What the printer calls an uploaded file."""
    ending = _ENDING.search(name)
    return f"{plain(name)}-u{sha256[:_DIGITS]}{ending[0].lower() if ending else ''}"


@dataclass(slots=True)
class Upload:
    """One transfer; `key` is the order that began it."""

    key: str
    path: str
    sha256: str
    size: int
    name: str  # on the printer
    orders: list[str]
    aborts: list[str] = field(default_factory=list)
    trouble: str | None = None  # it is being removed; this is why


class Uploads:
    """Of one printer."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.one: Upload | None = None

    def begin(self, order: UploadFile) -> None:
        """Begin it, or join it."""
        one = self.one
        if one is None:
            name = stored_name(order.name, order.sha256)
            self.one = Upload(order.order_id, order.path, order.sha256, order.size, name, [order.order_id])
            self._outbox.put(Store(order.order_id, order.path, name))
        elif (one.path, one.sha256) != (order.path, order.sha256) or one.trouble is not None:
            self._outbox.answer(order.order_id, OrderResult.REFUSED, BUSY)
        elif order.order_id not in one.orders:
            one.orders.append(order.order_id)

    def abort(self, order: AbortUpload) -> None:
        """End it."""
        one = self.one
        if one is None or order.upload_id not in one.orders:
            self._outbox.answer(order.order_id, OrderResult.REFUSED, NOT_UNDER_WAY)
            return
        one.aborts.append(order.order_id)
        self._remove(one, ABORTED)

    def told_bytes(self, key: str, count: int) -> None:
        """So much is on its way."""
        if self.one is not None and self.one.key == key and self.one.trouble is None:
            self._progress(self.one, count)

    def stored(self, key: str) -> None:
        """All of it is there."""
        one = self.one
        if one is None or one.key != key or one.trouble is not None:
            return
        self.one = None
        self._progress(one, one.size)
        for order_id in one.orders:
            self._outbox.answer(order_id, OrderResult.ACCEPTED)

    def not_stored(self, key: str, why: str, *, is_absent: bool) -> None:
        """It is not; `is_absent`: and nothing of it is on the printer."""
        one = self.one
        if one is None or one.key != key or one.trouble is not None:
            return
        if is_absent:
            self._close(one, OrderResult.REFUSED, why)
        else:
            self._remove(one, why)

    def removed(self, key: str, *, is_gone: bool) -> None:
        """What became of the part that was there."""
        one = self.one
        if one is None or one.key != key or one.trouble is None:
            return
        if is_gone:
            self._close(one, OrderResult.REFUSED, one.trouble)
        else:
            self._close(one, OrderResult.UNCLEAR, f"{one.trouble}; {LEFT.format(name=one.name)}")

    def _remove(self, one: Upload, why: str) -> None:
        if one.trouble is None:
            one.trouble = why
            self._outbox.put(StopStoring(one.key, one.name))

    def _close(self, one: Upload, result: OrderResult, why: str) -> None:
        self.one = None
        for order_id in one.orders:
            self._outbox.answer(order_id, result, why)
        for order_id in one.aborts:
            is_done = result is OrderResult.REFUSED
            self._outbox.answer(order_id, OrderResult.ACCEPTED if is_done else result, why)

    def _progress(self, one: Upload, count: int) -> None:
        share = min(1.0, count / one.size) if one.size else 1.0
        fields = {"sent": count, "size": one.size, "name_on_printer": one.name}
        self._outbox.put(OrderProgressed(self._outbox.printer, one.orders[-1], share, fields))
