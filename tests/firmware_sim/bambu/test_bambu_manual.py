"""docs/SIMULATOR.md says what there is of Bambu printers: personalities, faults, commands, orders, events."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.bambu import control
from firmware_sim.bambu.faults import KINDS
from firmware_sim.bambu.personality import bambu_personality_names
from tests.firmware_sim.bambu.bench import Bench

ROOT = Path(__file__).parents[3]
MANUAL = (ROOT / "docs" / "SIMULATOR.md").read_text(encoding="utf-8")
PART = MANUAL[MANUAL.index("## Bambu Lab") : MANUAL.index("## Klipper with Moonraker")]


def test_the_table_of_faults_is_complete() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z]+) \| ([^|]+) \|$", PART, re.MULTILINE)
    assert rows == [(name, occasion, does) for name, (occasion, does) in KINDS.items()]


def test_the_table_of_personalities_is_complete() -> None:
    assert [name for name in bambu_personality_names() if f"\n| `{name}` |" not in PART] == []


def test_every_event_is_told() -> None:
    folder = ROOT / "firmware_sim" / "bambu"
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    events = set(re.findall(r"(?:_note|\.note|ledger\.append)\(\s*(?:\w+(?:\.\w+)*, )?\"([a-z-]+)\"", source))
    events.add("print-started")
    assert {"print-accepted", "print-failed", "request", "file-stored", "power-on", "panel"} <= events
    assert [event for event in sorted(events) if f"`{event}`" not in PART] == []


def test_every_order_is_told() -> None:
    words = set(
        re.findall(r"[a-z]+(?:-[a-z]+)*", (control.__doc__ or "").split("\n\n")[1].split("status")[0])
    )
    kinds = {"dead", "slow", "open", "short", "runaway", "drift", "bed"}  # of heaters, told above
    prose = set(
        "a file of the storage started by cloud or over keys as in plan command at count seconds".split()
    )
    assert [word for word in sorted(words - kinds - prose) if word not in PART] == []


def test_every_command_is_told() -> None:
    requests = Bench().printer.requests
    known = [name for name in ("print.project_file", "print.gcode_file", "print.pause", "print.resume",
             "print.stop", "print.gcode_line", "print.print_speed", "print.clean_print_error",
             "system.ledctrl") if requests.knows(name)]  # fmt: skip
    assert len(known) == 9
    untold = [n for n in known if f"`{n}`" not in PART and f"`{n.rpartition('.')[2]}`" not in PART]
    assert untold == []


def test_every_option_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bambu", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {"--listen", "--serial", "--signed"} <= options
    assert [option for option in sorted(options) if f"`{option}" not in MANUAL] == []
