"""The link against forty lines of Marlin, with every cut of the bytes and every small misfortune."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.handshake import IDENTIFY_SECONDS
from gateway.protocol.marlin.incoming import EVENTS_MAX, REPLY_BYTES_MAX
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import LinkFailed, LinkNotReady, LinkReady
from gateway.protocol.marlin.link_states import TRANSITIONS, LinkPhase, Signal
from gateway.protocol.marlin.profile import profile_named
from gateway.protocol.marlin.replies import Temperature
from tests.protocol.marlin.tiny_firmware import TinyFirmware

Spoil = Callable[[str], list[str]]


class Duet:
    """A link and a firmware, joined by hand; time moves only when neither has anything to say."""

    def __init__(self, firmware: TinyFirmware | None = None, **options: object) -> None:
        self.firmware = firmware or TinyFirmware()
        self.now = 100.0
        self.link = Link(self.now, **options)  # type: ignore[arg-type]
        self.events: list[object] = []
        self.spoil_reply: Spoil = lambda line: [line]
        self.spoil_write: Callable[[bytes], bytes] = lambda written: written

    def turn(self) -> bool:
        """One exchange. False when both are silent."""
        written = self.link.to_send(self.now)
        replies = self.firmware.receive(self.spoil_write(written)) if written else []
        for reply in replies:
            for line in self.spoil_reply(reply):
                self.link.receive(line.encode() + b"\n", self.now)
        self.collect()
        return bool(written)

    def collect(self) -> None:
        while (event := self.link.next_event()) is not None:
            self.events.append(event)

    def settle(self, limit: int = 400) -> None:
        """Exchange until silence; then let the clock run to the next deadline, until there is none."""
        for _ in range(limit):
            if self.turn():
                continue
            due = self.link.deadline()
            if due is None:
                return
            self.now = max(self.now, due)
            self.link.handle_timer(self.now)
            self.collect()
        raise AssertionError("the duet never settled")

    def hear(self, *lines: str) -> None:
        for line in lines:
            self.link.receive(line.encode() + b"\n", self.now)
        self.collect()

    @property
    def failure(self) -> LinkFailed | None:
        return next((event for event in self.events if isinstance(event, LinkFailed)), None)


def ready(firmware: TinyFirmware | None = None, **options: object) -> Duet:
    duet = Duet(firmware, **options)
    duet.settle()
    assert duet.link.is_ready
    duet.events.clear()
    return duet


def stream(duet: Duet, count: int, limit: int = 20_000) -> list[str]:
    """Stream `count` lines with the window always full; returns what was meant to be executed."""
    texts = [f"G1 X{index}" for index in range(count)]
    waiting = iter(texts)
    pending = next(waiting, None)
    for _ in range(limit):
        while pending is not None and duet.link.wants_line:
            duet.link.submit(pending)
            pending = next(waiting, None)
        if duet.turn() or duet.failure:
            if duet.failure:
                break
            continue
        due = duet.link.deadline()
        if due is None:
            if pending is None:
                break
            continue
        duet.now = max(duet.now, due)
        duet.link.handle_timer(duet.now)
        duet.collect()
    return texts


def test_the_table_is_total() -> None:
    assert set(TRANSITIONS) == set(LinkPhase)
    for phase, row in TRANSITIONS.items():
        assert set(row) == set(Signal), phase
    assert set(TRANSITIONS[LinkPhase.FAILED].values()) == {LinkPhase.FAILED}


def test_the_handshake_names_numbers_and_asks_for_reports() -> None:
    duet = Duet()
    duet.settle()
    assert duet.firmware.received == ["M115", "N0 M110 N0*125", "N1 M105*38", "N2 M155 S2*97"]
    event = next(event for event in duet.events if isinstance(event, LinkReady))
    assert event.firmware.startswith("Marlin 2.1.2")
    assert event.machine == "SimRap 1.4"
    assert event.profile.name == "marlin"
    assert event.is_numbered


def test_in_mid_print_of_another_no_number_is_touched() -> None:
    duet = ready(may_number=False)
    duet.link.ask("M105")
    duet.settle()
    assert duet.firmware.received == ["9999", "M115", "M105"], "and half a command is spoilt"
    assert any(isinstance(event, Temperature) for event in duet.events)
    with pytest.raises(LinkNotReady):
        duet.link.submit("G28")
    duet.link.begin_numbering(duet.now)
    duet.settle()
    assert duet.firmware.received[3:6] == ["9999", "N0 M110 N0*125", "N1 M105*38"]
    assert duet.link.is_ready


def test_nobody_answers() -> None:
    duet = Duet()
    duet.spoil_reply = lambda line: []
    duet.settle()
    assert duet.failure is not None
    assert duet.failure.reason is FailureReason.NO_ANSWER
    assert duet.now - 100.0 >= IDENTIFY_SECONDS
    assert "baud" in duet.failure.message


def test_wrong_baud_rate() -> None:
    duet = Duet()
    duet.spoil_reply = lambda line: ["\x80\xfe" + line[:3]]
    duet.settle()
    assert duet.failure is not None
    assert duet.failure.reason is FailureReason.NOT_UNDERSTOOD


def test_a_board_that_resets_on_opening_is_asked_again_after_start() -> None:
    duet = Duet()
    duet.link.to_send(duet.now)
    duet.link.handle_timer(duet.now)
    assert duet.link.to_send(duet.now) == b"\nM115\n"
    duet.now += 1.9
    duet.hear("start", "echo:Marlin 2.1.2")
    assert duet.link.deadline() == pytest.approx(duet.now + 0.5)
    duet.settle()
    assert duet.link.is_ready


def test_number_lines_are_refused_at_first() -> None:
    """The line counter of another host is still in the firmware, and its M110 gets lost."""
    duet = Duet()
    duet.firmware.last_line = 57
    losses = iter([True])

    def lose_m110(written: bytes) -> bytes:
        if b"M110" in written and next(losses, False):
            return written.replace(b"N0 M110 N0*125\n", b"")
        return written

    duet.spoil_write = lose_m110
    duet.settle()
    assert duet.link.is_ready
    assert stream(duet, 5) == duet.firmware.executed[-5:]


def test_lines_go_once_and_in_order() -> None:
    duet = ready()
    texts = stream(duet, 50)
    assert [text for text in duet.firmware.executed if text.startswith("G1")] == texts
    assert duet.link.is_idle


def test_one_lost_ok_in_a_window_stops_nothing() -> None:
    duet = ready()
    losses = iter([False, True])
    duet.spoil_reply = lambda line: [] if line == "ok" and next(losses, False) else [line]
    start = duet.now
    texts = stream(duet, 30)
    assert duet.firmware.executed[-30:] == texts
    assert duet.link.is_idle
    assert duet.now - start < 4.0, "only the end of the job needs a question"


def test_a_lost_ok_with_one_line_in_flight_is_asked_about_and_never_repeated() -> None:
    duet = ready(profile=profile_named("prusa"))
    losses = iter([False, True])
    duet.spoil_reply = lambda line: [] if line == "ok" and next(losses, False) else [line]
    texts = stream(duet, 6)
    assert duet.firmware.executed[-6:] == texts
    assert duet.link.probes == 1
    numbers = [line.split()[0] for line in duet.firmware.received if line.startswith("N")]
    assert len(numbers) == len(set(numbers))


def test_a_lost_line_is_found_by_the_question() -> None:
    duet = ready(profile=profile_named("prusa"))
    losses = iter([True])
    duet.spoil_write = lambda written: b"" if b"G1 X3*" in written and next(losses, False) else written
    texts = stream(duet, 6)
    assert duet.firmware.executed[-6:] == texts


def test_a_damaged_number_is_repaired_from_behind_what_was_answered() -> None:
    duet = ready()
    losses = iter([True])

    def spoil(written: bytes) -> bytes:
        if b"N5 " in written and next(losses, False):
            return written.replace(b"N5 ", b"O5 ")
        return written

    duet.spoil_write = spoil
    texts = stream(duet, 20)
    assert [text for text in duet.firmware.executed if text.startswith("G1")] == texts


def test_a_busy_firmware_is_waited_for() -> None:
    duet = ready()
    duet.link.submit("G28")
    duet.link.to_send(duet.now)
    for _ in range(300):
        duet.now += 2.0
        duet.hear("echo:busy: processing")
        duet.link.handle_timer(duet.now)
        assert duet.link.to_send(duet.now) == b""
    assert duet.failure is None


def test_silence_ends_in_a_named_failure() -> None:
    duet = ready()
    duet.link.submit("G28")
    duet.spoil_write = lambda written: b""
    duet.settle()
    assert duet.failure is not None
    assert duet.failure.reason is FailureReason.WENT_SILENT
    assert duet.link.probes <= 4


def test_reports_of_an_idle_board_do_not_hide_a_lost_ok() -> None:
    duet = ready()
    duet.link.submit("G28")
    duet.link.to_send(duet.now)
    duet.now += 2.0
    duet.hear(" T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0")
    due = duet.link.deadline()
    assert due is not None
    assert due <= duet.now + 1.0


def test_wait_with_lines_in_flight_asks_at_once() -> None:
    duet = ready()
    duet.link.submit("G28")
    duet.link.to_send(duet.now)
    duet.now += 1.0
    duet.hear("wait")
    assert b"M105" in duet.link.to_send(duet.now)


def test_wait_is_no_ok() -> None:
    duet = ready()
    duet.link.submit("G28")
    duet.link.to_send(duet.now)
    acked = duet.link.acked
    duet.hear("wait")
    assert duet.link.acked == acked


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["start"], FailureReason.RESTARTED),
        (["Error:Printer halted. kill() called!"], FailureReason.KILLED),
        (["echo:M112 Shutdown", "Error:Printer halted. kill() called!"], FailureReason.KILLED),
        (["Error:MINTEMP triggered, system stopped! Heater_ID: E0"], FailureReason.THERMAL),
        (
            ["Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok"],
            FailureReason.POSITION_LOST,
        ),
    ],
)
def test_ends_by_name_in_the_firmwares_words(lines: list[str], reason: FailureReason) -> None:
    duet = ready()
    stream(duet, 20)
    duet.hear(*lines)
    assert duet.failure is not None
    assert duet.failure.reason is reason
    assert duet.failure.message
    duet.hear("ok", "Resend: 1", "start")
    assert duet.link.to_send(duet.now) == b""
    assert duet.link.deadline() is None


def test_garbled_digits_in_a_resend_are_not_believed() -> None:
    duet = ready()
    stream(duet, 20)
    duet.hear("Error:checksum mismatch, Last Line: 22", "Resend: 3", "ok")
    assert duet.failure is None


def test_a_line_refused_for_ever() -> None:
    duet = ready()
    duet.spoil_write = lambda written: written.replace(b"G1 X7*", b"G1 Y7*")
    stream(duet, 20)
    assert duet.failure is not None
    assert duet.failure.reason is FailureReason.LINE_REFUSED


def test_emergency_commands_are_bare_and_first() -> None:
    duet = ready()
    for index in range(3):
        duet.link.submit(f"G1 X{index}")
    duet.link.send_emergency("M112")
    assert duet.link.to_send(duet.now).startswith(b"M112\n")
    for command in ("G28", "M876", "M876 S12", "M876 P1", "M112 "):
        with pytest.raises(ValueError, match="no emergency"):
            duet.link.send_emergency(command)


def test_a_prompt_is_answered_past_a_full_window() -> None:
    duet = ready()
    for index in range(3):
        duet.link.submit(f"G1 X{index}")
    assert duet.link.to_send(duet.now).count(b"\n") == 3
    duet.link.send_emergency("M876 S1")
    assert duet.link.to_send(duet.now) == b"M876 S1\n"
    assert duet.link.has_sent("M876 S1"), "an older firmware calls it unknown: no damage on the line"


def test_a_halted_board_is_left_alone_until_it_boots() -> None:
    duet = Duet(is_halted=True)
    assert duet.link.deadline() is None
    assert duet.link.to_send(duet.now) == b""
    duet.hear("ok", "garbage")
    assert duet.link.to_send(duet.now) == b""
    duet.hear("start")
    duet.settle()
    assert duet.link.is_ready


def test_advanced_ok_widens_the_window() -> None:
    duet = ready()
    duet.hear("ok P15 B7", "ok P15 B77")
    assert duet.link._window.lines == 3
    duet.hear("ok P15 B7", "ok P15 B7")
    for index in range(10):
        if duet.link.wants_line:
            duet.link.submit(f"G1 X{index}")
            duet.link.to_send(duet.now)
    assert duet.link.last_number - duet.link.acked == 7


def bad_line(rng: random.Random, rate: float) -> tuple[Callable[[bytes], bytes], Spoil]:
    def write(written: bytes) -> bytes:
        out = bytearray(written)
        for index in range(len(out)):
            if rng.random() < rate / 20 and 0x30 <= out[index] <= 0x39:
                out[index] = out[index] ^ 1  # a digit for another: the checksum sees it
        return bytes(out)

    def reply(line: str) -> list[str]:
        if line == "ok":
            roll = rng.random()
            if roll < rate:
                return []
            if roll < 2 * rate:
                return ["ok", "ok"]
        return [line]

    return write, reply


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("advanced_ok", [False, True])
@pytest.mark.parametrize("drops_buffer", [False, True])
def test_a_bad_line_loses_and_doubles_nothing(seed: int, advanced_ok: bool, drops_buffer: bool) -> None:
    duet = ready(TinyFirmware(advanced_ok=advanced_ok, drops_buffer=drops_buffer))
    rng = random.Random(seed)
    duet.spoil_write, duet.spoil_reply = bad_line(rng, rate=0.05)
    texts = stream(duet, 60)
    assert duet.failure is None
    assert [text for text in duet.firmware.executed if text.startswith("G1")] == texts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    recorded = (
        b"start\nMarlin 2.1.2\nFIRMWARE_NAME:Marlin 2.1.2 PROTOCOL_VERSION:1.0\nCap:SDCARD:0\nok P15 B7\n"
        b" T:24.45 /80.00 B:19.37 /0.00 @:127 B@:0 W:?\r\necho:busy: processing\n//action:paused\n\xff\xfe\n"
    )
    whole, pieces = Link(0.0), Link(0.0)
    whole.receive(recorded, 1.0)
    position, turn = 0, 0
    while position < len(recorded):
        step = cuts[turn % len(cuts)]
        pieces.receive(recorded[position : position + step], 1.0)
        position, turn = position + step, turn + 1
    expected, heard = [], []
    while (event := whole.next_event()) is not None:
        expected.append(event)
    while (event := pieces.next_event()) is not None:
        heard.append(event)
    assert heard == expected
    assert whole.phase is pieces.phase


FRAGMENTS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"ok\n", b"ok N3 P1 B3\n", b"ok T:1 /2\n", b"Resend: 3\n", b"Resend: 999999999\n", b"rs N1\n",
            b"Error:checksum mismatch, Last Line: 2\n", b"start\n", b"wait\n", b"echo:busy: processing\n",
            b"ok B99999999999999999999\n", b"FIRMWARE_NAME:Marlin\nok\n", b"x" * 5000, b"\n" * 50,
        ]
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS, max_size=60), st.booleans())
def test_any_bytes_are_events_or_a_named_failure_in_bounded_memory(pieces: list[bytes], is_up: bool) -> None:
    duet = ready() if is_up else Duet()
    link = duet.link
    for piece in pieces:
        if link.wants_line:
            link.submit("G1 X1")
        link.receive(piece, duet.now)
        link.to_send(duet.now)
        duet.now += 0.7
        link.handle_timer(duet.now)
        assert len(link._reader) <= REPLY_BYTES_MAX
        assert len(link._connection.events) <= 2 * EVENTS_MAX
        assert (link.failure is None) == (link.phase is not LinkPhase.FAILED)


def test_events_nobody_fetches_stay_bounded() -> None:
    duet = ready()
    for _ in range(100):
        duet.link.receive(b" T:20.0 /0.0\n//action:x\n" * 100, duet.now)
    assert len(duet.link._connection.events) <= 2 * EVENTS_MAX
    duet.link.receive(b"start\n", duet.now)
    events = []
    while (event := duet.link.next_event()) is not None:
        events.append(event)
    assert isinstance(events[-1], LinkFailed)
