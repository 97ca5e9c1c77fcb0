"""Long pages: packed in stretches, and the same rows in the same order whichever way one looks at them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.pages import LongPage, Row, made_in_order, made_of
from gateway.store.prepared import STRETCH

LENGTHS = [0, 1, STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH, 3 * STRETCH + 7]


def rows(length: int) -> list[Row]:
    """Everything that a column can hold."""
    return [(number, f"name {number} \N{MULTIPLICATION SIGN}", number / 3, None) for number in range(length)]


def in_stretches(found: list[Row]) -> Iterator[list[Row]]:
    return (found[at : at + STRETCH] for at in range(0, len(found), STRETCH))


def as_it_is(row: Row) -> Row:
    return row


@pytest.mark.parametrize("length", LENGTHS)
def test_the_rows_come_back(length: int) -> None:
    for page in (made_of(rows(length), as_it_is), made_in_order(in_stretches(rows(length)), as_it_is, 0)):
        assert list(page) == rows(length)
        assert len(page) == length
        assert isinstance(page, LongPage) == (length > STRETCH)


@given(st.integers(-900, 900) | st.none(), st.integers(-900, 900) | st.none(), st.sampled_from([1, 2, -1]))
def test_any_slice_is_that_of_a_list(start: int | None, stop: int | None, step: int) -> None:
    found = rows(3 * STRETCH + 7)
    page = made_of(found, as_it_is)
    assert list(page[start:stop:step]) == found[start:stop:step]


@pytest.mark.parametrize("number", [0, STRETCH, -1, 2 * STRETCH + 5])
def test_one_row(number: int) -> None:
    found = rows(3 * STRETCH)
    assert made_of(found, as_it_is)[number] == found[number]
    with pytest.raises(IndexError):
        made_of(found, as_it_is)[3 * STRETCH]


@given(st.permutations(range(5)), st.booleans())
def test_rows_in_any_order_are_put_in_theirs(order: list[int], is_mixed_within: bool) -> None:
    """SQL promises none; that they come in theirs is what makes it cheap."""
    found = rows(5 * STRETCH)
    stretches = list(in_stretches(found))
    coming = [stretches[at] for at in order]
    if is_mixed_within:
        coming = [stretch[::-1] for stretch in coming]
    assert list(made_in_order(iter(coming), as_it_is, 0)) == found
