"""Every sentence of `gateway.drivers.contract` about orders and ends, for every kind, judged by the machine.

What breaks in between is in `test_interruptions`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.domain.orders import CancelPrint, EmergencyStop, PausePrint, ResumePrint, SendGcode, Tell
from tests.contract.stand import MARK, OTHER, SECOND, Stand, on_virtual_time

MakeStand = Callable[[], Stand]
#: Seconds in which everything is answered that is answered at all.
ANSWERED_IN = 600.0


@on_virtual_time
async def test_the_same_start_twice_prints_once(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        part = stand.print_file()
        for _ in range(3):
            again = await stand.start(part, order_id=stand.new_order_id())
            assert again.result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        late = await stand.start(part, order_id=stand.new_order_id())
        assert late.result is OrderResult.REFUSED
        assert late.message
        await asyncio.sleep(60)
        assert stand.physical_starts() == ["gateway"]
        assert stand.moves() == stand.program()


@on_virtual_time
async def test_a_second_start_on_a_busy_machine_is_refused(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        part = stand.print_file()
        await stand.start(part)
        await stand.phase(PrintPhase.PRINTING)
        refused = await stand.start(part, SECOND)
        assert refused.result is OrderResult.REFUSED
        assert refused.message
        await stand.phase(PrintPhase.COMPLETED)
        await asyncio.sleep(60)
        assert stand.physical_starts() == ["gateway"]
        assert stand.moves() == stand.program()


@on_virtual_time
async def test_a_start_that_would_be_refused_again_is_refused_for_good(make_read_only: MakeStand) -> None:
    async with make_read_only() as stand:
        await stand.ready()
        for key in (MARK, SECOND):
            refused = await stand.start(stand.print_file(), key)
            assert (refused.result, refused.is_final) == (OrderResult.REFUSED, True)
            assert refused.message, "what to change at the printer"
        assert stand.snapshot().link is LinkState.UP, "reading goes on"
        assert stand.snapshot().obstacle, "and nothing else is sent there"
        assert stand.physical_starts() == []


@on_virtual_time
async def test_every_order_is_answered_exactly_once(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        part, name, new = stand.print_file(), stand.printer, stand.new_order_id
        orders = [
            SendGcode(name, new(), ("G28",)),
            Tell(name, new(), "home", {}),
            PausePrint(name, new(), OTHER),
            ResumePrint(name, new(), OTHER),
            CancelPrint(name, new(), OTHER),
            stand.start_order(part, MARK, order_id=new()),
            stand.start_order(part, SECOND, order_id=new()),
            PausePrint(name, new(), MARK),
            PausePrint(name, new(), MARK),
            ResumePrint(name, new(), MARK),
            ResumePrint(name, new(), MARK),
            CancelPrint(name, new(), MARK),
            CancelPrint(name, new(), MARK),
            SendGcode(name, new(), ("M105",)),
            EmergencyStop(name, new()),
            CancelPrint(name, new(), MARK),
            SendGcode(name, new(), ("M105",)),
        ]
        for order in orders:
            await stand.submit(order)
            await asyncio.sleep(0.7)
        await asyncio.sleep(ANSWERED_IN)
        counted = Counter(answer.order_id for answer in stand.answers)
        assert counted == Counter(order.order_id for order in orders)


@on_virtual_time
async def test_an_order_to_a_machine_that_is_away_is_answered_too(make_stand: MakeStand) -> None:
    stand = make_stand()
    for cut in stand.traits.cuts:
        stand.cut(cut)
    async with stand:
        new = stand.new_order_id
        orders = [
            SendGcode(stand.printer, new(), ("G28",)),
            Tell(stand.printer, new(), stand.traits.own_command or "home", {}),
            stand.start_order(stand.print_file(), MARK, order_id=new()),
            PausePrint(stand.printer, new(), MARK),
            CancelPrint(stand.printer, new(), OTHER),
            EmergencyStop(stand.printer, new()),
        ]
        for order in orders:
            await stand.submit(order)
            await asyncio.sleep(0.7)
        await asyncio.sleep(ANSWERED_IN)
        assert Counter(a.order_id for a in stand.answers) == Counter(order.order_id for order in orders)
        assert stand.physical_starts() == []


@pytest.mark.parametrize("is_local", [False, True], ids=["ordered", "local"])
@on_virtual_time
async def test_an_order_for_another_print_sends_nothing(make_stand: MakeStand, is_local: bool) -> None:
    async with make_stand() as stand:
        await stand.ready()
        if is_local:
            stand.panel_start()
        else:
            await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        told = stand.interventions()
        for refused in (await stand.pause(OTHER), await stand.resume(OTHER), await stand.cancel(OTHER)):
            assert refused.result is OrderResult.REFUSED
            assert refused.message
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.interventions() == told
        assert stand.physical_starts() == ["panel" if is_local else "gateway"]


@on_virtual_time
async def test_a_late_cancel_spares_what_a_person_started_meanwhile(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        stand.acknowledge(MARK)
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        stand.panel_start()
        local = await stand.phase(PrintPhase.PRINTING)
        told = stand.interventions()
        for refused in (await stand.cancel(MARK), await stand.pause(MARK)):
            assert refused.result is OrderResult.REFUSED
        assert (await stand.phase(PrintPhase.COMPLETED)).key == local.key
        assert stand.interventions() == told


@on_virtual_time
async def test_a_print_nobody_ordered_gets_a_key_of_the_drivers_own(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        keys = []
        for _ in range(2):
            stand.panel_start()
            seen = await stand.phase(PrintPhase.PRINTING)
            assert seen.is_local
            assert seen.name
            ended = await stand.phase(PrintPhase.COMPLETED)
            assert (ended.key, ended.is_local) == (seen.key, True)
            keys.append(seen.key)
            stand.acknowledge(ended.key)
            await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        assert len(set(keys)) == 2, "the same file again is another print"
        assert not {MARK, SECOND, OTHER} & set(keys)
        assert stand.physical_starts() == ["panel", "panel"]
        assert stand.interventions() == []


@on_virtual_time
async def test_an_end_is_repeated_until_acknowledged(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        heard = len(stand.seen)
        await asyncio.sleep(90)
        assert len(stand.seen) > heard + 3
        assert all([end.key for end in shot.ended] == [MARK] for shot in stand.seen[heard:])
        stand.acknowledge(MARK)
        stand.acknowledge(MARK)
        stand.acknowledge(OTHER)
        assert stand.snapshot().ended == ()
        assert stand.seen[-1].ended == ()
        await asyncio.sleep(90)
        assert stand.seen[-1].ended == ()


@on_virtual_time
async def test_said_when_the_machine_did_it(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        part = stand.print_file()
        await stand.start(part)
        await stand.moved(0.2)
        await stand.pause()
        await stand.phase(PrintPhase.PAUSED)
        assert stand.is_still()
        stood = stand.moves()
        await asyncio.sleep(60)
        assert stand.moves() == stood
        await stand.resume()
        await stand.moved(0.4)
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert stand.is_still()
        canceled = len(stand.moves())
        stand.acknowledge(MARK)
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)
        await stand.start(part, SECOND)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.is_still()
        assert stand.moves()[canceled:] == stand.program()
        assert stand.physical_starts() == ["gateway", "gateway"]


@on_virtual_time
async def test_an_emergency_stop_needs_no_print(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        answer = await stand.emergency()
        if not stand.traits.has_emergency_stop:
            assert answer.result is OrderResult.REFUSED
            assert answer.message
            return
        assert answer.result is OrderResult.ACCEPTED
        await stand.until(stand.is_stopped, 5)
        await stand.until(lambda: stand.snapshot().activity is Activity.ERROR, 15)


@on_virtual_time
async def test_lines_of_gcode_run_on_an_idle_machine_or_are_refused(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        answer = await stand.gcode("M105")
        expected = OrderResult.ACCEPTED if stand.traits.takes_gcode else OrderResult.REFUSED
        assert answer.result is expected
        assert answer.message or stand.traits.takes_gcode


@on_virtual_time
async def test_a_command_of_its_own_is_obeyed_once_or_refused(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        own = stand.traits.own_command
        told = await stand.give(Tell(stand.printer, stand.new_order_id(), own or "home", {}))
        assert told.result is (OrderResult.REFUSED if own is None else OrderResult.ACCEPTED)
        assert told.message or own is not None
        await stand.ready()
        never = await stand.give(Tell(stand.printer, stand.new_order_id(), "print_data", {}))
        assert never.result is OrderResult.REFUSED, "that would be a start that no job knows"
        assert never.message
        await asyncio.sleep(60)
        assert stand.obeyed() == ([] if own is None else [own])
        assert stand.physical_starts() == []


@on_virtual_time
async def test_no_order_raises(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        nowhere = await stand.start(stand.folder / "none")
        assert nowhere.result is OrderResult.REFUSED
        assert (await stand.gcode("M117 caf\u00e9 \x00")).result is OrderResult.REFUSED
        assert stand.physical_starts() == []


@on_virtual_time
async def test_an_upload_starts_nothing_and_is_saved_whole(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        before, part = stand.stored(), stand.upload_file()
        answer = await stand.upload(part)
        if stand.traits.takes_uploads:
            assert answer.result is OrderResult.ACCEPTED
            [new] = stand.stored().keys() - before.keys()
            assert stand.is_same(stand.stored()[new], part.read_bytes())
        else:
            assert answer.result is OrderResult.REFUSED
            assert answer.message
            assert stand.stored() == before
        await asyncio.sleep(120)
        assert stand.moves() == []
        assert stand.physical_starts() == []
