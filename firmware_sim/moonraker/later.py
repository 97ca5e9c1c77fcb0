"""An answer that may come later: what a method returns when it must wait for klippy."""

from __future__ import annotations

from collections.abc import Callable


class Refusal(Exception):
    """An error of Moonraker's API: HTTP's code, or JSON-RPC's."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.message, self.code = message, code


class Later:
    """Settled once, by `resolve` or `refuse`; `then` hears of it, also afterwards."""

    def __init__(self) -> None:
        self._outcome: object | Refusal = None
        self._is_settled = False
        self._listeners: list[Callable[[object | Refusal], None]] = []

    def resolve(self, outcome: object | Refusal) -> None:
        """The first outcome counts."""
        if self._is_settled:
            return
        self._outcome, self._is_settled = outcome, True
        for listener in self._listeners:
            listener(outcome)

    def then(self, listener: Callable[[object | Refusal], None]) -> None:
        """Tell the outcome once it is there."""
        if self._is_settled:
            listener(self._outcome)
        else:
            self._listeners.append(listener)
