"""Orders of the control socket of a printer that calls in."""

from __future__ import annotations

import json

import pytest

from firmware_sim.forge.control import obey
from tests.firmware_sim.forge.scene import at_home, at_rest

RIGHT = [
    "status", "start-local vase", "start-local vase 7", "open-door", "close-door", "clear-plate",
    "clear-error", "fault 70 resin tray", "silence", "speak", "power-cycle", "power-cycle 0",
    "power-cycle 1.5", "network post-lost", "network post-late 3", "  status ",
]  # fmt: skip

WRONG = [
    ("", "not understood: ''"),
    ("dance", "not understood: 'dance'"),
    ("status now", "not understood"),
    ("start-local", "not understood"),
    ("start-local vase many", "not a whole number from 1 up: 'many'"),
    ("start-local vase 0", "not a whole number"),
    ("start-local vase 99999999999", "not a whole number"),
    ("fault 70", "not understood"),
    ("fault x text", "not a whole number"),
    ("power-cycle soon", "not a number of seconds: 'soon'"),
    ("power-cycle inf", "not a number of seconds"),
    ("power-cycle -1", "not a number of seconds"),
    ("network flood", "no fault 'flood'"),
    ("network post-late nan", "not a number of seconds"),
    ("pause", "nothing prints"),
    ("resume", "nothing is paused"),
    ("cancel", "no print to cancel"),
    ("press", "no print waits"),
]


@pytest.mark.parametrize("order", RIGHT)
async def test_an_order_that_is_understood(order: str) -> None:
    async with at_home() as (_, printer):
        json.dumps(obey(printer, order), allow_nan=False)


async def test_an_order_that_is_not() -> None:
    async with at_home() as (_, printer):
        before = len(printer.ledger)
        for order, error in WRONG:
            with pytest.raises(ValueError, match=error):
                obey(printer, order)
        assert len(printer.ledger) == before


async def test_a_print_by_hand_from_start_to_end() -> None:
    async with at_home() as (_, printer):
        job = obey(printer, "start-local vase 4")["job_id"]
        await printer.until(lambda: printer.ledger.count("layer") == 1)
        obey(printer, "pause")
        status = obey(printer, "status")
        assert (status["job_id"], status["job_status"], status["layer"], status["layers"]) == (
            job,
            "paused",
            2,
            4,
        )
        assert (status["printer_status"], status["plate_occupied"], status["silent"]) == (
            "paused",
            True,
            False,
        )
        obey(printer, "resume")
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        assert obey(printer, "status")["printer_status"] == "ready"


async def test_an_order_while_it_has_no_power() -> None:
    async with at_home() as (_, printer):
        obey(printer, "power-cycle 10")
        assert obey(printer, "status")["printer_status"] == "off"
        with pytest.raises(ValueError, match="the printer is off"):
            obey(printer, "start-local vase")
        obey(printer, "power-cycle 1")
        await printer.until(lambda: printer.is_on)
        assert obey(printer, "status")["printer_status"] == "ready"
