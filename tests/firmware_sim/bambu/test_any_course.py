"""Whatever people, programs and bad luck do in any order: what the ledger says is possible on a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.bambu.faults import COMMAND, KINDS, BambuFault
from firmware_sim.bambu.panel import NotNow
from firmware_sim.bambu.personality import bambu_personality_names
from firmware_sim.bambu.printer import NotServed
from firmware_sim.ledger import Ledger
from tests.firmware_sim.bambu.bench import PLATE, Bench

ENDS = ("print-finished", "print-failed", "print-stopped", "power-cut")
ACTS: dict[str, Callable[[Bench], object]] = {
    "start": lambda bench: bench.start(len(bench.heard) + 1),
    "start plain": lambda bench: bench.ask("print", "gcode_file", param="/plain.gcode"),
    "start nothing": lambda bench: bench.start(5, "nothing.3mf"),
    "pause": lambda bench: bench.ask("print", "pause", param=""),
    "resume": lambda bench: bench.ask("print", "resume", param=""),
    "stop": lambda bench: bench.ask("print", "stop", param=""),
    "line": lambda bench: bench.ask("print", "gcode_line", param="G1 X5\n"),
    "panel start": lambda bench: bench.printer.panel.start("cube.gcode.3mf"),
    "panel pause": lambda bench: bench.printer.panel.pause(),
    "panel resume": lambda bench: bench.printer.panel.resume(),
    "panel stop": lambda bench: bench.printer.panel.stop(),
    "panel dismiss": lambda bench: bench.printer.panel.dismiss(),
    "cloud": lambda bench: bench.printer.panel.start_from_cloud("x", PLATE),
    "slicer": lambda bench: bench.printer.panel.start_from_slicer("cube.gcode.3mf"),
    "trip": lambda bench: bench.printer.panel.trip(0x0300800B),
    "trip fatal": lambda bench: bench.printer.panel.trip(0x0300800B, is_fatal=True),
    "drop": lambda bench: bench.printer.panel.drop_connections(),
    "power": lambda bench: bench.printer.panel.cut_power(3.0),
}
STRUCK = [name for name, (occasion, _) in KINDS.items() if occasion == COMMAND]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(ACTS)),
        st.none() | st.sampled_from(STRUCK),
        st.sampled_from([0.0, 0.7, 3.0, 30.0, 120.0]),
    ),
    max_size=15,
)


def check(ledger: Ledger) -> None:
    """One print at a time; each start was accepted first; the file's lines run within a print alone."""
    accepted, is_printing, is_paused = 0, False, False
    for entry in ledger:
        if entry.event == "print-accepted":
            accepted += 1
        elif entry.event == "print-started":
            assert not is_printing, f"two prints at once at {entry.t}"
            accepted, is_printing, is_paused = accepted - 1, True, False
            assert accepted >= 0, f"nobody asked for the start at {entry.t}"
        elif entry.event in ENDS:
            is_printing = is_paused = False
        elif entry.event in ("print-paused", "print-resumed"):
            assert is_printing, f"{entry.event} of nothing at {entry.t}"
            assert is_paused == (entry.event == "print-resumed")
            is_paused = not is_paused
        elif entry.event == "executed" and entry.source == "sd":
            assert is_printing, f"{entry.line} at {entry.t} belongs to no print"


@pytest.mark.parametrize("personality", bambu_personality_names())
@settings(max_examples=12)
@given(steps=STEPS)
def test_any_course(personality: str, steps: list[tuple[str, str | None, float]]) -> None:
    bench = Bench(personality)
    for act, fault, seconds in steps:
        if fault is not None:
            bench.printer.panel.arm(BambuFault(fault))
        with contextlib.suppress(NotNow):
            ACTS[act](bench)
        bench.live(seconds)
        if bench.seat.lost is not None:
            with contextlib.suppress(NotServed):
                bench.connect()
                bench.ask("pushing", "pushall")
    check(bench.printer.ledger)
    assert bench.printer.next_deadline() < bench.now + 60.0, "it lives"
