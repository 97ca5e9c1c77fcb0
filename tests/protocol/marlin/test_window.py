"""What answers prove."""

from __future__ import annotations

from gateway.protocol.marlin.framing import numbered
from gateway.protocol.marlin.replies import Ok
from gateway.protocol.marlin.window import HISTORY_LINES, REFUSALS_MAX, SendWindow, Verdict

OK = Ok()
T_OK = Ok(temperatures={"T": 20.0})


def window_with(count: int, *, lines: int = 3, markers: tuple[int, ...] = ()) -> SendWindow:
    window = SendWindow(lines=lines, receive_bytes=127)
    for number in range(1, count + 1):
        window.append(numbered(number, "G92 E0"), is_marker=number in markers)
    return window


def numbers(frames: list[bytes]) -> list[int]:
    return [int(frame.split(b" ")[0][1:]) for frame in frames]


def test_no_more_lines_than_the_window() -> None:
    window = window_with(5)
    assert numbers(window.frames_to_send()) == [1, 2, 3]
    assert window.frames_to_send() == []
    window.count_ok(OK)
    assert numbers(window.frames_to_send()) == [4]


def test_no_more_bytes_than_the_receive_buffer_but_always_one_line() -> None:
    window = SendWindow(lines=8, receive_bytes=60)
    for number in range(1, 5):
        window.append(numbered(number, "M117 " + "x" * 30))
    assert numbers(window.frames_to_send()) == [1]
    long = SendWindow(lines=8, receive_bytes=20)
    long.append(numbered(1, "M117 " + "x" * 30))
    assert len(long.frames_to_send()) == 1


def window_that_knows_its_slots(slots: int = 7) -> SendWindow:
    window = SendWindow(lines=3, receive_bytes=60)
    for number in range(1, 30):
        window.append(numbered(number, "M117 " + "x" * 30))
    for number in (1, 2):
        window.frames_to_send()
        window.learn(slots, number)
        window.count_ok(Ok(number, 15, slots))
    return window


def test_what_finds_a_free_slot_is_not_held_to_the_bytes() -> None:
    window = window_that_knows_its_slots()
    assert numbers(window.frames_to_send()) == list(range(3, 10))
    assert window.room()[1] > 1000


def test_lines_lost_with_more_bytes_than_the_buffer_bring_its_limit_back() -> None:
    window = window_that_knows_its_slots()
    window.frames_to_send()
    assert window.count_resend(3) is Verdict.REWOUND
    assert numbers(window.frames_to_send()) == [3]
    window.learn(7, 3)
    window.count_ok(Ok(3, 15, 7))
    assert numbers(window.frames_to_send()) == [4], "one line of 48 bytes fills 60, for good"
    window.learn(7, 4)
    window.count_ok(Ok(4, 15, 7))
    assert numbers(window.frames_to_send()) == [5]


def test_lines_lost_with_few_bytes_are_no_overflow() -> None:
    window = window_that_knows_its_slots()
    window.frames_to_send()
    window.count_ok(Ok(8, 15, 7))
    assert window.count_resend(9) is Verdict.REWOUND
    window.frames_to_send()
    window.count_ok(Ok(9, 15, 7))
    assert numbers(window.frames_to_send()) == list(range(10, 17))


def test_an_ok_with_a_number_answers_everything_before_it() -> None:
    window = window_with(3)
    window.frames_to_send()
    window.count_ok(Ok(3, 15, 3))
    assert window.acked == 3
    assert window.bytes_in_flight == 0


def test_a_doubled_ok_with_a_number_counts_once() -> None:
    window = window_with(3)
    window.frames_to_send()
    window.count_ok(Ok(1))
    assert not window.count_ok(Ok(1))
    assert not window.count_ok(Ok(99))
    assert window.acked == 1


def test_a_marker_wipes_out_lost_oks() -> None:
    window = window_with(3, markers=(3,))
    window.frames_to_send()
    window.count_ok(T_OK)
    assert window.acked == 3
    assert window.proven == 3


def test_a_doubled_ok_does_not_pass_a_marker() -> None:
    window = window_with(3, markers=(2,))
    window.frames_to_send()
    assert window.count_ok(OK)
    assert not window.count_ok(OK)
    assert window.acked == 1
    window.count_ok(T_OK)
    assert window.acked == 2


def test_oks_beyond_everything_sent_are_ignored() -> None:
    window = window_with(1)
    window.frames_to_send()
    assert window.count_ok(OK)
    assert not window.count_ok(OK)
    assert window.acked == 1


