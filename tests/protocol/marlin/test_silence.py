"""What silence, a late answer and a slow printer mean to the link; time moves only by hand."""

from __future__ import annotations

import itertools

import pytest

from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.handshake import (
    ASK_SECONDS,
    IDENTIFY_SECONDS,
    NAMELESS_OKS,
    NUMBER_SECONDS,
    NUMBER_SECONDS_MAX,
    NUMBER_TRIES,
)
from gateway.protocol.marlin.incoming import REPLY_BYTES_MAX, LineReader
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import LinkReady
from gateway.protocol.marlin.link_states import LinkPhase
from gateway.protocol.marlin.patience import MARKER_SECONDS, PROBES_MAX, REASON_SECONDS
from gateway.protocol.marlin.silence import IDLE_QUESTIONS_MAX, NEXT_ANSWER_SECONDS
from tests.protocol.marlin.tiny_firmware import IDENTITY, TinyFirmware

T_OK = "ok T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0"


class Talk:
    """A link, a clock that is set by hand, and what went out."""

    def __init__(self, **options: object) -> None:
        self.now = 0.0
        self.link = Link(0.0, **options)  # type: ignore[arg-type]
        self.sent: list[str] = []
        self.flush()

    def flush(self) -> list[str]:
        """The lines that go out now."""
        new = [line for line in self.link.to_send(self.now).decode().splitlines() if line]
        self.sent += new
        return new

    def hear(self, *lines: str) -> list[str]:
        for line in lines:
            self.link.receive(line.encode() + b"\n", self.now)
        return self.flush()

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, timer by timer."""
        end, before = self.now + seconds, len(self.sent)
        while (due := self.link.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.link.handle_timer(self.now)
            self.flush()
        self.now = end
        return self.sent[before:]

    def ready(self) -> Talk:
        """Through the handshake, with a firmware that has no reports to offer."""
        self.wait(0.01)
        self.hear(*(line.replace("TEMP:1", "TEMP:0") for line in IDENTITY), "ok")
        self.hear("ok")
        self.hear(T_OK)
        self.hear(T_OK)
        assert self.link.is_ready
        return self

    def submit(self, *texts: str) -> list[str]:
        for text in texts:
            self.link.submit(text)
        return self.flush()

    @property
    def failure(self) -> FailureReason | None:
        return self.link.failure.reason if self.link.failure else None


def words(line: str) -> str:
    """The command of a frame."""
    return line.partition(" ")[2].rpartition("*")[0]


# -- a question into silence -------------------------------------------------------------------------------


def test_a_late_answer_to_an_old_question_proves_no_younger_line() -> None:
    """A board that hung for some seconds answers everything, in order: the first answer is the oldest's."""
    talk = Talk().ready()
    talk.submit("M105", "M400", "M105")
    first, last = talk.link.last_number - 2, talk.link.last_number
    assert [words(line) for line in talk.wait(3.5)] == ["M105"]
    talk.hear(T_OK)
    assert (talk.link.acked, talk.link.proven) == (first, first)
    talk.now += 2.0
    talk.hear("echo:busy: processing")
    talk.wait(2.5)
    assert talk.link.acked == first, "M400 still runs"
    talk.hear("ok", T_OK)
    assert talk.link.acked >= last


def test_an_answer_with_silence_behind_it_was_the_questions_own() -> None:
    """Of two markers one after the other only one is answered: not both answers are still on their way."""
    talk = Talk().ready()
    talk.submit("M105")
    proven = talk.link.proven
    (question,) = talk.wait(MARKER_SECONDS)
    assert question == f"N{talk.link.last_number} M105*{question.rpartition('*')[2]}"
    talk.hear(T_OK)
    assert not talk.link.is_idle
    talk.wait(NEXT_ANSWER_SECONDS)
    assert talk.link.is_idle
    assert talk.link.proven == proven + 1, "only one was answered"


