"""Orders to the driver of the printer: by its name, else by the kind in its name, else the streamer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.domain.orders import Order


class TakesOrders(Protocol):
    """A driver, or a client of the process that hosts drivers."""

    def submit(self, order: Order) -> None:
        """Hand over an order; never blocks."""


class Routing:
    """engine.ports.Drivers over several.

    `by_kind`: by the prefix of the printer's name, which ends in a colon. No printer of the configuration has
    a colon in its name (config.fields.Name), so nothing is ambiguous. `by_name`: those printers of the
    configuration that the default does not have.
    """

    def __init__(
        self,
        default: TakesOrders,
        by_kind: Mapping[str, TakesOrders],
        by_name: Mapping[str, TakesOrders] | None = None,
    ) -> None:
        self._default = default
        self._by_kind = dict(by_kind)
        self._by_name = dict(by_name or {})

    def submit(self, order: Order) -> None:
        """Hand over an order."""
        kind, colon, _ = order.printer.partition(":")
        driver = self._by_kind.get(kind) if colon else self._by_name.get(order.printer)
        (driver or self._default).submit(order)
