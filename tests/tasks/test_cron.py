"""When cron expressions are due: the two nights that change the clock, what is refused, what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tasks.cron import EXPRESSION_CHARS_MAX, CronTimes

CRON = CronTimes()
BERLIN = ZoneInfo("Europe/Berlin")


def due_times(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    found = []
    for _ in range(count):
        at = CRON.next_after(expression, zone, after)
        assert at is not None
        found.append(at)
        after = at
    return found


def local(times: list[datetime]) -> list[str]:
    return [f"{at.astimezone(BERLIN):%d. %H:%M %Z}" for at in times]


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 29 March 2026: 02:00 CET is 03:00 CEST. A fixed time that is not there is due right behind the gap.
        ("30 2 * * *", ["28. 02:30 CET", "29. 03:00 CEST", "30. 02:30 CEST"]),
        ("0 2 * * *", ["28. 02:00 CET", "29. 03:00 CEST", "30. 02:00 CEST"]),
        ("15,45 2 * * *", ["28. 02:15 CET", "28. 02:45 CET", "29. 03:00 CEST", "30. 02:15 CEST"]),
        ("0 2,3 29 * *", ["29. 03:00 CEST"]),
    ],
)
def test_the_night_that_leaves_an_hour_out(expression: str, expected: list[str]) -> None:
    assert (
        local(due_times(expression, "Europe/Berlin", berlin(2026, 3, 28, 0, 30), len(expected))) == expected
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 25 October 2026: 03:00 CEST is 02:00 CET. A fixed time is due at its first.
        ("30 2 * * *", ["24. 02:30 CEST", "25. 02:30 CEST", "26. 02:30 CET"]),
        ("0 2,3 * * *", ["24. 02:00 CEST", "24. 03:00 CEST", "25. 02:00 CEST", "25. 03:00 CET"]),
    ],
)
def test_the_night_that_has_an_hour_twice(expression: str, expected: list[str]) -> None:
    assert (
        local(due_times(expression, "Europe/Berlin", berlin(2026, 10, 24, 0, 30), len(expected))) == expected
    )


def test_a_star_follows_the_clock_through_both() -> None:
    spring = local(due_times("*/30 * * * *", "Europe/Berlin", berlin(2026, 3, 29, 1, 0), 4))
    assert spring == ["29. 01:30 CET", "29. 03:00 CEST", "29. 03:30 CEST", "29. 04:00 CEST"]
    autumn = local(due_times("0 * * * *", "Europe/Berlin", berlin(2026, 10, 25, 1, 30), 4))
    assert autumn == ["25. 02:00 CEST", "25. 02:00 CET", "25. 03:00 CET", "25. 04:00 CET"]


def test_asked_in_the_second_of_two_hours_a_time_is_not_due_in_the_past() -> None:
    after = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 CET; 02:30 CEST was 40 minutes before
    at = CRON.next_after("30 2 * * *", "Europe/Berlin", after)
    assert at == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@settings(max_examples=50)
@given(
    minutes=st.integers(0, 3 * 525_600),
    expression=st.sampled_from(
        [
            "* * * * *",
            "30 2 * * *",
            "0 2,3 * * *",
            "*/7 1-3 * * *",
            "59 23 L * *",
            "5 * * * MON#1",
            "0 0 29 2 *",
        ]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_due_times_only_grow(minutes: int, expression: str, zone: str) -> None:
    after = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    first, second, third = due_times(expression, zone, after, 3)
    assert after < first < second < third
    now = second + (third - second) / 2
    assert CRON.latest_until(expression, zone, first, now) == second


def test_what_was_missed_for_a_year_is_told_by_its_latest() -> None:
    due = datetime(2025, 1, 1, 0, 1, tzinfo=UTC)
    now = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
    assert CRON.latest_until("* * * * *", "UTC", due, now) == datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    due = datetime(2020, 2, 29, tzinfo=UTC)
    assert CRON.latest_until("0 0 29 2 *", "UTC", due, now) == datetime(2024, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "five fields"),
        ("0 3 * *", "five fields"),
        ("0 0 3 * * *", "five fields"),
        ("60 3 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 3 32 * *", "bad day-of-month"),
        ("0 3 31 2 *", "bad day-of-month"),
        ("0 3 * 13 *", "bad month"),
        ("0 3 * * FOO", "bad day-of-week"),
        ("0 3 * * 1L/2", "bad day-of-week"),
        ("L/2 3 * * *", "bad minute"),
        ("*/0 3 * * *", "bad minute"),
        ("1," * EXPRESSION_CHARS_MAX + "1 * * * *", "characters"),
    ],
)
def test_a_bad_expression_is_told_in_words(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CRON.next_after(expression, "UTC", datetime(2026, 1, 1, tzinfo=UTC))


def refusal_of(expression: str) -> str | None:
    try:
        CRON.next_after(expression, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError as refused:
        return str(refused)
    return None


@settings(max_examples=50)
@given(st.text("0123456789*/-,L#WMONTUE ?", max_size=40))
def test_any_text_is_an_expression_or_refused_in_words(expression: str) -> None:
    assert (refusal_of(expression) or "cron ").startswith("cron ")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "Europe/", "\0", "x" * 500])
def test_an_unknown_zone_is_told_in_words(zone: str) -> None:
    with pytest.raises(ValueError, match=r"timezone .* is not known"):
        CRON.next_after("0 3 * * *", zone, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_day_that_no_month_has_is_refused() -> None:
    assert refusal_of("0 0 31 4,6,9,11 *") == "cron cannot be read: bad day-of-month"


@pytest.mark.parametrize(
    ("expression", "apart"),
    [
        ("* * * * *", "1 minute"),
        ("*/4 * * * *", "4 minutes"),
        ("0,3 6 * * *", "3 minutes"),
        ("*/7 * * * *", "4 minutes"),  # 56 and the next hour's 0
        ("*/5 * * * *", None),
        ("58 23 * * *", None),
        ("2,57 * * * *", None),
        ("2,58 * * * *", "4 minutes"),
        ("0,58 0,23 * * *", "2 minutes"),  # over midnight
        ("0,58 0,23 1 * *", None),  # and no day of it follows upon another
        ("0,58 0,23 1,31 * *", "2 minutes"),
        ("0,58 0,23 29 2 *", None),
        ("0,58 0,23 * * 6,0", "2 minutes"),
        ("0 0 29 2 *", None),
    ],
)
def test_a_schedule_comes_as_often_as_it_may(expression: str, apart: str | None) -> None:
    times = CronTimes(shortest_minutes=5)
    if apart is None:
        times.must_be_seldom(expression)
        return
    words = f"are {apart} apart; 5 minutes is the shortest \\(shortest_cron_minutes under \\[tasks\\]"
    with pytest.raises(ValueError, match=words):
        times.must_be_seldom(expression)


def test_without_a_bound_every_minute_is_as_often_as_cron_can_say() -> None:
    CronTimes().must_be_seldom("* * * * *")


@settings(max_examples=30)
@given(
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    bound=st.integers(1, 120),
)
def test_the_bound_holds_for_every_pair_of_due_times(minutes: set[int], hours: set[int], bound: int) -> None:
    expression = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    times = due_times(expression, "UTC", datetime(2025, 1, 1, tzinfo=UTC), 2 * len(minutes) * len(hours) + 1)
    is_seldom = all(later - former >= timedelta(minutes=bound) for former, later in pairwise(times))
    try:
        CronTimes(shortest_minutes=bound).must_be_seldom(expression)
        assert is_seldom
    except ValueError:
        assert not is_seldom
