"""Every sentence of `gateway.drivers.contract`, for every driver, judged by the machine's ledger."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.domain.orders import CancelPrint, EmergencyStop, PausePrint, ResumePrint, SendGcode
from tests.support.marlin_stand import MarlinStand, on_virtual_time

MakeStand = Callable[[], MarlinStand]
LOCAL_KEY = re.compile(r"local-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


async def pass_time(seconds: float) -> None:
    await asyncio.sleep(seconds)


@on_virtual_time
async def test_a_start_is_never_retried(make_stand: MakeStand, print_file: Path) -> None:
    async with make_stand() as stand:
        await stand.ready()
        assert (await stand.start(print_file)).result is OrderResult.ACCEPTED
        await stand.until(lambda: len(stand.moves()) > 20)
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        await pass_time(300)
        assert stand.moves().count("G1 X5 Y5 F6000") == 1
        assert stand.ledger.executed("host").count("G28") == 1


@on_virtual_time
async def test_the_same_start_twice_prints_once(make_stand: MakeStand, print_file: Path) -> None:
    async with make_stand() as stand:
        await stand.ready()
        for _ in range(3):
            assert (await stand.start(print_file)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert (await stand.start(print_file)).result is OrderResult.REFUSED
        await pass_time(60)
        assert stand.ledger.executed("host").count("G28") == 1


@on_virtual_time
async def test_every_order_is_answered_exactly_once(make_stand: MakeStand, print_file: Path) -> None:
    async with make_stand() as stand:
        orders = [
            SendGcode("mk3", "g1", ("G28",)),
            PausePrint("mk3", "p1", "nothing"),
            ResumePrint("mk3", "r1", "nothing"),
            CancelPrint("mk3", "c1", "nothing"),
            stand.start_order(print_file, "k1", order_id="s1"),
            stand.start_order(print_file, "k2", order_id="s2"),
            PausePrint("mk3", "p2", "k1"),
            PausePrint("mk3", "p3", "k1"),
            ResumePrint("mk3", "r2", "k1"),
            ResumePrint("mk3", "r3", "k1"),
            CancelPrint("mk3", "c2", "k1"),
            CancelPrint("mk3", "c3", "k1"),
            SendGcode("mk3", "g2", ("M105",)),
            EmergencyStop("mk3", "e1"),
            CancelPrint("mk3", "c4", "k1"),
            SendGcode("mk3", "g3", ("M105",)),
        ]
        for order in orders[:1]:
            stand.driver.submit(order)
        await stand.ready()
        for order in orders[1:]:
            stand.driver.submit(order)
            await pass_time(0.7)
        await pass_time(120)
        counted = Counter(answer.order_id for answer in stand.answers)
        assert counted == Counter(order.order_id for order in orders)


@pytest.mark.parametrize("is_local", [False, True])
@on_virtual_time
async def test_an_order_for_another_print_sends_nothing(
    make_stand: MakeStand, print_file: Path, is_local: bool
) -> None:
    async with make_stand() as stand:
        await stand.ready()
        if is_local:
            stand.panel("start", "model.gco")
        else:
            await stand.start(print_file)
        await stand.phase(PrintPhase.PRINTING)
        for refused in (await stand.pause("other"), await stand.resume("other"), await stand.cancel("other")):
            assert refused.result is OrderResult.REFUSED
            assert refused.message
        await stand.phase(PrintPhase.COMPLETED)
        ran = stand.ledger.executed("host")
        assert not [line for line in ran if line.startswith(("M25", "M24", "M524", "M108", "M410", "M104"))]


@on_virtual_time
async def test_a_print_nobody_ordered_gets_a_key_of_the_drivers_own(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        keys = []
        for _ in range(2):
            stand.panel("start", "model.gco")
            keys.append((await stand.phase(PrintPhase.PRINTING)).key)
            ended = await stand.phase(PrintPhase.COMPLETED)
            assert ended.is_local
            stand.acknowledge(ended.key)
        assert all(LOCAL_KEY.match(key) for key in keys)
        assert len(set(keys)) == 2


@on_virtual_time
async def test_an_end_is_repeated_until_acknowledged(make_stand: MakeStand, print_file: Path) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(print_file)
        await stand.phase(PrintPhase.COMPLETED)
        heard = len(stand.seen)
        await pass_time(60)
        assert len(stand.seen) > heard + 3
        assert all([end.key for end in shot.ended] == ["mark-1"] for shot in stand.seen[heard:])
        stand.acknowledge("mark-1")
        stand.acknowledge("mark-1")
        stand.acknowledge("never-heard-of")
        assert stand.driver.snapshot().ended == ()
        assert stand.seen[-1].ended == ()


@on_virtual_time
async def test_said_when_the_machine_did_it(make_stand: MakeStand, print_file: Path) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(print_file)
        await stand.until(lambda: len(stand.moves()) > 30)
        await stand.pause()
        assert stand.driver.snapshot().current.phase is not PrintPhase.PAUSED  # type: ignore[union-attr]
        await stand.phase(PrintPhase.PAUSED)
        assert stand.board.is_idle
        stood = stand.moves()
        await pass_time(60)
        assert stand.moves() == stood
        await stand.resume()
        await stand.until(lambda: len(stand.moves()) > 60)
        await stand.cancel()
        assert not stand.driver.snapshot().ended
        await stand.phase(PrintPhase.CANCELED)
        assert stand.board.is_idle
        await stand.start(print_file, "mark-2")
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.board.is_idle
        assert stand.moves()[-1] == "G1 X149 Y2 F6000"


@on_virtual_time
async def test_it_reconnects_by_itself(make_stand: MakeStand) -> None:
    stand = make_stand()
    stand.wire.is_plugged = False
    async with stand:
        await stand.until(lambda: stand.driver.snapshot().link is LinkState.DOWN)
        assert stand.driver.snapshot().link_reason
        await pass_time(600)
        stand.wire.plug()
        await stand.until(lambda: stand.driver.snapshot().link is LinkState.UP, 30)
        for _ in range(3):
            stand.wire.unplug()
            await stand.until(lambda: stand.driver.snapshot().link is LinkState.DOWN)
            stand.wire.plug()
            await stand.until(lambda: stand.driver.snapshot().link is LinkState.UP, 30)
        assert stand.driver.snapshot().activity is Activity.READY


@on_virtual_time
async def test_being_cancelled_leaves_the_machine_as_it_is(make_stand: MakeStand, print_file: Path) -> None:
    stand = make_stand()
    async with stand:
        await stand.ready()
        await stand.gcode("M104 S50")
        await stand.start(print_file)
        await stand.until(lambda: len(stand.moves()) > 30)
        ran = len(stand.ledger.executed("host"))
    await pass_time(60)
    assert len(stand.ledger.executed("host")) <= ran + 16, "at most what was under way"
    assert "M104 S0" not in stand.ledger.executed("host")
    assert not stand.board.is_halted


@on_virtual_time
async def test_an_emergency_stop_needs_no_print(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        await stand.until(lambda: stand.board.is_halted, 5)
        await stand.until(lambda: stand.driver.snapshot().activity is Activity.ERROR, 5)


@on_virtual_time
async def test_no_order_raises(make_stand: MakeStand, tmp_path: Path) -> None:
    async with make_stand() as stand:
        await stand.ready()
        folder = stand.start_order(tmp_path / "none", "k", size=0)
        assert (await stand.give(folder)).result is OrderResult.REFUSED
        assert (await stand.gcode("M117 caf\u00e9 \x00")).result is OrderResult.REFUSED


@pytest.mark.parametrize("is_cable", [False, True])
@on_virtual_time
async def test_an_interrupted_print_goes_on_in_its_stage(
    make_stand: MakeStand, print_file: Path, is_cable: bool
) -> None:
    async def interrupted(stand: MarlinStand) -> MarlinStand:
        if is_cable:
            stand.wire.unplug()
            await pass_time(3)
            stand.wire.plug()
            return stand
        await stand.__aexit__()
        return await MarlinStand(record=stand.record, wire=stand.wire).__aenter__()

    stand = await make_stand().__aenter__()
    await stand.ready()
    await stand.start(print_file)
    await stand.until(lambda: len(stand.moves()) > 30)
    stand = await interrupted(stand)
    await stand.phase(PrintPhase.HELD)
    await stand.phase(PrintPhase.PRINTING)
    await stand.until(lambda: len(stand.moves()) > 60)
    await stand.pause()
    stand = await interrupted(stand)
    await stand.phase(PrintPhase.PAUSED)
    stood = stand.moves()
    await pass_time(60)
    assert stand.moves() == stood
    await stand.resume()
    await stand.phase(PrintPhase.COMPLETED)
    assert stand.moves() == [line for line in print_file.read_text().splitlines() if line.startswith("G1")]
    await stand.__aexit__()


@on_virtual_time
async def test_an_interrupted_print_on_a_reset_board_is_held(make_stand: MakeStand, print_file: Path) -> None:
    stand = make_stand()
    async with stand:
        await stand.ready()
        await stand.start(print_file)
        await stand.until(lambda: len(stand.moves()) > 30)
        stand.wire.unplug()
        stand.board.reset(stand.wire.now)
        await pass_time(10)
        stood = stand.moves()
        stand.wire.plug()
        await stand.ready()
        await pass_time(60)
        report = await stand.phase(PrintPhase.HELD)
        assert "reset" in (report.message or "")
        assert stand.moves() == stood


@pytest.mark.parametrize("dies", [False, True])
@on_virtual_time
async def test_an_upload_runs_nothing_and_is_whole_or_gone(
    make_stand: MakeStand, print_file: Path, dies: bool
) -> None:
    print_file.write_text("".join(f"G1 X{number % 90} Y{number // 90}\n" for number in range(1500)))
    stand = await make_stand().__aenter__()
    await stand.ready()
    files = {file.short for file in stand.board.card.files}
    order = stand.upload_order(print_file)
    stand.driver.submit(order)
    await stand.until(lambda: stand.ledger.count("sd_write") > 50)
    assert not stand.answers
    if dies:
        await stand.__aexit__()
        stand = await MarlinStand(record=stand.record, wire=stand.wire, mark=stand.mark).__aenter__()
        await stand.until(lambda: stand.mark.left() is None)
        assert {file.short for file in stand.board.card.files} == files
    else:
        assert (await stand.answered(order.order_id)).result is OrderResult.ACCEPTED
        assert (stand.on_card("PART.GCO") or b"").split() == print_file.read_bytes().split()
    assert stand.moves() == []
    assert stand.ledger.count("sd_start") == 0
    await stand.__aexit__()
