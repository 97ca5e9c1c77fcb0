"""Pieces of lists: made once, bounded, and joined into the JSON that encoding the whole would give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.answers import encode
from gateway.api.http.fragments import Fragments, array, list_body

ROWS = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(), max_size=3)


def never() -> Any:
    raise AssertionError("made again")


def test_a_piece_is_made_once() -> None:
    kept = Fragments()
    assert kept.of(("row", 1, 1), lambda: {"a": 1}) == b'{"a":1}'
    assert kept.of(("row", 1, 1), never) == b'{"a":1}'


@pytest.mark.parametrize("other", [("row", 1, 2), ("row", 2, 1), ("other", 1, 1), ("row", 1, 1, "name")])
def test_another_key_is_another_piece(other: tuple[object, ...]) -> None:
    kept = Fragments()
    kept.of(("row", 1, 1), lambda: 1)
    assert kept.of(other, lambda: 2) == b"2"


def test_what_was_not_asked_for_longest_goes() -> None:
    kept = Fragments(most_bytes=2 * 1000)
    for number in (1, 2):
        kept.of(number, lambda: "x" * 500)
    kept.of(1, never)
    kept.of(3, lambda: "x" * 500)
    kept.of(1, never)
    assert kept.of(2, lambda: "again") == b'"again"'


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1500)), max_size=60))
def test_never_more_bytes_than_that(asked: list[tuple[int, int]]) -> None:
    kept = Fragments(most_bytes=3000)
    for number, length in asked:
        found = kept.of((number, length), lambda length=length: "x" * length)  # type: ignore[misc]
        assert found == encode("x" * length)
        assert sum(map(len, kept._pieces.values())) <= kept._bytes <= 3000


@given(ROWS, st.lists(ROWS, max_size=4), ROWS)
def test_the_whole_is_what_its_parts_say(
    before: dict[str, Any], rows: list[dict[str, Any]], after: dict[str, Any]
) -> None:
    pieces = [encode(row) for row in rows]
    assert array(pieces) == encode(rows)
    before = {f"b{name}": value for name, value in before.items()}
    after = {f"a{name}": value for name, value in after.items()}
    whole = list_body(before, "rows", pieces, after)
    assert whole == encode({**before, "rows": rows, **after})
    assert list_body(before, "rows", pieces) == encode({**before, "rows": rows})
    assert json.loads(whole)["rows"] == rows
