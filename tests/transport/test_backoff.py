"""Waits between tries: they double, they end growing, and no two that failed together come back together."""

from __future__ import annotations

from random import Random

import pytest

from gateway.transport.backoff import Backoff


def test_waits_double_up_to_the_limit() -> None:
    backoff = Backoff(first=1.0, limit=8.0, jitter=0.0)
    assert [backoff.wait(failures, Random(0)) for failures in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 8]


@pytest.mark.parametrize("failures", [0, 1, 5, 10_000])
def test_the_wait_is_bounded_and_jittered(failures: int) -> None:
    backoff = Backoff(first=0.2, limit=10.0, jitter=0.2)
    waits = {backoff.wait(failures, Random(seed)) for seed in range(50)}
    assert len(waits) > 40
    assert all(0.16 <= wait <= 12.0 for wait in waits)