def test_the_ok_of_a_resend_belongs_to_no_line_and_overtakes() -> None:
    """As recorded: N4 good, N5 bad, N6 good in one write -> Error, Resend: 5, ok, and only then N4's ok."""
    window = window_with(6, lines=6)
    window.frames_to_send()
    for _ in range(3):
        window.count_ok(OK)
    assert window.count_resend(5) is Verdict.REWOUND
    assert not window.count_ok(OK)
    assert window.acked == 3
    assert window.count_ok(OK)
    assert window.acked == 4
    assert numbers(window.frames_to_send()) == [5]


def test_after_a_rewind_one_line_flies_until_it_is_answered() -> None:
    window = window_with(4, lines=4)
    window.frames_to_send()
    assert window.count_resend(1) is Verdict.REWOUND
    window.count_ok(OK)
    assert numbers(window.frames_to_send()) == [1]
    window.count_ok(OK)
    assert numbers(window.frames_to_send()) == [2, 3, 4]


def test_equal_resends_of_lines_already_under_way_are_one() -> None:
    window = window_with(4, lines=4)
    window.frames_to_send()
    assert window.count_resend(1) is Verdict.REWOUND
    assert [window.count_resend(1) for _ in range(3)] == [Verdict.REPEATED] * 3
    window.frames_to_send()
    assert window.count_resend(1) is Verdict.REWOUND


def test_a_resend_behind_what_was_answered_is_obeyed() -> None:
    """A damaged N makes the line un-numbered: `Unknown command` and ok, then the next line is refused."""
    window = window_with(5, lines=2)
    window.frames_to_send()
    window.count_ok(OK)
    window.count_ok(OK)
    window.frames_to_send()
    assert window.acked == 2
    assert window.count_resend(2) is Verdict.REWOUND
    assert window.acked == 1
    assert numbers(window.frames_to_send()) == [2]


def test_a_resend_below_what_was_proven_is_a_reset() -> None:
    window = window_with(8, markers=(4,))
    for _ in range(4):
        window.frames_to_send()
        window.count_ok(OK)
    window.frames_to_send()
    window.count_ok(T_OK)
    assert window.proven == 4
    assert window.count_resend(1) is Verdict.CONTRADICTED


def window_with_two_answers() -> SendWindow:
    """Markers 3 and 6 of 8 lines flew alone and were answered."""
    window = window_with(3, markers=(3,))
    window.frames_to_send()
    window.count_ok(T_OK)
    for number in range(4, 9):
        window.append(numbered(number, "G92 E0"), is_marker=number == 6)
    window.frames_to_send()
    window.count_ok(T_OK)
    assert (window.proven, window.done) == (6, 6)
    window.frames_to_send()
    return window


def test_a_resend_that_contradicts_only_the_newest_answer_takes_it_back() -> None:
    """`ok` and ` T:20 /0` of a report behind it read like a marker's answer; the marker came damaged."""
    window = window_with_two_answers()
    assert window.count_resend(6) is Verdict.REWOUND
    assert (window.proven, window.done) == (5, 3)
    assert numbers(window.frames_to_send()) == [6]
    window.count_ok(OK)  # of the Resend
    window.count_ok(T_OK)
    assert window.acked == 6


def test_a_resend_that_contradicts_an_older_answer_is_a_reset() -> None:
    assert window_with_two_answers().count_resend(3) is Verdict.CONTRADICTED


def test_a_board_that_asks_for_its_first_line_was_reset_however_little_was_proven() -> None:
    window = window_with(2, markers=(1,))
    window.frames_to_send()
    window.count_ok(T_OK)
    assert window.proven == 1
    assert window.count_resend(1) is Verdict.CONTRADICTED


def test_what_oks_with_numbers_proved_behind_the_answer_stays_proven() -> None:
    window = window_with_two_answers()
    window.count_ok(Ok(7))
    assert window.count_resend(6) is Verdict.CONTRADICTED


def test_a_resend_behind_the_history_is_a_reset() -> None:
    window = SendWindow(lines=3, receive_bytes=127)
    for number in range(1, HISTORY_LINES + 10):
        window.append(numbered(number, "G92 E0"))
        window.frames_to_send()
        window.count_ok(OK)
    assert window.count_resend(2) is Verdict.CONTRADICTED


def test_a_resend_of_the_next_line_misses_nothing() -> None:
    window = window_with(2)
    window.frames_to_send()
    assert window.count_resend(3) is Verdict.NOTHING_MISSING
    assert window.acked == 0, "accepted is not done"


def test_a_resend_of_a_line_never_sent_is_garbled() -> None:
    window = window_with(2)
    window.frames_to_send()
    assert window.count_resend(55) is Verdict.BEYOND


