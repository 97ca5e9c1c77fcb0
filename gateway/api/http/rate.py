"""How often: the limit on requests, and a tighter one on guessing. What and how much is `limits`' part.

The counting is the library's fixed window; where the counts lie is ours, for two reasons: the windows are
measured on a clock that never jumps (a host without a battery is in 1970 until NTP), and there are at most
`KEYS` of them, whatever strangers send.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from gateway.engine.ports import Clock

#: Windows kept at a time, about 250 bytes each. The one that began first gives way to a new one: who has
#: ten thousand addresses to push his own out with has ten thousand budgets anyway.
KEYS: Final = 10_000
#: Credentials remembered as good, 100 bytes each: members, apps and printers of one host are hundreds.
CREDENTIALS: Final = 10_000
#: Leading bits of an IPv6 address that stand for one client: a host has a whole /64 (RFC 4291 2.5.4).
IPV6_BITS: Final = 64


class _Windows(Storage):
    """Counts by key, each with the end of its window in monotonic seconds. Bounded."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, capacity: int) -> None:
        super().__init__()
        self._clock = clock
        self._capacity = capacity
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """None happen here; the library asks."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; a window begins with the first count and is `expiry` seconds long."""
        now = self._clock.monotonic()
        count, end = self._windows.get(key, (0, now))
        if end <= now:
            count, end = 0, now + expiry
            self._windows.pop(key, None)  # so that the order is that of beginning
            while len(self._windows) >= self._capacity:
                self._windows.popitem(last=False)
        self._windows[key] = (count + amount, end)
        return count + amount

    def get(self, key: str) -> int:
        """The count in the present window."""
        count, end = self._windows.get(key, (0, 0.0))
        return count if end > self._clock.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        """When the present window ends."""
        found = self._windows.get(key)
        return self._clock.monotonic() if found is None else found[1]

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget all; how many there were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one."""
        self._windows.pop(key, None)


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left after a request was counted."""

    limit: int  # requests in a window
    remaining: int
    reset: float  # seconds until the window ends
    is_spent: bool  # this request was one too many

    @property
    def wait(self) -> int:
        """Whole seconds until the window ends, rounded up."""
        return math.ceil(self.reset)

    def figures(self) -> tuple[str, str, str]:
        """Limit, remaining and seconds until the window ends, as text.

        Seconds from now, not an instant: neither host's clock need be right.
        """
        return str(self.limit), str(self.remaining), str(self.wait)


class RateLimit:
    """So many in so long for each key, such as `1200/minute` (the words of `limits`)."""

    def __init__(self, rate: str, clock: Clock, *, keys: int = KEYS) -> None:
        """Raises ValueError for a rate that is none."""
        self._item = parse(rate)
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(_Windows(clock, keys))

    def count(self, key: str) -> Budget:
        """Count one for this key."""
        may = self._limiter.hit(self._item, key)
        end, remaining = self._limiter.get_window_stats(self._item, key)
        return Budget(self._item.amount, remaining, end - self._clock.monotonic(), not may)


class AttemptLimit:
    """Against guessing: of registration codes, passwords. Count before looking whether the guess is right.

    wait = attempts.spend(address)
    if wait is not None: refuse, `Retry-After: ceil(wait)`
    """

    def __init__(self, rate: str, clock: Clock, *, keys: int = KEYS) -> None:
        """`rate` such as `10/minute`; raises ValueError for one that is none."""
        self._limit = RateLimit(rate, clock, keys=keys)

    def spend(self, key: str) -> float | None:
        """Count an attempt by (or at) `key`. None: go on; else seconds to wait, and do not look."""
        budget = self._limit.count(key)
        return budget.reset if budget.is_spent else None


class RequestLimit:
    """Whose budget a request spends: that of its credential once that was recognised, else its address's.

    A token that nobody knows has no budget of its own: inventing tokens buys nothing.
    """

    def __init__(self, rate: str, clock: Clock) -> None:
        self._limit = RateLimit(rate, clock)
        self._recognised: OrderedDict[bytes, None] = OrderedDict()

    def count(self, credentials: Iterable[str], address: str) -> Budget:
        """Count a request. `credentials`: the tokens it shows, whatever they are."""
        for credential in credentials:
            digest = _digest(credential)
            if digest in self._recognised:
                return self._limit.count(digest.hex())
        return self._limit.count(client_of(address))

    def recognise(self, credential: str) -> None:
        """This credential is good: from the next request on it has a budget of its own."""
        digest = _digest(credential)
        if digest in self._recognised:
            return
        while len(self._recognised) >= CREDENTIALS:
            self._recognised.popitem(last=False)
        self._recognised[digest] = None


def client_of(address: str) -> str:
    """What stands for one client: an IPv4 address, the first half of an IPv6 one."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> (128 - IPV6_BITS) << (128 - IPV6_BITS)))
    return address


def _digest(credential: str) -> bytes:
    """What is remembered of a secret."""
    return hashlib.blake2s(credential.encode("utf-8", "surrogateescape"), digest_size=16).digest()
