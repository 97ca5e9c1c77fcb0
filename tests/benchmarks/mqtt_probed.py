"""The gateway with a stopwatch in its event loop: how late its timers are.

    LAG_FILE=PATH python -m tests.benchmarks.mqtt_probed serve --config FILE
    LAG_FILE=PATH PROFILE=PATH python -m tests.benchmarks.mqtt_probed ...      # with cProfile, into PATH

A timer of 10 ms is set again and again; how much later it comes is the lag that everything else in the loop
has too. The lags are counted in a file that the benchmark maps: buckets of 50 us, the last has the rest.
"""

from __future__ import annotations

import asyncio
import cProfile
import mmap
import os
import struct
from array import array
from pathlib import Path
from typing import Final

EVERY: Final = 0.01  # seconds
BUCKET: Final = 50e-6  # seconds
BUCKETS: Final = 10_000  # up to half a second
_COUNT: Final = struct.Struct("I")
_MOST: Final = struct.Struct("d")
_BYTES: Final = _COUNT.size * BUCKETS + _MOST.size


class LagFile:
    """Lags, shared between the two processes."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)

    def note(self, lag: float) -> None:
        """One more, in seconds."""
        place = _COUNT.size * min(BUCKETS - 1, int(lag / BUCKET))
        _COUNT.pack_into(self._map, place, _COUNT.unpack_from(self._map, place)[0] + 1)
        if lag > _MOST.unpack_from(self._map, _COUNT.size * BUCKETS)[0]:
            _MOST.pack_into(self._map, _COUNT.size * BUCKETS, lag)

    def reset(self) -> None:
        """From here on."""
        self._map[:] = bytes(_BYTES)

    def milliseconds(self, *shares: float) -> list[float]:
        """The lags that so many of all (0..1) do not exceed; 1 is the longest. Raises ValueError for none."""
        counts = array("I", self._map[: _COUNT.size * BUCKETS])
        total = sum(counts)
        if not total:
            raise ValueError("no timer has come")
        return [
            1000 * _MOST.unpack_from(self._map, _COUNT.size * BUCKETS)[0] if share >= 1.0
            else 1000 * BUCKET * (_first_reaching(counts, share * total) + 1)
            for share in shares
        ]  # fmt: skip


def _first_reaching(counts: array[int], wanted: float) -> int:
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return bucket
    return BUCKETS - 1


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop, lags = asyncio.SelectorEventLoop(), LagFile(Path(os.environ["LAG_FILE"]))

        def come(due: float) -> None:
            now = loop.time()
            lags.note(max(0.0, now - due))
            loop.call_at(now + EVERY, come, now + EVERY)

        loop.call_soon(lambda: loop.call_at(loop.time() + EVERY, come, loop.time() + EVERY))
        return loop


def lag_policy() -> asyncio.AbstractEventLoopPolicy:
    """Loops that count their lags in the file LAG_FILE."""
    return _Policy()


if __name__ == "__main__":
    from gateway.cli.app import main

    asyncio.set_event_loop_policy(lag_policy())
    profile = cProfile.Profile() if "PROFILE" in os.environ else None
    if profile is None:
        main()
    else:
        profile.enable()
        try:
            main()
        finally:
            profile.disable()
            profile.dump_stats(os.environ["PROFILE"])
