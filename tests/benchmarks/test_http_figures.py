"""The HTTP benchmark runs and tells what it promises, on a store that says nothing about speed."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.http import KEYS


@pytest.mark.soak
def test_the_last_line_is_an_object_with_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "http",
        "--json",
        "--only",
        "floor,pages,depth,all,dialects,sweep",
        "--jobs",
        "600",
        "--tasks",
        "600",
        "--seconds",
        "0.3",
        "--rounds",
        "1",
    ]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(KEYS) <= found.keys()
    assert found["all_jobs"] == 600
    assert found["pages_per_s"] > 0
    assert found["all_held_ms"] > 0
    assert found["greenarrow_cold_per_s"] > 0
    assert found["sweep_rows"] >= 599, "the newest id is never given anew, so its row may stay"
    assert found["polls_percent"] is None, "not asked for"


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http", "--only", "page"]) == 2
    assert "there is no 'page'" in capsys.readouterr().err
