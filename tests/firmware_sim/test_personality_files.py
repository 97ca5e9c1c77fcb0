"""A personality file is checked whole: whoever writes one is told the key, not a traceback."""

from __future__ import annotations

from importlib import resources

import pytest

from firmware_sim import Board, Personality, personality_names
from firmware_sim.personality import FEATURES, BadPersonality, parse_personality

LEAST = 'bufsize = 4\nbanner = ["start"]\nidentity = "FIRMWARE_NAME:Mine"\nfeatures = []\n'


def source_of(name: str) -> str:
    return (resources.files("firmware_sim") / "personalities" / f"{name}.toml").read_text(encoding="utf-8")


def test_four_keys_make_a_printer() -> None:
    build = parse_personality("mine", LEAST)
    board = Board(build)
    assert board.poll(0.0) == b"start\n"
    board.receive(b"M115\nM105\n", 1.0)
    assert board.poll(1.0).splitlines() == [
        b"FIRMWARE_NAME:Mine",
        b"ok",
        b"ok T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0",
    ]


@pytest.mark.parametrize("name", personality_names())
def test_the_shipped_files_pass_their_own_check(name: str) -> None:
    build = parse_personality(name, source_of(name))
    assert isinstance(build, Personality)
    assert build.features <= FEATURES


def test_every_feature_is_used_by_some_line_of_code() -> None:
    folder = resources.files("firmware_sim") / "machine"
    code = "".join(
        entry.read_text(encoding="utf-8")
        for place in (folder, folder / "firmwares")
        for entry in place.iterdir()
        if entry.name.endswith(".py")
    )
    assert {feature for feature in FEATURES if f'"{feature}"' not in code} == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST + "bufsise = 8\n", "unknown key: bufsise"),
        (LEAST + "zeta = 1\nalpha = 2\n", "unknown key: alpha, zeta"),
        (LEAST + 'name = "other"\n', "unknown key: name"),
        (LEAST.replace("bufsize = 4\n", ""), "missing key: bufsize"),
        ("features = []\n", "missing key: banner, bufsize, identity"),
        (LEAST.replace("4", '"4"'), "bufsize = '4' is no whole number above 0"),
        (LEAST.replace("4", "0"), "bufsize = 0 is no whole number above 0"),
        (LEAST.replace("4", "4.5"), "bufsize = 4.5 is no whole number above 0"),
        (LEAST.replace("4", "true"), "bufsize = True is no whole number above 0"),
        (LEAST + "ambient = -1.0\n", "ambient = -1.0 is no number from 0 up"),
        (LEAST + "ambient = nan\n", "ambient = nan is no number from 0 up"),
        (LEAST + "keepalive = inf\n", "keepalive = inf is no number from 0 up"),
        (LEAST.replace('["start"]', '"start"'), "banner = 'start' is no list of texts"),
        (LEAST.replace('["start"]', "[1]"), r"banner = \[1\] is no list of texts"),
        (LEAST.replace('"FIRMWARE_NAME:Mine"', "3"), "identity = 3 is no text"),
        (LEAST.replace("features = []", 'features = ["sd", "lasers"]'), "no such feature: lasers"),
        (LEAST + "bed = [1.0, 2.0]\n", r"bed must be \[x, y, z\]"),
        (LEAST + 'bed = [1.0, 2.0, "3"]\n', "is no list of numbers"),
        (LEAST + "hotend = 3\n", "hotend = 3 is no table"),
        (LEAST + "hotend = { rate = 1.0, tau = 2.0 }\n", "mine, hotend: missing key: max_celsius"),
        (LEAST + "plate = { rate = 1, tau = 2, max_celsius = 9, watts = 5 }\n", "plate: unknown key: watts"),
        (LEAST + 'firmware = "grbl"\n', "no firmware 'grbl'; there are: klipper, marlin, prusa, repetier"),
        (LEAST + 'wording = "short"\n', "wording = 'short' is no table"),
        (LEAST + '[wording]\nbussy = "b"\n', "mine, wording: unknown key: bussy"),
        (LEAST + '[wording]\nbusy = "{why}"\n', "wording: busy: no such placeholder: 'why'"),
        (LEAST + '[wording]\nbusy = "{t"\n', "wording: busy: expected '}'"),
        ('based_on = "marlin-4"\n', "based_on 'marlin-4' is none of the shipped ones"),
        ('based_on = "../secret"\n', "none of the shipped ones"),
        ('based_on = "marlin-stock"\ncap_changes = { SD = 1 }\n', "cap_changes SD is not in the list"),
        ("bufsize = \n", "personality mine: Invalid value"),
        (LEAST + "bufsize = 5\n", "personality mine: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(BadPersonality, match=said) as stop:
        parse_personality("mine", text)
    assert "mine" in str(stop.value)
    assert "\n" not in str(stop.value)


def test_based_on_takes_everything_else_over() -> None:
    stock = parse_personality("marlin-stock", source_of("marlin-stock"))
    text = 'based_on = "marlin-stock"\nbufsize = 16\ncap_changes = { SDCARD = 1 }\nfeatures = ["sd"]\n'
    mine = parse_personality("mine", text)
    assert (mine.name, mine.bufsize, mine.features) == ("mine", 16, {"sd"})
    assert mine.identity == stock.identity
    assert mine.hotend == stock.hotend
    changed = set(mine.capabilities) ^ set(stock.capabilities)
    assert changed == {"SDCARD:0", "SDCARD:1"}
    assert [cap.split(":")[0] for cap in mine.capabilities] == [c.split(":")[0] for c in stock.capabilities]


def test_whole_numbers_do_for_lengths_and_times() -> None:
    mine = parse_personality("mine", LEAST + "keepalive = 3\nbed = [100, 100, 100]\n")
    assert mine.keepalive == 3
    assert mine.bed == (100, 100, 100)
