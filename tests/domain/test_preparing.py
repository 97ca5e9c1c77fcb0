"""Waiting jobs: which printer, which file, started now, withdrawn; verdicts, comments, callbacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.assign import waiting_for
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.commands import (
    CancelJob,
    ChooseFile,
    ChoosePrinter,
    CommandRefused,
    FileFetched,
    FileNotFetched,
    JudgeJob,
    Refusal,
    SetCallback,
    SetPlate,
    StartJob,
    TellPrinter,
    WithdrawJob,
)
from gateway.domain.file import StoredFile
from gateway.domain.job import WAITING_KEPT, Job, JobStatus, Reason, Verdict
from gateway.domain.observations import LinkState, OrderAnswered, OrderProgressed, OrderResult, PrintPhase
from gateway.domain.orders import StartPrint, Tell
from gateway.domain.printer import Plate
from tests.support.stand import (
    ANA,
    BEN,
    Table,
    a_file,
    a_forge_printer,
    a_submission,
    house,
    printer,
    ready,
    report,
    seen,
)

S = JobStatus
URL = "https://files.example.com/part.gcode"


def tarball() -> StoredFile:
    return replace(a_file("part.tar.gz"), metadata={"format": "tar.gz"})


def refusal(table: Table, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


def submitted(table: Table, **changes: object) -> Job:
    job = table.give(a_submission(**changes))  # type: ignore[arg-type]
    assert isinstance(job, Job)
    return table.job(job.work_id)


def starts(table: Table) -> list[StartPrint]:
    return [order for order in table.orders if isinstance(order, StartPrint)]


@pytest.fixture
def table() -> Table:
    """A Marlin printer (1, mk3) and one that calls in (58, Ana's Ember), both with something on the plate."""
    return Table(house(printer(plate=Plate.OCCUPIED), a_forge_printer(plate=Plate.OCCUPIED)))


# ---------------------------------------------------------------- what a job still needs


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({}, S.QUEUED, None),
        ({"printer_id": None}, S.CREATED, "waits for a printer"),
        ({"file": None}, S.CREATED, "waits for a file"),
        ({"printer_id": None, "file": None}, S.CREATED, "waits for a printer and a file"),
        ({"file": None, "printable_url": URL}, S.CREATED, "its file is being fetched"),
        (
            {"file": None, "printable_url": URL, "printer_id": None},
            S.CREATED,
            "its file is being fetched; it waits for a printer too",
        ),
        ({"file": tarball(), "printer_id": None}, S.CREATED, "waits for a printer"),
        ({"file": tarball(), "printer_id": 58}, S.QUEUED, None),
    ],
)
def test_a_job_is_queued_once_it_has_printer_and_file(
    table: Table, given: dict[str, object], status: JobStatus, message: str | None
) -> None:
    job = submitted(table, **given)
    assert (job.status, job.message) == (status, message)


def test_a_member_has_so_many_waiting_jobs_and_no_more(table: Table) -> None:
    """All of them are in memory, with their settings."""
    first = submitted(table)
    waiting = (replace(first, work_id=first.work_id + n, job_id=f"{n}") for n in range(1, WAITING_KEPT))
    table.state.jobs.update({job.work_id: job for job in waiting})
    refused = refusal(table, a_submission())
    assert (refused.refusal, f"{WAITING_KEPT} jobs of yours wait already" in refused.message) == (
        Refusal.CONFLICT,
        True,
    )
    table.give(replace(a_submission(), member_id=ANA.member_id))
    table.give(CancelJob(first.job_id, BEN.member_id))
    assert submitted(table).status in (S.CREATED, S.QUEUED)


def test_a_callback_is_kept_from_the_start_or_set_later(table: Table) -> None:
    job = submitted(table, callback_url="https://app.example/1", callback_interval=20)
    assert (job.callback_url, job.callback_interval) == ("https://app.example/1", 20)
    table.give(SetCallback(job.job_id, BEN.member_id, "https://app.example/2"))
    assert (table.job().callback_url, table.job().callback_interval) == ("https://app.example/2", None)
    assert table.kinds() == ["job-changed"]
    table.give(CancelJob(job.job_id, BEN.member_id))
    assert "over already" in refusal(table, SetCallback(job.job_id, BEN.member_id, "https://x")).message


