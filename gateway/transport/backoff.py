"""How long to wait before what failed is tried again: a connection, a request, a driver."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first` to `limit` seconds, each shifted by up to `jitter` of itself.

    The jitter keeps what failed together, when a server went away, from coming back together.
    """

    first: float
    limit: float
    jitter: float = 0.25  # share of the wait, either way

    def wait(self, failures: int, chance: Random) -> float:
        """Seconds to wait after the `failures`-th failure in a row (from 1)."""
        grown = self.first * 2.0 ** min(max(failures, 1) - 1, 32)
        return min(self.limit, grown) * (1 + self.jitter * chance.uniform(-1, 1))
