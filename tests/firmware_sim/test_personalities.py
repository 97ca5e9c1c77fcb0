"""Personalities are data."""

from __future__ import annotations

import pytest

from firmware_sim import UnknownPersonality, load_personality, personality_names
from firmware_sim.machine.commands import NEEDS, handlers_for
from firmware_sim.personality import FIRMWARES

NAMES = [
    "marlin-1.1", "marlin-bare", "marlin-full", "marlin-probe", "marlin-runout", "marlin-sd", "marlin-stock",
    "marlin-uart", "slow-board",
]  # fmt: skip
OTHERS = ["klipper", "prusa", "repetier"]


def test_the_ones_there_are() -> None:
    assert personality_names() == sorted([*NAMES, *OTHERS])


def test_every_family_of_firmware_is_played_by_somebody() -> None:
    assert {load_personality(name).firmware for name in personality_names()} == FIRMWARES


def test_an_unknown_name_is_answered_with_the_list() -> None:
    with pytest.raises(UnknownPersonality, match=r"klipper, marlin-1\.1, marlin-bare, marlin-full"):
        load_personality("../secret")


@pytest.mark.parametrize("name", NAMES)
def test_what_a_build_claims_it_can_do(name: str) -> None:
    build = load_personality(name)
    claimed = {cap for cap in build.capabilities if cap.endswith(":1")}
    listed = {cap.partition(":")[0] for cap in build.capabilities}
    for capability, feature in (
        ("EMERGENCY_PARSER:1", "emergency_parser"),
        ("SDCARD:1", "sd"),
        ("AUTOREPORT_SD_STATUS:1", "sd_autoreport"),
        ("HOST_ACTION_COMMANDS:1", "host_actions"),
        ("PROMPT_SUPPORT:1", "prompts"),
        ("AUTOREPORT_TEMP:1", "auto_temp"),
        ("AUTOREPORT_POS:1", "auto_pos"),
        ("BUILD_PERCENT:1", "progress"),
    ):
        # What a build does not list it does not claim: Marlin 1.1 has a card and no word for it.
        if capability.partition(":")[0] in listed:
            assert (capability in claimed) == build.has(feature), capability
    assert build.banner[0] == "start"
    assert build.identity.startswith("FIRMWARE_NAME:Marlin")
    assert not any("Initialized" in line for line in build.banner), "that line is the recording host's"


@pytest.mark.parametrize("name", NAMES)
def test_a_build_knows_what_it_was_built_with(name: str) -> None:
    build = load_personality(name)
    known = handlers_for(build)
    assert {"G0", "G1", "G28", "M105", "M109", "M110", "M115", "M400"} <= set(known)
    for code, feature in NEEDS.items():
        assert (code in known) == build.has(feature)


def test_the_common_printer_is_stock_with_switches_on() -> None:
    common, stock = load_personality("marlin-sd"), load_personality("marlin-stock")
    assert common.bufsize == stock.bufsize == 4
    assert common.identity == stock.identity
    assert common.features > stock.features
    assert "SDCARD:1" in common.capabilities
    assert "EMERGENCY_PARSER:0" in common.capabilities
    assert len(common.capabilities) == len(stock.capabilities)
