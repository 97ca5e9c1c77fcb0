"""What a subscriber sees of a printer: the word, the job, what is allowed, and when it is told again."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity, Origin, PrintPhase
from gateway.domain.printer import Plate
from gateway.engine.ports import StoredEvent
from gateway.publish.hub import BUFFERED_EVENTS
from gateway.publish.mqtt.announcing import STATE_SECONDS
from gateway.publish.mqtt.documents import encoded, state_document
from gateway.publish.mqtt.sight import Sight
from tests.publish.mqtt.stand import OWN, Broadcast
from tests.support.stand import START, printer, ready, report, seen

#: What a printer's own words may turn out to be.
JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


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


async def test_an_end_that_was_drowned_by_other_events_is_found(house: Broadcast) -> None:
    job = await house.print_something()
    noise = StoredEvent(1, "plate-changed", START, 1, None, 1, None, {})
    house.said = seen(ended=(report(job.print_key or "", PrintPhase.COMPLETED),))
    house.engine.observe(house.said)
    await house.engine.settled()
    house.hub.publish([noise] * (BUFFERED_EVENTS + 1), [])
    await house.settle()
    assert house.event_types() == ["started"]
    assert house.state()["state"] == "finished"
    assert house.state()["job"]["id"] == job.job_id


@given(
    st.text(st.characters(), min_size=1, max_size=300),
    st.text(st.characters(), max_size=400),
    st.dictionaries(st.sampled_from(["layer", "layers", "total_layers", "seconds_left"]), JSON),
    st.dictionaries(st.sampled_from("TBC"), st.floats()),
    st.none() | st.floats(),
)
def test_whatever_printers_say_a_document_is_small_json(
    name: str, trouble: str, said: dict[str, Any], warm: dict[str, float], progress: float | None
) -> None:
    job = Job(
        1, "b1996dd1-4b7f-44d8-9040-01615530073c", name, "M", 1, START, JobStatus.PRINTING, START,
        printer_id=1, print_key="k", reported=said, progress=progress,
    )  # fmt: skip
    presence = ready(activity=Activity.PRINTING, obstacle=trouble, temperatures=warm)
    payload = encoded(state_document(Sight(printer(), presence, False, job=job), takes_commands=True))
    assert len(payload) < 1024
    document = json.loads(payload)
    assert document["job"]["progress"] is None or 0 <= document["job"]["progress"] <= 1


async def test_documents_are_small(house: Broadcast) -> None:
    await house.local(name='\u0001"\\' * 400 + "ä" * 400, message='"' * 1000)
    payload = house.broker.retained[f"{OWN}/printer/1/state"].payload
    assert len(payload) < 1000
    assert json.loads(payload)["job"]["name"].endswith("\N{HORIZONTAL ELLIPSIS}")
