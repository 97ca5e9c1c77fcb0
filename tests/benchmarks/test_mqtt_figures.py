"""The MQTT benchmark runs and tells what it promises, with too few printers to say anything of cost."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.mqtt import KEYS, MIXES


@pytest.mark.soak
def test_the_last_line_is_an_object_with_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mqtt", "--json", "--printers", "8", "--seconds", "2", "--settling", "1"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {f"{mix}_{key}" for mix in MIXES for key in KEYS} <= found.keys()
    for mix in MIXES:
        assert found[f"{mix}_in_per_s"] >= 7, "one a second and a printer, and answers"
        assert found[f"{mix}_cpu_percent"] > 0
        assert found[f"{mix}_told_per_s"] > 0, "northbound is on"
    assert sum(found["shares"].values()) > 0.5


def test_an_unknown_mix_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mqtt", "--only", "prusa"]) == 2
    assert "there is no 'prusa'" in capsys.readouterr().err
