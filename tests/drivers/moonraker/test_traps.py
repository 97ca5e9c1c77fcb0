"""Eleven things that were measured on a real Moonraker over MQTT, and what the driver makes of each.

Judged by the machine's ledger where something was printed. Numbers as in the simulator's own tests.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.domain.orders import SendGcode
from tests.contract.stand import MARK, on_virtual_time
from tests.support.moonraker_stand import INSTANCE, PANEL_FILE, MoonrakerStand

#: Seconds within which a dead Klipper must be noticed: one poll, and the history's second look.
NOTICED_IN = 30.0


class Slow(MoonrakerStand):
    """Looked at four times a second: these tests last for minutes of the machine."""

    look = 0.25


async def printing(stand: MoonrakerStand) -> None:
    await stand.ready()
    await stand.start(stand.print_file())
    await stand.moved(0.2)


@on_virtual_time
async def test_1_a_klipper_killed_in_silence_is_noticed_and_its_print_ended(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        stand.wire.act(stand.machine.kill_klippy)
        await stand.until(lambda: stand.snapshot().activity is Activity.ERROR, 5)
        shot = stand.snapshot()
        assert shot.link is LinkState.UP
        assert "Klipper is not running" in (shot.message or "")
        ended = await stand.phase(PrintPhase.FAILED, seconds=NOTICED_IN)
        assert (ended.key, ended.progress is not None) == (MARK, True)
        assert ended.message == "Klipper ended or was restarted in mid-print."


@on_virtual_time
async def test_1_without_a_history_nobody_knows_and_the_print_is_held(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        stand.machine.kill_moonraker(asyncio.get_running_loop().time(), back_after=3.0)
        stand.wire.act(stand.machine.kill_klippy)  # Moonraker did not see it end: "interrupted"
        held = await stand.phase(PrintPhase.HELD, seconds=60)
        assert "Look at the printer" in (held.message or "")
        stand.wire.act(stand.machine.start_klippy)
        ended = await stand.phase(PrintPhase.FAILED, seconds=NOTICED_IN)
        assert (ended.key, ended.message) == (MARK, "The printer's host was interrupted in mid-print.")


@on_virtual_time
async def test_2_an_emergency_stop_that_shows_as_paused_is_a_failed_print(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        heard = len(stand.seen)
        stand.wire.act(stand.machine.emergency_stop)
        ended = await stand.phase(PrintPhase.FAILED, seconds=NOTICED_IN)
        assert "Shutdown due to webhooks request" in (ended.message or "")
        phases = {shot.current.phase for shot in stand.seen[heard:] if shot.current is not None}
        assert PrintPhase.PAUSED not in phases
        assert stand.snapshot().activity is Activity.ERROR
        assert "FIRMWARE_RESTART" in (stand.snapshot().message or "")
        assert (await stand.start(stand.print_file(), order_id="again")).result is OrderResult.REFUSED


@on_virtual_time
async def test_3_a_job_that_vanished_with_a_restart_of_klipper_is_over(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        stand.wire.act(stand.machine.restart_klippy)
        ended = await stand.phase(PrintPhase.FAILED, PrintPhase.CANCELED, seconds=NOTICED_IN)
        assert (ended.phase, ended.key) == (PrintPhase.FAILED, MARK)
        assert "Klipper" in (ended.message or "")
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        assert stand.physical_starts() == ["gateway"]


@pytest.mark.parametrize("is_split", [False, True], ids=["differences", "split"])
@on_virtual_time
async def test_4_what_the_broker_kept_is_not_believed(tmp_path: Path, is_split: bool) -> None:
    async with Slow(tmp_path, config=MoonrakerConfig(INSTANCE, is_split=is_split)) as stand:
        await stand.kill_host()
        stand.machine.kill_moonraker(asyncio.get_running_loop().time())
        stand.wire.leave_retained()  # yesterday.gcode is printing, at 42 %, and Moonraker is online
        await stand.raise_host()
        await asyncio.sleep(60)
        assert all(shot.current is None for shot in stand.seen)
        assert stand.snapshot().link is LinkState.DOWN
        stand.wire.act(stand.machine.start_moonraker)
        await stand.ready()
        await asyncio.sleep(10)
        assert all(shot.current is None for shot in stand.seen)
        stand.panel_start()
        assert (await stand.phase(PrintPhase.PRINTING)).name == PANEL_FILE


@on_virtual_time
async def test_4_nothing_comes_on_subscribe_so_everything_is_asked(tmp_path: Path) -> None:
    """Without `status_objects` nothing is published at all: polls alone tell everything."""
    async with Slow(tmp_path, config=MoonrakerConfig(INSTANCE, objects={})) as stand:
        await stand.ready()
        assert stand.snapshot().temperatures["T"] == pytest.approx(21.6)
        await stand.start(stand.print_file())
        assert (await stand.phase(PrintPhase.COMPLETED)).progress == 1.0
        assert stand.moves() == stand.program()
        assert stand.broker.said(f"{INSTANCE}/klipper/#") == []


@on_virtual_time
async def test_5_a_file_that_fails_at_once_is_started_and_failed(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        bad = tmp_path / "bad.gcode"
        bad.write_text("G1 X10 F600\n")  # not homed
        assert (await stand.start(bad)).result is OrderResult.ACCEPTED
        ended = await stand.phase(PrintPhase.FAILED, seconds=NOTICED_IN)
        assert "home" in (ended.message or "").lower()
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_5_the_same_file_twice_is_two_prints_though_its_name_is_in_no_difference(
    tmp_path: Path,
) -> None:
    async with Slow(tmp_path, files={"short.gcode": b"G28\nG1 X5 F600\n"}) as stand:
        await stand.ready()
        keys = []
        for _ in range(2):
            stand.wire.act(stand.machine.panel.start, "short.gcode")
            ended = await stand.phase(PrintPhase.COMPLETED, seconds=60)
            keys.append(ended.key)
            stand.acknowledge(ended.key)
        assert len(set(keys)) == 2
        assert stand.physical_starts() == ["panel", "panel"]


@on_virtual_time
async def test_6_a_broker_that_forgot_everything_is_no_news_of_the_print(tmp_path: Path) -> None:
    async with Slow(tmp_path, config=MoonrakerConfig(INSTANCE, is_split=True)) as stand:
        await printing(stand)
        stand.broker.down()
        await asyncio.sleep(5)
        assert stand.snapshot().link is LinkState.DOWN
        assert stand.snapshot().current is not None
        stand.broker.up(keeps_retained=False)
        await stand.ready(60)
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert stand.moves() == stand.program()
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_7_a_killed_moonraker_is_noticed_at_once_and_its_print_goes_on(tmp_path: Path) -> None:
    """Its history calls the print interrupted when it is back; the machine prints, so it is not."""
    async with Slow(tmp_path) as stand:
        await printing(stand)
        stand.machine.kill_moonraker(asyncio.get_running_loop().time(), back_after=20.0)
        stand.wire.stir()
        await stand.until(lambda: stand.snapshot().link is LinkState.DOWN, 1)
        assert "offline" in (stand.snapshot().link_reason or "")
        await stand.ready(60)
        current = stand.snapshot().current
        assert current is not None
        assert (current.key, current.phase) == (MARK, PrintPhase.PRINTING)
        assert stand.snapshot().ended == ()
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert stand.moves() == stand.program()


@on_virtual_time
async def test_8_a_request_that_is_delivered_twice_runs_once(tmp_path: Path) -> None:
    """The second copy's error has the id of the first: it is no refusal of it."""
    twice = [
        Misfortune("request-doubled", method=method)
        for method in ("printer.print.start", "printer.gcode.script")
    ]
    async with Slow(tmp_path, faults=Misfortunes(twice)) as stand:
        await stand.ready()
        assert (await stand.gcode("G28")).result is OrderResult.ACCEPTED
        ran = [entry.line for entry in stand.machine.ledger.events("executed") if entry.source == "rpc"]
        assert ran == ["G28"]
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        assert (await stand.start(stand.print_file())).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.physical_starts() == ["gateway"]
        duplicates = [json.loads(said) for said in stand.broker.said(f"{INSTANCE}/moonraker/api/response")]
        assert [said["error"]["code"] for said in duplicates if "error" in said].count(-10000) == 2


