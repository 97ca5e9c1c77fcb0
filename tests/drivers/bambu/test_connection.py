"""The connection: what is asked, when nothing is told, and when it is made anew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import LinkState, OrderResult, PrintPhase
from gateway.domain.orders import Adjust
from gateway.protocol.bambu.liveness import FULL_SECONDS, REFRESH_SECONDS, SILENT_SECONDS
from gateway.protocol.bambu.reading import MOST_BYTES
from gateway.transport.mqtt import MqttMessage
from tests.contract.stand import MARK, on_virtual_time
from tests.support.bambu_stand import BambuStand


def asked(stand: BambuStand) -> list[str]:
    """The commands that were published, in order."""
    found: list[dict[str, Any]] = [json.loads(payload) for _, payload in stand.wire.published]
    return [f"{section}.{inner['command']}" for each in found for section, inner in each.items()]


@on_virtual_time
async def test_it_asks_for_everything_once_and_listens_to_reports_only(tmp_path: Path) -> None:
    """An A1 drops whoever subscribes to the other topic."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await asyncio.sleep(REFRESH_SECONDS / 2)
        assert asked(stand) == ["pushing.pushall", "info.get_version"]
        assert stand.wire.opened == 1
        assert stand.snapshot().firmware == "Bambu Lab A1 01.07.00.00"
        assert {topic for topic, _ in stand.wire.published} == {stand.bambu.request_topic}


@on_virtual_time
async def test_the_full_state_is_asked_for_every_five_minutes_at_most(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await asyncio.sleep(10 * REFRESH_SECONDS)
        assert 9 <= asked(stand).count("pushing.pushall") <= 12
        assert stand.wire.opened == 1


@on_virtual_time
async def test_nothing_is_told_before_the_first_full_state(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        stand.arm("deltas-only", seconds=30.0)
        stand.panel_start()
        await asyncio.sleep(25)
        assert {shot.link for shot in stand.seen} <= {LinkState.DOWN, LinkState.CONNECTING}
        assert not any(shot.current or shot.ended or shot.activity for shot in stand.seen)
        await stand.ready()
        assert (await stand.phase(PrintPhase.PRINTING)).name == "Vase.gcode.3mf"


@on_virtual_time
async def test_a_printer_that_never_tells_all_is_tried_anew(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        stand.arm("deltas-only", seconds=10_000.0)
        await asyncio.sleep(FULL_SECONDS + 5)
        assert stand.wire.opened == 2
        await stand.ready()


@on_virtual_time
async def test_a_print_is_shown_as_it_was_until_the_printer_has_told(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.3)
        was = stand.snapshot().current
        stand.cut("network")
        await stand.kill_host()
        await stand.raise_host()
        await asyncio.sleep(5)
        shown = stand.snapshot()
        assert (shown.link, shown.activity) == (LinkState.DOWN, None)
        assert shown.current is not None
        assert was is not None
        assert (shown.current.key, shown.current.phase) == (was.key, was.phase)
        stand.mend("network")
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK


@on_virtual_time
async def test_a_silent_printer_is_asked_and_then_given_up(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.cut("silence")
        await stand.until(lambda: stand.snapshot().link is LinkState.DOWN, SILENT_SECONDS + 30)
        assert stand.snapshot().link_reason
        stand.mend("silence")
        await stand.ready()


@on_virtual_time
async def test_a_session_that_does_not_listen_is_found_without_an_order(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("half-dead", command="pushall")
        await stand.until(lambda: stand.wire.opened == 2, REFRESH_SECONDS + FULL_SECONDS + 10)
        await stand.ready()


@on_virtual_time
async def test_bytes_that_are_no_utf8_and_no_json_are_survived(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("non-utf8", count=10)
        [connection] = stand.wire.connections
        for payload in (b"", b"{", b"\xff\xfe", b"[1]", b"{" * 20_000, b"[" * MOST_BYTES, b'{"print":3}'):
            connection.deliver(MqttMessage(stand.bambu.report_topic, payload))
        assert (await stand.start(stand.print_file())).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.wire.opened == 1


@on_virtual_time
async def test_what_a_broker_between_has_kept_is_not_what_the_printer_says(tmp_path: Path) -> None:
    """A bridge's broker may retain reports, and hand out those of a printer that is off."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        [connection] = stand.wire.connections
        hot = json.dumps({"print": {"command": "push_status", "msg": 1, "nozzle_temper": 201.5}}).encode()
        for is_kept, is_told in ((True, False), (False, True)):
            connection.deliver(MqttMessage(stand.bambu.report_topic, hot, retain=is_kept))
            await asyncio.sleep(1)
            assert (stand.snapshot().temperatures["T"] == 201.5) is is_told


@on_virtual_time
async def test_a_wrong_access_code_says_what_to_do_and_is_not_tried_fast(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.bambu.panel.change_access_code("87654321", stand.wire.now)
        stand.wire.turn()
        await stand.until(lambda: stand.snapshot().link is LinkState.DOWN)
        await asyncio.sleep(600)
        assert "access code" in (stand.snapshot().link_reason or "")
        assert stand.wire.refused < 12


@pytest.mark.parametrize("model", ["a1", "p1s", "x1c", "h2d-like"])
@on_virtual_time
async def test_an_idle_printer_costs_few_snapshots(tmp_path: Path, model: str) -> None:
    async with BambuStand(tmp_path, model) as stand:
        await stand.ready()
        heard = len(stand.seen)
        await asyncio.sleep(600)
        assert 60 <= len(stand.seen) - heard <= 121


@pytest.mark.parametrize("turns", range(6))
@on_virtual_time
async def test_an_order_at_the_moment_of_a_loss_is_taken(turns: int, tmp_path: Path) -> None:
    """What was being sent then is over, and nothing more can be: that is no mistake of the driver."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.wire.drop()
        for _ in range(turns):
            await asyncio.sleep(0)
        change = Adjustment(light=True)
        answer = await stand.give(Adjust(stand.printer, stand.new_order_id(), "", change))
        assert "failed" not in (answer.message or "")
        await stand.ready()
