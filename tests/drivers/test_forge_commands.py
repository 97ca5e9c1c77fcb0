"""Commands to a printer that calls in: what goes out, and which of its acknowledgements is the answer."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.call_in import CodeKind
from gateway.domain.observations import Activity, PrintPhase
from gateway.domain.orders import (
    AbortUpload,
    Acknowledge,
    Adjust,
    AnswerPrompt,
    HeatersOff,
    Order,
    RecoverPrint,
    SendGcode,
    UploadFile,
)
from gateway.drivers.forge.asked import ASKED_MAX
from gateway.drivers.routing import Routing
from gateway.protocol.bayeux.outcome import Outcome
from tests.support.forge_stand import JOB, LOCAL, MARK, NAME, ForgeStand
from tests.support.stand import FakeDrivers


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_commands_about_a_print_name_its_job(command: str) -> None:
    stand = ForgeStand()
    stand.printing()
    getattr(stand, command)(order_id="o1")
    assert stand.messages[-1].payload == {"command": command, "task_id": "o1", "job_id": JOB}
    assert stand.result("o1") is None


def test_a_local_print_is_named_as_the_printer_names_it() -> None:
    stand = ForgeStand()
    stand.posts("printing", f"local_{LOCAL}", "printing")
    stand.pause(f"forge:58/local_{LOCAL}")
    assert stand.messages[-1].payload["job_id"] == f"local_{LOCAL}"


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_a_command_for_another_print_sends_nothing(command: str) -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("printing", f"local_{LOCAL}", "printing")
    sent = len(stand.messages)
    getattr(stand, command)(MARK, "o1")
    getattr(stand, command)("mark-9", "o2")
    assert (stand.result("o1"), stand.result("o2")) == ("refused", "refused")
    assert len(stand.messages) == sent


def test_received_and_then_completed_as_smith_has_it() -> None:
    stand = ForgeStand()
    stand.tell("request_settings", also="this")
    assert stand.messages[-1].payload == {"command": "request_settings", "task_id": "t1", "also": "this"}
    stand.acks("t1", "received", progress=0.0)
    assert stand.result("t1") is None
    stand.acks("t1", "completed", progress=1.0, data={"settings": {"a": 1}})
    assert stand.result("t1") == "accepted"
    assert [(said.order_id, said.progress) for said in stand.progressed] == [("t1", 0.0), ("t1", 1.0)]
    assert stand.progressed[-1].answer == {
        "progress": 1.0, "data": {"state": "completed", "settings": {"a": 1}},
    }  # fmt: skip


def test_one_acknowledgement_without_a_state_as_the_page_has_it() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.pause()
    stand.posts("paused", JOB, "paused", job_progress=0.1)
    stand.acks("p1", progress=0.1, printer_status=Activity.PAUSED, job_id=JOB, job_status="paused")
    assert stand.result("p1") == "accepted"
    assert stand.phase is PrintPhase.PAUSED
    assert stand.progressed[-1].answer["printer_status"] == "paused"


@pytest.mark.parametrize(
    "said",
    [{"error_code": 400}, {"error_code": 0, "state": "failed"}],
)
def test_a_refusal_comes_with_the_printers_words_and_is_not_the_prints(said: dict[str, object]) -> None:
    stand = ForgeStand()
    stand.printing()
    stand.resume()
    stand.acks("r1", progress=0.0, job_id=JOB, error_message="no running print job", **said)
    answer = stand.answer("r1")
    assert answer is not None
    assert (answer.result.value, answer.message) == ("refused", "no running print job")
    assert stand.phase is PrintPhase.PRINTING


@pytest.mark.parametrize(("state", "seconds"), [(None, 60), ("received", 3600)])
def test_a_command_that_is_not_answered_in_time_is_unclear(state: str | None, seconds: float) -> None:
    stand = ForgeStand()
    stand.tell("home")
    stand.messages[-1].came_to(Outcome.DELIVERED)
    if state:
        stand.acks("t1", state, progress=0.0)
    stand.passes(seconds - 1, "ready")
    assert stand.result("t1") is None
    stand.passes(2, "ready")
    answer = stand.answer("t1")
    assert answer is not None
    assert answer.result.value == "unclear"
    assert "did not" in (answer.message or "")
    stand.acks("t1", "completed", progress=1.0)
    assert stand.result("t1") == "unclear"


def test_a_command_that_left_nobody_is_refused() -> None:
    stand = ForgeStand()
    stand.tell("home", "t1")
    stand.messages[-1].came_to(Outcome.DROPPED)
    stand.driver.listening_changed(58, False)
    stand.tell("home", "t2")
    assert (stand.result("t1"), stand.result("t2")) == ("refused", "refused")
    assert len(stand.messages) == 1


def test_parameters_do_not_take_the_place_of_the_command() -> None:
    stand = ForgeStand()
    stand.tell("home", command_="x", task_id="mine")
    assert stand.messages[-1].payload["task_id"] == "t1"
    stand.tell("print_data", "t2", job_id=JOB, file_url="http://evil/")
    assert stand.result("t2") == "refused"
    assert stand.commands == ["home"]


def test_a_printer_that_answers_nothing_is_not_asked_for_ever() -> None:
    stand = ForgeStand()
    for number in range(ASKED_MAX + 1):
        stand.tell("home", f"t{number}")
    assert stand.result(f"t{ASKED_MAX}") == "refused"
    assert len(stand.messages) == ASKED_MAX


def test_ready_after_an_acknowledged_cancel_is_canceled() -> None:
    """The post with `canceled` was lost; what is left is proof enough."""
    stand = ForgeStand()
    stand.printing()
    stand.cancel()
    stand.acks("c1", "completed", progress=1.0)
    assert stand.phase is PrintPhase.PRINTING, "canceled is said when the machine did it"
    stand.posts("busy")
    assert stand.phase is PrintPhase.PRINTING
    stand.posts("ready")
    assert stand.ends == {MARK: PrintPhase.CANCELED}


def test_a_cancel_of_a_start_on_its_way_is_sent() -> None:
    stand = ForgeStand()
    stand.start()
    stand.messages[-1].came_to(Outcome.DELIVERED)
    stand.cancel()
    assert stand.commands == ["print_data", "cancel"]
    stand.acks("c1", progress=0.0, error_code=400, error_message="no running print job")
    assert stand.result("c1") == "refused"
    assert stand.result(MARK) is None


def test_an_emergency_stop_is_refused_with_what_helps_and_cancels_what_it_can() -> None:
    stand = ForgeStand()
    stand.stop("e1")
    assert stand.messages == []
    stand.printing()
    stand.stop("e2")
    assert stand.messages[-1].payload == {"command": "cancel", "task_id": "e2", "job_id": JOB}
    for order_id in ("e1", "e2"):
        answer = stand.answer(order_id)
        assert answer is not None
        assert answer.result.value == "refused"
        assert "mains" in (answer.message or "")


@pytest.mark.parametrize(
    "order",
    [
        SendGcode(NAME, "x", ("G28",)),
        Adjust(NAME, "x", "", Adjustment()),
        HeatersOff(NAME, "x", ""),
        AnswerPrompt(NAME, "x", 1, 0),
        UploadFile(NAME, "x", "/files/x.gcode", "ab" * 32, 10, "x.gcode"),
        AbortUpload(NAME, "x", "o1"),
        RecoverPrint(NAME, "x", MARK, "/f", "ab", 1, "n", 0, 0, 0, (), ()),
    ],
    ids=lambda order: type(order).__name__,
)
def test_what_its_firmware_cannot_is_refused_with_words(order: Order) -> None:
    stand = ForgeStand()
    stand.printing()
    sent = len(stand.messages)
    stand.give(order)
    answer = stand.answer("x")
    assert answer is not None
    assert answer.result.value == "refused"
    assert answer.message
    assert len(stand.messages) == sent


def test_registering_is_told_on_the_users_channel() -> None:
    stand = ForgeStand()
    stand.driver.welcome(58, "FPEJMQHAG3NXE", CodeKind.PRIMARY)
    assert stand.messages[0].channel == "/printers/58/users"
    assert stand.messages[0].payload == {
        "registration": "success", "type": "primary", "printer_id": 58, "member_id": "FPEJMQHAG3NXE",
    }  # fmt: skip


def test_orders_go_to_the_driver_of_the_printers_kind() -> None:
    streamer, forge = FakeDrivers(), FakeDrivers()
    routing = Routing(streamer, {"forge": forge})
    for name in ("mk3", "forge:58", "forge", "other:1"):
        routing.submit(Acknowledge(name, "o", "k"))
    assert [order.printer for order in streamer.orders] == ["mk3", "forge", "other:1"]
    assert [order.printer for order in forge.orders] == ["forge:58"]


def test_every_order_is_answered_exactly_once() -> None:
    """Whatever comes late, twice, or not at all."""
    stand = ForgeStand()
    stand.start(order_id="s1")
    stand.cancel(order_id="c1")
    for message in stand.messages[:2]:
        message.came_to(Outcome.UNCLEAR)
    stand.acks(JOB, "received", progress=0.0)
    stand.acks(JOB, "received", progress=0.0)
    stand.acks("c1", progress=0.0, error_code=400)
    stand.acks("c1", "completed", progress=1.0)
    stand.pause(order_id="p1")
    stand.messages[-1].came_to(Outcome.DROPPED)
    stand.acks("p1", "completed", progress=1.0)
    stand.tell("home", "t1")
    stand.stop("e1")
    stand.acks("e1", "completed", progress=1.0)
    stand.passes(4000, "ready")
    stand.acks("t1", "completed", progress=1.0)
    stand.driver.unregistered(58)
    counted = Counter(answer.order_id for answer in stand.answers)
    assert counted == dict.fromkeys(("s1", "c1", "p1", "t1", "e1"), 1)


def test_an_order_for_a_printer_nobody_registered_is_refused() -> None:
    stand = ForgeStand()
    stand.give(SendGcode("forge:99", "x", ("G28",)))
    stand.give(Acknowledge("forge:99", "y", "k"))
    assert stand.result("x") == "refused"
    assert stand.answer("y") is None
