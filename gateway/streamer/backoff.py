"""How long to wait before the next try."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow by `factor` from `first` to `limit` seconds, each shifted by up to `jitter` of itself.

    The jitter keeps 64 drivers that failed together from trying together for ever.
    """

    first: float = 0.2
    factor: float = 2.0
    limit: float = 10.0
    jitter: float = 0.2  # share of the wait, either way

    def wait(self, failures: int, chance: Random) -> float:
        """Seconds to wait after the `failures`-th failure in a row (from 1)."""
        grown = self.first * self.factor ** min(max(failures, 1) - 1, 64)
        return min(self.limit, grown) * (1 + self.jitter * chance.uniform(-1, 1))
