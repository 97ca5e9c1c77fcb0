"""What is believed of the answers to the question for the position."""

from __future__ import annotations

from gateway.protocol.marlin.asking import (
    ANSWER_SECONDS,
    QUESTIONS_MAX,
    QUIET_SECONDS,
    SILENCES,
    PositionQuestion,
    Step,
)


class Asked:
    """A question, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.question = PositionQuestion(self.now)
        self.asked = 0

    def until_step(self) -> Step:
        """Let time pass to the next thing to do; asking is done."""
        self.now = max(self.now, self.question.deadline)
        step = self.question.due(self.now)
        if step is Step.ASK:
            self.question.asked(self.now)
            self.asked += 1
        return step

    def answer(self, last_line: int | None, resend: int, after: float = 0.01) -> None:
        self.now += after
        self.question.hear_error(last_line)
        self.question.hear_resend(resend, self.now)


def test_two_equal_answers_are_believed_and_one_is_not() -> None:
    it = Asked()
    assert it.until_step() is Step.ASK
    it.answer(56, 57)
    assert it.question.due(it.now) is Step.WAIT, "quiet first"
    assert it.until_step() is Step.ASK
    it.answer(56, 57)
    began = it.now
    assert it.until_step() is Step.TOLD
    assert it.now - began >= QUIET_SECONDS
    assert (it.question.last_line, it.asked) == (56, 2)


def test_answers_that_differ_begin_anew() -> None:
    it = Asked()
    for last_line in (55, 56, 57):
        assert it.until_step() is Step.ASK
        it.answer(last_line, last_line + 1)
    assert it.until_step() is Step.ASK
    it.answer(57, 58)
    assert it.until_step() is Step.TOLD
    assert it.question.last_line == 57


def test_two_refusals_behind_one_question_are_one_answer() -> None:
    it = Asked()
    it.until_step()
    it.answer(56, 57)
    it.answer(56, 57)
    assert it.until_step() is Step.ASK
    it.answer(56, 57)
    assert it.until_step() is Step.TOLD


def test_refusals_behind_one_question_that_differ_are_none() -> None:
    it = Asked()
    it.until_step()
    it.answer(56, 57)
    it.answer(57, 58)
    for _ in range(2):
        assert it.until_step() is Step.ASK
        it.answer(57, 58)
    assert it.until_step() is Step.TOLD


def test_a_garbled_answer_is_none() -> None:
    it = Asked()
    for last_line, resend in ((56, 57), (None, 57), (56, 67), (5, 57)):
        assert it.until_step() is Step.ASK
        it.answer(last_line, resend)
    for _ in range(2):
        assert it.until_step() is Step.ASK
        it.answer(56, 57)
    assert it.until_step() is Step.TOLD


def test_silence_is_asked_into_ever_more_rarely_and_ends() -> None:
    it = Asked()
    while (step := it.until_step()) is Step.ASK:
        pass
    assert step is Step.GIVE_UP
    assert it.asked == len(SILENCES)
    assert it.now == 100.0 + sum(SILENCES)


def test_a_firmware_at_work_is_waited_for() -> None:
    it = Asked()
    it.until_step()
    for _ in range(600):
        it.now += 2.0
        it.question.hear_work(it.now)
        assert it.question.due(it.now) is Step.WAIT
    assert it.asked == 1
    it.answer(56, 57)
    assert it.until_step() is Step.ASK


def test_a_resend_that_is_said_for_ever_is_given_up() -> None:
    it = Asked()
    began = it.now
    while (step := it.question.due(it.now)) is not Step.GIVE_UP:
        if step is Step.ASK:
            it.question.asked(it.now)
            it.asked += 1
        it.now += 0.2
        it.question.hear_resend(138, it.now)
    assert it.asked == QUESTIONS_MAX
    assert it.now - began < 2 * QUESTIONS_MAX * ANSWER_SECONDS


def test_noise_for_ever_is_given_up() -> None:
    it = Asked()
    while (step := it.until_step()) is Step.ASK:
        it.answer(it.asked, it.asked + 5)
    assert step is Step.GIVE_UP
    assert it.asked == QUESTIONS_MAX
