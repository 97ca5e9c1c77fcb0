"""The benchmark runs and tells what it promises, on sizes that say nothing about speed."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.moves import write_moves
from tests.benchmarks.rates import run_floor, whole
from tests.benchmarks.responder import ONE_LINE, BenchmarkBroken, Responder, compiler_path
from tests.benchmarks.summary import KEYS


@pytest.fixture(params=["compiled", "in Python"], autouse=True)
def program(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which responder answers. The compiled one is made anew, where nobody else keeps it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "in Python":
        monkeypatch.setenv("PATH", str(tmp_path))  # where no compiler is
    elif compiler_path() is None:
        pytest.skip("there is no C compiler")
    return str(request.param)


def _object(capsys: pytest.CaptureFixture[str], parts: str) -> dict[str, Any]:
    assert main(["streaming", "--json", "--only", parts, "--moves", "300", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("floor ") for line in lines), "the table"
    return dict(json.loads(lines[-1]))


def test_the_last_line_is_an_object_with_every_key(capsys: pytest.CaptureFixture[str], program: str) -> None:
    found = _object(capsys, "floor")
    assert set(KEYS) <= found.keys()
    assert set(found["reasons"]) == (set() if program == "compiled" else {"responder"}), "why it is slow"
    assert found["floor_lines_per_s"] > 0
    assert found["underruns"] is None, "not asked for"


@pytest.mark.soak
def test_the_daemon_is_measured_in_both_windows(capsys: pytest.CaptureFixture[str]) -> None:
    found = _object(capsys, "floor,daemon")
    assert set(found["reasons"]) <= {"responder"}
    assert found["daemon_lines_per_s"] > 0
    assert found["daemon_lines_per_s_window4"] > 0


def test_a_board_that_did_not_get_the_file_is_no_figure(tmp_path: Path) -> None:
    file = write_moves(tmp_path / "moves.gcode", 50)
    assert file.crc == zlib.crc32(file.path.read_bytes())
    assert run_floor(file, 1).lines_per_s > 0
    with Responder(ONE_LINE) as board:
        board.begin(file.moves)
        with pytest.raises(BenchmarkBroken, match="did not execute"):
            whole(board, file)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["streaming", "--only", "floors"]) == 2
    assert "there is no 'floors'" in capsys.readouterr().err
