"""Which trouble is worth a kept wire log, and that one is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.domain.observations import Activity, LinkState, PrinterObserved, PrintPhase, PrintReport
from gateway.domain.orders import EmergencyStop
from gateway.streamer.wire_watch import KEEP_AFTER_SECONDS, TroubleSigns, WireWatch
from gateway.transport.wire_kept import kept_files
from gateway.transport.wire_log import WireLog
from tests.streamer.fakes import Rig, settle, virtually

UP = PrinterObserved("mk3", LinkState.UP)
DOWN = PrinterObserved("mk3", LinkState.DOWN, link_reason="The printer does not answer.")
CONNECTING = PrinterObserved("mk3", LinkState.CONNECTING)


def with_print(phase: PrintPhase, key: str = "a1", message: str | None = None) -> PrinterObserved:
    report = PrintReport(key, phase, False, message=message)
    if phase.is_end:
        return PrinterObserved("mk3", LinkState.UP, ended=(report,))
    return PrinterObserved("mk3", LinkState.UP, current=report)


def signs(*facts: PrinterObserved, is_port_gone: bool = False) -> list[str]:
    watch = TroubleSigns()
    return [sign for fact in facts for sign in watch.seen(fact, is_port_gone=is_port_gone)]


def test_a_good_life_has_no_signs() -> None:
    good = [PrintPhase.STARTING, PrintPhase.PRINTING, PrintPhase.PAUSED, PrintPhase.COMPLETED]
    assert (
        signs(CONNECTING, UP, *(with_print(phase) for phase in good), with_print(PrintPhase.CANCELED)) == []
    )


def test_a_held_and_a_failed_print_are_told_once_each() -> None:
    held = with_print(PrintPhase.HELD, message="The connection was lost.")
    failed = with_print(PrintPhase.FAILED, "a2", "Heater fault.")
    assert signs(UP, held, held, failed, failed) == [
        "print held: The connection was lost.",
        "print failed: Heater fault.",
    ]
    assert signs(held, with_print(PrintPhase.HELD, "a9")) == [
        "print held: The connection was lost.",
        "print held: a9",
    ]


def test_a_halted_printer_is_told_once_each_time() -> None:
    halted = PrinterObserved("mk3", LinkState.UP, activity=Activity.ERROR, message="kill() called!")
    assert signs(UP, halted, halted, UP, halted) == ["the printer stopped itself: kill() called!"] * 2


def test_a_connection_that_fails_all_night_is_told_once() -> None:
    night = [CONNECTING, DOWN] * 50
    assert signs(*night) == ["connection failed: The printer does not answer."]
    assert len(signs(*night, UP, *night)) == 2


def test_a_printer_that_is_switched_off_is_no_trouble() -> None:
    assert signs(UP, DOWN, CONNECTING, DOWN, is_port_gone=True) == []


# keeping


def watched(folder: Path, story: Callable[[Rig, WireLog], Coroutine[Any, Any, None]]) -> list[Path]:
    """What is kept after `story` on a host with one printer that has a wire log."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        wall = lambda: datetime(2026, 11, 22, tzinfo=UTC)  # noqa: E731
        log = WireLog(folder, "mk3", max_bytes=10_000, monotonic=loop.time, wall=wall)
        log.is_port_gone = False
        async with Rig("mk3", "x1", watch=WireWatch({"mk3": log}, folder / "kept", wall)) as rig:
            log.sent(b"M105\n")
            await story(rig, log)

    virtually(run())
    return kept_files(folder / "kept", "mk3")


def test_an_emergency_stop_keeps_what_was_said_before_and_just_after(tmp_path: Path) -> None:
    async def story(rig: Rig, log: WireLog) -> None:
        rig.host.submit(EmergencyStop("x1", "o0"))
        rig.host.submit(EmergencyStop("mk3", "o1"))
        log.sent(b"M112\n")
        rig.driver().show(activity=Activity.ERROR, message="killed")
        rig.driver().show(ended=(PrintReport("a1", PrintPhase.FAILED, False, message="killed"),))
        await asyncio.sleep(KEEP_AFTER_SECONDS / 2)
        log.received(b"echo:M112 Shutdown\n")
        await asyncio.sleep(KEEP_AFTER_SECONDS)

    (kept,) = watched(tmp_path, story)
    said = [line.split(" ", 1)[1] for line in kept.read_text().splitlines()[2:]]
    assert said == [
        r"> M105\n",
        "! trouble: emergency stop ordered",
        r"> M112\n",
        "! trouble: the printer stopped itself: killed",
        "! trouble: print failed: killed",
        r"< echo:M112 Shutdown\n",
    ]


def test_the_log_line_names_the_file(tmp_path: Path, caplog: Any) -> None:
    async def story(rig: Rig, log: WireLog) -> None:
        rig.driver().printing()
        rig.driver().die(RuntimeError("a bug"))
        await asyncio.sleep(KEEP_AFTER_SECONDS + 1)

    (kept,) = watched(tmp_path, story)
    assert f"mk3: the driver died: RuntimeError: a bug; its wire log is kept in {kept}" in caplog.text


def test_trouble_just_before_the_stop_is_kept_too(tmp_path: Path) -> None:
    async def story(rig: Rig, log: WireLog) -> None:
        rig.driver().show(current=PrintReport("a1", PrintPhase.HELD, False, message="lost"))
        await settle()

    (kept,) = watched(tmp_path, story)
    assert "trouble: print held: lost" in kept.read_text()


def test_a_full_disk_is_said_and_stops_nobody(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "kept").write_text("a file where a folder should be")

    async def story(rig: Rig, log: WireLog) -> None:
        rig.host.submit(EmergencyStop("mk3", "o1"))
        await asyncio.sleep(KEEP_AFTER_SECONDS + 1)
        rig.driver().printing()
        assert rig.host.snapshot()[0].current is not None

    assert watched(tmp_path, story) == []
    assert "its wire log could not be kept" in caplog.text
