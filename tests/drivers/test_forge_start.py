"""Starting a print on a printer that calls in: sent at most once, believed from the printer's own words."""

from __future__ import annotations

import pytest

from gateway.domain.observations import LinkState, PrintPhase
from gateway.drivers.forge.driver import OpenPrint
from gateway.protocol.bayeux.outcome import Outcome
from tests.support.forge_stand import JOB, LOCAL, MARK, ForgeStand


def sent(is_doubted: bool = False) -> OpenPrint:
    """A job that was sent before the gateway was started anew."""
    return OpenPrint(58, MARK, JOB, JOB, False, None, is_doubted, "Part1", None, None)


def test_print_data_carries_what_both_clients_need() -> None:
    stand = ForgeStand()
    stand.start()
    [message] = stand.messages
    assert message.channel == "/printers/58/command"
    assert message.payload == {
        "command": "print_data",
        "task_id": JOB,  # the page reports this as its job
        "job_id": JOB,  # smith reads this
        "file_url": f"http://gateway/{JOB}/part.tar.gz?signature=s",
        "settings": {"Settings": {}},
    }
    assert stand.result(MARK) is None
    assert stand.current is None, "nothing is proven"


@pytest.mark.parametrize("outcome", [Outcome.DROPPED, Outcome.NOBODY])
def test_a_start_that_provably_left_nobody_is_refused_and_may_be_sent_again(outcome: Outcome) -> None:
    stand = ForgeStand()
    stand.start()
    stand.messages[0].came_to(outcome)
    assert stand.result(MARK) == "refused"
    stand.start("mark-2")
    stand.messages[1].came_to(Outcome.DELIVERED)
    stand.acks(JOB, "received", progress=0.0)
    assert stand.result("mark-2") == "accepted"
    assert stand.current is not None
    assert stand.current.key == "mark-2"


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.UNCLEAR])
def test_a_start_without_proof_is_unclear_after_a_minute(outcome: Outcome) -> None:
    stand = ForgeStand()
    stand.start()
    stand.messages[0].came_to(outcome)
    stand.passes(59, "ready")
    assert stand.result(MARK) is None
    stand.passes(2, "ready")
    assert stand.result(MARK) == "unclear"
    assert stand.commands == ["print_data"]


def test_a_late_proof_is_believed() -> None:
    stand = ForgeStand()
    stand.start()
    stand.messages[0].came_to(Outcome.UNCLEAR)
    stand.passes(90, "ready")
    stand.posts("printing", JOB, "printing")
    assert stand.result(MARK) == "unclear"
    assert (stand.phase, stand.current and stand.current.key) == (PrintPhase.PRINTING, MARK)


def test_what_the_printer_says_outweighs_what_became_of_the_message() -> None:
    stand = ForgeStand()
    stand.start()
    stand.acks(JOB, "received", progress=0.0)
    stand.messages[0].came_to(Outcome.NOBODY)
    assert stand.result(MARK) == "accepted"
    assert stand.phase is PrintPhase.STARTING


@pytest.mark.parametrize(
    "proof",
    [
        lambda stand: stand.acks(JOB, "received", progress=0.0),
        lambda stand: stand.acks(JOB, progress=0.0, job_status="printing", job_progress=0.02),
        lambda stand: stand.posts("busy", JOB, "received"),
        lambda stand: stand.posts("busy", JOB),
        lambda stand: stand.posts("busy", data={"job_id": JOB}),
        lambda stand: stand.posts("printing", JOB.upper(), "printing"),
    ],
    ids=["smith's ack", "the page's ack", "status", "status without job_status", "in data", "upper case"],
)
def test_an_acknowledgement_or_a_post_that_names_the_job_is_proof(proof) -> None:  # type: ignore[no-untyped-def]
    stand = ForgeStand()
    stand.start()
    proof(stand)
    assert stand.result(MARK) == "accepted"
    assert stand.current is not None
    assert stand.current.key == MARK


def test_a_status_that_names_no_job_proves_nothing() -> None:
    stand = ForgeStand()
    stand.start()
    stand.messages[0].came_to(Outcome.DELIVERED)
    for _ in range(3):
        stand.posts("printing")
    stand.posts("printing", LOCAL.upper(), "printing")
    stand.passes(61)
    assert stand.result(MARK) == "unclear"


