"""Pause, park, resume and cancel, judged by where the board's head really is and by its ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderResult, PrintPhase, PrintReport
from gateway.domain.orders import Adjust
from gateway.drivers.contract import RecordedStage
from gateway.drivers.marlin.settings import MarlinSettings, ParkBy, ParkSettings, ScriptSettings
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
PERSONALITIES = ["marlin-full", "marlin-stock", "marlin-bare", "prusa", "klipper"]
#: A part of 0.2 mm layers, hot, extruding relatively, with a fan.
HEAD = "M104 S180\nM140 S45\nG28\nG90\nM83\nM109 S180\nG92 E0\nM106 S200\n"
BODY = "".join(
    f"G1 X{20 + index % 50} Y{30 + index % 7} Z{0.2 * (1 + index // 20):.1f} E0.5 F1800\n"
    for index in range(120)
)
PART = HEAD + BODY
ASIDE = ParkSettings(x=5.0, y=190.0, lift=12.0, height=200.0)


def with_line(line: str) -> str:
    """The part, with a line in its middle."""
    return PART.replace("G1 X20 Y31 Z0.6", f"{line}\nG1 X20 Y31 Z0.6", 1)


def settings(park: ParkSettings = ASIDE, **scripts: Any) -> MarlinSettings:
    return MarlinSettings(park=park, scripts=ScriptSettings(**scripts))


def where(stand: MarlinStand) -> tuple[float, ...]:
    """X, Y, Z, E as the firmware has them."""
    return tuple(round(value, 2) for value in stand.board.axes.logical())


def own(stand: MarlinStand, begin: int = 0) -> list[str]:
    """What the board ran beside the file and the link's questions."""
    lines = stand.ledger.executed("host")[begin:]
    return [line for line in lines if line[:4] not in ("G1 X", "M105", "M155", "M27", "M27 ", "M115", "M110")]


async def paused(stand: MarlinStand, after_moves: int = 40) -> PrintReport:
    await stand.until(lambda: len(stand.moves()) > after_moves)
    assert (await stand.pause()).result is OrderResult.ACCEPTED
    return await stand.phase(PrintPhase.PAUSED)


async def resumed(stand: MarlinStand) -> None:
    assert (await stand.resume()).result is OrderResult.ACCEPTED
    await stand.phase(PrintPhase.COMPLETED)


@pytest.mark.parametrize("personality", PERSONALITIES)
@on_virtual_time
async def test_it_goes_on_from_where_it_was_paused(personality: str, file_of: FileOf) -> None:
    async with MarlinStand(personality, settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        report = await paused(stand)
        assert report.message is None
        stood = stand.record.left
        assert stood is not None
        assert stood.parked is not None
        found = (stood.parked.x, stood.parked.y, stood.parked.z, stood.parked.e)
        last = stand.moves()[-1].split()
        assert (f"X{found[0]:g}", f"Y{found[1]:g}") == (last[1], last[2]), (
            "the place is that of the last line"
        )
        x, y, z, e = where(stand)
        assert (x, y) == (5, 190)
        assert z == pytest.approx(found[2] + 12)
        assert e == pytest.approx(found[3] - 2)
        assert (stand.board.hotend.target, stand.board.bed.target) == (180, 45), "kept hot"
        assert stand.board.is_idle
        lines = len(stand.ledger.executed("host"))
        await asyncio.sleep(30)
        await stand.resume()
        await stand.until(lambda: len(stand.moves()) > 60)
        back = own(stand, lines)
        down = next(index for index, line in enumerate(back) if line.startswith("G0 Z"))
        assert back[down - 3 : down][0].startswith("G0 X"), "above the part first, then down on it"
        assert back[down + 1] == f"G92 E{found[3]:g}"
        assert back[down + 2 : down + 4] == ["M83", "G1 F1800"]
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == BODY.splitlines(), "no line lost, none doubled"
        assert where(stand)[3] == pytest.approx(60.0, abs=0.02), "as much filament as the file has"


@on_virtual_time
async def test_the_place_is_really_left_and_really_found(file_of: FileOf) -> None:
    """Judged by the board alone: Z is up while it is parked and exact before the next line of the file."""
    async with MarlinStand("marlin-stock", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        place = stand.moves()[-1]
        assert where(stand)[2] > 12
        moves = len(stand.moves())
        await stand.resume()
        seen: list[tuple[float, ...]] = []
        await stand.until(lambda: seen.append(where(stand)) or len(stand.moves()) > moves)
        wanted = tuple(float(word[1:]) for word in place.split()[1:4])
        assert any(at[:3] == pytest.approx(wanted) for at in seen)


@on_virtual_time
async def test_never_above_the_machine(file_of: FileOf) -> None:
    part = "G28\nG90\nG1 Z195 F6000\n" + "".join(f"G1 X{index} F6000\n" for index in range(60))
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(part))
        await paused(stand, 20)
        lifts = [line for line in stand.ledger.executed("host") if line.startswith("G0 Z")]
        assert lifts == ["G0 Z200 F300"]
        await resumed(stand)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BODY, "not homed"),
        ("G28\nG90\nM82\nG1 X500 F6000\n" + "G1 Y10\nG1 Y20\n" * 40, "not stand where the file"),
        ("G28\nG92 X50\n" + "G1 Y10 F6000\nG1 Y20\n" * 40, "shifted"),
        ("G28\nG28 X\n" + "G4 P100\n" * 80, "absolute or relative"),
    ],
)
@on_virtual_time
async def test_what_could_not_be_undone_is_not_done(text: str, words: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(text))
        await stand.until(lambda: len(stand.ledger.executed("host")) > 40)
        await stand.pause()
        report = await stand.phase(PrintPhase.PAUSED)
        assert "Not parked" in (report.message or "")
        assert words in (report.message or "")
        assert not [line for line in stand.ledger.executed("host") if line.startswith("G0")]
        await resumed(stand)
        moves = [line for line in stand.ledger.executed("host") if line.startswith("G1 ")]
        assert moves == [line for line in text.splitlines() if line.startswith("G1 ")]


