"""The ledger: append-only, readable after a kill."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from firmware_sim import Ledger, read_ledger


def test_each_entry_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append(1.5, "executed", source="host", n=7, line="G1 X1")
    ledger.append(2.0, "heater", source="sd", line="E0", effect="target 215")
    assert [json.loads(row) for row in path.read_text().splitlines()] == [
        {"t": 1.5, "event": "executed", "source": "host", "n": 7, "line": "G1 X1"},
        {"t": 2.0, "event": "heater", "source": "sd", "n": None, "line": "E0", "effect": "target 215"},
    ]
    ledger.close()
    ledger.close()
    assert read_ledger(path) == ledger.entries


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"t":1,"event":"boot","source":null,"n":null,"line":null}\n{"t":2,"ev')
    assert [entry.event for entry in read_ledger(path)] == ["boot"]


def test_a_second_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        ledger = Ledger(path)
        ledger.append(0.0, "boot")
        ledger.close()
    assert len(read_ledger(path)) == 2


def test_questions_tests_ask() -> None:
    ledger = Ledger()
    ledger.append(0.0, "boot")
    for source, line in (("host", "G28"), ("sd", "G1 X1"), ("host", "M105")):
        ledger.append(1.0, "executed", source=source, line=line)
    assert ledger.executed() == ["G28", "G1 X1", "M105"]
    assert ledger.executed(source="host") == ["G28", "M105"]
    assert ledger.count("executed") == len(ledger) - 1 == 3
    assert next(iter(ledger)).event == "boot"
    assert len(ledger.events("boot", "executed")) == 4


def test_entries_cannot_be_changed() -> None:
    ledger = Ledger()
    ledger.append(0.0, "boot")
    with pytest.raises(dataclasses.FrozenInstanceError):
        ledger.entries[0].event = "kill"  # type: ignore[misc]
