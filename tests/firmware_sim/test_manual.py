"""docs/SIMULATOR.md says what there is: every fault, every option, and a plan that is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.faults.catalogue import KINDS, Occasion
from firmware_sim.faults.plan_file import read_plan
from firmware_sim.forge import call_in_personality_names
from firmware_sim.forge.network_faults import KINDS as NETWORK_FAULTS

MANUAL = (Path(__file__).parents[2] / "docs" / "SIMULATOR.md").read_text(encoding="utf-8")


def test_the_table_of_faults_is_the_catalogue() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|[^|]*\| ([^|]+) \| ([^|]+) \|", MANUAL, re.MULTILINE)
    assert [(name, occasion, does) for name, occasion, does in rows] == [
        (name, kind.occasion.value, kind.does) for name, kind in KINDS.items()
    ]
    assert {occasion for _, occasion, _ in rows} == {occasion.value for occasion in Occasion}


def test_the_example_plan_is_a_plan(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    path = tmp_path / "plan.toml"
    path.write_text(example)
    plan = read_plan(path)
    assert len(plan.entries) == 3
    assert len(plan.also) == 1


def test_the_tables_of_printers_that_call_in_are_complete() -> None:
    part = MANUAL[MANUAL.index("## Printers that call in") :]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|$", part, re.MULTILINE))
    assert {name: does for name, does in rows.items() if name in NETWORK_FAULTS} == {
        name: does for name, (_, does) in NETWORK_FAULTS.items()
    }
    assert [name for name in call_in_personality_names() if f"\n| `{name}` |" not in part] == []


def test_every_event_of_a_printer_that_calls_in_is_told() -> None:
    part = MANUAL[MANUAL.index("### Its ledger") : MANUAL.index("## In tests")]
    folder = Path(__file__).parents[2] / "firmware_sim" / "forge"
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    events = set(
        re.findall(r"ledger\.append\(\s*(?:self\.)?(?:_printer\.)?now(?:\(\))?, \"([a-z_]+)\"", source)
    )
    events |= set(re.findall(r"_turned\(\"([a-z_]+)\"", source)) | set(
        re.findall(r"_end\(\"([a-z_]+)\"", source)
    )
    assert {"downloaded", "paused", "completed", "silent", "posted"} <= events
    assert [event for event in sorted(events) if f"`{event}`" not in part] == []


@pytest.mark.parametrize("kind", ["serial", "tcp", "replay", "forge", "moonraker"])
def test_every_option_is_told(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([kind, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options
    assert [option for option in options if option not in MANUAL] == []
