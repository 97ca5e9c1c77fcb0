"""Orders to the driver of the printer's kind: the streamer's, or one in this process, by the name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.domain.orders import Order


class TakesOrders(Protocol):
    """A driver, or a client of the process that hosts drivers."""

    def submit(self, order: Order) -> None:
        """Hand over an order; never blocks."""


class Routing:
    """engine.ports.Drivers over several: by the prefix of the printer's name, which ends in a colon.

    No printer of the configuration has a colon in its name (config.NAME), so nothing is ambiguous.
    """

    def __init__(self, default: TakesOrders, by_kind: Mapping[str, TakesOrders]) -> None:
        self._default = default
        self._by_kind = dict(by_kind)

    def submit(self, order: Order) -> None:
        """Hand over an order."""
        kind, colon, _ = order.printer.partition(":")
        driver = self._by_kind.get(kind, self._default) if colon else self._default
        driver.submit(order)
