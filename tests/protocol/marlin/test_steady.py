"""The short way of a link and its long way, side by side: same events, same state, same bytes out."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.protocol.marlin.framing import LineNotSendable, numbered, numbered_plain
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_states import LinkPhase
from gateway.protocol.marlin.profile import profile_named
from tests.protocol.marlin.tiny_firmware import IDENTITY

T_OK = b"ok T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0\n"
ANSWERS = st.sampled_from(
    [
        b"ok\n", b"ok\n", b"ok\n", b"ok\n" * 2, b"ok\n" * 3, b"ok\r\n", b"ok N3 P15 B3\n", b"ok N4 P15 B7\n",
        b"ok N5 P1 B7\nok N6 P1 B7\n", b"ok N7 P15 B0\n", b"ok N9 P0 B7\n", b"ok N999 P1 B1\n",
        b"ok P15 B7\n", T_OK, b"ok T:1\n", b"o", b"k", b"\n", b"oK\n", b"wait\n", b" T:1 /2\n",
        b"Error:checksum mismatch, Last Line: 4\nResend: 5\nok\n", b"Resend: 6\n", b"ok N5\n", b"ok 5\n",
        b"start\n", b"echo:busy: processing\n",
    ]
)  # fmt: skip
STEPS = st.one_of(
    ANSWERS,
    st.binary(max_size=6),
    st.integers(1, 9),  # lines handed over
    st.floats(0.01, 4.0),  # seconds that pass
    st.sampled_from(["M105", "M108"]),
)


def ready() -> Link:
    link = Link(0.0, profile=profile_named("marlin"))
    link.handle_timer(0.0)
    for lines in (*IDENTITY[:1], "ok"), ("ok",), *[(T_OK.decode().strip(),)] * 2:
        link.to_send(0.0)
        link.receive("\n".join((*lines, "")).encode(), 0.0)
    assert link.is_ready
    while link.next_event() is not None:
        pass
    return link


def texts(count: int, first: int) -> list[tuple[bytes, int, int]]:
    return [(b"G1 X%d.%03d" % (at, at * 7 % 1000), at, at) for at in range(first, first + count)]


def take_long_way(link: Link, data: bytes, now: float) -> None:
    """What `receive` does without the short way: nothing is ever plain that comes with a carriage return."""
    link.receive(data.replace(b"\n", b"\r\n"), now)


def state_of(link: Link) -> dict[str, object]:
    parts = (link._window, link._patience, link._silence, link._connection)
    names = ("_link", "_patience", "_window", "window", "events", "profile")
    state = {
        f"{type(part).__name__}.{name}": repr(value)
        for part in parts
        for name, value in vars(part).items()
        if name not in names and "object at" not in repr(value)
    }
    return {**state, "deadline": link.deadline()}


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40), st.booleans())
@example([3, b"Error:checksum mismatch, Last Line: 4\nResend: 5\nok\n", 2], True)
def test_both_ways_lead_to_the_same(steps: list[object], is_wide: bool) -> None:
    short, long = ready(), ready()
    now, line = 1.0, 1
    for link in (short, long):
        if is_wide:
            link._window.lines, link._window.receive_bytes = 8, 1000
    for step in steps:
        if isinstance(step, bytes):
            short.receive(step, now)
            take_long_way(long, step, now)
        elif isinstance(step, int):
            lines = texts(step, line)
            taken = short.hand_over(lines, 0)
            for text, _, _ in lines[:taken]:
                assert long.wants_line
                long.submit(text.decode())
            assert taken == len(lines) or not long.wants_line
            line += taken
        elif isinstance(step, float):
            now += step
            for link in (short, long):
                link.handle_timer(now)
        else:
            for link in (short, long):
                if step == "M108" and link.failure is None:
                    link.send_emergency("M108")
                elif link.wants_line:
                    link.submit("M105")
        assert short.to_send(now) == long.to_send(now)
        assert state_of(short) == state_of(long)
        while (event := short.next_event()) is not None:
            assert event == long.next_event()
        assert long.next_event() is None


def test_the_short_way_is_taken() -> None:
    link = ready()
    assert link.hand_over(texts(9, 1), 0) == 3
    link.to_send(1.0)
    assert link.receive(b"ok\n", 1.0)
    assert link.receive(b"ok\nok\n", 1.0)
    assert link.is_idle
    link.hand_over(texts(9, 1), 3)
    link.to_send(1.0)
    named = b"ok N%d P15 B3\n" % link.last_number
    assert link.receive(named, 1.0)
    assert link.is_idle
    assert link.phase is LinkPhase.STREAMING


def test_a_line_that_cannot_be_sent_stops_the_rest_and_is_told_when_it_is_next() -> None:
    link = ready()
    lines = [(b"G1 X1", 1, 1), (b"G1 \\ X2", 2, 2), (b"G1 X3", 3, 3)]
    assert link.hand_over(lines, 0) == 1
    with pytest.raises(LineNotSendable, match="backslash"):
        link.hand_over(lines, 1)


@given(st.integers(0, 9_999_999), st.binary(max_size=100), st.integers(20, 95))
def test_frames_of_bytes_are_frames_of_text(number: int, text: bytes, line_chars: int) -> None:
    try:
        expected: bytes | str = numbered(number, text.decode("latin-1"), line_chars=line_chars)
    except LineNotSendable as error:
        expected = str(error)
    try:
        frame: bytes | str = numbered_plain(number, text, line_chars)
    except LineNotSendable as error:
        frame = str(error)
    assert frame == expected