def test_oks_in_place_of_a_markers_answer_are_those_of_the_lines_behind_it() -> None:
    """The answer to the marker got lost: what came instead counts as soon as it cannot come any more."""
    talk = Talk().ready()
    talk.submit("M105", "G1 X1", "G1 X2")
    proven = talk.link.proven
    talk.hear("ok", "ok")
    assert talk.link.acked == proven
    assert talk.wait(REASON_SECONDS) == []
    assert talk.link.is_idle
    assert talk.link.wants_marker(0.0), "to know for sure"
    talk.hear(f"Error:checksum mismatch, Last Line: {proven + 1}", f"Resend: {proven + 2}", "ok")
    assert talk.failure is None, "believed is not proven: the firmware gets what it asks for"
    assert [words(line) for line in talk.sent[-1:]] == ["G1 X1"]


@pytest.mark.parametrize(
    "sign", ["echo:busy: processing", " T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0 W:?", "//action:x"]
)
def test_one_question_at_most_while_there_are_signs_of_work(sign: str) -> None:
    """It waits behind the command: when that one's ok gets lost, its answer tells at once."""
    talk = Talk().ready()
    talk.hear("echo:busy: processing")
    talk.submit("G29")
    for _ in range(600):
        talk.wait(2.0)
        talk.hear(sign)
    assert talk.failure is None
    assert [words(line) for line in talk.sent[-2:]] == ["G29", "M105"]
    talk.hear(T_OK)
    assert talk.link.is_idle


def test_no_question_takes_the_slot_of_an_emergency_stop_while_there_are_signs_of_work() -> None:
    talk = Talk().ready()
    talk.submit("G29", "G1 X1", "G1 X2")
    for _ in range(600):
        assert talk.wait(2.0) == []
        talk.hear("echo:busy: processing")
    assert talk.link.probes == 0


def test_no_question_while_it_heats() -> None:
    talk = Talk().ready()
    talk.submit("M109 S200")
    for _ in range(600):
        assert talk.wait(1.0) == []
        talk.hear(" T:20.0 /200.0 B:20.0 /0.0 @:127 B@:0 W:?")
    assert talk.link.probes == 0


def test_questions_grow_rarer_and_then_the_link_is_given_up() -> None:
    talk = Talk().ready()
    talk.submit("G28")
    asked: list[float] = []
    while talk.failure is None:
        asked += [talk.now] * len(talk.wait(1.0))
    assert len(asked) == PROBES_MAX
    waits = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert waits == sorted(waits)
    assert talk.failure is FailureReason.WENT_SILENT
    assert 180 <= talk.now <= 182
    assert "G28" in [words(line) for line in talk.sent]
    assert [words(line) for line in talk.sent].count("G28") == 1, "never repeated because of silence"


def test_a_firmware_that_only_says_wait_is_asked_and_at_last_given_up() -> None:
    talk = Talk().ready()
    talk.submit("G1 X1")
    for _ in range(IDLE_QUESTIONS_MAX + 5):
        talk.wait(1.0)
        talk.hear("wait")
    assert talk.failure is FailureReason.WENT_SILENT
    questions = [line for line in talk.sent if words(line) == "M105"]
    assert IDLE_QUESTIONS_MAX / 2 <= len(questions) <= IDLE_QUESTIONS_MAX + 6


def test_one_answer_among_many_waits_is_enough() -> None:
    talk = Talk().ready()
    talk.submit("G1 X1", "G1 X2", "G1 X3")
    for _ in range(20):
        talk.wait(1.0)
        talk.hear("wait")
    talk.hear(T_OK)
    talk.wait(5.0)
    assert talk.failure is None
    assert talk.link.wants_line


def test_the_retry_of_a_question_passes_a_window_full_of_lost_oks() -> None:
    talk = Talk().ready()
    talk.submit("G1 X1", "G1 X2", "G1 X3")
    (question,) = talk.wait(3.5)
    last = talk.link.last_number
    again = talk.hear(f"Error:checksum mismatch, Last Line: {last - 1}", f"Resend: {last}", "ok")
    assert again == [question], "at once, not after the next silence"


# -- the handshake of a slow printer -----------------------------------------------------------------------


def test_a_heating_printer_is_waited_for_as_a_busy_one_is() -> None:
    talk = Talk()
    talk.wait(0.01)
    for _ in range(300):
        talk.wait(1.0)
        talk.hear(" T:24.45 /200.00 B:19.37 /0.00 @:127 B@:0 W:?")
    assert talk.failure is None
    assert talk.sent.count("M115") <= 2, "asking on would only fill its receive buffer"