# ---------------------------------------------------------------- choosing


def test_a_printer_is_chosen_and_chosen_anew_while_the_job_waits(table: Table) -> None:
    job = submitted(table, printer_id=None)
    for printer_id in (1, 58):
        chosen = table.give(ChoosePrinter(job.job_id, BEN.member_id, printer_id))
        assert chosen == table.job()
        assert (table.job().status, table.job().printer_id) == (S.QUEUED, printer_id)
        assert table.kinds()[-1] == "job-changed"


def test_a_file_is_chosen_and_chosen_anew_while_the_job_waits(table: Table) -> None:
    job = submitted(table, file=None)
    table.give(ChooseFile(job.job_id, BEN.member_id, file=a_file("a.gcode")))
    assert (table.job().status, table.job().file_name) == (S.QUEUED, "a.gcode")
    table.give(ChooseFile(job.job_id, BEN.member_id, printable_url=URL))
    waits = table.job()
    assert (waits.status, waits.file_sha256, waits.printable_id) == (S.CREATED, None, None)
    assert (waits.printable_url, waits.message) == (URL, "its file is being fetched")
    table.give(ChooseFile(job.job_id, BEN.member_id, file=a_file("b.gcode")))
    assert (table.job().status, table.job().file_name, table.job().printable_url) == (
        S.QUEUED,
        "b.gcode",
        None,
    )


def test_choosing_starts_what_can_start() -> None:
    table = Table()
    job = submitted(table, printer_id=None)
    table.give(ChoosePrinter(job.job_id, BEN.member_id, 1))
    assert table.job().status is S.SENT
    for command in (
        ChoosePrinter(job.job_id, BEN.member_id, 1),
        ChooseFile(job.job_id, BEN.member_id, file=a_file()),
        StartJob(job.job_id, BEN.member_id, 1),
    ):
        said = refusal(table, command)
        assert (said.refusal, "is sent" in said.message) == (Refusal.CONFLICT, True)
    assert len(starts(table)) == 1


def test_only_printers_that_call_in_print_what_is_no_gcode(table: Table) -> None:
    said = refusal(table, a_submission(file=tarball()))
    assert said.refusal is Refusal.INVALID
    assert said.message.startswith("mk3 prints G-code, and 'part.tar.gz' is tar.gz: slice it")
    job = submitted(table, file=tarball(), printer_id=58)
    assert refusal(table, ChoosePrinter(job.job_id, BEN.member_id, 1)).refusal is Refusal.INVALID
    other = submitted(table)
    assert refusal(table, ChooseFile(other.job_id, BEN.member_id, file=tarball())).refusal is Refusal.INVALID
    nowhere = submitted(table, file=tarball(), printer_id=None)
    assert refusal(table, StartJob(nowhere.job_id, BEN.member_id, 1)).refusal is Refusal.INVALID


def test_a_choice_names_something(table: Table) -> None:
    job = submitted(table, file=None)
    assert "name a file" in refusal(table, ChooseFile(job.job_id, BEN.member_id)).message


# ---------------------------------------------------------------- fetched files


def test_a_fetched_file_queues_its_job(table: Table) -> None:
    job = submitted(table, file=None, printable_url=URL)
    table.give(FileFetched(job.work_id, URL, a_file()))
    assert (table.job().status, table.job().file_sha256) == (S.QUEUED, a_file().sha256)
    assert table.job().printable_url is None  # apps are shown the gateway's own link from now on


def test_a_fetched_file_that_the_printer_cannot_print_waits_with_the_reason(table: Table) -> None:
    job = submitted(table, file=None, printable_url=URL)
    table.give(FileFetched(job.work_id, URL, tarball()))
    assert table.job().status is S.CREATED
    assert "mk3 prints G-code" in str(table.job().message)
    table.give(ChoosePrinter(job.job_id, BEN.member_id, 58))
    assert table.job().status is S.QUEUED


def test_a_file_that_cannot_be_had_says_why_and_is_not_fetched_again(table: Table) -> None:
    job = submitted(table, file=None, printable_url=URL)
    table.give(FileNotFetched(job.work_id, URL, "files.example.com answered 404: hand in the file itself"))
    waits = table.job()
    assert (waits.status, waits.printable_url) == (S.CREATED, None)
    assert waits.message == "files.example.com answered 404: hand in the file itself"


