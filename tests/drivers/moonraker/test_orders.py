"""Orders beside the start, judged by what the machine ran."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.domain.orders import (
    AbortUpload,
    Adjust,
    AnswerPrompt,
    CancelPrint,
    HeatersOff,
    RecoverPrint,
    Tell,
)
from gateway.drivers.moonraker.orders import adjusting_lines
from tests.contract.stand import MARK, OTHER, on_virtual_time
from tests.drivers.moonraker.test_traps import Slow


def ran(stand: Slow) -> list[str]:
    """What the machine ran for a client of the broker."""
    executed = stand.machine.ledger.events("executed")
    return [entry.line or "" for entry in executed if entry.source == "rpc"]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (Adjustment(speed=120), ("M220 S120",)),
        (Adjustment(flow=95, fan=50), ("M221 S95", "M106 S128")),
        (Adjustment(fan=0), ("M106 S0",)),
        (Adjustment(hotend=0, bed=60), ("M104 S0", "M140 S60")),
        (Adjustment(z_step=-0.05), ("SET_GCODE_OFFSET Z_ADJUST=-0.05 MOVE=1",)),
    ],
    ids=str,
)
def test_an_adjustment_in_klippers_words(change: Adjustment, lines: tuple[str, ...]) -> None:
    assert adjusting_lines(change) == lines


class BrokenStorage:
    """A storage with a mistake in it."""

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        raise ZeroDivisionError

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        raise ZeroDivisionError

    async def delete(self, name: str) -> None:
        raise ZeroDivisionError


@on_virtual_time
async def test_a_mistake_ends_the_driver_and_leaves_no_start_waiting(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.kill_host()
        stand.wire.storage = BrokenStorage()  # type: ignore[assignment]
        stand.driver = stand.new_driver()
        stand.run_host()
        await stand.ready()
        stand.give_order(stand.start_order(stand.print_file()))
        assert stand.task is not None
        with pytest.raises(ExceptionGroup) as died:
            await asyncio.wait_for(stand.task, 60.0)
        assert died.group_contains(ZeroDivisionError)
        stand.task = None
        assert stand.physical_starts() == []


@on_virtual_time
async def test_klipper_has_no_light_of_its_own(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        change = Adjustment(light=True, fan=50)
        refused = await stand.give(Adjust(stand.printer, stand.new_order_id(), "", change))
        assert (refused.result, "macro" in (refused.message or "")) == (OrderResult.REFUSED, True)
        assert ran(stand) == []


@on_virtual_time
async def test_a_print_is_adjusted_and_another_one_is_not(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        change = Adjustment(speed=150, bed=40)
        refused = await stand.give(Adjust(stand.printer, stand.new_order_id(), OTHER, change))
        assert refused.result is OrderResult.REFUSED
        done = await stand.give(Adjust(stand.printer, stand.new_order_id(), MARK, change))
        assert done.result is OrderResult.ACCEPTED
        assert ran(stand)[1:] == ["M220 S150", "M140 S40"]
        await stand.until(lambda: stand.snapshot().temperatures["B_target"] == 40.0, 10)
        current = stand.snapshot().current
        assert current is not None
        assert (current.details or {})["speed"] == 150


@on_virtual_time
async def test_heaters_go_off_only_while_nothing_is_printed_or_it_stands(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.gcode("M104 S200", "M140 S60")
        off = await stand.give(HeatersOff(stand.printer, stand.new_order_id(), ""))
        assert off.result is OrderResult.ACCEPTED
        assert ran(stand)[-1] == "TURN_OFF_HEATERS"
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        printing = await stand.give(HeatersOff(stand.printer, stand.new_order_id(), MARK))
        assert printing.result is OrderResult.REFUSED
        await stand.pause()
        await stand.phase(PrintPhase.PAUSED)
        hotends = HeatersOff(stand.printer, stand.new_order_id(), MARK, only_hotends=True)
        assert (await stand.give(hotends)).result is OrderResult.ACCEPTED
        assert ran(stand)[-1] == "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=0"


@on_virtual_time
async def test_a_stopped_klipper_is_restarted_by_its_own_word(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.emergency()
        await stand.until(lambda: stand.snapshot().activity is Activity.ERROR)
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED
        unknown = await stand.give(Tell(stand.printer, stand.new_order_id(), "reboot", {}))
        assert (unknown.result, "firmware_restart" in (unknown.message or "")) == (OrderResult.REFUSED, True)
        told = await stand.give(Tell(stand.printer, stand.new_order_id(), "firmware_restart", {}))
        assert told.result is OrderResult.ACCEPTED
        await stand.until(lambda: stand.snapshot().activity is Activity.READY, 60)


@on_virtual_time
async def test_no_restart_in_mid_print(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        told = await stand.give(Tell(stand.printer, stand.new_order_id(), "firmware_restart", {}))
        assert told.result is OrderResult.REFUSED
        await stand.phase(PrintPhase.COMPLETED)


@pytest.mark.parametrize("kind", ["recover", "prompt"])
@on_virtual_time
async def test_what_klipper_cannot_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        order: Any = AnswerPrompt(stand.printer, "o1", 1, 0)
        if kind == "recover":
            order = RecoverPrint(stand.printer, "o1", MARK, "/x", "", 1, "x", 0, 0, 0, (), ())
        answer = await stand.give(order)
        assert answer.result is OrderResult.REFUSED
        assert answer.message


@on_virtual_time
async def test_the_same_cancel_twice_is_asked_once(tmp_path: Path) -> None:
    late = Misfortunes([Misfortune("reply-late", method="printer.print.cancel", seconds=3.0)])
    async with Slow(tmp_path, faults=late) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        orders = [CancelPrint(stand.printer, stand.new_order_id(), MARK) for _ in range(3)]
        for order in orders:
            await stand.submit(order)
        for order in orders:
            assert (await stand.answered(order.order_id)).result is OrderResult.ACCEPTED
        asked = [said for said in stand.broker.said("+/moonraker/api/request") if b"print.cancel" in said]
        assert len(asked) == 1


@on_virtual_time
async def test_an_order_whose_reply_is_lost_with_the_broker_is_unclear(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        cancel = CancelPrint(stand.printer, stand.new_order_id(), MARK)
        await stand.submit(cancel)
        while b"print.cancel" not in b"".join(stand.broker.said("voron1/moonraker/api/request")):
            await asyncio.sleep(0.001)  # the machine is asked first
        stand.broker.down()
        assert (await stand.answered(cancel.order_id, 5)).result is OrderResult.UNCLEAR
        gone = await stand.emergency()
        assert gone.result is OrderResult.REFUSED
        assert "mains" in (gone.message or "")


@on_virtual_time
async def test_an_upload_is_told_of_joined_and_aborted(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        big = tmp_path / "Big one #1.gcode"
        big.write_bytes(b"G1 X1\n" * 900_000)
        first, second = stand.upload_order(big), stand.upload_order(big)
        await stand.submit(first)
        await asyncio.sleep(2.5)
        await stand.submit(second)
        assert stand.progress[-1].order_id == second.order_id
        assert stand.progress[-1].answer["name_on_printer"].startswith("Big-one-1-")
        assert 0 < (stand.progress[-1].progress or 0) < 1
        assert stand.snapshot().is_receiving
        abort = AbortUpload(stand.printer, stand.new_order_id(), first.order_id)
        assert (await stand.give(abort)).result is OrderResult.ACCEPTED
        for order in (first, second):
            assert (await stand.answered(order.order_id)).result is OrderResult.REFUSED
        late = await stand.give(AbortUpload(stand.printer, stand.new_order_id(), first.order_id))
        assert late.result is OrderResult.REFUSED
        assert stand.stored().keys() == {"vase.gcode"}
        assert not stand.snapshot().is_receiving
        assert (await stand.upload(big)).result is OrderResult.ACCEPTED
        assert big.read_bytes() in stand.stored().values()


@on_virtual_time
async def test_an_upload_whose_answer_is_lost_is_removed_again(tmp_path: Path) -> None:
    lost = Misfortunes([Misfortune("upload-answer-lost")])
    async with Slow(tmp_path, faults=lost) as stand:
        await stand.ready()
        assert (await stand.upload(stand.upload_file())).result is OrderResult.REFUSED
        assert stand.stored().keys() == {"vase.gcode"}


@on_virtual_time
async def test_layers_time_and_message_are_told_of_a_print(tmp_path: Path) -> None:
    lines = [
        "; estimated printing time (normal mode) = 10m 0s",
        "SET_PRINT_STATS_INFO TOTAL_LAYER=20 CURRENT_LAYER=3",
        "M117 First things first", "M73 P40", "G28", "M109 S200", "G1 X5 E1 F600", "G4 P300000",
    ]  # fmt: skip
    async with Slow(tmp_path) as stand:
        await stand.ready()
        part = tmp_path / "part.gcode"
        part.write_text("\n".join(lines))
        await stand.start(part)
        await asyncio.sleep(5)
        assert (await stand.phase(PrintPhase.PRINTING)).progress == pytest.approx(0.4), "M73's"
        await asyncio.sleep(200)
        report = await stand.phase(PrintPhase.PRINTING)
        details = dict(report.details or {})
        assert (details["layer"], details["layers"], details["stage"]) == (3, 20, "First things first")
        assert 400 < details["seconds_left"] <= 600
