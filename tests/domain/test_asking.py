"""What people ask for: each command, its answer, and every refusal with what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.commands import (
    AddKey,
    AddMember,
    CancelJob,
    CommandRefused,
    ConfigurePrinters,
    PauseJob,
    PrinterSetting,
    Refusal,
    ResolveJob,
    ResumeJob,
    RevokeKey,
    SetPlate,
)
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.member import Key, Member, Scope
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Acknowledge, CancelPrint, PausePrint, ResumePrint, StartPrint
from gateway.domain.printer import Plate, PlateClear, Printer
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from tests.support.stand import ANA, BEN, START, Table, a_submission, house, printer, report, seen

S = JobStatus


@pytest.fixture
def printing() -> Table:
    table = Table()
    table.give(a_submission())
    table.give(seen(report(key_of(table))))
    return table


def key_of(table: Table) -> str:
    return next(order.key for order in table.orders if isinstance(order, StartPrint))


def refusal(table: Table, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


# ---------------------------------------------------------------- pause, resume


def test_pause_goes_out_before_the_commit_and_the_job_waits_for_the_machine(printing: Table) -> None:
    command = printing.give(PauseJob(printing.job().job_id, ANA.member_id))
    assert isinstance(command, PrinterCommand)
    assert printing.safety == [PausePrint("mk3", command.task_id, key_of(printing))]
    assert printing.job().status is S.PRINTING
    printing.give(seen(report(key_of(printing), PrintPhase.PAUSED)))
    assert printing.job().status is S.PAUSED


def test_resume_goes_out_after_the_commit(printing: Table) -> None:
    printing.give(seen(report(key_of(printing), PrintPhase.PAUSED)))
    command = printing.give(ResumeJob(printing.job().job_id, ANA.member_id))
    assert isinstance(command, PrinterCommand)
    assert ResumePrint("mk3", command.task_id, key_of(printing)) in printing.orders
    assert not printing.draft.safety_orders


def test_the_answer_of_the_machine_ends_the_command(printing: Table) -> None:
    command = printing.give(PauseJob(printing.job().job_id, ANA.member_id))
    assert isinstance(command, PrinterCommand)
    printing.give(OrderAnswered("mk3", command.task_id, OrderResult.REFUSED, "it is homing"))
    answered = printing.draft.command_rows[command.task_id]
    assert (answered.state, answered.message) == (CommandStatus.FAILED, "it is homing")
    assert not printing.state.commands


def test_only_what_prints_can_be_paused_and_only_what_is_paused_resumed(printing: Table) -> None:
    job_id = printing.job().job_id
    assert refusal(printing, ResumeJob(job_id, ANA.member_id)).refusal is Refusal.CONFLICT
    printing.give(seen(report(key_of(printing), PrintPhase.PAUSED)))
    assert "only a job that is printing" in refusal(printing, PauseJob(job_id, ANA.member_id)).message


def test_a_job_on_another_printer_is_not_meant(printing: Table) -> None:
    command = PauseJob(printing.job().job_id, ANA.member_id, printer_id=2)
    assert refusal(printing, command).refusal is Refusal.INVALID


def test_a_held_job_is_not_resumed_blindly(printing: Table) -> None:
    printing.give(seen(report(key_of(printing), PrintPhase.HELD, message="board was reset")))
    assert "board was reset" in refusal(printing, ResumeJob(printing.job().job_id, ANA.member_id)).message


# ---------------------------------------------------------------- cancel


def test_a_waiting_job_is_canceled_at_once() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    job = table.give(a_submission())
    assert isinstance(job, Job)
    command = table.give(CancelJob(job.job_id, BEN.member_id))
    assert isinstance(command, PrinterCommand)
    assert command.state is CommandStatus.DONE
    assert (table.job().status, table.job().reasons) == (S.CANCELED, {Reason.CANCELED_BY_USER})
    assert not table.safety


def test_a_cancel_on_the_machine_is_not_over_until_the_machine_says_so(printing: Table) -> None:
    printing.give(CancelJob(printing.job().job_id, ANA.member_id))
    assert [type(order) for order in printing.safety] == [CancelPrint]
    assert (printing.job().status, printing.job().is_stopping) == (S.PRINTING, True)
    printing.give(seen(report(key_of(printing), progress=0.3)))
    assert printing.job().is_stopping, "the machine still moves"
    printing.give(seen(ended=(report(key_of(printing), PrintPhase.CANCELED),)))
    assert (printing.job().status, printing.job().reasons) == (S.CANCELED, {Reason.CANCELED_BY_USER})


def test_a_second_cancel_is_sent_too(printing: Table) -> None:
    for _ in range(2):
        printing.give(CancelJob(printing.job().job_id, ANA.member_id))
    assert len(printing.safety) == 2


def test_a_refused_cancel_leaves_the_job_as_it_was(printing: Table) -> None:
    command = printing.give(CancelJob(printing.job().job_id, ANA.member_id))
    assert isinstance(command, PrinterCommand)
    printing.give(
        OrderAnswered("mk3", command.task_id, OrderResult.REFUSED, "another print is on the machine")
    )
    assert not printing.job().is_stopping
    assert printing.job().message == "another print is on the machine"


def test_a_stopping_job_is_neither_paused_nor_resumed(printing: Table) -> None:
    job_id = printing.job().job_id
    printing.give(CancelJob(job_id, ANA.member_id))
    assert "being canceled" in refusal(printing, PauseJob(job_id, ANA.member_id)).message


def test_a_held_job_that_no_driver_knows_is_canceled_without_the_machine() -> None:
    table = Table()
    table.give(a_submission())
    table.give(OrderAnswered("mk3", key_of(table), OrderResult.UNCLEAR))
    table.give(CancelJob(table.job().job_id, ANA.member_id))
    assert table.job().status is S.CANCELED
    assert table.state.printers[1].plate is Plate.OCCUPIED
    assert not table.safety
    key = next(order.key for order in table.orders if isinstance(order, StartPrint))
    assert isinstance(table.orders[-1], Acknowledge), "its driver waits for it no longer"
    assert table.orders[-1].key == key


def test_a_job_that_is_over_cannot_be_canceled(printing: Table) -> None:
    job_id = printing.job().job_id
    printing.give(seen(ended=(report(key_of(printing), PrintPhase.COMPLETED),)))
    assert "over already" in refusal(printing, CancelJob(job_id, ANA.member_id)).message


# ---------------------------------------------------------------- held jobs, plates


@pytest.mark.parametrize("outcome", [S.COMPLETED, S.FAILED, S.CANCELED])
def test_a_person_says_how_a_held_job_ended(printing: Table, outcome: JobStatus) -> None:
    printing.give(seen(report(key_of(printing), PrintPhase.HELD)))
    printing.give(ResolveJob(printing.job().job_id, ANA.member_id, outcome))
    assert (printing.job().status, printing.job().message) == (outcome, "resolved by ana")
    assert printing.orders[-1] == Acknowledge("mk3", printing.orders[-1].order_id, key_of(printing))


def test_only_a_held_job_is_resolved_and_only_to_an_end(printing: Table) -> None:
    job_id = printing.job().job_id
    assert refusal(printing, ResolveJob(job_id, ANA.member_id, S.COMPLETED)).refusal is Refusal.CONFLICT
    assert refusal(printing, ResolveJob(job_id, ANA.member_id, S.QUEUED)).refusal is Refusal.INVALID


def test_a_plate_is_not_clear_while_something_is_on_the_machine(printing: Table) -> None:
    assert "has a job (printing)" in refusal(printing, SetPlate(1, Plate.CLEAR, "ana")).message


def test_a_plate_confirmed_twice_is_one_event() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert table.kinds() == ["plate-changed"]
    table.give(SetPlate(1, Plate.CLEAR, "ana"))
    assert table.kinds() == []


def test_an_unknown_printer_says_where_to_look() -> None:
    said = refusal(Table(), SetPlate(9, Plate.CLEAR, "ana"))
    assert (said.refusal, "printers list" in said.message) == (Refusal.UNKNOWN, True)
    assert refusal(Table(), a_submission(printer_id=9)).refusal is Refusal.UNKNOWN


# ---------------------------------------------------------------- configuration, members, keys


def setting(name: str = "mk3", owner: str = "ana") -> PrinterSetting:
    return PrinterSetting(name, "marlin", owner, PlateClear.CONFIRM, "/dev/serial/by-id/x")


def test_a_new_printer_is_occupied_until_confirmed_once() -> None:
    table = Table()
    table.give(ConfigurePrinters((setting(), setting("mini"))))
    assert table.state.printers[2] == Printer(
        2, "mini", "marlin", ANA.member_id, 1, Plate.OCCUPIED, PlateClear.CONFIRM, True, "/dev/serial/by-id/x"
    )


def test_the_same_configuration_again_changes_nothing() -> None:
    table = Table()
    table.give(ConfigurePrinters((setting(),)))
    table.give(ConfigurePrinters((setting(),)))
    assert not table.draft.is_durable
    assert table.state.printers[1].plate is Plate.CLEAR, "a restart does not occupy a plate"


def test_gone_from_the_configuration_is_disabled_and_comes_back() -> None:
    table = Table()
    table.give(ConfigurePrinters(()))
    assert not table.state.printers[1].enabled
    table.give(ConfigurePrinters((setting(),)))
    assert table.state.printers[1].enabled
    assert list(table.state.printers) == [1]


def test_an_unknown_owner_becomes_a_member_without_credentials() -> None:
    table = Table()
    table.give(ConfigurePrinters((setting(owner="cleo"), setting("mini", owner="cleo"))))
    [cleo] = [member for member in table.state.members.values() if member.name == "cleo"]
    assert {p.owner_id for p in table.state.printers.values()} == {cleo.member_id}
    assert not table.state.keys


def test_members_have_names_of_their_own() -> None:
    table = Table()
    table.give(AddMember(Member("X" * 13, "dora", 1)))
    assert "already" in refusal(table, AddMember(Member("Y" * 13, "dora", 1))).message


def test_a_key_is_added_and_revoked_once() -> None:
    table = Table()
    key = Key("k1", BEN.member_id, "laptop", frozenset({Scope.DATA_READ}), "00" * 32, START)
    table.give(AddKey(key))
    table.clock.advance(60)
    revoked = table.give(RevokeKey("k1"))
    assert revoked == replace(key, revoked_at=START + timedelta(seconds=60))
    table.give(RevokeKey("k1"))
    assert not table.draft.is_durable
    assert refusal(table, RevokeKey("k2")).refusal is Refusal.UNKNOWN
    assert refusal(table, AddKey(replace(key, member_id="nobody"))).refusal is Refusal.UNKNOWN


def test_jobs_of_a_member_are_numbered_without_gaps() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    for _ in range(3):
        table.give(a_submission())
    assert [job.member_ordinal for job in table.state.jobs.values()] == [0, 1, 2]
    assert table.state.member_jobs == {BEN.member_id: 3}
