"""What each client posts, held against vectors written from the documentation and the clients' sources."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from firmware_sim.forge.acts import Post
from firmware_sim.forge.forms import form_body
from tests.firmware_sim.forge.play import Play

VECTORS = tomllib.loads(
    (Path(__file__).parents[2] / "vectors" / "forge" / "posts.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("scenario", VECTORS["scenario"], ids=lambda scenario: str(scenario["title"]))
def test_a_post_is_what_the_real_client_sent(scenario: dict[str, Any]) -> None:
    play = Play(scenario["personality"])
    for words in scenario["steps"]:
        play.step(words)
    assert [(post.path, *_wire(post)) for post in play.posts()] == [
        (post["path"], post["type"], _read(post["type"], post["body"])) for post in scenario["post"]
    ]


def _wire(post: Post) -> tuple[str, Any]:
    if post.is_form:
        body = form_body(post.body).decode()
        return "application/x-www-form-urlencoded", sorted(parse_qsl(body, strict_parsing=True))
    return "application/json", json.loads(json.dumps(post.body))


def _read(content_type: str, text: str) -> Any:
    if content_type == "application/json":
        return json.loads(text)
    return sorted(parse_qsl(text, strict_parsing=True))


def test_every_personality_and_kind_of_post_is_in_the_vectors() -> None:
    assert {scenario["personality"] for scenario in VECTORS["scenario"]} == {
        "documented", "ember", "spark-simulator"
    }  # fmt: skip
    assert all(scenario["source"] for scenario in VECTORS["scenario"])


def test_a_form_is_what_a_browser_makes_of_an_object() -> None:
    body = {"a": 1.0, "b": 0.25, "c": None, "d": True, "e": {"f": ["x", {"g": 2}]}, "h": "ä&="}
    assert form_body(body) == b"a=1&b=0.25&c=&d=true&e%5Bf%5D%5B%5D=x&e%5Bf%5D%5B1%5D%5Bg%5D=2&h=%C3%A4%26%3D"