def test_what_was_fetched_for_another_wish_is_ignored(table: Table) -> None:
    job = submitted(table, file=None, printable_url=URL)
    table.give(ChooseFile(job.job_id, BEN.member_id, file=a_file("mine.gcode")))
    for late in (FileFetched(job.work_id, URL, a_file()), FileNotFetched(job.work_id, URL, "no")):
        table.give(late)
        assert not table.draft.is_durable
    table.give(FileFetched(99, URL, a_file()))
    assert table.job().file_name == "mine.gcode"


# ---------------------------------------------------------------- starting now


def test_a_start_goes_before_older_jobs() -> None:
    table = Table(house(printer(plate=Plate.OCCUPIED)))
    submitted(table)
    second = submitted(table, name="second")
    assert "not confirmed clear" in refusal(table, StartJob(second.job_id, BEN.member_id, 1)).message
    table.state.printers[1] = replace(table.state.printers[1], plate=Plate.CLEAR)  # nothing was decided yet
    started = table.give(StartJob(second.job_id, BEN.member_id, 1))
    assert isinstance(started, Job)
    assert started.status is S.SENT
    assert [start.name for start in starts(table)] == ["second"]
    assert table.job(1).status is S.QUEUED


def test_a_job_without_a_printer_is_started_on_the_one_that_is_named() -> None:
    table = Table()
    job = submitted(table, printer_id=None)
    table.give(StartJob(job.job_id, BEN.member_id, 1))
    assert (table.job().status, table.job().printer_id) == (S.SENT, 1)


def test_a_start_says_what_is_in_its_way(table: Table) -> None:
    no_file = submitted(table, file=None)
    assert "waits for a file" in refusal(table, StartJob(no_file.job_id, BEN.member_id, 1)).message
    for_ember = submitted(table, printer_id=58)
    said = refusal(table, StartJob(for_ember.job_id, BEN.member_id, 1))
    assert said.message == "'my_job' is for Ana's Ember; choose mk3 for it first"
    waiting = submitted(table)
    for presence, words in (
        (ready(link=LinkState.DOWN, link_reason="unplugged"), "not connected: unplugged"),
        (ready(obstacle="it has not subscribed to its commands"), "has not subscribed"),
        (ready(print_key="local-1"), "printing something else"),
    ):
        table.state.presence[1] = presence
        assert words in refusal(table, StartJob(waiting.job_id, BEN.member_id, 1)).message
    assert not starts(table)


def test_a_start_while_another_job_has_the_printer_or_was_just_refused() -> None:
    table = Table()
    submitted(table, name="first")
    second = submitted(table, name="second")
    assert "mk3 has 'first'" in refusal(table, StartJob(second.job_id, BEN.member_id, 1)).message
    table.give(OrderAnswered("mk3", starts(table)[0].key, OrderResult.REFUSED, "busy"))
    assert "a moment ago" in refusal(table, StartJob(second.job_id, BEN.member_id, 1)).message


def test_a_printer_that_names_an_obstacle_gets_no_job() -> None:
    table = Table(house(presence=ready(obstacle="it has not subscribed to its commands at /faye")))
    submitted(table)
    assert not starts(table)


# ---------------------------------------------------------------- printers that are told things


def test_a_printer_that_calls_in_is_told_id_and_settings_and_others_are_not() -> None:
    table = Table(house(printer(), a_forge_printer()))
    submitted(table, settings={"profile_id": "x"})
    submitted(table, printer_id=58, settings={"profile_id": "x"})
    marlin, forge = starts(table)
    assert marlin.settings == {}
    assert forge.settings == {"profile_id": "x", "Settings": {}}
    assert (forge.printer, forge.job_id) == ("forge:58", table.job(2).job_id)


