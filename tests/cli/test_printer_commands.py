"""`print-gateway printers command`: what is sent, what is waited for, and what people read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.job import JobStatus
from gateway.domain.observations import OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import Tell
from tests.api.host import Host, a_job
from tests.api.test_firmware import Firmware
from tests.cli.conftest import Run
from tests.cli.real_gateway import RealGateway, real_gateway
from tests.client.fake_gateway import FakeGateway
from tests.support.stand import ANA, BEN, a_call_in, a_forge_printer, printer

# ---------------------------------------------------------------- against a gateway that answers as told


def test_a_command_is_sent_and_its_end_is_told(run: Run, fake: FakeGateway) -> None:
    result = run("printers", "command", "mk3", "home")
    assert (result.exit_code, result.stdout) == (0, "mk3: home sent\nmk3: home done\n")
    assert ("POST", "/printers/1/command") in fake.asked
    assert fake.bodies == [{"command": "home", "parameters": {}}]


def test_what_the_printer_said_is_shown(run: Run, fake: FakeGateway) -> None:
    fake.said = {"state": "completed", "command": "request_settings", "settings": {"brightness": 3}}
    result = run("printers", "command", "mk3", "request_settings")
    assert result.stdout.splitlines()[1:] == ["mk3: request_settings done", "settings  {'brightness': 3}"]
    told = json.loads(run("printers", "command", "mk3", "request_settings", "--json").stdout)
    assert (told["state"], told["data"]) == ("done", fake.said)


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        (("package_url=https://x.example/?a=b",), {"package_url": "https://x.example/?a=b"}),
        (('settings:={"brightness": 3}',), {"settings": {"brightness": 3}}),
        (("x=", "y:=null", "z=7"), {"x": "", "y": None, "z": "7"}),
    ],
)
def test_what_goes_with_it(
    run: Run, fake: FakeGateway, words: tuple[str, ...], parameters: dict[str, Any]
) -> None:
    assert run("printers", "command", "mk3", "dance", *words).exit_code == 0
    assert fake.bodies == [{"command": "dance", "parameters": parameters}]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("brightness",), '"brightness" does not say what it is; write it like package_url=https://...'),
        (("=3",), '"=3" does not say what it is'),
        (("a=1", "a=2"), "a is given twice; give it once"),
        (("a:=high",), "what follows a:= is no JSON; for plain text write a=high"),
        (("a:=NaN",), "what follows a:= is no JSON"),
    ],
)
def test_what_cannot_go_with_it_is_a_mistake(
    run: Run, fake: FakeGateway, words: tuple[str, ...], says: str
) -> None:
    result = run("printers", "command", "mk3", "dance", *words)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
    assert fake.bodies == []


def test_a_refusal_of_the_printer_fails(run: Run, fake: FakeGateway) -> None:
    fake.outcome = ("failed", "It is printing.")
    result = run("printers", "command", "mk3", "restart")
    assert (result.exit_code, result.stderr) == (1, "print-gateway: mk3: It is printing.\n")
    assert run("printers", "command", "mk3", "restart", "--json").exit_code == 1


def test_no_word_within_the_wait_is_no_success(run: Run, fake: FakeGateway) -> None:
    fake.outcome = ("pending", None)
    result = run("printers", "command", "mk3", "home", "--wait", "0.1")
    assert (result.exit_code, result.stdout) == (1, "mk3: home sent\n")
    assert "mk3: no word from the printer within 0.1 s; it may still be at it" in result.stderr
    assert run("printers", "command", "mk3", "home", "--wait", "0.1", "--json").exit_code == 1


def test_without_waiting_it_is_sent_and_that_is_all(run: Run, fake: FakeGateway) -> None:
    result = run("printers", "command", "mk3", "home", "--wait", "0")
    assert (result.exit_code, result.stdout) == (0, "mk3: home sent\n")
    assert [path for method, path in fake.asked if method == "GET"] == ["/printers/mk3"]


def test_a_stop_without_a_word_is_no_success_in_json_either(run: Run, fake: FakeGateway) -> None:
    fake.outcome = ("pending", None)
    result = run("printers", "stop", "mk3", "--wait", "0.1", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "pending")


# ---------------------------------------------------------------- against the real API


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    """With ana's Ember (58) and her Klipper beside the printers of the configuration."""

    async def furnish(host: Host) -> None:
        await host.put_printers(a_forge_printer(), printer(7, "voron", driver="moonraker"))
        await host.change(lambda draft: draft.put_call_in(a_call_in()))

    with real_gateway(tmp_path) as running:
        running.do(furnish)
        yield running


