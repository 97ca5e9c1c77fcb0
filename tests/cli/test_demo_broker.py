"""What the demo's subscriber must have heard on the broker, and each way in which that may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.cli.demo_broker import Heard, listening
from gateway.cli.demo_children import DemoFailed
from gateway.cli.demo_proof import Ended, Proof
from gateway.client.models import Job
from tests.client.fake_gateway import job

STATE = "print-gateway/demo/printer/{}/state"
DEVICE = "homeassistant/device/print-gateway_demo{}/config"


def end(job_id: str, printer_id: int, printer: str, *, origin: str = "gateway") -> Ended:
    told = job(id=job_id, name=f"{job_id}.gco", printer_id=printer_id, status="completed", origin=origin)
    local = Job.model_validate({**told, "is_local": origin != "gateway"})
    return Ended(local, printer, Proof(1, None), origin=origin)


def event(printer_id: int, job_id: str, word: str) -> tuple[int, Mapping[str, Any]]:
    return printer_id, {"event_type": word, "job": {"id": job_id}}


def state(word: str, job_id: str | None) -> Mapping[str, Any]:
    return {"state": word, "job": job_id and {"id": job_id}}


def device(name: str) -> Mapping[str, Any]:
    return {"dev": {"name": name}, "cmps": {"state": {}}}


ENDS = [end("A", 1, "workshop"), end("B", 2, "office"), end("C", 2, "office", origin="cloud")]
GOOD = Heard(
    kept={
        STATE.format(1): state("finished", "A"),
        STATE.format(2): state("finished", "C"),
        DEVICE.format("_1"): device("workshop"),
        DEVICE.format("_2"): device("office"),
        DEVICE.format(""): device("Print Gateway demo"),
    },
    events=[
        event(1, "A", "started"), event(2, "B", "started"), event(2, "B", "finished"),
        event(2, "C", "adopted"), event(2, "C", "started"), event(2, "C", "finished"),
        event(1, "A", "finished"),
    ],
)  # fmt: skip


def test_all_of_it_was_heard() -> None:
    assert GOOD.faults(ENDS) == []
    assert GOOD.verdict(ENDS) == (
        "PROVEN: a subscriber on the MQTT broker: heard 3 prints begin and finish; "
        "2 printers have a retained state and a Home Assistant device"
    )
    assert GOOD.row() == ("MQTT", "print-gateway/demo/#", "2 finished, 3 devices for Home Assistant")


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], 'of A.gco on "workshop" it heard nothing'),
        ([event(1, "A", "started")], 'of A.gco on "workshop" it heard started'),
        ([event(1, "A", "finished")], 'of A.gco on "workshop" it heard finished'),
        (
            [event(1, "A", "adopted"), event(1, "A", "finished")],
            'of A.gco on "workshop" it heard adopted, finished',
        ),
        ([event(2, "A", "started"), event(2, "A", "finished")], 'of A.gco on "workshop" it heard nothing'),
    ],
)
def test_a_print_that_was_not_told_whole(events: list[tuple[int, Mapping[str, Any]]], fault: str) -> None:
    heard = replace(GOOD, events=events)
    assert heard.faults(ENDS[:1]) == [fault]
    assert heard.verdict(ENDS[:1]) == f"FAILED: a subscriber on the MQTT broker: {fault}"


@pytest.mark.parametrize(
    ("topic", "kept", "fault"),
    [
        (STATE.format(2), {}, 'the broker keeps of "office": nothing, job None'),
        (STATE.format(2), state("idle", None), 'the broker keeps of "office": idle, job None'),
        (STATE.format(2), state("finished", "B"), 'the broker keeps of "office": finished, job B'),
        (DEVICE.format("_2"), {}, 'nobody announced "office" to Home Assistant'),
        (DEVICE.format("_2"), device("workshop"), 'nobody announced "office" to Home Assistant'),
    ],
)
def test_what_the_broker_keeps_is_of_the_last_print(topic: str, kept: Mapping[str, Any], fault: str) -> None:
    assert replace(GOOD, kept={**GOOD.kept, topic: kept}).faults(ENDS) == [fault]


async def test_no_broker_is_told(free_port: int) -> None:
    with pytest.raises(DemoFailed, match=f"the broker on port {free_port} cannot be used: ") as caught:
        async with listening(free_port):
            pass
    assert caught.value.child == "gateway"
