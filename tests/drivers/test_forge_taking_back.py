"""What a printer has not fetched yet: it is taken back when it is called off, and when it is too old.

Outcomes of what was taken back come in the next turn of the loop (`ForgeStand.turn`), as the hub tells them.
"""

from __future__ import annotations

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.drivers.forge.asked import RECALL_SECONDS
from gateway.drivers.forge.caller import CALLED_OFF, NOT_REACHED
from gateway.drivers.forge.prints import OVER_KEPT
from gateway.protocol.bayeux.outcome import Outcome
from tests.support.forge_stand import EMBER, JOB, LOCAL, MARK, ForgeStand


def test_a_cancel_takes_back_a_start_that_was_not_fetched() -> None:
    stand = ForgeStand()
    stand.start()
    stand.cancel()
    assert stand.messages[0].is_taken_back
    assert (stand.result(MARK), stand.result("c1")) == (None, None)
    stand.turn()
    assert stand.ends == {MARK: PrintPhase.CANCELED}
    assert (stand.result(MARK), stand.result("c1")) == ("refused", "accepted")
    assert stand.commands == ["print_data"], "a printer that has nothing is not told to cancel it"


def test_the_end_is_told_before_the_refusal_which_alone_would_start_it_again() -> None:
    stand = ForgeStand()
    stand.start()
    stand.cancel()
    stand.turn()
    ended = next(n for n, said in enumerate(stand.heard) if getattr(said, "ended", None))
    refused = next(n for n, said in enumerate(stand.heard) if getattr(said, "result", None) == "refused")
    assert ended < refused
    assert stand.seen.ended[0].message == CALLED_OFF


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.UNCLEAR])
def test_a_start_that_had_left_is_canceled_at_the_printer(outcome: Outcome) -> None:
    stand = ForgeStand()
    stand.start()
    stand.cancel()
    stand.messages[0].came_to(outcome)
    assert stand.commands == ["print_data", "cancel"]
    assert stand.messages[1].payload["job_id"] == JOB
    stand.messages[1].came_to(Outcome.DELIVERED)
    stand.acks("c1")
    assert (stand.result(MARK), stand.result("c1")) == ("accepted", "accepted")


def test_a_cancel_given_twice_is_answered_twice() -> None:
    stand = ForgeStand()
    stand.start()
    stand.cancel(order_id="c1")
    stand.cancel(order_id="c2")
    stand.turn()
    assert (stand.result("c1"), stand.result("c2")) == ("accepted", "accepted")


def test_a_printer_that_proves_the_start_meanwhile_is_told_to_cancel() -> None:
    stand = ForgeStand()
    stand.start()
    stand.cancel()
    stand.posts("printing", JOB, "printing")
    assert stand.commands == ["print_data", "cancel"]
    assert stand.result(MARK) == "accepted"
    stand.turn()
    assert stand.phase is PrintPhase.PRINTING


def test_a_start_that_nobody_fetches_in_time_is_taken_back_and_refused() -> None:
    stand = ForgeStand()
    stand.start()
    stand.passes(60, "ready")
    assert stand.messages[0].is_taken_back
    assert stand.result(MARK) is None
    stand.turn()
    answer = stand.answer(MARK)
    assert answer is not None
    assert (answer.result, answer.message) == (OrderResult.REFUSED, NOT_REACHED)


def test_a_start_being_written_when_its_time_is_over_gets_its_time_for_the_proof() -> None:
    stand = ForgeStand()
    stand.start()
    stand.passes(60, "ready")
    stand.messages[0].came_to(Outcome.DELIVERED)
    stand.passes(59, "ready")
    assert stand.result(MARK) is None
    stand.passes(1, "ready")
    assert stand.result(MARK) == "unclear"


def test_a_start_of_which_nothing_is_heard_is_in_doubt() -> None:
    stand = ForgeStand()
    stand.start()
    stand.passes(60, "ready")
    stand.passes(RECALL_SECONDS, "ready")
    assert stand.result(MARK) == "unclear"


@pytest.mark.parametrize("command", ["pause", "resume", "home"])
def test_an_old_command_is_not_carried_out_by_a_printer_that_comes_late(command: str) -> None:
    stand = ForgeStand()
    stand.printing()
    {"pause": stand.pause, "resume": stand.resume, "home": lambda order_id: stand.tell("home", order_id)}[
        command
    ](order_id="x1")
    stand.passes(60, "printing", JOB, "printing")
    assert stand.messages[-1].is_taken_back
    assert stand.result("x1") is None
    stand.turn()
    assert stand.result("x1") == "refused"


def test_a_command_that_was_fetched_is_not_taken_back() -> None:
    stand = ForgeStand()
    stand.tell("home")
    stand.messages[-1].came_to(Outcome.DELIVERED)
    stand.passes(60, "ready")
    assert not stand.messages[-1].is_taken_back
    assert stand.result("t1") == "unclear"


def test_who_gives_a_printer_up_leaves_no_start_in_its_queue() -> None:
    stand = ForgeStand()
    stand.tell("home")
    stand.start()
    stand.driver.unregistered(EMBER)
    assert all(message.is_taken_back for message in stand.messages)
    stand.turn()
    assert (stand.result(MARK), stand.result("t1")) == ("unclear", "unclear")
    stand.driver.registered(EMBER)
    assert stand.commands == ["home", "print_data"]


def test_a_print_that_a_person_ended_is_not_started_afterwards() -> None:
    stand = ForgeStand()
    stand.start()
    stand.acknowledge(MARK)
    assert stand.messages[0].is_taken_back


def test_a_printer_that_drops_a_job_is_not_sent_it_afterwards() -> None:
    stand = ForgeStand()
    stand.start()
    assert stand.driver.print_withdrawn(EMBER, JOB)
    assert stand.messages[0].is_taken_back
    assert stand.ends == {MARK: PrintPhase.CANCELED}


def test_an_emergency_stop_takes_back_the_start_and_it_is_not_tried_again() -> None:
    stand = ForgeStand()
    stand.start()
    stand.stop()
    assert stand.messages[0].is_taken_back
    assert stand.result("e1") == "refused"
    stand.turn()
    assert stand.ends == {MARK: PrintPhase.CANCELED}


def test_an_emergency_stop_says_what_was_sent_and_nothing_more() -> None:
    idle, busy = ForgeStand(), ForgeStand()
    busy.printing()
    for stand in (idle, busy):
        stand.stop()
    assert idle.commands == []
    assert busy.commands == ["print_data", "cancel"]
    said = [stand.answers[-1].message or "" for stand in (idle, busy)]
    assert all("switch it off at the mains" in words for words in said)
    assert ["told to cancel" in words for words in said] == [False, True]


def test_many_local_prints_do_not_push_a_start_out_of_memory() -> None:
    stand = ForgeStand()
    stand.start()
    for number in range(OVER_KEPT):
        stand.posts("printing", f"local_{number:08d}{LOCAL[8:]}", "printing")
    stand.messages[0].came_to(Outcome.DROPPED)
    assert stand.result(MARK) == "refused"
