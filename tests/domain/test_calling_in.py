"""Printers that call in: a number and a code, an owner, members, and how they lose them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.assign import waiting_for
from gateway.domain.call_in import (
    CODE_LIFETIME,
    INVITATIONS_KEPT,
    UNREGISTERED_KEPT,
    CodeKind,
    Contact,
    PrinterRole,
    RegistrationCode,
)
from gateway.domain.call_in_commands import (
    ContactAgain,
    ContactFirst,
    InviteToPrinter,
    RegisterPrinter,
    RemovePrinterMember,
    SetPrinterRole,
    UnregisterPrinter,
)
from gateway.domain.commands import (
    CommandRefused,
    ConfigurePrinters,
    PrinterSetting,
    Refusal,
    SetPlate,
    TellPrinter,
)
from gateway.domain.job import JobStatus
from gateway.domain.observations import LinkState, PrinterObserved
from gateway.domain.printer import Plate, PlateClear, Printer
from tests.support.stand import (
    ANA,
    BEN,
    EMBER_TYPE,
    START,
    Table,
    a_call_in,
    a_forge_printer,
    a_submission,
    house,
    printer,
    report,
    seen,
    with_call_ins,
    with_member,
)

FIRST = ContactFirst(EMBER_TYPE, "1.1.1.1", "", "ab" * 32)


def refusal(table: Table, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


def contact(table: Table, given: ContactFirst | ContactAgain = FIRST) -> Contact:
    answer = table.give(given)
    assert isinstance(answer, Contact)
    return answer


@pytest.fixture
def called() -> Table:
    """A printer of the configuration (1), and one that has called (2)."""
    table = Table()
    assert contact(table).printer_id == 2
    return table


@pytest.fixture
def owned() -> Table:
    """Printer 58 calls in, is ana's and ready."""
    return Table(with_call_ins(house(a_forge_printer())))


# ---------------------------------------------------------------- contact


def test_a_first_contact_gives_a_number_and_a_code_and_no_printer(called: Table) -> None:
    assert called.kinds() == ["printer-contacted"]
    assert list(called.state.printers) == [1]
    call_in = called.state.call_ins[2]
    assert (call_in.type_id, call_in.firmware, call_in.first_seen_at) == (EMBER_TYPE, "1.1.1.1", START)
    assert called.state.call_in_by_token(FIRST.token_sha256) == call_in
    [code] = called.state.codes.values()
    assert (code.printer_id, code.kind, code.expires_at) == (2, CodeKind.PRIMARY, START + CODE_LIFETIME)


def test_printers_of_both_kinds_are_numbered_together(called: Table) -> None:
    settings = [PrinterSetting(n, "marlin", "ana", PlateClear.CONFIRM, "/dev/x") for n in ("mk3", "mini")]
    called.give(ConfigurePrinters(tuple(settings)))
    assert {p.name: p.printer_id for p in called.state.printers.values()} == {"mk3": 1, "mini": 3}
    assert contact(called, replace(FIRST, token_sha256="cd" * 32)).printer_id == 4


def test_the_same_code_again_until_it_is_too_old(called: Table) -> None:
    [first] = called.state.codes
    assert contact(called, ContactAgain(2, "1.2")) == Contact(2, first, is_registered=False)
    assert called.state.call_ins[2].firmware == "1.2"
    assert called.kinds() == [], "asking again is no news"
    called.clock.advance(CODE_LIFETIME.total_seconds())
    second = contact(called, ContactAgain(2, "1.2")).code
    assert second != first
    assert list(called.state.codes) == [second], "the old one is gone"


def test_a_printer_that_is_unknown_or_revoked_has_to_call_as_a_new_one(called: Table) -> None:
    assert refusal(called, ContactAgain(3, "1")).refusal is Refusal.UNKNOWN
    called.state.call_ins[2] = replace(called.state.call_ins[2], revoked_at=START)
    assert refusal(called, ContactAgain(2, "1")).refusal is Refusal.UNKNOWN


def test_a_code_that_another_printer_has_is_not_given_again(called: Table) -> None:
    [taken] = called.state.codes
    words = iter([taken, taken, "ZZZZZZ"])
    called.ids.registration_code = lambda: next(words)  # type: ignore[method-assign]
    assert contact(called, replace(FIRST, token_sha256="cd" * 32)).code == "ZZZZZZ"


def test_who_called_longest_ago_makes_room_and_a_registered_printer_never_does(owned: Table) -> None:
    for number in range(100, 100 + UNREGISTERED_KEPT):
        called_at = START + timedelta(seconds=number)
        call_in = a_call_in(number, seen_at=called_at)
        owned.state.call_ins[number] = call_in
        owned.state.tokens[call_in.token_sha256] = number
        code = RegistrationCode(f"{number}", number, CodeKind.PRIMARY, called_at + CODE_LIFETIME)
        owned.state.codes[code.code] = code
    contact(owned)
    assert 58 in owned.state.call_ins
    assert 100 not in owned.state.call_ins
    assert "100" not in owned.state.codes
    assert owned.state.call_in_by_token(a_call_in(100).token_sha256) is None
    assert len(owned.state.call_ins) == UNREGISTERED_KEPT + 1


