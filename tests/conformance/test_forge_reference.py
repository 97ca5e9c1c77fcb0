"""Every row of the contract is shown by something: `forge/reference.toml` against what the cases name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.test_forge_access import ACCESS
from tests.conformance.test_forge_codes import FOUND
from tests.conformance.test_forge_contract import CASES, DATA

ROWS: Final = tomllib.loads((DATA / "reference.toml").read_text(encoding="utf-8"))["row"]
TREE: Final = Path(__file__).parents[2]
NAMED: Final = {line for entry in (*CASES, *FOUND, *ACCESS["row"]) for line in entry["lines"]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['line']} {row['says']}")
def test_row_is_shown(row: dict[str, Any]) -> None:
    suites = row.get("by", [])
    assert all((TREE / path).is_file() for path in suites)
    assert row["line"] in NAMED or suites


def test_cases_name_rows_that_are_there() -> None:
    assert {row["line"] for row in ROWS} >= NAMED


def test_sections_are_whole() -> None:
    """Sections 0 to 2, 4 and 5 (3 was about something else), each line once."""
    assert {row["section"].partition(".")[0] for row in ROWS} == {"0", "1", "2", "4", "5"}
    lines = [row["line"] for row in ROWS]
    assert lines == sorted(set(lines))