@on_virtual_time
async def test_a_nozzle_on_standby_is_heated_before_it_goes_back(file_of: FileOf) -> None:
    park = ParkSettings(x=5.0, y=190.0, nozzle_standby=100)
    async with MarlinStand("marlin-stock", settings=settings(park)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        assert (stand.board.hotend.target, stand.board.bed.target) == (100, 45)
        await asyncio.sleep(300)
        begin = len(stand.ledger.executed("host"))
        await resumed(stand)
        back = own(stand, begin)
        assert "M109 S180" in back
        assert back.index("M109 S180") < next(index for index, line in enumerate(back) if line[:4] == "G1 E")
        assert stand.moves() == BODY.splitlines()
        assert not stand.ledger.events("refused"), "no filament was moved cold"


@on_virtual_time
async def test_no_report_decides_whether_heat_is_waited_for(file_of: FileOf) -> None:
    """One that says it is hot may be damaged. The firmware knows, and goes on at once where it is."""
    async with MarlinStand("marlin-stock", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        assert stand.board.hotend.target == 180
        begin = len(stand.ledger.executed("host"))
        await resumed(stand)
        back = own(stand, begin)
        assert [line for line in back if line[:4] in ("M109", "M190")] == ["M190 S45", "M109 S180"]
        assert back.index("M109 S180") < next(index for index, line in enumerate(back) if line[:2] == "G0")


@on_virtual_time
async def test_a_temperature_set_in_the_pause_holds_behind_it(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        await stand.give(Adjust("mk3", stand.new_order_id(), "mark-1", Adjustment(hotend=175, bed=40)))
        await resumed(stand)
        assert (stand.board.hotend.target, stand.board.bed.target) == (175, 40)


@pytest.mark.parametrize("is_killed", [True, False])
@on_virtual_time
async def test_a_parked_print_goes_back_after_a_death_of_its_host(is_killed: bool, file_of: FileOf) -> None:
    """Killed or unplugged while it is parked: it comes back parked, and a resume restores all the same."""
    stand = await MarlinStand("marlin-full", settings=settings()).__aenter__()
    await stand.ready()
    await stand.start(file_of(PART))
    await paused(stand)
    parked = where(stand)
    if is_killed:
        await stand.__aexit__()
        stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=settings()).__aenter__()
    else:
        stand.wire.unplug()
        await asyncio.sleep(3)
        stand.wire.plug()
    await stand.phase(PrintPhase.HELD)
    await stand.phase(PrintPhase.PAUSED)
    assert where(stand) == parked
    await asyncio.sleep(20)
    await resumed(stand)
    assert stand.moves() == BODY.splitlines()
    assert where(stand)[3] == pytest.approx(60.0, abs=0.02)
    await stand.__aexit__()


@pytest.mark.parametrize("step", range(0, 24, 2))
@on_virtual_time
async def test_a_death_anywhere_between_pause_and_resume(step: int, file_of: FileOf) -> None:
    """Parking and going back are cut off at every line; the file is printed once and from its own places."""
    stand = await MarlinStand("marlin-full", settings=settings()).__aenter__()
    await stand.ready()
    await stand.start(file_of(PART))
    await stand.until(lambda: len(stand.moves()) > 40)
    await stand.pause()
    begin = len(stand.ledger.executed("host"))
    await stand.until(lambda: len(stand.ledger.executed("host")) >= begin + min(step, 12))
    if step >= 12:
        await stand.phase(PrintPhase.PAUSED)
        await stand.resume()
        begin = len(stand.ledger.executed("host"))
        await stand.until(lambda: len(stand.ledger.executed("host")) >= begin + step - 12)
    left = stand.record.left
    assert left is not None
    await stand.__aexit__()
    stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=settings()).__aenter__()
    if left.stage is RecordedStage.PAUSED:
        await stand.phase(PrintPhase.PAUSED)
        await stand.resume()
    await stand.phase(PrintPhase.COMPLETED)
    assert stand.moves() == BODY.splitlines()
    assert where(stand)[:3] == (39.0, 30.0, 1.2)
    await stand.__aexit__()


@on_virtual_time
async def test_paused_again_on_its_way_back(file_of: FileOf) -> None:
    park = ParkSettings(x=5.0, y=190.0, nozzle_standby=100)
    async with MarlinStand("marlin-stock", settings=settings(park)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        parked = where(stand)
        await asyncio.sleep(300)
        await stand.resume()
        assert (await stand.resume()).result is OrderResult.REFUSED, "it is on its way already"
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        await asyncio.sleep(200)
        await stand.phase(PrintPhase.PAUSED, 0)
        assert where(stand)[:3] == parked[:3]
        await resumed(stand)
        assert stand.moves() == BODY.splitlines()


@pytest.mark.parametrize("is_resumed", [False, True])
@on_virtual_time
async def test_a_cancel_of_a_parked_print(is_resumed: bool, file_of: FileOf) -> None:
    park = ParkSettings(x=5.0, y=190.0, nozzle_standby=100)
    async with MarlinStand("marlin-full", settings=settings(park)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        moves = stand.moves()
        await asyncio.sleep(300)
        if is_resumed:
            await stand.resume()
            await asyncio.sleep(3)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED, 60)
        assert stand.moves() == moves
        assert (stand.board.hotend.target, stand.board.bed.target) == (0, 0)


@on_virtual_time
async def test_a_file_that_is_gone_keeps_it_paused(file_of: FileOf) -> None:
    """What the file said is read anew by the successor of a host that died."""
    stand = await MarlinStand("marlin-full", settings=settings()).__aenter__()
    await stand.ready()
    path = file_of(PART)
    await stand.start(path)
    await paused(stand)
    await stand.__aexit__()
    stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=settings()).__aenter__()
    await stand.phase(PrintPhase.PAUSED)
    stand.driver.reading = None
    path.unlink()
    parked = where(stand)
    await stand.resume()
    await stand.until(lambda: "cannot go on" in str(stand.driver.snapshot().current))
    await asyncio.sleep(30)
    assert where(stand) == parked
    assert (await stand.phase(PrintPhase.PAUSED)).key == "mark-1"
    await stand.__aexit__()


@on_virtual_time
async def test_pause_at_the_panel_parks_too(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(with_line("M76")))
        report = await stand.phase(PrintPhase.PAUSED)
        assert (report.reason, report.message) == ("job-suspended-by-operator", "Paused at the printer.")
        assert where(stand)[:2] == (5, 190)
        await resumed(stand)
        assert stand.moves() == BODY.splitlines()


@pytest.mark.parametrize("words", ["out_of_filament T0", "pause filament_runout 0"])
@on_virtual_time
async def test_filament_that_ran_out_is_said(words: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(with_line(f"M118 A1 action:{words}")))
        report = await stand.phase(PrintPhase.PAUSED)
        assert report.reason == "media-empty"
        assert "filament ran out" in (report.message or "")
        await resumed(stand)
        assert stand.moves() == BODY.splitlines()


@on_virtual_time
async def test_a_printer_that_wants_to_be_left_alone_is(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(with_line("M118 A1 action:disconnect")))
        report = await stand.phase(PrintPhase.HELD)
        assert "asked to be disconnected" in (report.message or "")
        opened, moves = stand.wire.opened, len(stand.moves())
        await asyncio.sleep(50)
        assert stand.wire.opened == opened
        await asyncio.sleep(30)
        assert stand.wire.opened == opened + 1
        assert (await stand.phase(PrintPhase.HELD)).key == "mark-1"
        assert len(stand.moves()) <= moves + 8, "what was in the firmware already"


# -- cancel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personality", PERSONALITIES)
@on_virtual_time
async def test_a_cancelled_part_is_presented_cold(personality: str, file_of: FileOf) -> None:
    async with MarlinStand(personality, settings=settings(cancel=("M117 gone {z}",))) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await stand.until(lambda: len(stand.moves()) > 40)
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        ran = stand.ledger.executed("host")
        lift = next(index for index, line in enumerate(ran) if line.startswith("G0 Z"))
        assert ran.index("M104 S0") < lift < ran.index("M84")
        assert where(stand)[:2] == (5, 190)
        assert where(stand)[2] > 12
        assert stand.board.hotend.target == 0
        assert [line for line in ran if line.startswith("M117 gone")]


@on_virtual_time
async def test_a_part_whose_place_is_not_known_is_left_alone(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=settings()) as stand:
        await stand.ready()
        await stand.start(file_of(BODY))
        await stand.until(lambda: len(stand.moves()) > 40)
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert not [line for line in stand.ledger.executed("host") if line.startswith("G0")]


# -- scripts ----------------------------------------------------------------------------------------------


@on_virtual_time
async def test_scripts_go_where_they_belong(file_of: FileOf) -> None:
    scripts: dict[str, Any] = {
        "connect": ("M117 hello {printer}",),
        "start": ("M117 start {file}",),
        "pause": ("M117 at {x} {y} {z} {feedrate} {hotend} {bed}",),
        "resume": ("M117 back",),
        "end": ("M117 done {progress} {job}",),
    }
    async with MarlinStand("marlin-stock", settings=settings(**scripts)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        place = stand.record.left.parked  # type: ignore[union-attr]
        await resumed(stand)
        ran = stand.ledger.executed("host")
        assert [line for line in ran if line.startswith("M117")] == [
            "M117 hello mk3", "M117 start 0.gcode",
            f"M117 at {place.x:g} {place.y:g} {place.z:g} 1800 180 45", "M117 back", "M117 done 100 mark-1",
        ]  # fmt: skip
        assert ran.index("M117 start 0.gcode") < ran.index("M104 S180")
        assert (
            ran.index("M117 back") < [index for index, line in enumerate(ran) if line.startswith("G0 X")][-1]
        )
        assert stand.moves() == BODY.splitlines()


@on_virtual_time
async def test_a_script_that_parks_is_brought_back(file_of: FileOf) -> None:
    park = ParkSettings(by=ParkBy.SCRIPT)
    script = {"pause": ("G91", "G0 Z30 F600", "G90", "G0 X0 Y0 F6000")}
    async with MarlinStand("marlin-stock", settings=settings(park, **script)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        assert where(stand)[:2] == (0, 0)
        await resumed(stand)
        assert stand.moves() == BODY.splitlines()
        assert where(stand)[:3] == (39.0, 30.0, 1.2)


@on_virtual_time
async def test_a_cancel_in_the_start_script_works(file_of: FileOf) -> None:
    script = {"start": ("G28", *("G4 P1000",) * 30, "M117 too late")}
    async with MarlinStand("marlin-full", settings=settings(**script)) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await stand.until(lambda: "G4 P1000" in stand.ledger.executed("host"))
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert "M117 too late" not in stand.ledger.executed("host")
        assert stand.moves() == []


@pytest.mark.parametrize("lines", [1, 4, 8, 12, 13, 14])
@on_virtual_time
async def test_a_start_script_is_never_repeated(lines: int, file_of: FileOf) -> None:
    script = {"start": tuple(f"M117 step {number}" for number in range(12))}
    stand = await MarlinStand("marlin-stock", settings=settings(**script)).__aenter__()
    await stand.ready()
    begin = len(stand.ledger.executed("host"))
    stand.driver.submit(stand.start_order(file_of(PART)))
    while len(stand.ledger.executed("host")) < begin + lines:
        await asyncio.sleep(0.0002)
    await stand.__aexit__()
    stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=settings(**script)).__aenter__()
    await stand.phase(PrintPhase.COMPLETED)
    steps = [line for line in stand.ledger.executed("host") if line.startswith("M117")]
    assert steps == list(script["start"])
    assert stand.moves() == BODY.splitlines()
    await stand.__aexit__()
