"""The query of `GET jobs`: every spelling means the same, and links are arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from gateway.api.forge.listing import ALL, STATUSES, Listing, read_listing, read_statuses
from gateway.api.http.problems import Failure

words = st.lists(st.sampled_from(sorted(STATUSES)), max_size=8)
limits = st.integers(1, 1000)
offsets = st.integers(0, 5000)
PATH = "/print/jobs"


def outcome(read: Callable[[], Any]) -> Any:
    """What was read, or the status of the refusal."""
    try:
        return read()
    except Failure as failure:
        return failure.status


def once(given: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


@given(words)
def test_json_array(given_words: list[str]) -> None:
    assert read_statuses([json.dumps(given_words)]) == once(given_words)


@given(words, st.sampled_from([",", ", ", " ,"]))
def test_comma_list(given_words: list[str], comma: str) -> None:
    assert read_statuses([comma.join(given_words)]) == once(given_words)


@given(words)
def test_repeated_key(given_words: list[str]) -> None:
    assert read_statuses(given_words) == once(given_words)


@given(words)
def test_json_body(given_words: list[str]) -> None:
    assert read_listing(MultiDict(), {"status": given_words}).statuses == once(given_words)


@pytest.mark.parametrize("word", sorted(STATUSES))
def test_one_bare_word(word: str) -> None:
    assert read_statuses([word]) == read_statuses([f'"{word}"']) == (word,)


@given(words, limits | st.just(ALL), offsets)
def test_own_link_reads_back_as_the_same_listing(given_words: list[str], limit: int, offset: int) -> None:
    listing = Listing(limit, offset, once(given_words))
    path, _, query = listing.link(PATH).partition("?")
    assert path == PATH
    assert read_listing(MultiDict(parse_qsl(query))) == listing
    assert quote(query, safe="=&%-") == query, "a link is ready for a request line"


@given(limits, offsets, st.integers(0, 6000))
def test_next_link_is_there_exactly_when_rows_are(limit: int, offset: int, total: int) -> None:
    link = Listing(limit, offset).following(PATH, total)
    if offset + limit < total:
        following = read_listing(MultiDict(parse_qsl(link.partition("?")[2])))
        assert (following.limit, following.offset) == (limit, offset + limit)
    else:
        assert link == ""


@given(limits, offsets)
def test_previous_link_goes_back_one_page_and_not_below_zero(limit: int, offset: int) -> None:
    link = Listing(limit, offset).previous(PATH)
    if offset == 0:
        assert link == ""
    else:
        previous = read_listing(MultiDict(parse_qsl(link.partition("?")[2])))
        assert (previous.limit, previous.offset) == (limit, max(0, offset - limit))


@given(offsets, st.integers(0, 6000))
def test_an_unlimited_list_has_no_neighbours(offset: int, total: int) -> None:
    listing = Listing(ALL, offset)
    assert listing.previous(PATH) == listing.following(PATH, total) == ""


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    read = outcome(lambda: read_statuses([text]))
    assert read in (400, 422) or set(read) <= STATUSES


@given(st.text(max_size=12))
def test_any_number_is_read_or_refused(text: str) -> None:
    listing = outcome(lambda: read_listing(MultiDict({"limit": text, "offset": text})))
    assert listing in (400, 422) or listing.limit == listing.offset == int(text)


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ({"status": "["}, None, 400),
        ({"status": '["queued", 1]'}, None, 400),
        ({"status": '[["queued"]]'}, None, 400),
        ({"status": "[" * 5000}, None, 400),
        ({"status": '["Queued"]'}, None, 422),
        ({"status": "queued,,failed"}, None, 422),
        ({"status": ",".join(["queued"] * 200)}, None, 422),
        ({"limit": "2147483648"}, None, 422),
        ({"limit": "9" * 30}, None, 400),
        ({"limit": "١"}, None, 400),  # noqa: RUF001
        ({"limit": " 1"}, None, 400),
        ({"limit": ""}, None, 400),
        ({}, {"status": {"queued": True}}, 400),
        ({}, {"status": [True]}, 400),
        ({}, {"limit": 2.5}, 400),
        ({}, {"limit": True}, 400),
        ({}, {"limit": None}, 400),
        ({}, {"offset": -1}, 422),
    ],
)
def test_refused(query: dict[str, str], body: dict[str, object] | None, status: int) -> None:
    with pytest.raises(Failure) as raised:
        read_listing(MultiDict(query), body)
    assert raised.value.status == status


def test_query_counts_before_body() -> None:
    listing = read_listing(MultiDict({"limit": "3"}), {"limit": 7, "offset": 2, "status": "queued,failed"})
    assert listing == Listing(3, 2, ("queued", "failed"))


def test_other_parameters_of_old_clients_are_ignored() -> None:
    assert read_listing(MultiDict({"sort": "member_id", "member_id": "20711941"})) == Listing()
