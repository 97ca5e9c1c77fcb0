"""Forms as the clients of that time wrote them: names that nest, bounded in depth and number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.nested_form import FORM_BYTES, FORM_DEPTH, FORM_PAIRS, nest, parse_form
from gateway.api.http.problems import Failure


@pytest.mark.parametrize(
    ("form", "read"),
    [
        (b"a=1", {"a": "1"}),
        (b"data[layer]=3&data[job_name]=Part+1", {"data": {"layer": "3", "job_name": "Part 1"}}),
        (b"data%5Blayer%5D=3", {"data": {"layer": "3"}}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"p[][id]=1&p[][x]=y&p[][id]=2", {"p": [{"id": "1", "x": "y"}, {"id": "2"}]}),
        (b"p[][a][b]=1&p[][a][c]=2", {"p": [{"a": {"b": "1", "c": "2"}}]}),
        (b"a=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]=2&a=1", {"a": "1"}),
        (b"a[]=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"[a]=1&a]b[=2&a[b=3&a[[b]]=4", {"[a]": "1", "a]b[": "2", "a[b": "3", "a[[b]]": "4"}),
        (b"a[][]=1", {"a[][]": "1"}),
        (b"", {}),
    ],
)
def test_names_nest(form: bytes, read: dict[str, Any]) -> None:
    assert parse_form(form) == read


def test_nesting_and_number_are_bounded() -> None:
    deepest = "a" + "[b]" * (FORM_DEPTH - 1)
    assert nest([(deepest, "1")])
    for bad in (f"{deepest}[b]=1".encode(), b"&".join([b"a=1"] * (FORM_PAIRS + 1)), b"a=%ff"):
        with pytest.raises(Failure) as raised:
            parse_form(bad)
        assert raised.value.status == 400


def test_a_form_is_smaller_than_a_body_may_be() -> None:
    """Decoding costs more than JSON does, and the doors that take forms from strangers are several."""
    assert parse_form(b"a=" + b"%61" * ((FORM_BYTES - 2) // 3))
    with pytest.raises(Failure) as raised:
        parse_form(b"a=" + b"%" * (FORM_BYTES - 1))
    assert raised.value.status == 413


@given(st.lists(st.tuples(st.text("ab[]", max_size=12), st.text(max_size=2)), max_size=12))
def test_any_names_give_an_object_or_a_failure(pairs: list[tuple[str, str]]) -> None:
    try:
        nested = nest(pairs)
    except Failure:
        return
    assert bool(nested) == bool(pairs)
