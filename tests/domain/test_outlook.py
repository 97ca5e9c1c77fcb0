"""What printers say of their prints, however they say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.job import JobStatus
from gateway.domain.outlook import Outlook, outlook
from tests.domain.test_following import started
from tests.support.stand import Table


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, Outlook()),
        ({}, Outlook()),
        ({"layer": 84, "layers": 200, "seconds_left": 1200}, Outlook(84, 200, 1200)),
        ({"layer": 0, "total_layers": 200, "seconds_left": 0}, Outlook(0, 200, 0)),
        ({"layer": 3.0, "layers": 7.9, "seconds_left": 12.5}, Outlook(3, 7, 12)),
        ({"layer": "84", "layers": None, "seconds_left": True}, Outlook()),
        ({"layer": -1, "layers": float("inf"), "seconds_left": float("nan")}, Outlook()),
        ({"layer": 1e300, "layers": 10**40, "seconds_left": [1]}, Outlook()),
    ],
)
def test_counts_are_told_and_nothing_else(said: Mapping[str, Any] | None, expected: Outlook) -> None:
    table = Table()
    started(table)
    assert outlook(replace(table.job(), reported=said)) == expected


@pytest.mark.parametrize("end", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED])
def test_a_print_that_is_over_has_no_time_left(end: JobStatus) -> None:
    table = Table()
    started(table)
    said = {"layer": 84, "layers": 200, "seconds_left": 1200}
    assert outlook(replace(table.job(), status=end, reported=said)) == Outlook(84, 200, None)