# ---------------------------------------------------------------- registering


def test_the_code_makes_its_member_the_owner(called: Table) -> None:
    [code] = called.state.codes
    given = called.give(RegisterPrinter(BEN.member_id, f" {code.lower()} ", "my makerbot"))
    assert given == called.state.printers[2]
    assert given == Printer(
        2, "forge:2", "forge", BEN.member_id, 1, Plate.OCCUPIED, PlateClear.CONFIRM, True, "it calls in",
        display_name="my makerbot", type_id=EMBER_TYPE,
    )  # fmt: skip
    assert called.kinds() == ["printer-registered"]
    assert not called.state.codes, "a code is good once"
    assert contact(called, ContactAgain(2, "1")).is_registered


def test_a_code_that_is_wrong_used_or_old_is_refused(called: Table) -> None:
    [code] = called.state.codes
    said = refusal(called, RegisterPrinter(BEN.member_id, "NOSUCH"))
    assert said.refusal is Refusal.INVALID
    assert "type in the one that the printer shows now" in said.message
    called.clock.advance(CODE_LIFETIME.total_seconds())
    assert refusal(called, RegisterPrinter(BEN.member_id, code)).refusal is Refusal.INVALID
    fresh = contact(called, ContactAgain(2, "1")).code
    called.give(RegisterPrinter(BEN.member_id, fresh))
    assert refusal(called, RegisterPrinter(BEN.member_id, fresh)).refusal is Refusal.INVALID


def test_a_member_can_be_registered_beside_the_owner(called: Table) -> None:
    [code] = called.state.codes
    said = refusal(called, RegisterPrinter(ANA.member_id, code, "x", secondary_member_id="NOBODY"))
    assert said.refusal is Refusal.UNKNOWN
    called.give(RegisterPrinter(ANA.member_id, code, "x", secondary_member_id=BEN.member_id))
    assert called.state.roles == {(2, BEN.member_id): PrinterRole(2, BEN.member_id)}
    assert called.kinds() == ["printer-registered"] * 2


def test_nobody_takes_a_registered_printer_over_by_its_code(owned: Table) -> None:
    code = contact(owned, ContactAgain(58, "1")).code
    said = refusal(owned, RegisterPrinter(BEN.member_id, code)).message
    assert "has an owner already" in said
    assert owned.state.printers[58].shown_name not in said, "how somebody calls it is nothing for strangers"
    owned.give(RegisterPrinter(ANA.member_id, code, "renamed"))
    mine = owned.state.printers[58]
    assert (mine.owner_id, mine.display_name, mine.plate) == (ANA.member_id, "renamed", Plate.CLEAR)


def test_a_printer_that_calls_in_is_none_of_the_configurations(owned: Table) -> None:
    owned.give(ConfigurePrinters(()))
    assert owned.state.printers[58].enabled
    assert not owned.draft.is_durable


# ---------------------------------------------------------------- unregistering


def test_a_printer_that_is_given_up_is_free_for_anybody(owned: Table) -> None:
    with_member(owned.state, 58)
    contact(owned, ContactAgain(58, "1"))
    owned.give(UnregisterPrinter(58, ANA.member_id))
    assert not owned.state.printers[58].enabled
    assert not owned.state.roles
    assert not owned.state.codes
    assert owned.state.call_in_by_token(a_call_in(58).token_sha256) is not None, "its token stays good"
    again = contact(owned, ContactAgain(58, "1"))
    assert not again.is_registered
    owned.give(RegisterPrinter(BEN.member_id, again.code, "ben's"))
    now = owned.state.printers[58]
    assert (now.owner_id, now.enabled, now.display_name) == (BEN.member_id, True, "ben's")
    assert now.plate is Plate.OCCUPIED, "nobody saw what it did meanwhile"


def test_what_a_printer_without_owner_says_of_itself_is_not_heard(owned: Table) -> None:
    owned.give(UnregisterPrinter(58, ANA.member_id))
    owned.give(seen(report("forge:58/local_1", is_local=True), "forge:58"))
    assert not owned.state.jobs
    assert 58 not in owned.state.presence


def test_waiting_jobs_stay_and_say_why(owned: Table) -> None:
    owned.give(SetPlate(58, Plate.OCCUPIED, "ana"))
    owned.give(a_submission(printer_id=58))
    owned.give(UnregisterPrinter(58, ANA.member_id))
    assert waiting_for(owned.job(), owned.state) == "Ana's Ember is not registered any more"
    assert "choose another" in refusal(owned, a_submission(printer_id=58)).message


