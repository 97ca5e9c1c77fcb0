"""Server-Sent Events as text: every way to cut them up gives the same events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client.sse import MAX_EVENT, NotAnEventStream, ServerSentEvent, SseParser

STREAM = (
    ': welcome\n\nid: 7\nevent: job-moved\ndata: {"a":\ndata: 1}\n\nevent: job-progressed\ndata:{}\n\n'
    "retry: 1500\nid\ndata: é\n\n"
).encode()
EVENTS = [
    ServerSentEvent("job-moved", '{"a":\n1}', "7"),
    ServerSentEvent("job-progressed", "{}", "7"),
    ServerSentEvent("message", "é", None),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    parser, found = SseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        found += parser.feed(STREAM[start:end])
    assert found == EVENTS
    assert parser.retry == 1.5


def test_carriage_returns_end_lines_too() -> None:
    assert SseParser().feed(STREAM.replace(b"\n", b"\r\n")) == EVENTS


def test_the_last_id_survives_events_without_one() -> None:
    parser = SseParser("3")
    found = parser.feed(b"data: x\n\nid: 4\ndata: y\n\ndata: z\n\n")
    assert [event.last_id for event in found] == ["3", "4", "4"]
    assert parser.last_id == "4"


def test_an_event_without_data_is_none() -> None:
    assert SseParser().feed(b"event: job-moved\n\nid: 9\n\n: ping\n\n") == []


def test_an_id_with_a_nul_is_ignored() -> None:
    parser = SseParser("1")
    parser.feed(b"id: 2\x003\ndata: x\n\n")
    assert parser.last_id == "1"


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_endless_event_is_refused(line: bytes) -> None:
    with pytest.raises(NotAnEventStream):
        SseParser().feed(line * (MAX_EVENT + 1))


def test_what_is_no_utf_8_is_replaced() -> None:
    assert SseParser().feed(b"data: \xff\n\n")[0].text == "\ufffd"
