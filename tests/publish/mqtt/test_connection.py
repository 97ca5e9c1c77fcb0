"""The connection to the user's broker: births, wills, outages, missing rights, restarts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.observations import PrintPhase
from gateway.publish.mqtt.northbound import BIRTH_SECONDS, SENDERS, TICK
from gateway.publish.mqtt.rights import PROOF_SECONDS, Proof
from gateway.transport.mqtt import MqttLost, MqttMessage, Will
from tests.publish.mqtt.stand import CONFIG, OWN, SETTINGS, Broadcast
from tests.support.memory_broker import Fate


def is_told(house: Broadcast, topic: str) -> int:
    return len(house.broker.said(topic))


async def test_who_comes_late_finds_everything_retained(house: Broadcast) -> None:
    assert set(house.broker.retained) == {
        f"{OWN}/status",
        f"{OWN}/printer/1/availability",
        f"{OWN}/printer/1/state",
        f"{CONFIG}/config",
        f"{CONFIG}_1/config",
    }


async def test_everything_is_told_with_quality_1(house: Broadcast) -> None:
    await house.print_something()
    ours = [tapped for tapped in house.broker.traffic if tapped.client == "gateway"]
    assert {tapped.qos for tapped in ours} == {1}


async def test_a_gateway_that_is_lost_is_offline_by_its_will(house: Broadcast) -> None:
    house.broker.drop("gateway", reason="the cable was pulled")
    await house.settle(0.1)
    assert house.retained(f"{OWN}/status") == "offline"
    assert not house.northbound.status.is_connected
    assert house.northbound.status.reason == "the cable was pulled"
    await house.settle()
    assert house.retained(f"{OWN}/status") == "online"
    assert house.northbound.status.is_connected


async def test_a_gateway_that_stops_says_goodbye_itself(house: Broadcast) -> None:
    await house.stop()
    assert house.retained(f"{OWN}/status") == "offline"
    assert house.broker.traffic[-1].client == "gateway"
    assert house.broker.connections == []


async def test_a_will_that_comes_late_is_put_right(house: Broadcast) -> None:
    """The broker finds out about a dead connection when its successor has been there for a minute."""
    house.broker.publish(f"{OWN}/status", b"offline", retain=True)
    await house.settle()
    assert house.retained(f"{OWN}/status") == "online"


async def test_home_assistants_birth_brings_all_states_again_a_little_later(house: Broadcast) -> None:
    topics = [f"{OWN}/status", f"{OWN}/printer/1/availability", f"{OWN}/printer/1/state"]
    before = [is_told(house, topic) for topic in topics]
    announced = is_told(house, f"{CONFIG}_1/config")
    house.broker.publish("homeassistant/status", b"online")
    await house.settle(BIRTH_SECONDS - 0.1)
    assert [is_told(house, topic) for topic in topics] == before
    await house.settle()
    assert [is_told(house, topic) for topic in topics] == [number + 1 for number in before]
    assert is_told(house, f"{CONFIG}_1/config") == announced


async def test_a_broker_that_forgot_everything_is_told_everything(house: Broadcast) -> None:
    before = dict(house.broker.retained)
    house.broker.down()
    await house.settle(300)
    house.broker.up(keeps_retained=False)
    await house.settle(60)
    assert house.broker.retained == before
    assert house.northbound.status.is_connected


async def test_what_changed_meanwhile_is_what_is_told(house: Broadcast) -> None:
    house.broker.down()
    await house.print_something(progress=0.5)
    house.broker.up()
    await house.settle(60)
    assert house.state()["state"] == "printing"


async def test_a_broker_that_is_away_leaves_the_gateway_alone(house: Broadcast) -> None:
    house.broker.down()
    await house.settle(3600)
    job = await house.print_something()
    assert job.status == "printing"
    assert len(house.northbound._outbox) <= 5
    assert len(house.broker.attempts) < 200


async def test_a_broker_that_takes_nothing_gets_fewer_states_not_old_ones(house: Broadcast) -> None:
    job = await house.print_something()
    house.broker.latency = 60.0
    for step in range(300):
        await house.machine_now(job, step / 300)
        await house.settle(1.0)
    assert len(house.northbound._outbox) <= 5
    house.broker.latency = 0.005
    await house.settle(200)
    assert house.state()["job"]["progress"] == round(299 / 300, 3)


async def test_rights_are_proven_by_what_comes_back(house: Broadcast) -> None:
    status = house.northbound.status
    assert (status.is_connected, status.reason) == (True, None)
    assert {right.prefix: right.proof for right in status.rights} == {
        OWN: Proof.PROVEN, "homeassistant": Proof.PROVEN
    }  # fmt: skip


@pytest.mark.parametrize(("denied", "proven"), [("homeassistant", OWN), (OWN, "homeassistant")])
async def test_an_acl_that_denies_in_silence_is_found(
    house: Broadcast, caplog: pytest.LogCaptureFixture, denied: str, proven: str
) -> None:
    await house.stop()
    house.broker.retained.clear()
    house.broker.fate = lambda client, message: (
        Fate.IGNORED if client == "gateway" and message.topic.startswith(denied) else Fate.ARRIVES
    )
    house.tell()
    await house.settle(PROOF_SECONDS + 2)
    rights = {right.prefix: right for right in house.northbound.status.rights}
    assert (rights[denied].proof, rights[proven].proof) == (Proof.DENIED, Proof.PROVEN)
    assert f"topic readwrite {denied}/#" in (rights[denied].advice or "")
    assert sum(f"topic readwrite {denied}/#" in record.getMessage() for record in caplog.records) == 1


async def test_two_gateways_with_one_id_are_both_told(
    house: Broadcast, caplog: pytest.LogCaptureFixture
) -> None:
    first = house.northbound
    house.tell(connect=house.broker.connecting("namesake"))
    await house.settle()
    for each in (first, house.northbound):
        assert each.status.is_connected
        [right] = [right for right in each.status.rights if right.prefix == OWN]
        assert right.proof is Proof.DENIED
        assert "another gateway on this broker calls itself printhost too" in (right.advice or "")
    assert caplog.text.count("calls itself printhost too") == 2
    said = is_told(house, f"{OWN}/status")
    await house.settle(120)
    assert is_told(house, f"{OWN}/status") == said


async def test_an_own_greeting_is_nobody_elses(house: Broadcast) -> None:
    for _ in range(3):
        house.broker.publish(f"{OWN}/status", b"offline")
        house.broker.publish("homeassistant/status", b"online")
        await house.settle(BIRTH_SECONDS + 2)
    assert all(right.proof is Proof.PROVEN for right in house.northbound.status.rights)


async def test_what_was_retained_before_proves_nothing(house: Broadcast) -> None:
    """The documents of a former gateway lie there, and this one may not write."""
    await house.stop()
    house.broker.fate = lambda client, message: Fate.IGNORED if client == "gateway" else Fate.ARRIVES
    house.tell()
    await house.settle(PROOF_SECONDS + 2)
    assert {right.proof for right in house.northbound.status.rights} == {Proof.DENIED}


async def test_a_broker_that_refuses_to_listen_elsewhere_is_told_all_the_same(house: Broadcast) -> None:
    await house.stop()
    house.broker.retained.clear()
    house.tell(connect=Choosy(house.broker.connecting("gateway")))
    await house.settle(60)
    assert house.state()["state"] == "idle"
    rights = {right.prefix: right.proof for right in house.northbound.status.rights}
    assert rights == {OWN: Proof.PROVEN, "homeassistant": Proof.DENIED}


async def test_a_printer_that_is_disabled_is_taken_away(house: Broadcast) -> None:
    await house.change_printer(enabled=False)
    assert [topic for topic in house.broker.retained if "_1/" in topic or "/printer/1/" in topic] == []
    await house.change_printer(enabled=True)
    assert house.state()["state"] == "idle"


async def test_a_printer_that_was_disabled_while_nobody_told_it_is_taken_away_once(house: Broadcast) -> None:
    await house.stop()
    await house.change_printer(enabled=False)
    house.tell()
    await house.settle()
    assert [topic for topic in house.broker.retained if "_1/" in topic or "/printer/1/" in topic] == []
    emptied = house.broker.said(f"{CONFIG}_1/config").count(b"")
    await house.stop()
    house.tell()
    await house.settle()
    assert house.broker.said(f"{CONFIG}_1/config").count(b"") == emptied == 1


async def test_a_printer_that_goes_is_described_no_more_before_its_state_is_empty(house: Broadcast) -> None:
    """Home Assistant takes an empty state of a device that it still has for an error."""
    await house.change_printer(enabled=False)
    emptied = {tapped.topic: tapped.at for tapped in house.broker.traffic if tapped.payload == b""}
    assert emptied[f"{OWN}/printer/1/state"] - emptied[f"{CONFIG}_1/config"] >= TICK - 0.1


async def test_discovery_that_is_switched_off_takes_its_documents_away(house: Broadcast) -> None:
    await house.stop()
    house.tell(replace(SETTINGS, discovery_prefix=""))
    await house.settle()
    assert [topic for topic in house.broker.retained if topic.startswith("homeassistant/")] == []
    assert house.state()["state"] == "idle"
    assert [right.prefix for right in house.northbound.status.rights] == [OWN]


async def test_a_rename_announces_the_printer_anew_and_keeps_its_ids(house: Broadcast) -> None:
    before = house.retained(f"{CONFIG}_1/config")
    await house.settle(10)
    await house.change_printer(display_name="Ana's printer")
    after = house.retained(f"{CONFIG}_1/config")
    assert after["dev"]["name"] == "Ana's printer"
    assert after["cmps"] == before["cmps"]
    assert after["dev"]["ids"] == before["dev"]["ids"]


async def test_firmware_and_chamber_are_announced_once_they_are_known(house: Broadcast) -> None:
    topic = f"{CONFIG}_1/config"
    house.said = replace(house.said, firmware="Marlin 2.1.2", temperatures={"T": 20.4, "B": 21.6, "C": 30.0})
    await house.settle(12)
    assert house.retained(topic)["dev"]["sw"] == "Marlin 2.1.2"
    assert "chamber" in house.retained(topic)["cmps"]
    assert house.state()["temps"] == {"nozzle": 20, "bed": 22, "chamber": 30}
    told = is_told(house, topic)
    house.said = replace(house.said, temperatures={"T": 20.4})
    await house.settle(20)
    assert "chamber" in house.retained(topic)["cmps"]
    assert is_told(house, topic) == told


async def test_a_printer_that_joins_is_told_without_a_new_connection(house: Broadcast) -> None:
    await house.add_printer(2, "voron")
    await house.settle()
    assert house.state(2)["state"] == "offline"
    assert house.retained(f"{CONFIG}_2/config")["dev"]["name"] == "voron"


async def test_nothing_of_a_command_is_lost_with_its_connection(house: Broadcast) -> None:
    """The answer was lost on its way; asked again, it is the same, and nothing happens twice."""
    job = await house.print_something(PrintPhase.PRINTING)
    lost = {"at": 0}

    def fate(client: str, message: MqttMessage) -> Fate:
        if client == "gateway" and message.topic.endswith("/result") and not lost["at"]:
            lost["at"] = 1
            return Fate.LOST
        return Fate.ARRIVES

    house.broker.fate = fate
    command = {"command": "pause", "job": job.job_id, "id": "1"}
    assert await house.ask(command) is None
    await house.settle(60)
    assert (await house.ask(command))["result"] == "accepted"
    assert len(house.commands) == 1


async def test_tasks_are_few_and_the_same(house: Broadcast) -> None:
    for number in range(2, 60):
        await house.add_printer(number, f"printer-{number}")
    await house.settle()
    ours = [task for task in asyncio.all_tasks() if task.get_name().startswith("mqtt: ")]
    assert len(ours) == SENDERS + 3


class Choosy:
    """A broker that hangs up on who wants to listen outside its own topics."""

    def __init__(self, connect: Any) -> None:
        self._connect = connect

    async def __call__(self, *, will: Will | None = None) -> Any:
        connection = await self._connect(will=will)
        subscribe = connection.subscribe

        async def choosy(*filters: str, qos: int = 0) -> None:
            if any(not topic.startswith(OWN) for topic in filters):
                connection.broker.lose(connection, "it does not let this user subscribe")
                raise MqttLost("it does not let this user subscribe")
            await subscribe(*filters, qos=qos)

        connection.subscribe = choosy
        return connection