@pytest.mark.parametrize(
    "refusal",
    [{"error_code": 500, "error_message": "bad archive", "state": "failed"}, {"error_code": 400}],
)
def test_a_refusal_by_the_printer_ends_the_job_and_is_not_tried_again(refusal: dict[str, object]) -> None:
    stand = ForgeStand()
    stand.start()
    stand.acks(JOB, "received", progress=0.0)
    stand.acks(JOB, progress=1.0, **refusal)
    [end] = stand.seen.ended
    assert (end.key, end.phase, end.error_code) == (MARK, PrintPhase.FAILED, refusal["error_code"])
    assert end.message == refusal.get("error_message", "the printer reported error 400")
    stand.start()
    assert stand.commands == ["print_data"]


def test_loaded_is_not_printed() -> None:
    """Smith's `completed` of print_data: the file is on the printer, which waits for its button."""
    stand = ForgeStand()
    stand.start()
    stand.acks(JOB, "received", progress=0.0)
    stand.acks(JOB, "completed", progress=1.0)
    stand.passes(600, "ready", JOB, "received")
    assert stand.phase is PrintPhase.STARTING
    assert stand.current is not None
    assert stand.current.progress is None
    stand.posts("printing", JOB, "printing", job_progress=0.0)
    assert stand.phase is PrintPhase.PRINTING


def test_the_same_start_twice_is_sent_once() -> None:
    stand = ForgeStand()
    stand.start(order_id="s1")
    stand.start(order_id="s2")
    stand.messages[0].came_to(Outcome.DELIVERED)
    stand.acks(JOB, "received", progress=0.0)
    stand.start(order_id="s3")
    assert [stand.result(order) for order in ("s1", "s2", "s3")] == ["accepted"] * 3
    stand.posts("ready", JOB, "completed")
    stand.start(order_id="s4")
    assert stand.result("s4") == "refused"
    assert stand.commands == ["print_data"]


def test_what_keeps_a_printer_from_starting_is_said_and_nothing_is_sent() -> None:
    stand = ForgeStand(is_ready=False)
    stand.start(order_id="not called")
    stand.posts("ready")
    stand.start(order_id="not listening")
    stand.driver.listening_changed(58, True)
    stand.posts("maintenance")
    stand.start(order_id="door")
    stand.posts("ready")
    stand.passes(61)
    assert stand.seen.link is LinkState.DOWN
    stand.start(order_id="silent")
    stand.posts("printing", f"local_{LOCAL}", "printing")
    stand.posts("ready", f"local_{LOCAL}", "received")
    stand.start(order_id="taken")
    stand.driver.unregistered(58)
    stand.start(order_id="no owner")
    assert not stand.messages
    said = {answer.order_id: (answer.result.value, answer.message) for answer in stand.answers}
    assert {result for result, _ in said.values()} == {"refused"}
    for order_id, word in {
        "not called": "silent", "not listening": "/faye", "door": "maintenance", "silent": "not called",
        "taken": "has", "no owner": "not registered",
    }.items():  # fmt: skip
        assert word in (said[order_id][1] or ""), order_id


def test_after_a_restart_a_start_without_proof_is_unclear_after_a_minute() -> None:
    stand = ForgeStand(sent())
    stand.passes(59, "ready")
    assert stand.result(MARK) is None
    stand.passes(2, "ready")
    assert stand.result(MARK) == "unclear"
    assert not stand.messages


def test_after_a_restart_the_printers_word_is_the_proof() -> None:
    stand = ForgeStand(sent())
    stand.posts("busy", JOB, "received")
    assert stand.result(MARK) == "accepted"
    assert stand.phase is PrintPhase.STARTING


def test_after_a_restart_nobody_is_asked_twice_about_a_start_in_doubt() -> None:
    stand = ForgeStand(sent(is_doubted=True))
    stand.passes(120, "ready")
    assert stand.answers == []
    stand.posts("printing", JOB, "printing")
    assert stand.phase is PrintPhase.PRINTING


def test_a_start_that_a_person_has_given_up_does_not_come_back() -> None:
    stand = ForgeStand()
    stand.start()
    stand.passes(61, "ready")
    stand.acknowledge(MARK)
    stand.posts("printing", JOB, "printing")
    assert stand.current is None


def test_unregistering_answers_what_is_open() -> None:
    stand = ForgeStand()
    stand.start()
    stand.tell("home")
    stand.driver.unregistered(58)
    assert (stand.result(MARK), stand.result("t1")) == ("unclear", "unclear")
    heard = len(stand.heard)
    stand.posts("ready")
    assert len(stand.heard) == heard, "nothing of it is reported"
    stand.posts("printing", JOB, "printing")
    stand.driver.registered(58)
    assert stand.phase is PrintPhase.PRINTING, "what it said counts from the registration on"
