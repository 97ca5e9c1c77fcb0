"""What happens to prints is told to who listens: once, not retained, behind the state that belongs to it."""

from __future__ import annotations

from gateway.domain.commands import CancelJob
from gateway.domain.observations import Origin, PrintPhase
from gateway.domain.printer import Plate
from tests.publish.mqtt.stand import OWN, Broadcast
from tests.support.stand import BEN


async def test_a_print_tells_each_step_once(house: Broadcast) -> None:
    job = await house.print_something()
    await house.machine(job, PrintPhase.PAUSED)
    await house.machine(job, PrintPhase.PRINTING)
    await house.end(job, PrintPhase.COMPLETED)
    assert house.event_types() == ["started", "paused", "resumed", "finished"]
    assert all(
        event["job"] == {"id": job.job_id, "name": "benchy", "origin": "gateway"} for event in house.events()
    )
    assert not [message for message in house.broker.retained if message.endswith("/event")]


async def test_a_failure_says_why(house: Broadcast) -> None:
    job = await house.print_something()
    await house.end(job, PrintPhase.FAILED, message="the filament ran out")
    assert house.events()[-1]["event_type"] == "failed"
    assert house.events()[-1]["message"] == "the filament ran out"


async def test_a_print_that_nobody_ordered_is_adopted(house: Broadcast) -> None:
    await house.local(name="cube.gcode", origin=Origin.CLOUD)
    (event,) = house.events()
    assert (event["event_type"], event["job"]["origin"]) == ("adopted", "cloud")


async def test_a_job_that_is_canceled_while_it_waits_is_no_event_of_the_printer(house: Broadcast) -> None:
    await house.change_printer(plate=Plate.OCCUPIED)
    job = await house.submit(name="never", printer_id=1)
    await house.give(CancelJob(job.job_id, BEN.member_id))
    await house.settle()
    assert house.events() == []


async def test_the_state_is_there_before_the_event(house: Broadcast) -> None:
    job = await house.print_something()
    await house.end(job, PrintPhase.COMPLETED)
    told = [
        tapped.topic.rsplit("/", 1)[1]
        for tapped in house.broker.traffic
        if f"{OWN}/printer/1/" in tapped.topic
    ]
    at = [number for number, word in enumerate(told) if word == "event"][-1]
    assert told[at - 1] == "state"


async def test_what_happened_without_a_connection_is_not_told_later(house: Broadcast) -> None:
    job = await house.print_something()
    house.broker.down()
    await house.end(job, PrintPhase.COMPLETED)
    house.broker.up()
    await house.settle(40)
    assert house.event_types() == ["started"]
    assert house.state()["state"] == "finished"
