"""Instants as text are what the standard library says, cut and never rounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.instants import to_millisecond, to_second

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC) | ZONES,
)


@given(INSTANTS)
def test_an_instant_is_said_as_the_standard_library_has_it(at: datetime) -> None:
    naive = at.astimezone(UTC).replace(tzinfo=None)
    assert to_second(at) == naive.isoformat(timespec="seconds") + "Z"
    assert to_millisecond(at) == naive.isoformat(timespec="milliseconds") + "Z"