def test_reports_of_an_idle_board_show_that_the_baud_rate_is_right() -> None:
    talk = Talk()
    for _ in range(40):
        talk.wait(1.0)
        talk.hear(" T:24.45 /0.00 B:19.37 /0.00 @:0 B@:0")
    assert talk.failure is FailureReason.NO_ANSWER
    noise = Talk()
    for _ in range(40):
        noise.wait(1.0)
        noise.hear("\u00fe\u00fe")
    assert noise.failure is FailureReason.NOT_UNDERSTOOD


def test_oks_that_were_left_over_do_not_make_the_firmware_unknown() -> None:
    talk = Talk()
    talk.wait(0.01)
    talk.hear(*["ok"] * 7, "ok N55 P3 B3", T_OK)
    assert talk.link.phase is LinkPhase.IDENTIFYING
    talk.hear(*IDENTITY, "ok")
    assert talk.link.profile.name == "marlin"


def test_a_firmware_without_a_name_is_known_as_such_by_its_oks() -> None:
    talk = Talk()
    talk.wait(0.01)
    for _ in range(NAMELESS_OKS):
        talk.hear("ok")
        talk.wait(ASK_SECONDS)
    assert talk.link.phase is LinkPhase.NUMBERING
    assert talk.now < IDENTIFY_SECONDS
    assert talk.link.profile.name == "unknown"
    other = Talk()
    other.wait(0.01)
    other.hear('echo:Unknown command: "M115"', "ok")
    assert other.link.phase is LinkPhase.NUMBERING, "it said so itself"


@pytest.mark.parametrize("delay", [0.0, 3.0, 9.0, 25.0])
def test_numbering_behind_slow_moves(delay: float) -> None:
    """Each answer comes `delay` seconds late; what was sent meanwhile is answered too, in order."""
    firmware = TinyFirmware()
    talk = Talk()
    pending: list[tuple[float, str]] = []
    handed = 0
    for _ in range(4000):
        talk.wait(0.1)
        for line in talk.sent[handed:]:
            pending += [(talk.now + delay, reply) for reply in firmware.receive(line.encode() + b"\n")]
        handed = len(talk.sent)
        while pending and pending[0][0] <= talk.now:
            talk.hear(pending.pop(0)[1])
        if talk.link.is_ready or talk.failure:
            break
    assert talk.failure is None
    assert talk.link.is_ready
    assert firmware.last_line == talk.link.last_number


def test_numbers_that_are_never_taken_end_in_a_named_failure() -> None:
    talk = Talk()
    talk.wait(0.01)
    talk.hear(*IDENTITY, "ok")
    talk.wait(1000.0)
    assert talk.failure is FailureReason.NUMBERS_NOT_ACCEPTED
    assert sum("M110" in line for line in talk.sent) == NUMBER_TRIES
    whole = sum(min(NUMBER_SECONDS * 2**index, NUMBER_SECONDS_MAX) for index in range(NUMBER_TRIES))
    assert whole == 120.0, "two minutes"


def test_a_silence_in_the_middle_of_the_handshake_does_not_end_it() -> None:
    """The answer to a report's question gets lost: the next question is asked all the same."""
    talk = Talk()
    talk.wait(0.01)
    talk.hear(*IDENTITY, "Cap:SDCARD:1", "Cap:AUTOREPORT_SD_STATUS:1", "ok")
    talk.hear("ok")
    assert [words(line) for line in talk.hear(T_OK)] == ["M155 S2"]
    talk.wait(3.5)
    assert talk.link.phase is LinkPhase.PROBING
    talk.hear("ok", T_OK)
    talk.hear("Not SD printing", "ok", "ok")
    talk.wait(4.0)
    talk.hear(T_OK)
    talk.hear("ok")
    assert [words(line) for line in talk.sent if "M27" in line] == ["M27", "M27 S2"]
    talk.wait(4.0)
    talk.hear(T_OK, "ok")
    talk.wait(10.0)
    assert talk.link.is_ready


