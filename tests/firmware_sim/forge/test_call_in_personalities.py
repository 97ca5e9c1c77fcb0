"""Personalities of printers that call in are data, apart from those on a cable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_sim import UnknownPersonality, load_personality, personality_names
from firmware_sim.forge import call_in_personality_names, load_call_in_personality
from firmware_sim.forge.identity import BadIdentity, IdentityFile
from firmware_sim.forge.personality import MANNERS, parse_call_in_personality
from firmware_sim.forge.printer import MANNERS as FIRMWARES
from firmware_sim.personality import BadPersonality

ROOT = Path(__file__).parents[3]
EMBER = (ROOT / "firmware_sim" / "forge" / "personalities" / "ember.toml").read_text(encoding="utf-8")


def test_the_ones_there_are_and_none_is_on_a_cable() -> None:
    assert call_in_personality_names() == ["documented", "ember", "ember-button", "spark-simulator"]
    assert not set(call_in_personality_names()) & set(personality_names())
    with pytest.raises(UnknownPersonality, match="there are: documented, ember"):
        load_call_in_personality("marlin-sd")
    with pytest.raises(UnknownPersonality):
        load_personality("ember")


def test_every_manner_is_played_by_somebody() -> None:
    assert {load_call_in_personality(name).manner for name in call_in_personality_names()} == set(MANNERS)
    assert set(FIRMWARES) == set(MANNERS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("layers = 50", "layers = 0"), "layers = 0 is no int"),
        (("layers = 50", "layers = true"), "layers = True is no int"),
        (("layers = 50", ""), "missing key: layers"),
        (("layers = 50", "layers = 50\nlairs = 1"), "unknown key: lairs"),
        (('manner = "smith"', 'manner = "rude"'), "no manner 'rude'"),
        (("ping_seconds = 15.0", "ping_seconds = inf"), "ping_seconds = inf is no float"),
        (("ping_seconds = 15.0", "ping_seconds = -1"), "ping_seconds = -1 is no float"),
        (("ping_seconds = 15.0", "ping_seconds = "), "personality x: "),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_key(change: tuple[str, str], says: str) -> None:
    assert change[0] in EMBER
    with pytest.raises(BadPersonality, match=says):
        parse_call_in_personality("x", EMBER.replace(*change))


def test_an_identity_is_kept_by_rename(tmp_path: Path) -> None:
    path = tmp_path / "printer.json"
    keep = IdentityFile(path)
    keep.identity.printer_id = 58
    keep.save()
    assert IdentityFile(path).identity.printer_id == 58
    assert [entry.name for entry in tmp_path.iterdir()] == ["printer.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', json.dumps({"printer": 58}), "\xff"])
def test_a_state_file_that_is_none_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "printer.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadIdentity, match=r"printer\.json is no state of a printer"):
        IdentityFile(path)
    assert path.read_bytes() == text.encode("latin-1")
