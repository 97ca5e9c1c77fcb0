"""The ok that was taken for M110's was another one's: what M110 sets back behind it is numbered anew."""

from __future__ import annotations

from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import LinkFailed, LinkReady
from gateway.protocol.marlin.link_states import LinkPhase

NAMED = b"FIRMWARE_NAME:Marlin 2.1.2\nCap:AUTOREPORT_TEMP:1\nok\n"
TOLD = b"ok T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n"
REFUSED = b"Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n"


NO_REPORTS = b"FIRMWARE_NAME:Marlin 2.1.2\nok\n"


def said(link: Link, *answers: bytes) -> bytes:
    out = b""
    for answer in answers:
        link.receive(answer, 1.0)
        out += link.to_send(1.0)
    return out


def test_a_busy_board_that_was_asked_twice() -> None:
    link = Link(0.0)
    link.handle_timer(0.0)
    link.to_send(0.0)
    assert said(link, NAMED).startswith(b"N0 M110")
    assert said(link, NAMED).startswith(b"N1 M105"), "the second M115's ok"
    assert said(link, b"ok\n", TOLD).startswith(b"N2 M155")
    assert said(link, REFUSED).startswith(b"N0 M110"), "M110 was done behind N1"
    assert link.phase is LinkPhase.NUMBERING
    assert said(link, b"ok\n").startswith(b"N1 M105")
    assert said(link, TOLD).startswith(b"N2 M155")
    said(link, b"ok\n")
    events = []
    while (event := link.next_event()) is not None:
        events.append(event)
    assert not any(isinstance(event, LinkFailed) for event in events)
    assert sum(isinstance(event, LinkReady) for event in events) == 1


def test_a_board_without_reports_gets_a_question_more_before_anything_is_at_stake() -> None:
    """The ok of M115 came twice: N1 is read before M110 is done, and that is told of line 2."""
    link = Link(0.0)
    link.handle_timer(0.0)
    link.to_send(0.0)
    assert said(link, NO_REPORTS).startswith(b"N0 M110")
    assert said(link, b"ok\n").startswith(b"N1 M105"), "the doubled ok"
    assert said(link, b"ok\n", TOLD).startswith(b"N2 M105")
    assert not link.is_ready
    assert said(link, REFUSED).startswith(b"N0 M110")
    for answer, question in ((b"ok\n", b"N1 M105"), (TOLD, b"N2 M105"), (TOLD, b"")):
        assert not link.is_ready
        assert said(link, answer).startswith(question)
    assert link.is_ready
    assert link.failure is None
