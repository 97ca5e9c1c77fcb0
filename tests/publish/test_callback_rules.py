"""The states of a callback, step by step."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from gateway.engine.ports import Callback, CallbackState
from gateway.publish import callback_rules as rules
from tests.api.host import a_job
from tests.support.stand import START

KNOWN = Callback(1, "https://app.example/hook")
ACTIVE = replace(KNOWN, state=CallbackState.ACTIVE)


def after(known: Callback, times: int, **more: Any) -> Callback:
    for _ in range(times):
        given = {"reason": "it took too long", "status": None, "now": START, "chance": Random(0), **more}
        known, _ = rules.failed(known, **given)
    return known


@pytest.mark.parametrize(
    ("url", "support"),
    [
        ("https://app.example/hook", "https://app.example/hook/support"),
        ("https://app.example/hook/", "https://app.example/hook/support"),
        ("https://app.example", "https://app.example/support"),
        ("https://app.example/hook?token=abc", "https://app.example/hook/support?token=abc"),
    ],
)
def test_support_is_behind_the_path(url: str, support: str) -> None:
    assert rules.support_url(url) == support


@pytest.mark.parametrize(
    ("body", "is_supported"),
    [
        (b'{"callback":"supported"}', True),
        (b' {"callback": "supported", "version": 2}\n', True),
        (b'{"callback": "unsupported"}', False),
        (b'["callback", "supported"]', False),
        (b'"supported"', False),
        (b"<html>", False),
        (b"\xff\xfe", False),
        (b"", False),
    ],
)
def test_what_a_receiver_says(body: bytes, is_supported: bool) -> None:
    assert rules.says_supported(body) is is_supported


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 10), (0, 1), (-5, 1), (1, 1), (20, 20), (10**9, 86400)]
)
def test_the_interval_is_bounded(asked: int | None, seconds: int) -> None:
    assert rules.interval_of(a_job(callback_interval=asked)) == seconds


def test_a_probe_is_tried_some_times_and_then_refused() -> None:
    assert after(KNOWN, rules.PROBES - 1).state is CallbackState.PROBING
    refused = after(KNOWN, rules.PROBES)
    assert (refused.state, refused.next_at, refused.last_error) == (
        CallbackState.REFUSED, None, "it took too long",
    )  # fmt: skip


@pytest.mark.parametrize("known", [KNOWN, ACTIVE])
def test_what_cannot_pass_is_final_at_once(known: Callback) -> None:
    assert after(known, 1, is_final=True).state is CallbackState.REFUSED


def test_gone_is_never_again() -> None:
    assert after(ACTIVE, 1, status=410).state is CallbackState.REFUSED
    assert after(ACTIVE, 1, status=404).state is CallbackState.ACTIVE


def test_a_day_of_failures_is_given_up() -> None:
    known, passed, chance = ACTIVE, 0.0, Random(1)
    while known.is_open:
        known, wait = rules.failed(known, "it took too long", None, START, chance)
        passed += wait if known.is_open else 0.0
    assert known.state is CallbackState.GIVEN_UP
    assert 20 * 3600 < passed < 28 * 3600


def test_waits_grow_and_differ() -> None:
    chance = Random(2)
    waits = [rules.failed(replace(ACTIVE, failures=n), "x", 500, START, chance)[1] for n in range(12)]
    assert all(0.7 <= wait / min(3600.0, 5.0 * 2**n) <= 1.3 for n, wait in enumerate(waits))
    again = [rules.failed(ACTIVE, "x", 500, START, chance)[1] for _ in range(5)]
    assert len(set(again)) == 5


def test_a_success_forgets_the_failures() -> None:
    told = rules.delivered(after(ACTIVE, 3), 7, 204, START)
    assert told == replace(ACTIVE, delivered_version=7, delivered_at=START, tried_at=START, last_status=204)
    assert rules.delivered(told, 5, 200, START).delivered_version == 7


def test_another_address_begins_anew() -> None:
    job = a_job(callback_url="https://other.example/")
    assert rules.current(replace(ACTIVE, delivered_version=3), job) == Callback(0, "https://other.example/")
    assert rules.current(ACTIVE, a_job(callback_url=ACTIVE.url)) is ACTIVE


def test_a_clock_that_jumped_holds_nothing_back_for_long() -> None:
    at_1970 = START.replace(year=1970)
    known = after(ACTIVE, 1)
    assert rules.remaining(known, at_1970) == rules.BACKOFF.limit
    assert rules.remaining(known, START.replace(year=2040)) == 0.0
