"""A printer changes hands: whose its jobs are then, what becomes of those that wait and of one on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.assign import hold, waiting_for
from gateway.domain.call_in import Contact
from gateway.domain.call_in_commands import ContactAgain, RegisterPrinter, UnregisterPrinter
from gateway.domain.commands import CommandRefused, PauseJob, Refusal, SetPlate, StartJob, SubmitJob
from gateway.domain.job import JobStatus, Reason
from gateway.domain.observations import LinkState, OrderAnswered, OrderResult, PrinterObserved, PrintPhase
from gateway.domain.orders import Acknowledge, StartPrint
from gateway.domain.printer import Plate
from gateway.domain.printer_command import PrinterCommand
from tests.support.stand import (
    ANA,
    BEN,
    Table,
    a_file,
    a_forge_printer,
    a_submission,
    house,
    report,
    seen,
    with_call_ins,
)

EMBER = "forge:58"
SECRET = "secret part"
BY_ANA = a_submission(SECRET, 58, member_id=ANA.member_id, file=replace(a_file(), name="secret.gcode"))


@pytest.fixture
def ember() -> Table:
    """Printer 58 calls in, is ana's and ready; its plate is occupied."""
    return Table(with_call_ins(house(a_forge_printer(plate=Plate.OCCUPIED))))


def give_up(table: Table) -> None:
    table.give(UnregisterPrinter(58, ANA.member_id))


def register(table: Table, member_id: str) -> None:
    contact = table.give(ContactAgain(58, "1"))
    assert isinstance(contact, Contact)
    table.give(RegisterPrinter(member_id, contact.code, "the Ember"))


def hand_over(table: Table) -> None:
    """From ana to ben."""
    give_up(table)
    register(table, BEN.member_id)


def left_with_a_print(table: Table) -> None:
    """Ana starts a print, unplugs the printer, and sells it to ben, who plugs it in."""
    table.give(SetPlate(58, Plate.CLEAR, "ana"))
    table.give(BY_ANA)
    table.give(PrinterObserved(EMBER, LinkState.DOWN, link_reason="silent"))
    hand_over(table)
    table.give(seen(name=EMBER))


def jobs_from(table: Table) -> int:
    return table.state.printers[58].jobs_from


# ---------------------------------------------------------------- whose time it is


def test_the_first_owner_sees_from_the_first_job_on(ember: Table) -> None:
    ember.state.printers.clear()
    ember.give(a_submission(printer_id=None))
    register(ember, BEN.member_id)
    assert jobs_from(ember) == 0