def test_a_command_in_the_printers_own_words_and_its_answers() -> None:
    table = Table(house(a_forge_printer()))
    given = table.give(TellPrinter(58, ANA.member_id, "logs", {"upload_url": "https://x"}))
    [command] = table.state.commands.values()
    assert given == command
    assert table.orders == [Tell("forge:58", command.task_id, "logs", {"upload_url": "https://x"})]
    table.give(OrderProgressed("forge:59", command.task_id, 0.5, {"data": "of another printer"}))
    assert table.state.commands[command.task_id] == command
    table.give(OrderProgressed("forge:58", command.task_id, 0.5, {"data": {"state": "received"}}))
    heard = table.state.commands[command.task_id]
    assert (heard.progress, heard.answer) == (0.5, {"data": {"state": "received"}})
    table.give(OrderAnswered("forge:58", command.task_id, OrderResult.ACCEPTED))
    done = table.draft.command_rows[command.task_id]
    assert (done.state, done.answer, done.progress) == ("done", heard.answer, 0.5)


@pytest.mark.parametrize("command", ["print_data", "pause", "resume", "cancel", "PRINT_DATA", "Pause"])
def test_what_is_about_a_job_is_not_told(command: str) -> None:
    said = refusal(Table(house(a_forge_printer())), TellPrinter(58, ANA.member_id, command))
    assert said.refusal is Refusal.INVALID


def test_only_a_printer_that_is_there_and_understands_is_told_anything() -> None:
    assert refusal(Table(), TellPrinter(1, ANA.member_id, "home")).refusal is Refusal.INVALID
    gone = Table(house(a_forge_printer(), presence=ready(link=LinkState.DOWN, link_reason="silent")))
    assert "not connected: silent" in refusal(gone, TellPrinter(58, ANA.member_id, "home")).message


@pytest.mark.parametrize("command", ["reset", "calibrate", "home", "park", "firmware_upgrade", "HOME"])
def test_what_moves_a_printer_excludes_a_print_both_ways(command: str) -> None:
    table = Table(house(a_forge_printer()))
    parameters = {"package_url": "https://x.example/1"} if command == "firmware_upgrade" else {}
    asked = TellPrinter(58, ANA.member_id, command, parameters)
    task = table.give(asked)
    job = submitted(table, printer_id=58)
    assert job.status is S.QUEUED
    assert f"told to {command}" in refusal(table, StartJob(job.job_id, BEN.member_id, 58)).message
    table.give(OrderAnswered("forge:58", task.task_id, OrderResult.ACCEPTED))  # type: ignore[attr-defined]
    assert table.job().status is S.SENT
    assert "would ruin it" in refusal(table, asked).message
    assert len(starts(table)) == 1


# ---------------------------------------------------------------- withdrawn by the printer


def test_a_printer_takes_a_waiting_job_of_its_own_out_of_its_queue(table: Table) -> None:
    job = submitted(table, printer_id=58)
    assert refusal(table, WithdrawJob(job.job_id, 1)).refusal is Refusal.UNKNOWN
    table.give(WithdrawJob(job.job_id, 58))
    assert (table.job().status, table.job().reasons) == (S.CANCELED, {Reason.CANCELED_AT_DEVICE})


def test_a_job_on_the_machine_is_not_withdrawn() -> None:
    table = Table(house(a_forge_printer()))
    job = submitted(table, printer_id=58)
    assert refusal(table, WithdrawJob(job.job_id, 58)).refusal is Refusal.CONFLICT


# ---------------------------------------------------------------- verdicts


def over(table: Table, phase: PrintPhase = PrintPhase.COMPLETED) -> Job:
    job = submitted(table)
    table.give(seen(ended=(report(starts(table)[-1].key, phase),)))
    ended = table.job(job.work_id)
    table.stored[job.job_id] = ended
    return ended


@pytest.mark.parametrize("phase", [PrintPhase.COMPLETED, PrintPhase.FAILED])
def test_a_verdict_can_be_changed_either_way(phase: PrintPhase) -> None:
    table = Table()
    job = over(table, phase)
    for verdict in (Verdict.SUCCESSFUL, Verdict.FAILED, Verdict.SUCCESSFUL):
        judged = table.give(JudgeJob(job.job_id, BEN.member_id, verdict))
        assert isinstance(judged, Job)
        assert (judged.shown_status, judged.status) == (verdict.value, job.status)
        assert judged.version == table.stored[job.job_id].version + 1  # type: ignore[union-attr]
        table.stored[job.job_id] = judged
    table.give(JudgeJob(job.job_id, BEN.member_id, Verdict.SUCCESSFUL))
    assert not table.draft.is_durable, "said twice is said once"
    assert not table.state.jobs, "it is over all the same"


