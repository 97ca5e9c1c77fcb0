"""Between the engine and its drivers: orders that a death swallowed."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.orders import Order
from gateway.drivers.routing import TakesOrders


class Gate:
    """engine.ports.Drivers in front of the real ones: `pass_on` may swallow an order, as a death does."""

    def __init__(self, drivers: TakesOrders, pass_on: Callable[[Order], bool]) -> None:
        self._drivers = drivers
        self._pass_on = pass_on

    def submit(self, order: Order) -> None:
        if self._pass_on(order):
            self._drivers.submit(order)
