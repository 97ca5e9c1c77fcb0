"""What a subscriber sees of a printer: the word, the job, what is allowed, and when it is told again."""

from __future__ import annotations

import json

from gateway.domain.observations import Origin, PrintPhase
from gateway.domain.printer import Plate
from gateway.publish.mqtt.announcing import STATE_SECONDS
from tests.publish.mqtt.stand import OWN, Broadcast
from tests.support.stand import seen


async def test_a_ready_printer_is_idle(house: Broadcast) -> None:
    assert house.retained(f"{OWN}/status") == "online"
    assert house.retained(f"{OWN}/printer/1/availability") == "online"
    assert house.state() == {
        "state": "idle",
        "error": None,
        "allowed": [],
        "queue_len": 0,
        "temps": {"nozzle": None, "bed": None},
        "job": None,
    }


async def test_a_print_is_followed_to_its_end_and_until_the_plate_is_clear(house: Broadcast) -> None:
    job = await house.print_something(
        PrintPhase.PRINTING, progress=0.4211, details={"layer": 3, "layers": 20, "seconds_left": 1200}
    )
    assert house.state()["state"] == "printing"
    assert house.state()["allowed"] == ["pause", "cancel"]
    assert house.state()["job"] == {
        "id": job.job_id,
        "name": "benchy",
        "origin": "gateway",
        "progress": 0.421,
        "remaining_s": 1200,
        "layer": 3,
        "layers": 20,
    }
    await house.machine(job, PrintPhase.PAUSED)
    assert (house.state()["state"], house.state()["allowed"]) == ("paused", ["resume", "cancel"])
    await house.end(job, PrintPhase.COMPLETED)
    assert (house.state()["state"], house.state()["allowed"]) == ("finished", [])
    assert house.state()["job"]["id"] == job.job_id
    assert house.state()["job"]["progress"] == 1.0
    await house.clear_plate()
    assert (house.state()["state"], house.state()["job"]) == ("idle", None)


async def test_a_print_that_nobody_ordered_says_where_it_comes_from(house: Broadcast) -> None:
    await house.local(name="cube.gcode", origin=Origin.PANEL)
    assert house.state()["job"]["origin"] == "panel"
    assert house.state()["job"]["name"] == "cube.gcode"


async def test_a_silent_printer_is_offline_and_says_why(house: Broadcast) -> None:
    house.is_silent = True
    await house.settle(70)
    assert house.retained(f"{OWN}/printer/1/availability") == "offline"
    assert house.state()["state"] == "offline"
    house.is_silent = False
    await house.settle()
    assert house.retained(f"{OWN}/printer/1/availability") == "online"


async def test_a_state_is_told_at_most_once_a_second_and_at_least_once_a_minute(house: Broadcast) -> None:
    topic = f"{OWN}/printer/1/state"
    before = len(house.broker.said(topic))
    for _ in range(100):
        house.engine.observe(seen())
        await house.settle(0.1)
    assert len(house.broker.said(topic)) == before
    await house.settle(STATE_SECONDS)
    assert len(house.broker.said(topic)) == before + 1


async def test_a_state_that_changes_all_the_time_goes_out_once_a_second(house: Broadcast) -> None:
    job = await house.print_something()
    topic = f"{OWN}/printer/1/state"
    before = len(house.broker.said(topic))
    assert job.print_key is not None
    for tenth in range(100):
        await house.machine_now(job, tenth / 200)
        await house.settle(0.1)
    assert 9 <= len(house.broker.said(topic)) - before <= 11


async def test_how_the_last_print_ended_outlives_a_restart(house: Broadcast) -> None:
    job = await house.print_something()
    await house.end(job, PrintPhase.FAILED, message="the filament ran out")
    assert house.state()["state"] == "failed"
    await house.kill()
    house.broker.retained.clear()
    await house.start()
    house.said = seen()
    house.tell()
    await house.settle()
    assert house.state()["state"] == "failed"
    assert house.state()["job"]["name"] == "benchy"


async def test_what_waits_is_counted(house: Broadcast) -> None:
    await house.change_printer(plate=Plate.OCCUPIED)
    for number in range(3):
        await house.submit(name=f"job {number}", printer_id=1)
    await house.settle()
    assert house.state()["queue_len"] == 3


async def test_documents_are_small(house: Broadcast) -> None:
    await house.local(name='\u0001"\\' * 400 + "ä" * 400, message='"' * 1000)
    payload = house.broker.retained[f"{OWN}/printer/1/state"].payload
    assert len(payload) < 1000
    assert json.loads(payload)["job"]["name"].endswith("\N{HORIZONTAL ELLIPSIS}")
