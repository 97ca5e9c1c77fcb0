"""The table of cases: what is asked, what is answered, and where that stands (tests/vectors/bayeux)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.messages import NotABatch
from tests.protocol.bayeux.talk import Talk

TABLE = Path(__file__).parents[2] / "vectors" / "bayeux" / "cases.toml"
CASES = tomllib.loads(TABLE.read_text(encoding="utf-8"))["case"]
#: What a step may expect and do; a misspelt word would test nothing.
WORDS = {
    "at", "client", "subscribed", "send", "publish", "data",
    "answer", "held", "error", "messages", "refused", "collected", "outcomes", "listening",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_case(case: dict[str, Any]) -> None:
    talk = Talk(Bounds(spread=0.0))
    for step in case["step"]:
        assert set(step) <= WORDS
        talk.wait(step.get("at", talk.now))
        if "client" in step:
            _furnish(talk, step)
            continue
        answer = _do(talk, step)
        if "answer" in step:
            assert answer == json.loads(step["answer"])
        elif "error" in step:
            assert [(said["successful"], said["error"]) for said in answer] == [(False, step["error"])]
        elif "messages" in step:
            assert answer[1:] == json.loads(step["messages"])
        elif step.get("held"):
            assert answer is None
        assert talk.collected == [json.loads(text) for text in step.get("collected", [])]
        assert [str(outcome) for outcome in talk.outcomes] == step.get("outcomes", [])
        assert talk.listening == step.get("listening", [])
        _forget(talk)


def _do(talk: Talk, step: dict[str, Any]) -> Any:
    if "refused" in step:
        with pytest.raises(NotABatch) as failure:
            talk.send(step["send"])
        assert str(failure.value) == step["refused"]
    elif "send" in step:
        return talk.send(step["send"])
    elif "publish" in step:
        talk.publish(step["publish"], json.loads(step["data"]))
    return None


def _furnish(talk: Talk, step: dict[str, Any]) -> None:
    assert talk.handshake() == step["client"]
    for channel in step.get("subscribed", []):
        assert talk.subscribe(step["client"], channel)
    _forget(talk)


def _forget(talk: Talk) -> None:
    for record in (talk.collected, talk.outcomes, talk.listening):
        record.clear()


def test_every_case_names_its_source() -> None:
    assert all(case["source"] for case in CASES)
    assert len({case["title"] for case in CASES}) == len(CASES)
