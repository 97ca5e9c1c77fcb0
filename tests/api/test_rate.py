"""Counting requests and guesses: windows, budgets, and that strangers cannot make it grow."""

from __future__ import annotations

import pytest

from gateway.api.http.rate import CREDENTIALS, KEYS, AttemptLimit, RateLimit, RequestLimit, client_of
from tests.support.stand import FakeClock


def test_a_window_begins_with_the_first_count_and_ends_on_time() -> None:
    clock = FakeClock()
    limit = RateLimit("3/minute", clock)
    assert [limit.count("a").remaining for _ in range(3)] == [2, 1, 0]
    clock.advance(59.5)
    spent = limit.count("a")
    assert (spent.is_spent, spent.remaining, spent.reset) == (True, 0, 0.5)
    assert spent.figures() == ("3", "0", "1")
    clock.advance(0.5)
    again = limit.count("a")
    assert (again.is_spent, again.remaining, again.reset) == (False, 2, 60.0)


def test_keys_do_not_share_a_budget() -> None:
    limit = RateLimit("1/second", FakeClock())
    assert not limit.count("a").is_spent
    assert not limit.count("b").is_spent
    assert limit.count("a").is_spent


def test_guesses_are_counted_and_told_how_long_to_wait() -> None:
    clock = FakeClock()
    attempts = AttemptLimit("2/minute", clock)
    assert attempts.spend("203.0.113.9") is None
    clock.advance(10)
    assert attempts.spend("203.0.113.9") is None
    assert attempts.spend("203.0.113.9") == 50.0
    assert attempts.spend("203.0.113.10") is None, "somebody else"
    clock.advance(50)
    assert attempts.spend("203.0.113.9") is None


def test_counting_on_while_refused_does_not_lengthen_the_wait() -> None:
    clock = FakeClock()
    attempts = AttemptLimit("1/minute", clock)
    waits = []
    for _ in range(5):
        waits.append(attempts.spend("a"))
        clock.advance(10)
    assert waits == [None, 50.0, 40.0, 30.0, 20.0]


def test_there_are_never_more_windows_than_said_and_the_oldest_goes_first() -> None:
    clock = FakeClock()
    limit = RateLimit("1/hour", clock, keys=3)
    for key in "abc":
        assert not limit.count(key).is_spent
    assert limit.count("b").is_spent
    assert not limit.count("d").is_spent, "a has made room"
    assert limit.count("b").is_spent
    assert not limit.count("a").is_spent
    assert limit.count("c").is_spent is True, "b went now"


def test_a_credential_has_a_budget_of_its_own_once_it_was_recognised() -> None:
    limit = RequestLimit("10/minute", FakeClock())
    assert limit.count(["Bearer good"], "203.0.113.9").remaining == 9
    limit.recognise("Bearer good")
    assert limit.count(["Bearer good"], "203.0.113.9").remaining == 9
    assert limit.count(["Bearer good"], "203.0.113.77").remaining == 8, "wherever it comes from"
    assert limit.count([], "203.0.113.9").remaining == 8


def test_invented_tokens_spend_the_budget_of_the_address() -> None:
    limit = RequestLimit("10/minute", FakeClock())
    budgets = [limit.count([f"Bearer {number}"], "203.0.113.9") for number in range(11)]
    assert budgets[-1].is_spent


def test_a_flood_of_addresses_and_credentials_is_bounded() -> None:
    limit = RequestLimit("10/minute", FakeClock())
    for number in range(CREDENTIALS + 50):
        limit.recognise(f"Bearer {number}")
    assert len(limit._recognised) == CREDENTIALS
    for number in range(KEYS + 50):
        limit.count([], f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert limit._limit._limiter.storage.reset() == KEYS


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "unknown"),
    ],
)
def test_one_client_is_an_ipv4_address_or_half_an_ipv6_one(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize("rate", ["", "fast", "10", "10/fortnight"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match=r"parse|granularity"):
        RateLimit(rate, FakeClock())