def test_another_owners_time_begins_with_its_registration(ember: Table) -> None:
    for _ in range(2):
        ember.give(BY_ANA)
    hand_over(ember)
    assert jobs_from(ember) == 3
    ember.give(a_submission(printer_id=58))
    assert [ember.state.printers[58].is_of_owners_time(number) for number in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_the_same_owner_again_keeps_what_it_saw(ember: Table) -> None:
    ember.give(BY_ANA)
    give_up(ember)
    register(ember, ANA.member_id)
    assert jobs_from(ember) == 0
    hand_over(ember)
    assert jobs_from(ember) == 2
    ember.give(a_submission(printer_id=58))
    ember.give(UnregisterPrinter(58, BEN.member_id))
    register(ember, BEN.member_id)
    assert jobs_from(ember) == 2


def test_an_owner_that_renames_its_printer_stays_in_its_time(ember: Table) -> None:
    hand_over(ember)
    ember.give(a_submission(printer_id=58))
    register(ember, BEN.member_id)
    assert jobs_from(ember) == 1


# ---------------------------------------------------------------- what waited


def test_what_waits_is_never_printed_on_the_next_owners_machine(ember: Table) -> None:
    ember.give(BY_ANA)
    hand_over(ember)
    job = ember.job()
    assert (job.status, job.printer_id) == (JobStatus.CREATED, None)
    assert job.message == "Ana's Ember has another owner now; choose another printer"
    told = [event for event in ember.draft.events if event.work_id == 1]
    assert [event.kind for event in told] == ["job-moved", "job-changed"]
    assert {event.printer_id for event in told} == {None}, "no news of the printer's new owner"
    ember.give(seen(name=EMBER))
    ember.give(SetPlate(58, Plate.CLEAR, "ben"))
    assert not [order for order in ember.orders if isinstance(order, StartPrint)]


def test_a_job_without_a_file_looks_for_another_printer_too(ember: Table) -> None:
    ember.give(SubmitJob(ANA.member_id, 1, "later", printer_id=58))
    hand_over(ember)
    assert (ember.job().status, ember.job().printer_id) == (JobStatus.CREATED, None)
    assert "choose another printer" in str(ember.job().message)


def test_what_waits_stays_for_the_same_owner_and_with_the_new_one(ember: Table) -> None:
    ember.give(BY_ANA)
    ember.give(a_submission("bens", 58))
    give_up(ember)
    register(ember, ANA.member_id)
    assert [ember.job(number).printer_id for number in (1, 2)] == [58, 58]
    hand_over(ember)
    assert [ember.job(number).printer_id for number in (1, 2)] == [None, 58]
    assert ember.job(2).status is JobStatus.QUEUED


# ---------------------------------------------------------------- what was on the machine


def test_the_machine_stays_held_and_says_so_without_a_name(ember: Table) -> None:
    left_with_a_print(ember)
    machine = ember.state.printers[58]
    assert (ember.job().status, ember.job().is_held) == (JobStatus.SENT, True)
    assert machine.plate is Plate.OCCUPIED
    ember.give(a_submission("bens", 58))
    with pytest.raises(CommandRefused) as refused:
        ember.give(StartJob(ember.job(2).job_id, BEN.member_id, 58))
    told = [hold(ember.state, machine), waiting_for(ember.job(2), ember.state), refused.value.message]
    for words in told:
        assert words is not None
        assert "look at the machine, clear its plate, then `print-gateway printers ready 58`" in words
        assert not any(
            name in words for name in (SECRET, "secret.gcode", ember.job().job_id, "ana", "my_job")
        )
    assert not [order for order in ember.orders if isinstance(order, StartPrint)][1:]


def test_whoever_clears_the_plate_ends_it(ember: Table) -> None:
    left_with_a_print(ember)
    ember.give(a_submission("bens", 58))
    key = ember.job().print_key
    ember.give(SetPlate(58, Plate.CLEAR, "ben"))
    former = ember.job()
    assert (former.status, former.reasons) == (JobStatus.FAILED, {Reason.ABORTED_BY_SYSTEM})
    assert "how this print ended is not known" in str(former.message)
    assert [order.key for order in ember.draft.orders if isinstance(order, Acknowledge)] == [key]
    starts = [order for order in ember.draft.orders if isinstance(order, StartPrint)]
    assert [start.name for start in starts] == ["bens"]
    assert hold(ember.state, ember.state.printers[58]) is None


def test_a_plate_is_not_clear_while_the_machine_prints_what_it_had(ember: Table) -> None:
    """It was only out of reach: its print goes on, and nothing else starts on it until it is over."""
    left_with_a_print(ember)
    key = str(ember.job().print_key)
    for phase in (PrintPhase.PRINTING, PrintPhase.HELD):
        ember.give(seen(report(key, phase), EMBER))
        with pytest.raises(CommandRefused) as refused:
            ember.give(SetPlate(58, Plate.CLEAR, "ben"))
        assert refused.value.refusal is Refusal.CONFLICT
        assert "its plate cannot be clear now" in refused.value.message
        assert SECRET not in refused.value.message
    ember.give(seen(report(key, PrintPhase.PRINTING), EMBER))
    ember.give(PrinterObserved(EMBER, LinkState.DOWN, link_reason="silent"))
    with pytest.raises(CommandRefused, match=r"has a job \(printing\); its plate cannot be clear now"):
        ember.give(SetPlate(58, Plate.CLEAR, "ben"))
    ember.give(seen(report(key, PrintPhase.PRINTING), EMBER))
    with pytest.raises(CommandRefused) as refused:
        ember.give(UnregisterPrinter(58, BEN.member_id))
    assert SECRET not in refused.value.message
    ember.give(seen(ended=(report(key, PrintPhase.COMPLETED),), name=EMBER))
    assert ember.job().status is JobStatus.COMPLETED
    assert ember.state.printers[58].plate is Plate.OCCUPIED


def test_a_print_of_ones_own_time_is_resolved_and_not_cleared_away(ember: Table) -> None:
    """As ever: who knows what was printed says how it ended."""
    ember.give(SetPlate(58, Plate.CLEAR, "ana"))
    ember.give(BY_ANA)
    ember.give(PrinterObserved(EMBER, LinkState.DOWN, link_reason="silent"))
    give_up(ember)
    register(ember, ANA.member_id)
    ember.give(seen(name=EMBER))
    assert "`print-gateway jobs resolve`" in str(hold(ember.state, ember.state.printers[58]))
    with pytest.raises(CommandRefused, match=r"has a job \(sent, held\)"):
        ember.give(SetPlate(58, Plate.CLEAR, "ana"))


def test_commands_about_a_job_are_news_of_its_organization(ember: Table) -> None:
    """Not of the organization that the machine belongs to now."""
    left_with_a_print(ember)
    ember.state.printers[58] = replace(ember.state.printers[58], organization_id=2)
    ember.give(seen(report(str(ember.job().print_key)), EMBER))
    command = ember.give(PauseJob(ember.job().job_id, ANA.member_id))
    assert isinstance(command, PrinterCommand)
    given = [event.organization_id for event in ember.draft.events if event.kind == "command-given"]
    ember.give(OrderAnswered(EMBER, command.task_id, OrderResult.ACCEPTED))
    answered = [event.organization_id for event in ember.draft.events if event.kind == "command-answered"]
    assert (given, answered) == ([1], [1])


def test_prints_of_others_have_no_name_for_those_who_wait() -> None:
    table = Table(house(a_forge_printer()))
    table.give(BY_ANA)
    table.give(a_submission("bens", 58))
    assert waiting_for(table.job(2), table.state) == "Ana's Ember has another member's print"
    table.give(replace(BY_ANA, name="next"))
    assert waiting_for(table.job(3), table.state) == f"Ana's Ember has '{SECRET}'"
