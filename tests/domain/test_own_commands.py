"""Commands in a printer's own words: what each kind is told, and what goes with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.commands import CommandRefused, Refusal, TellPrinter
from gateway.domain.orders import Tell
from gateway.domain.own_commands import parameters_taken, why_not_told
from tests.support.stand import ANA, Table, a_forge_printer, house, printer

EMBER, KLIPPER = a_forge_printer(), printer(driver="moonraker")


@pytest.mark.parametrize(
    ("driver", "taken"),
    [
        ("marlin", set()),
        ("bambu", set()),
        ("moonraker", {"restart", "firmware_restart"}),
        ("forge", {"restart", "firmware_restart", "reset", "dance"}),
    ],
)
def test_each_kind_takes_its_own_commands(driver: str, taken: set[str]) -> None:
    there, words = printer(driver=driver), ("restart", "firmware_restart", "reset", "dance")
    assert {word for word in words if why_not_told(there, word, {}) is None} == taken


def test_a_refusal_says_what_else_there_is() -> None:
    marlin = why_not_told(printer(), "home", {})
    assert marlin == (
        "mk3 is driven by the gateway and takes no commands of its own: adjust it, or let a schedule send it "
        "lines of G-code"
    )
    assert (
        why_not_told(KLIPPER, "home", {})
        == "mk3 takes no command 'home'; it takes: restart, firmware_restart"
    )


@pytest.mark.parametrize(
    ("command", "parameters", "says"),
    [
        ("home", {"axis": "z"}, "home takes nothing; there is no 'axis'"),
        ("logs", {"url": "https://x.example"}, "logs takes upload_url; there is no 'url'"),
        ("firmware_upgrade", {}, "firmware_upgrade needs package_url: the address of the package"),
        ("firmware_upgrade", {"package_url": ""}, "firmware_upgrade needs package_url: the address"),
        ("firmware_upgrade", {"package_url": "ftp://x"}, "package_url is an address that begins with http"),
        ("firmware_upgrade", {"package_url": "http://[x"}, "package_url is an address that begins with http"),
        ("firmware_upgrade", {"package_url": 7}, "package_url is an address that begins with http"),
        ("logs", {"upload_url": "https:///x"}, "upload_url is an address that begins with http"),
        ("dance", {"upload_url": "here"}, "upload_url is an address that begins with http"),
        ("settings", {}, "settings needs settings: an object with the settings"),
        ("settings", {"settings": "bright"}, "settings needs settings: an object with the settings"),
        ("dance", {"task_id": "x"}, "task_id is written by the gateway and cannot be sent with a command"),
        ("dance", {"job_id": "x"}, "job_id is written by the gateway and cannot be sent with a command"),
    ],
)
def test_what_does_not_go_with_a_command(command: str, parameters: dict[str, Any], says: str) -> None:
    assert (why_not_told(EMBER, command, parameters) or "").startswith(says)
    with pytest.raises(CommandRefused) as refused:
        Table(house(EMBER)).give(TellPrinter(58, ANA.member_id, command, parameters))
    assert refused.value.refusal is Refusal.INVALID


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        ("home", {}),
        ("log", {}),
        ("logs", {}),
        ("logs", {"upload_url": "https://logs.example/1"}),
        ("firmware_upgrade", {"package_url": "http://[::1]:8000/firmware.tar.gz"}),
        ("settings", {"settings": {"brightness": 3}}),
        ("dance", {"steps": [1, 2], "how": {"fast": True}}),
    ],
)
def test_what_goes_with_a_command_goes_to_the_printer(command: str, parameters: dict[str, Any]) -> None:
    table = Table(house(EMBER))
    table.give(TellPrinter(58, ANA.member_id, command, parameters))
    [told] = table.state.commands.values()
    assert table.orders == [Tell("forge:58", told.task_id, command, parameters)]


def test_a_command_about_a_job_carries_its_id() -> None:
    table = Table(house(EMBER))
    table.give(TellPrinter(58, ANA.member_id, "dismiss", {"why": "seen"}, job_id="4b5a3181"))
    [told] = table.state.commands.values()
    assert told.parameters == {"why": "seen", "job_id": "4b5a3181"}
    assert table.orders == [Tell("forge:58", told.task_id, "dismiss", told.parameters)]


def test_a_klipper_is_told_nothing_more_than_the_command() -> None:
    assert why_not_told(KLIPPER, "restart", {"now": True}) == "restart takes nothing; there is no 'now'"
    assert parameters_taken(KLIPPER, "restart") == ()
    assert parameters_taken(EMBER, "dance") is None


@given(
    st.sampled_from([EMBER, KLIPPER, printer()]),
    st.sampled_from(["home", "settings", "logs", "firmware_upgrade", "restart", "dance"]),
    st.dictionaries(
        st.sampled_from(["settings", "package_url", "upload_url", "job_id", "x"]), st.text() | st.none()
    ),
)
def test_whatever_is_sent_is_taken_or_refused_in_words(
    where: Any, command: str, sent: dict[str, Any]
) -> None:
    why = why_not_told(where, command, sent)
    assert why is None or why.strip() == why != ""