def test_a_printer_at_work_is_not_given_up(owned: Table) -> None:
    owned.give(a_submission(printer_id=58))
    assert "cancel it, or wait" in refusal(owned, UnregisterPrinter(58, ANA.member_id)).message


def test_a_printer_that_is_gone_is_given_up_and_its_print_is_held(owned: Table) -> None:
    owned.give(a_submission(printer_id=58))
    owned.give(PrinterObserved("forge:58", LinkState.DOWN, link_reason="silent"))
    owned.give(UnregisterPrinter(58, ANA.member_id))
    assert (owned.job().status, owned.job().is_held) == (JobStatus.SENT, True)
    assert "was unregistered while it had this job" in str(owned.job().message)


def test_commands_that_wait_for_an_answer_end_with_it(owned: Table) -> None:
    owned.give(TellPrinter(58, ANA.member_id, "log"))
    owned.give(UnregisterPrinter(58, ANA.member_id))
    [command] = owned.draft.command_rows.values()
    assert (command.state, command.message) == ("failed", "Ana's Ember was unregistered before it answered")


def test_a_configured_printer_is_not_unregistered() -> None:
    said = refusal(Table(), UnregisterPrinter(1, ANA.member_id))
    assert (said.refusal, "remove it there" in said.message) == (Refusal.CONFLICT, True)


# ---------------------------------------------------------------- members of a printer


def test_a_code_for_a_member_works_for_printers_of_both_kinds() -> None:
    table = Table(with_call_ins(house(printer(), a_forge_printer())))
    for printer_id in (1, 58):
        code = table.give(InviteToPrinter(printer_id, "ben@example.com"))
        assert isinstance(code, RegistrationCode)
        assert table.give(InviteToPrinter(printer_id, "ben@example.com")) == code, "the same for the same"
        assert "yours already" in refusal(table, RegisterPrinter(ANA.member_id, code.code)).message
        table.give(RegisterPrinter(BEN.member_id, code.code))
        assert table.state.printers[printer_id].owner_id == ANA.member_id
    assert set(table.state.roles) == {(1, BEN.member_id), (58, BEN.member_id)}
    assert not table.state.codes


def test_codes_of_one_printer_are_bounded(owned: Table) -> None:
    given = []
    for _ in range(INVITATIONS_KEPT + 1):
        owned.clock.advance(1)
        given.append(owned.give(InviteToPrinter(58, None)))
    codes = [code.code for code in given if isinstance(code, RegistrationCode)]
    assert sorted(owned.state.codes) == sorted(codes[1:])


def test_a_role_is_given_changed_and_taken(owned: Table) -> None:
    role = owned.give(SetPrinterRole(58, BEN.member_id, is_printer_scoped=True, is_job_scoped=False))
    assert role == owned.state.roles[58, BEN.member_id] == PrinterRole(58, BEN.member_id, True, False)
    owned.give(SetPrinterRole(58, BEN.member_id, is_printer_scoped=False, is_job_scoped=True))
    assert owned.state.roles[58, BEN.member_id] == PrinterRole(58, BEN.member_id)
    owned.give(RemovePrinterMember(58, BEN.member_id))
    assert not owned.state.roles
    assert owned.kinds() == ["printer-unregistered"]


def test_who_is_removed_prints_nothing_more_there(owned: Table) -> None:
    """A member of the printer's organization may use it all the same; a stranger's jobs wait for another."""
    owned.state.presence.clear()  # it is away: nothing starts
    zoe = replace(BEN, member_id="ZOEZOEZOEZOE0", name="zoe", organization_id=2)
    owned.state.members[zoe.member_id] = zoe
    for member in (BEN, zoe):
        owned.give(SetPrinterRole(58, member.member_id, is_printer_scoped=False, is_job_scoped=True))
        owned.give(replace(a_submission(printer_id=58), member_id=member.member_id))
        owned.give(RemovePrinterMember(58, member.member_id))
    mine, theirs = owned.state.jobs[1], owned.state.jobs[2]
    assert (mine.status, mine.printer_id) == (JobStatus.QUEUED, 58)
    assert (theirs.status, theirs.printer_id) == (JobStatus.CREATED, None)
    assert "choose another printer" in (theirs.message or "")


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        (SetPrinterRole(58, ANA.member_id, True, True), Refusal.INVALID, "may do everything"),
        (SetPrinterRole(58, "NOBODY", True, True), Refusal.UNKNOWN, "members list"),
        (SetPrinterRole(9, BEN.member_id, True, True), Refusal.UNKNOWN, "printers list"),
        (RemovePrinterMember(58, BEN.member_id), Refusal.UNKNOWN, "printers members 58"),
    ],
)
def test_refusals_say_where_to_look(owned: Table, command: object, kind: Refusal, words: str) -> None:
    said = refusal(owned, command)
    assert (said.refusal, words in said.message) == (kind, True), said.message
