"""docs/SIMULATOR.md says what there is: every fault, every option, and a plan that is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.faults.catalogue import KINDS, Occasion
from firmware_sim.faults.plan_file import read_plan

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


@pytest.mark.parametrize("kind", ["serial", "tcp", "replay"])
def test_every_option_is_told(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([kind, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options
    assert [option for option in options if option not in MANUAL] == []
