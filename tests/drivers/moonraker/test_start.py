"""A start goes out once, whatever is lost on the way; its answer is what the machine shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.domain.orders import CancelPrint, SendGcode
from gateway.transport.mqtt import MqttMessage
from tests.contract.stand import MARK, SECOND, on_virtual_time
from tests.drivers.moonraker.test_traps import Slow
from tests.support.memory_broker import Fate

START = "printer.print.start"
MARKED = f"part_{MARK.replace('-', '')}.gcode"


def fault(name: str, method: str | None = START, **more: float) -> Misfortunes:
    return Misfortunes([Misfortune(name, method=method, **more)])  # type: ignore[arg-type]


@on_virtual_time
async def test_the_file_has_a_name_of_its_own_and_goes_when_the_end_is_acknowledged(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        assert MARKED in stand.stored()
        ended = await stand.phase(PrintPhase.COMPLETED)
        assert ended.name == "part.gcode"
        assert MARKED in stand.stored()
        stand.acknowledge(MARK)
        await asyncio.sleep(1)
        assert MARKED not in stand.stored()


@on_virtual_time
async def test_a_lost_reply_is_made_good_by_the_machine(tmp_path: Path) -> None:
    async with Slow(tmp_path, faults=fault("reply-lost")) as stand:
        await stand.ready()
        assert (await stand.start(stand.print_file())).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_a_lost_request_is_unclear_and_not_sent_again(tmp_path: Path) -> None:
    async with Slow(tmp_path, faults=fault("request-lost")) as stand:
        await stand.ready()
        answer = await stand.start(stand.print_file())
        assert answer.result is OrderResult.UNCLEAR
        assert answer.message
        again = await stand.start(stand.print_file(), order_id="again")
        assert again.result is OrderResult.UNCLEAR
        await asyncio.sleep(300)
        assert stand.physical_starts() == []
        assert len(stand.broker.said("+/moonraker/api/request")) > 1
        sent = [said for said in stand.broker.said("+/moonraker/api/request") if START.encode() in said]
        assert len(sent) == 1


@on_virtual_time
async def test_a_start_that_waits_behind_a_script_is_unclear_and_recognized_when_it_begins(
    tmp_path: Path,
) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()

        def first_a_script(_client: str, message: MqttMessage) -> Fate:
            if START.encode() in message.payload:  # somebody else's, an instant before
                stand.machine.server.run_script("G4 P90000\nG4 P1", "panel")
            return Fate.ARRIVES

        stand.broker.fate = first_a_script
        assert (await stand.start(stand.print_file())).result is OrderResult.UNCLEAR
        assert stand.physical_starts() == []
        begun = await stand.phase(PrintPhase.PRINTING, seconds=300)
        assert (begun.key, begun.is_local) == (MARK, False)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.physical_starts() == ["gateway"]


@pytest.mark.parametrize("fate", [Fate.ACK_LOST, Fate.LOST, Fate.IGNORED], ids=lambda fate: fate.name.lower())
@on_virtual_time
async def test_a_connection_that_breaks_in_the_start_starts_once_at_most(tmp_path: Path, fate: Fate) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        struck: list[bytes] = []

        def strike(_client: str, message: MqttMessage) -> Fate:
            if START.encode() not in message.payload:
                return Fate.ARRIVES
            struck.append(message.payload)
            return fate

        stand.broker.fate = strike
        answer = await stand.start(stand.print_file())
        arrived = fate is Fate.ACK_LOST
        assert answer.result is (OrderResult.ACCEPTED if arrived else OrderResult.UNCLEAR)
        await asyncio.sleep(300)
        assert stand.physical_starts() == (["gateway"] if arrived else [])
        assert len(struck) == 1


@pytest.mark.parametrize("name", ["upload-refused", "upload-answer-lost"])
@on_virtual_time
async def test_a_file_that_does_not_get_there_is_a_refusal(tmp_path: Path, name: str) -> None:
    async with Slow(tmp_path, faults=fault(name, None)) as stand:
        await stand.ready()
        answer = await stand.start(stand.print_file())
        assert answer.result is OrderResult.REFUSED
        assert "could not be put on the printer" in (answer.message or "")
        assert stand.physical_starts() == []
        assert (await stand.start(stand.print_file(), SECOND)).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_a_print_that_somebody_starts_during_the_upload_is_spared(tmp_path: Path) -> None:
    """Klipper would drop a paused print for the new one without a word: it is looked at right before."""
    async with Slow(tmp_path) as stand:
        await stand.ready()
        big = tmp_path / "big.gcode"
        big.write_bytes(b"; filler\n" * 600_000)
        order = stand.start_order(big)
        await stand.submit(order)
        await asyncio.sleep(1)
        assert stand.snapshot().is_receiving
        assert stand.snapshot().activity is Activity.BUSY
        stand.panel_start()
        await asyncio.sleep(15)
        stand.wire.act(stand.machine.panel.pause)
        answer = await stand.answered(order.order_id)
        assert answer.result is OrderResult.REFUSED
        assert "vase.gcode" in (answer.message or "")
        assert stand.physical_starts() == ["panel"]


@on_virtual_time
async def test_a_cancel_during_the_upload_means_nothing_ever_moves(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        big = tmp_path / "big.gcode"
        big.write_bytes(b"; filler\n" * 600_000)
        start = stand.start_order(big)
        await stand.submit(start)
        await asyncio.sleep(2)
        assert (await stand.pause()).result is OrderResult.REFUSED
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        assert (await stand.answered(start.order_id)).result is OrderResult.REFUSED
        assert [end.phase for end in stand.snapshot().ended] == [PrintPhase.CANCELED]
        await asyncio.sleep(60)
        assert stand.physical_starts() == []


@on_virtual_time
async def test_a_cancel_of_a_start_that_is_on_its_way_is_passed_on_when_it_is_proven(tmp_path: Path) -> None:
    async with Slow(tmp_path, faults=fault("reply-late", seconds=4.0)) as stand:
        await stand.ready()
        start = stand.start_order(stand.print_file())
        await stand.submit(start)
        await stand.until(lambda: any(START.encode() in said for said in stand.broker.said("#")))
        cancel = CancelPrint(stand.printer, stand.new_order_id(), MARK)
        await stand.submit(cancel)
        assert (await stand.answered(start.order_id)).result is OrderResult.ACCEPTED
        assert (await stand.answered(cancel.order_id)).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.CANCELED, seconds=60)).key == MARK
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_a_busy_machine_gets_no_start(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        homing = SendGcode(stand.printer, stand.new_order_id(), ("G28",))
        await stand.submit(homing)
        await stand.until(lambda: stand.snapshot().activity is Activity.BUSY, 30)
        refused = await stand.start(stand.print_file())
        assert refused.result is OrderResult.REFUSED
        assert "busy" in (refused.message or "")
        assert stand.stored().keys() == {"vase.gcode"}
