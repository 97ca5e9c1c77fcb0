"""What the contract says of broken connections, dead driver hosts and resets; judged by the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from tests.contract.stand import MARK, Stand, on_virtual_time

MakeStand = Callable[[], Stand]
Cuttable = tuple[MakeStand, str]
#: Seconds after which every kind has noticed that a connection is gone, or is back.
NOTICED_IN = 300.0
#: Seconds in which a machine that prints by itself has printed `print_file`.
PRINTED_IN = 660.0
#: What a print that is in doubt may be shown as until the machine has told; never as over.
GOING_ON = (PrintPhase.STARTING, PrintPhase.PRINTING, PrintPhase.PAUSED, PrintPhase.HELD)


def is_linked(stand: Stand) -> bool:
    return stand.snapshot().link is LinkState.UP


@on_virtual_time
async def test_it_reconnects_by_itself(cuttable: Cuttable) -> None:
    make_stand, cut = cuttable
    stand = make_stand()
    stand.cut(cut)
    async with stand:
        await stand.until(lambda: stand.snapshot().link is LinkState.DOWN)
        await stand.until(lambda: stand.snapshot().link_reason, NOTICED_IN)
        await asyncio.sleep(600)
        assert not is_linked(stand)
        stand.mend(cut)
        await stand.until(lambda: is_linked(stand), 700)
        for _ in range(3):
            stand.cut(cut)
            await stand.until(lambda: not is_linked(stand), NOTICED_IN)
            assert stand.snapshot().link_reason
            stand.mend(cut)
            await stand.until(lambda: is_linked(stand), NOTICED_IN)
        await stand.until(lambda: stand.snapshot().activity is Activity.READY)


@on_virtual_time
async def test_a_print_goes_on_over_a_broken_connection_in_its_stage(cuttable: Cuttable) -> None:
    make_stand, cut = cuttable
    async with make_stand() as stand:
        await stand.ready()

        async def interrupted() -> None:
            stand.cut(cut)
            await stand.until(lambda: not is_linked(stand), NOTICED_IN)
            stand.mend(cut)
            await stand.until(lambda: is_linked(stand), NOTICED_IN)

        await _prints_on(stand, interrupted)


@on_virtual_time
async def test_a_print_goes_on_over_the_death_of_its_driver_host_in_its_stage(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()

        async def interrupted() -> None:
            await stand.kill_host()
            await asyncio.sleep(3)
            await stand.raise_host()

        await _prints_on(stand, interrupted)


async def _prints_on(stand: Stand, interrupted: Callable[[], Awaitable[None]]) -> None:
    """One print, interrupted while it prints and while it is paused."""
    await stand.start(stand.print_file())
    await stand.moved(0.1)
    heard = len(stand.seen)
    await interrupted()
    await stand.phase(PrintPhase.PRINTING)
    await stand.moved(0.3)
    await stand.pause()
    await stand.phase(PrintPhase.PAUSED)
    stood = stand.moves()
    await interrupted()
    await stand.phase(PrintPhase.PAUSED)
    await asyncio.sleep(60)
    assert stand.moves() == stood, "a paused one is paused"
    shown = {shot.current.phase for shot in stand.seen[heard:] if shot.current is not None}
    assert shown <= set(GOING_ON)
    assert not any(shot.ended for shot in stand.seen[heard:])
    await stand.ready()
    assert (await stand.resume()).result is OrderResult.ACCEPTED
    assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
    assert stand.moves() == stand.program(), "no line lost and none doubled"
    assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_an_end_in_the_dark_is_told_by_the_machine(make_stand: MakeStand) -> None:
    """A print that ended while no driver host lived is told as over, with its key; else it is held."""
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        await stand.kill_host()
        await asyncio.sleep(PRINTED_IN)
        done = stand.moves()
        assert (done == stand.program()) is stand.traits.prints_by_itself
        await stand.raise_host()
        is_told = stand.traits.prints_by_itself and stand.traits.tells_past_ends
        told = await stand.phase(PrintPhase.COMPLETED if is_told else PrintPhase.HELD, seconds=NOTICED_IN)
        assert (told.key, told.is_local) == (MARK, False)
        assert is_told or told.message
        await asyncio.sleep(600)
        assert stand.moves() == done
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_nothing_is_said_of_a_print_before_the_machine_has_told(make_stand: MakeStand) -> None:
    """A host that cannot reach the machine yet shows a known print as going on, or held; never over."""
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        await stand.kill_host()
        cut = stand.traits.cuts[0]
        stand.cut(cut)
        heard = len(stand.seen)
        await stand.raise_host()
        await asyncio.sleep(30)
        assert not is_linked(stand)
        shown = [report for shot in stand.seen[heard:] for report in (shot.current, *shot.ended) if report]
        assert all(report.key == MARK and report.phase in GOING_ON for report in shown)
        stand.mend(cut)
        await stand.until(lambda: is_linked(stand), NOTICED_IN)
        over = await stand.phase(PrintPhase.COMPLETED, PrintPhase.HELD)
        assert over.key == MARK
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_a_local_print_keeps_its_key_over_the_death_of_the_driver_host(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        stand.panel_start()
        seen = await stand.phase(PrintPhase.PRINTING)
        await stand.kill_host()
        await asyncio.sleep(3)
        heard = len(stand.seen)
        await stand.raise_host()
        ended = await stand.phase(PrintPhase.COMPLETED, seconds=NOTICED_IN)
        assert stand.physical_starts() == ["panel"]
        if not stand.traits.prints_by_itself:
            return  # it has no memory of local prints but the machine's own
        assert (ended.key, ended.is_local) == (seen.key, True)
        keys = {shot.current.key for shot in stand.seen[heard:] if shot.current is not None}
        assert keys <= {seen.key}


@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0])
@on_virtual_time
async def test_a_start_under_way_at_the_hosts_death_is_never_sent_again(
    make_stand: MakeStand, seconds: float
) -> None:
    """It is proved by the machine, or said to be unclear; in neither case does it start twice."""
    async with make_stand() as stand:
        await stand.ready()
        order = stand.start_order(stand.print_file())
        await stand.submit(order)
        await asyncio.sleep(seconds)
        await stand.kill_host()
        await asyncio.sleep(3)
        await stand.raise_host()
        await stand.ready()
        await stand.until(lambda: stand.answers or stand.reports(), NOTICED_IN)
        await asyncio.sleep(PRINTED_IN)
        assert len(stand.physical_starts()) <= 1
        reports = stand.reports()
        unclear = [answer for answer in stand.answers if answer.result is not OrderResult.ACCEPTED]
        is_completed = any(report.phase is PrintPhase.COMPLETED for report in reports)
        assert is_completed is (stand.moves() == stand.program())
        assert reports or unclear, "what nobody can tell is said to be so"
        assert all(report.message for report in reports if report.phase is not PrintPhase.COMPLETED)
        assert all(answer.message for answer in unclear)


@on_virtual_time
async def test_a_reset_machine_prints_nothing_again_and_says_so(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        stand.reset_machine()
        stood = len(stand.moves())
        over = await stand.phase(PrintPhase.HELD, PrintPhase.FAILED, PrintPhase.CANCELED)
        assert over.message, "a person is told what happened"
        assert (over.phase is PrintPhase.HELD) is stand.traits.is_held_after_reset
        await asyncio.sleep(600)
        assert len(stand.moves()) <= stood + 1
        assert stand.physical_starts() == ["gateway"]


@on_virtual_time
async def test_being_cancelled_leaves_the_machine_as_it_is(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        await stand.kill_host()
        moved = len(stand.moves())
        await asyncio.sleep(PRINTED_IN)
        if stand.traits.prints_by_itself:
            assert stand.moves() == stand.program()
        else:
            assert len(stand.moves()) <= moved + 16, "at most what was under way"
        assert stand.interventions() == []
        assert not stand.is_stopped()


@on_virtual_time
async def test_an_upload_that_a_death_broke_off_leaves_nothing(make_stand: MakeStand) -> None:
    async with make_stand() as stand:
        await stand.ready()
        before, order = stand.stored(), stand.upload_order(stand.upload_file())
        await stand.submit(order)
        if not stand.traits.takes_uploads:
            assert (await stand.answered(order.order_id)).result is OrderResult.REFUSED
            return
        await stand.until(stand.is_uploading)
        await stand.kill_host()
        await asyncio.sleep(3)
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(120)
        new = stand.stored().keys() - before.keys()
        assert not new or stand.traits.leaves_parts
        assert stand.physical_starts() == []
        assert stand.moves() == []
