"""docs/SIMULATOR.md says what there is of the Moonraker machine: faults, orders, methods, events."""

from __future__ import annotations

import re
from pathlib import Path

from firmware_sim.moonraker import control
from firmware_sim.moonraker.faults import KINDS
from firmware_sim.moonraker.methods import methods_of
from tests.firmware_sim.moonraker.bench import Bench

ROOT = Path(__file__).parents[3]
MANUAL = (ROOT / "docs" / "SIMULATOR.md").read_text(encoding="utf-8")
PART = MANUAL[MANUAL.index("## Klipper with Moonraker") : MANUAL.index("## In tests")]


def test_the_table_of_faults_is_complete() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (request|upload|instant) \| ([^|]+) \|$", PART, re.MULTILINE)
    assert rows == [(name, occasion, does) for name, (occasion, does) in KINDS.items()]


def test_every_event_is_told() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "firmware_sim" / "moonraker").glob("*.py")
    )
    events = set(re.findall(r"note\(\s*\"([a-z-]+)\"", source)) | {"print-started"}
    assert {"print-lost", "print-failed", "klippy-gone", "file-stored", "executed"} <= events
    assert [event for event in sorted(events) if f"`{event}`" not in PART] == []


def test_every_order_is_told() -> None:
    words = set(re.findall(r"[a-z]+(?:-[a-z]+)*", (control.__doc__ or "").split("\n\n")[1]))
    assert [word for word in sorted(words) if word not in PART] == []


def test_every_method_is_told() -> None:
    """By its name, or by its last word behind a name of the same group."""
    methods = methods_of(Bench().printer.server)
    untold = [n for n in methods if f"`{n}`" not in PART and f"`{n.rpartition('.')[2]}`" not in PART]
    assert untold == []
