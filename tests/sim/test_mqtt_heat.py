"""Heat of printers that print by themselves: what the gateway tells of it, and that it does nothing.

A Bambu printer and a Klipper, simulated, on virtual time; what they were asked is in their ledgers.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from firmware_sim.machine.thermal import Heater
from gateway.domain.job import JobStatus
from tests.support.mqtt_town import BAMBU, KLIPPER, PRINTERS, MqttTown


def rules(town: MqttTown, name: str) -> list[str]:
    return [alarm.rule for alarm in town.presence(name).alarms]


def orders(town: MqttTown) -> list[str]:
    """What the Bambu printer was asked over MQTT, beside questions."""
    asked = [entry.line or "" for entry in town.bambu.ledger.events("request") if entry.source == "mqtt"]
    return [name for name in asked if name.startswith(("print.", "system."))]


def at_its_page(town: MqttTown, line: str) -> None:
    """Somebody types it in Klipper's own page."""
    town.klipper_wire.act(lambda now: town.klipper.server.run_script(line, "page"))


def unprotected(heater: Heater) -> None:
    """Its firmware was built without thermal protection."""
    heater.pending_fault = lambda at: None  # type: ignore[method-assign]


async def test_whole_prints_raise_no_alarm(tmp_path: Path) -> None:
    async with MqttTown(tmp_path, watches_heat=True) as town:
        await town.ready()
        town.bambu.mover.heater("E0").set_target(215, town.bambu_wire.now)
        at_its_page(town, "M140 S60")
        jobs = [await town.submit(name) for name in PRINTERS]
        while [(await town.job(job.job_id)).is_over for job in jobs] != [True, True]:
            assert [rules(town, name) for name in PRINTERS] == [[], []]
            await asyncio.sleep(1)
        assert [(await town.job(job.job_id)).status for job in jobs] == [JobStatus.COMPLETED] * 2


async def test_heat_that_nobody_uses_is_told_and_stays(tmp_path: Path) -> None:
    async with MqttTown(tmp_path, watches_heat=True) as town:
        await town.ready()
        nozzle = town.bambu.mover.heater("E0")
        nozzle.set_target(200, town.bambu_wire.now)
        await asyncio.sleep(14 * 60)
        assert rules(town, BAMBU) == []
        await asyncio.sleep(2 * 60)
        assert rules(town, BAMBU) == ["idle-heat"]
        assert "nothing is printed" in (town.presence(BAMBU).message or "")
        assert (nozzle.target, orders(town)) == (200, [])
        nozzle.set_target(0, town.bambu_wire.now)
        await town.until(lambda: rules(town, BAMBU) == [])


@pytest.mark.parametrize(("kind", "rule"), [("drift", "no-heat-t"), ("runaway", "too-hot-t")])
async def test_a_broken_heater_in_somebody_elses_print_is_told_and_the_print_is_left_alone(
    tmp_path: Path, kind: str, rule: str
) -> None:
    async with MqttTown(tmp_path, watches_heat=True) as town:
        await town.ready()
        nozzle = town.bambu.mover.heater("E0")
        unprotected(nozzle)
        nozzle.set_target(200, town.bambu_wire.now)
        await asyncio.sleep(120)
        town.at_panel(BAMBU)
        await town.until(lambda: town.presence(BAMBU).print_key is not None)
        town.bambu.panel.break_heater("E0", kind, town.bambu_wire.now)
        await town.until(lambda: rule in rules(town, BAMBU))
        assert "ook at the machine" in (town.presence(BAMBU).message or "")
        await town.until(lambda: town.ends() == ["panel"])
        assert orders(town) == []


async def test_a_klipper_that_nobody_hears_is_told_after_a_while_and_sees_to_its_heat_itself(
    tmp_path: Path,
) -> None:
    async with MqttTown(tmp_path, watches_heat=True) as town:
        await town.ready()
        nozzle = town.klipper.klippy.heater("E0")
        at_its_page(town, "M104 S200")
        await asyncio.sleep(30)
        town.broker.down()
        await asyncio.sleep(4 * 60)
        assert rules(town, KLIPPER) == []
        await asyncio.sleep(2 * 60)
        assert rules(town, KLIPPER) == ["unreachable-heat"]
        town.broker.up()
        await town.until(lambda: town.is_linked(KLIPPER) and rules(town, KLIPPER) == [])
        await asyncio.sleep(20 * 60)
        assert (nozzle.target, rules(town, KLIPPER)) == (0, []), "its idle_timeout is 10 minutes"