def test_one_line_refused_for_ever_ends_it() -> None:
    """Twice it goes out again at once, then only when its Resends have ended."""
    window = window_with(1)
    verdicts = []
    for refusal in range(REFUSALS_MAX + 1):
        window.frames_to_send()
        verdict = window.count_resend(1)
        if refusal >= 2:
            assert verdict is Verdict.REPEATED
            verdict = window.settle()
        verdicts.append(verdict)
    assert verdicts == [Verdict.REWOUND] * REFUSALS_MAX + [Verdict.REFUSED]


def test_resends_of_a_line_sent_twice_too_often_are_not_obeyed() -> None:
    """Prusa refuses a line that it has: `Resend:` said three times would go on for ever."""
    window = window_with(8, lines=1)
    window.frames_to_send()
    said = [window.count_resend(1)]
    for _ in range(2):
        assert numbers(window.frames_to_send()) in ([1], [])
        said.append(window.count_resend(1))
    assert said == [Verdict.REWOUND, Verdict.REWOUND, Verdict.REPEATED]
    window.count_ok(OK)  # of the Resend
    window.count_ok(OK)
    assert numbers(window.frames_to_send()) == [2]
    assert window.count_resend(2) is Verdict.REPEATED, "the refusal of a repeated line 1"
    assert window.frames_to_send() == []
    window.count_ok(OK)
    window.count_ok(OK)
    assert numbers(window.frames_to_send()) == [3]
    assert window.count_resend(3) is Verdict.REWOUND, "line 2 went out once"


def test_what_looked_like_an_echo_and_was_a_refusal_goes_out_when_it_settles() -> None:
    window = window_with(8, lines=1)
    for _ in range(2):
        window.frames_to_send()
        window.count_resend(1)
    window.frames_to_send()
    window.count_ok(OK)
    window.count_ok(OK)
    window.frames_to_send()
    assert window.count_resend(2) is Verdict.REPEATED
    assert window.settle() is Verdict.REWOUND
    assert numbers(window.frames_to_send()) == [2]


def test_a_third_line_in_a_row_that_is_refused_is_taken_for_an_echo() -> None:
    window = window_with(8, lines=1)
    said = []
    for number in (1, 2, 3):
        window.frames_to_send()
        said.append(window.count_resend(number))
        window.frames_to_send()
        window.count_ok(OK)
        window.count_ok(OK)
        assert window.acked == number
    assert said == [Verdict.REWOUND, Verdict.REWOUND, Verdict.REPEATED]


def test_settling_rewinds_once_more() -> None:
    window = window_with(3)
    window.frames_to_send()
    window.count_resend(1)
    window.frames_to_send()
    window.count_resend(1)
    assert window.settle() is Verdict.REWOUND
    assert numbers(window.frames_to_send()) == [1]


def test_a_bare_line_takes_its_own_ok() -> None:
    window = window_with(2)
    window.frames_to_send()
    window.append_bare(b"M108\n")
    for expected in (1, 2, 2):
        assert window.count_ok(OK)
        assert window.acked == expected
    assert window.in_flight == 0
    assert window.bytes_in_flight == 0


def test_one_more_passes_beyond_the_window_and_only_one() -> None:
    window = window_with(5)
    window.frames_to_send()
    window.allow(1)
    assert numbers(window.frames_to_send()) == [4]
    assert window.frames_to_send() == []


def test_the_answer_to_a_question_into_silence_is_not_taken_for_an_older_one() -> None:
    window = window_with(4, lines=4, markers=(1, 4))
    window.frames_to_send()
    assert window.count_probe_answer(4)
    assert window.acked == 4
    assert not window.count_probe_answer(4)


def test_questions_without_answers_are_forgiven_lines_are_not() -> None:
    window = window_with(3, markers=(2, 3))
    window.frames_to_send()
    assert not window.forgive({2, 3})
    window.count_ok(OK)
    assert not window.forgive({2})
    assert window.forgive({2, 3})
    assert window.in_flight == 0
    assert window.proven == 0, "forgiven is not proven: the firmware may still ask for them"
    assert window.count_resend(2) is Verdict.REWOUND


def test_an_answer_that_came_twice_proves_no_second_question() -> None:
    window = SendWindow(lines=4, receive_bytes=1000)
    for text in (b"N1 M105*1\n", b"N2 M400*1\n", b"N3 M105*1\n"):
        window.append(text, is_marker=b"M105" in text)
    window.frames_to_send()
    told = Ok(temperatures={"T": 20.0})
    window.count_ok(told)
    assert (window.acked, window.proven, window.done) == (1, 1, 1)
    window.count_ok(told)  # the same line again
    assert (window.acked, window.proven, window.done) == (3, 1, 1), "counted, and M400 may be at work"
    window.append(b"N4 M105*1\n", is_marker=True)
    window.frames_to_send()
    window.count_ok(told)
    assert (window.acked, window.proven, window.done) == (4, 4, 4)
