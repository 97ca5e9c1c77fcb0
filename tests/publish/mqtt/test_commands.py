"""Commands from the broker: carried out once, for the print that was meant, or refused with a sentence."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.commands import CancelJob, PauseJob, ResumeJob
from gateway.domain.observations import PrintPhase
from gateway.engine.ports import StoreUnavailable
from gateway.publish.mqtt.commands import MOST_BYTES, MOST_COMMANDS, RATE_SECONDS
from tests.publish.mqtt.stand import CONFIG, OWN, SETTINGS, Broadcast
from tests.support.stand import BEN


def a_command(job_id: str, word: str = "pause", number: object = 1) -> dict[str, Any]:
    return {"command": word, "job": job_id, "id": f"id-{number}"}


@pytest.mark.parametrize(
    ("word", "phase", "kind"),
    [
        ("pause", PrintPhase.PRINTING, PauseJob),
        ("cancel", PrintPhase.PRINTING, CancelJob),
        ("resume", PrintPhase.PAUSED, ResumeJob),
    ],
)
async def test_a_command_is_carried_out_for_the_printers_owner(
    house: Broadcast, word: str, phase: PrintPhase, kind: Any
) -> None:
    job = await house.print_something()
    await house.machine(job, phase)
    result = await house.ask(a_command(job.job_id, word))
    assert result == {"id": "id-1", "command": word, "job": job.job_id, "result": "accepted", "message": None}
    assert house.commands == [kind(job.job_id, BEN.member_id, 1)]


async def test_a_command_that_comes_twice_is_answered_twice_and_done_once(house: Broadcast) -> None:
    job = await house.print_something()
    first = await house.ask(a_command(job.job_id))
    second = await house.ask(a_command(job.job_id))
    assert first == second
    assert len(house.results()) == 2
    assert len(house.commands) == 1


async def test_an_id_that_had_another_command_is_refused(house: Broadcast) -> None:
    job = await house.print_something()
    await house.ask(a_command(job.job_id, "pause"))
    result = await house.ask(a_command(job.job_id, "cancel"))
    assert (result["result"], result["message"]) == ("refused", "this id had another command")
    assert len(house.commands) == 1


async def test_a_cancel_that_was_meant_for_another_print_hits_none(house: Broadcast) -> None:
    first = await house.print_something()
    await house.end(first, PrintPhase.COMPLETED)
    await house.local(name="by hand.gcode")
    result = await house.ask(a_command(first.job_id, "cancel"))
    assert (result["result"], result["message"]) == (
        "refused", "this job is not on the printer now; nothing was done"
    )  # fmt: skip
    assert house.commands == []


async def test_a_retained_command_is_left_alone(house: Broadcast) -> None:
    """It would strike at every reconnect."""
    job = await house.print_something()
    house.broker.down()
    house.broker.up()
    await house.ask(a_command(job.job_id, "cancel"), retain=True)
    await house.settle(40)
    assert house.broker.retained[f"{OWN}/printer/1/command"].payload
    assert house.retained(f"{OWN}/status") == "online"
    assert (house.commands, house.results()) == ([], [])


async def test_the_domain_refuses_what_it_always_refuses(house: Broadcast) -> None:
    job = await house.print_something()
    result = await house.ask(a_command(job.job_id, "resume"))
    assert result["result"] == "refused"
    assert "only a paused job can be resumed" in result["message"]


async def test_who_may_not_command_the_job_is_refused(house: Broadcast) -> None:
    job = await house.print_something()
    house.may_command = False
    result = await house.ask(a_command(job.job_id))
    assert (result["result"], house.commands) == ("refused", [])


async def test_who_sent_no_command_finds_the_refusal_by_its_id(house: Broadcast) -> None:
    result = await house.ask(b'{"command": "start", "job": "job-7", "id": "ask-1"}')
    assert (result["id"], result["command"], result["job"]) == ("ask-1", "start", "job-7")
    result = await house.ask(b'{"command": ["pause"], "id": "ask-2"}')
    assert (result["id"], result["command"], result["job"]) == ("ask-2", None, None)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"pause", "this is no JSON"),
        (b"[]", "these keys"),
        (b'{"command": "pause", "id": "1"}', "these keys"),
        (b'{"command": "pause", "job": "1", "id": "1", "force": true}', "these keys"),
        (b'{"command": "start", "job": "1", "id": "1"}', "a print is started elsewhere"),
        (b'{"command": ["pause"], "job": "1", "id": "1"}', "the commands are pause, resume, cancel"),
        (b'{"command": "pause", "job": 1, "id": "1"}', "job must be a text"),
        (b'{"command": "pause", "job": "1", "id": ""}', "id must be a text"),
        (b'{"command": "pause", "job": "1", "id": "' + b"1" * 65 + b'"}', "id must be a text"),
        (b" " * (MOST_BYTES + 1), "at most 1024 bytes"),
        (b"\xff\xfe", "this is no JSON"),
        (b"[" * 1000, "this is no JSON"),
    ],
)
async def test_what_is_no_command_is_refused_with_a_sentence(
    house: Broadcast, payload: bytes, message: str
) -> None:
    result = await house.ask(payload)
    assert result["result"] == "refused"
    assert message in result["message"]
    assert house.commands == []


async def test_a_flood_is_cut_short_and_a_person_is_heard_again(house: Broadcast) -> None:
    job = await house.print_something()
    for number in range(MOST_COMMANDS + 5):
        command = a_command(job.job_id, number=number)
        house.broker.publish(f"{OWN}/printer/1/command", json.dumps(command).encode())
    await house.settle()
    assert len(house.commands) == MOST_COMMANDS
    assert Counter(result["result"] for result in house.results()) == {"accepted": 10, "refused": 5}
    await house.settle(RATE_SECONDS)
    assert (await house.ask(a_command(job.job_id, number="late")))["result"] == "accepted"


async def test_a_flood_of_nonsense_is_not_answered_for_ever(house: Broadcast) -> None:
    for _ in range(500):
        house.broker.publish(f"{OWN}/printer/1/command", b"nonsense")
    await house.settle()
    assert len(house.results()) == MOST_COMMANDS
    assert house.northbound.status.is_connected


async def test_commands_for_printers_that_are_not_there_are_nobodys(house: Broadcast) -> None:
    await house.ask(a_command("x"), number=7)
    await house.change_printer(enabled=False)
    await house.ask(a_command("x"))
    assert house.results() == []


async def test_a_gateway_that_takes_no_commands_hears_none_and_offers_none(house: Broadcast) -> None:
    await house.stop()
    house.tell(replace(SETTINGS, allow_commands=False))
    job = await house.print_something()
    await house.ask(a_command(job.job_id, "cancel"))
    assert (house.commands, house.results()) == ([], [])
    assert house.state()["allowed"] == []
    assert house.retained(f"{CONFIG}_1/config")["cmps"]["cancel"] == {"p": "button"}


async def test_a_disk_that_is_full_leaves_it_open_what_a_cancel_did(house: Broadcast) -> None:
    job = await house.print_something()
    house.journal.commit = _full
    result = await house.ask(a_command(job.job_id, "cancel"))
    assert (result["result"], result["message"]) == ("unclear", "the disk is full")


async def _full(_draft: Any) -> Any:
    raise StoreUnavailable("the disk is full")


@pytest.mark.parametrize("number", ["01", "+1", "1/2", "-1", "", "\u0661"])
async def test_a_printer_has_one_command_topic(house: Broadcast, number: str) -> None:
    job = await house.print_something()
    house.broker.publish(f"{OWN}/printer/{number}/command", json.dumps(a_command(job.job_id)).encode())
    await house.settle()
    assert (house.commands, house.results()) == ([], [])