@on_virtual_time
async def test_8_errors_are_refusals_in_words(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        refused = await stand.gcode("G1 X10")
        assert refused.result is OrderResult.UNCLEAR, "a script may have run up to that line"
        assert "home" in (refused.message or "").lower()
        stand.broker.publish(f"{INSTANCE}/moonraker/api/response", b'{"error":{"code":-32700},"id":null}')
        stand.broker.publish(f"{INSTANCE}/moonraker/api/response", b'{"result":"ok","id":1}')
        await asyncio.sleep(1)
        assert (await stand.gcode("NO_SUCH_MACRO")).result is OrderResult.ACCEPTED, "Klipper says ok to it"


@on_virtual_time
async def test_9_replies_in_any_order_find_who_asked(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        slow = SendGcode(stand.printer, stand.new_order_id(), ("G28",))
        quick = SendGcode(stand.printer, stand.new_order_id(), ("M105",))
        await stand.submit(slow)
        heard = stand.snapshot().silent_for
        await asyncio.sleep(6)  # polls are asked, and answered, before it is
        assert heard is not None
        assert (stand.snapshot().silent_for or 99) < 6
        assert not stand.answers
        await stand.submit(quick)
        assert (await stand.answered(slow.order_id)).result is OrderResult.ACCEPTED
        assert (await stand.answered(quick.order_id)).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_9_a_cancel_takes_its_time_and_is_said_when_it_is_done(tmp_path: Path) -> None:
    late = Misfortunes([Misfortune("reply-late", method="printer.print.cancel", seconds=1.4)])
    async with Slow(tmp_path, faults=late) as stand:
        await printing(stand)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        ended = await stand.phase(PrintPhase.CANCELED, seconds=NOTICED_IN)
        assert stand.is_still()
        assert ended.key == MARK


@on_virtual_time
async def test_10_a_moonraker_without_its_mqtt_part_is_told_apart_by_words(tmp_path: Path) -> None:
    """`status_interval: 0.25` is refused, Moonraker runs on without MQTT, and nothing says so."""
    async with Slow(tmp_path, config=MoonrakerConfig(INSTANCE, interval=0.25)) as stand:
        await asyncio.sleep(30)
        shot = stand.snapshot()
        assert shot.link is LinkState.DOWN
        assert "moonraker.log" in (shot.link_reason or "")
        assert f"{INSTANCE}/moonraker/api/request" in (shot.link_reason or "")
        refused = await stand.start(stand.print_file())
        assert (refused.result, refused.message) == (OrderResult.REFUSED, shot.link_reason)


@on_virtual_time
async def test_11_a_cancelled_print_keeps_the_progress_it_had(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        current = stand.snapshot().current
        assert current is not None
        await stand.cancel()
        ended = await stand.phase(PrintPhase.CANCELED, seconds=NOTICED_IN)
        assert ended.progress is not None
        assert ended.progress >= (current.progress or 0.0) > 0.1
        assert (ended.position or 0) > 100
        stats = stand.machine.klippy.sdcard.status()
        assert (stats["progress"], stats["file_position"], stats["file_size"]) == (0.0, 0, 0)


@on_virtual_time
async def test_11_a_completed_print_is_whole(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await printing(stand)
        ended = await stand.phase(PrintPhase.COMPLETED)
        assert ended.progress == 1.0
        assert stand.machine.klippy.sdcard.status()["file_path"] is None
        assert stand.is_still()