def test_a_board_with_noise_before_its_start_leaves_the_halt() -> None:
    talk = Talk(is_halted=True)
    talk.hear(
        "Error:Printer halted. kill() called!", "Error:MINTEMP triggered, system stopped! Heater_ID: E0"
    )
    assert talk.failure is None, "the last words of a board that is known to have stopped"
    talk.link.receive(b"\x00\xfe\x80start\n", talk.now)
    assert "M115" in talk.wait(1.0)


# -- Klipper's pseudo-terminal -----------------------------------------------------------------------------


def klipper() -> Talk:
    talk = Talk()
    talk.wait(0.01)
    talk.hear("ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:?")
    talk.hear("ok")
    talk.hear("ok B:21.6 /0.0 T0:61.0 /80.0")
    assert talk.link.is_ready
    assert talk.link.profile.name == "klipper"
    return talk


def test_klipper_is_known_by_the_answer_in_its_ok_and_gets_one_line_at_a_time() -> None:
    talk = klipper()
    assert [line for line in talk.sent if "M155" in line or "M27" in line] == []
    talk.link.submit("G28")
    talk.flush()
    assert not talk.link.wants_line
    for _ in range(40):
        talk.hear("B:21.6 /0.0 T0:61.0 /80.0")
        talk.wait(0.25)
    assert talk.link.probes == 1
    talk.hear("ok", "ok B:21.6 /0.0 T0:61.0 /80.0")
    assert talk.link.wants_line


def test_what_klipper_says_of_its_state_is_a_halt_and_a_restart() -> None:
    talk = klipper()
    talk.hear("// Klipper state: Shutdown")
    assert talk.failure is FailureReason.KILLED
    again = klipper()
    again.hear("// Klipper state: Disconnect")
    assert again.failure is None
    again.hear("// Klipper state: Ready")
    assert again.failure is FailureReason.RESTARTED
    halted = Talk(is_halted=True)
    halted.hear("// Klipper state: Ready")
    assert halted.link.phase is LinkPhase.IDENTIFYING


def test_stale_output_of_klipper_at_the_opening_is_no_handshake() -> None:
    """What it said while nobody listened is still in the pseudo-terminal."""
    talk = Talk()
    talk.hear("ok", "echo: stale", "ok", "ok B:21.6 /0.0 T0:61.0 /80.0", "// Klipper state: Ready")
    assert talk.link.phase is LinkPhase.IDENTIFYING
    talk.wait(1.0)
    talk.hear("ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:?")
    assert talk.link.profile.name == "klipper"


@pytest.mark.parametrize(
    ("word", "is_ours"),
    [
        ("M9876", True),
        ("m9876 s1", True),
        ("M9876 S1 X", False),
        ("O4 G92 E0", False),
        ("M115", True),
        ("N9", False),
    ],
)
def test_an_unknown_command_is_ours_or_damage(word: str, is_ours: bool) -> None:
    talk = Talk().ready()
    talk.submit("G92 E0", "M9876 S1")
    assert talk.link.has_sent(word) is is_ours


# -- lines out of bytes ------------------------------------------------------------------------------------


def test_a_line_without_end_is_dropped_and_the_next_one_heard() -> None:
    reader = LineReader()
    assert list(reader.feed(b"ok\npart")) == [b"ok"]
    for _ in range(50):
        assert list(reader.feed(b"x" * 1000)) == []
        assert len(reader) <= REPLY_BYTES_MAX
    assert list(reader.feed(b"end of it\nok N1\n")) == [b"ok N1"]
    assert list(reader.feed(b"y" * (REPLY_BYTES_MAX + 1) + b"\nok N2\n")) == [b"ok N2"]
    assert list(reader.feed(b"half")) == []
    reader.forget()
    assert list(reader.feed(b"ok N3\n")) == [b"ok N3"]


def test_ready_is_said_once_and_names_the_machine() -> None:
    talk = Talk().ready()
    events = []
    while (event := talk.link.next_event()) is not None:
        events.append(event)
    ready = [event for event in events if isinstance(event, LinkReady)]
    assert len(ready) == 1
    assert (ready[0].machine, ready[0].is_numbered) == ("SimRap 1.4", True)