def test_the_answer_of_a_driver_comes_back(gateway: RealGateway) -> None:
    async def answers(host: Host) -> None:
        while not (told := host.drivers.of(Tell)):
            await host.observe()
        [order] = told
        data = {"data": {"state": "received", "klippy": "ready"}}
        host.engine.observe(OrderProgressed("voron", order.order_id, 1.0, data))
        host.engine.observe(OrderAnswered("voron", order.order_id, OrderResult.ACCEPTED))

    answered = gateway.meanwhile(answers)
    result = gateway.run("printers", "command", "voron", "firmware_restart")
    answered()
    assert result.exit_code == 0, result.stderr
    expected = ["voron: firmware_restart sent", "voron: firmware_restart done", "klippy  ready"]
    assert result.stdout.splitlines() == expected
    [order] = gateway.host.drivers.of(Tell)
    assert isinstance(order, Tell)
    assert (order.command, order.parameters) == ("firmware_restart", {})


def test_a_printer_that_does_not_listen_is_named_as_the_reason(gateway: RealGateway) -> None:
    """By its own driver: this Ember posts, and has never subscribed."""

    async def call_in(host: Host) -> None:
        firmware = Firmware(host)
        code = (await firmware.contact()).body["registration_code"]
        await host.engine.execute(RegisterPrinter(ANA.member_id, code, "deaf"))
        await firmware.status("ready")

    gateway.do(call_in)
    result = gateway.run("printers", "command", "deaf", "home", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["state"]) == (1, "failed")
    assert told["message"] == "it has not subscribed to its commands at /faye"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("mk3", "home"), 2, "mk3 is driven by the gateway and takes no commands of its own: adjust it, or"),
        (("voron", "home"), 2, "voron takes no command 'home'; it takes: restart, firmware_restart"),
        (("58", "pause"), 2, "'pause' is about a job"),
        (("58", "firmware_upgrade"), 2, "firmware_upgrade needs package_url: the address of the package"),
        (("58", "home", "axis=z"), 2, "home takes nothing; there is no 'axis'"),
        (("58", "rm -rf"), 2, "command: "),
        (("nope", "home"), 2, "There is no printer 'nope' for you"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refusals_are_one_line_with_what_to_do(
    gateway: RealGateway, words: tuple[str, ...], code: int, says: str
) -> None:
    result = gateway.run("printers", "command", *words)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert result.stderr.startswith("print-gateway: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_would_ruin_a_print_is_refused(gateway: RealGateway) -> None:
    job = a_job(member=ANA, printer_id=58, status=JobStatus.PRINTING, print_key="mark")
    gateway.do(lambda host: host.put_jobs(job))
    result = gateway.run("printers", "command", "58", "home")
    assert (result.exit_code, "home would ruin it: cancel the job first" in result.stderr) == (1, True)


def test_a_colleague_may_not(gateway: RealGateway) -> None:
    token = gateway.do(lambda host: host.token(BEN))
    result = gateway.run_elsewhere(token, "printers", "command", "58", "home")
    said = "Commands to Ana's Ember itself are for its owner, and for whom the owner lets."
    assert (result.exit_code, said in result.stderr) == (1, True)