def test_comment_and_data_are_kept_and_left_as_they_are(table: Table) -> None:
    job = submitted(table)
    table.give(JudgeJob(job.job_id, BEN.member_id, comment="nice", custom_data={"a": 1}))
    assert (table.job().comment, table.job().custom_data) == ("nice", {"a": 1})
    table.give(JudgeJob(job.job_id, BEN.member_id, comment="nicer"))
    assert (table.job().comment, table.job().custom_data) == ("nicer", {"a": 1})
    table.give(JudgeJob(job.job_id, BEN.member_id, custom_data=None))
    assert (table.job().comment, table.job().custom_data) == ("nicer", None)
    assert table.job().status is S.QUEUED


def test_only_what_has_printed_is_judged(table: Table) -> None:
    job = submitted(table)
    said = refusal(table, JudgeJob(job.job_id, BEN.member_id, Verdict.SUCCESSFUL))
    assert (said.refusal, "is queued; only" in said.message) == (Refusal.CONFLICT, True)
    table.give(CancelJob(job.job_id, BEN.member_id))
    table.stored[job.job_id] = table.job()
    assert "is canceled" in refusal(table, JudgeJob(job.job_id, BEN.member_id, Verdict.FAILED)).message
    assert refusal(table, JudgeJob("nowhere", BEN.member_id)).refusal is Refusal.UNKNOWN


# ---------------------------------------------------------------- what printers that call in report


def test_a_local_print_keeps_the_id_that_its_printer_gave_it() -> None:
    mine = "d075f5ee-98b7-491a-b4b1-188260b01c59"
    for stored, expected in (({mine: None}, True), ({}, False), ({mine: over(Table())}, False)):
        table = Table(house(a_forge_printer()))
        table.stored.update(stored)  # type: ignore[arg-type]
        local = report(f"forge:58/local_{mine}", is_local=True, job_id=mine, details={"layer": 6})
        table.give(seen(local, "forge:58"))
        assert (table.job().job_id == mine) is expected, stored
        assert (table.job().is_local, table.job().reported) == (True, {"layer": 6})


def test_two_local_prints_of_one_printer_are_two_jobs() -> None:
    """The end of an unknown print ends no other: this printer names its prints itself."""
    table = Table(house(a_forge_printer()))
    table.give(seen(report("forge:58/local_a", is_local=True, job_id="a"), "forge:58"))
    ended = report("forge:58/local_b", PrintPhase.COMPLETED, is_local=True, job_id="b")
    table.give(seen(report("forge:58/local_a", is_local=True, job_id="a"), "forge:58", ended=(ended,)))
    assert (table.job(1).status, table.job(2).status) == (S.PRINTING, S.COMPLETED)


def test_what_a_printer_says_of_its_error_is_the_jobs() -> None:
    table = Table(house(a_forge_printer()))
    submitted(table, printer_id=58)
    key = starts(table)[0].key
    table.give(seen(report(key, details={"layer": 1}), "forge:58"))
    failed = report(key, PrintPhase.FAILED, message="Exposure failed", error_code=500)
    table.give(seen(None, "forge:58", ended=(failed,)))
    job = table.job()
    assert (job.status, job.error_code, job.message) == (S.FAILED, 500, "Exposure failed")
    assert job.reported == {"layer": 1}


def test_a_held_print_of_such_a_printer_speaks_of_no_streamer() -> None:
    table = Table(house(a_forge_printer()))
    submitted(table, printer_id=58)
    table.give(seen(report(starts(table)[0].key), "forge:58"))
    table.give(seen(None, "forge:58"))
    table.clock.advance(10)
    table.give(seen(None, "forge:58"))
    assert table.job().is_held
    assert str(table.job().message).startswith("Ana's Ember does not speak of this print any more; look at")


def test_the_plate_of_such_a_printer_is_confirmed_by_its_number() -> None:
    table = Table(house(a_forge_printer(plate=Plate.OCCUPIED)))
    submitted(table, printer_id=58)
    assert str(waiting_for(table.job(), table.state)).endswith("`print-gateway printers ready 58`")
    table.give(SetPlate(58, Plate.CLEAR, "ana"))
    assert table.job().status is S.SENT
    assert table.state.printers[58].driver == CALL_IN_DRIVER
