"""The mapping is total: whatever the domain holds has Forge's words, and JSON can carry them."""

from __future__ import annotations

import json
import locale
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.forge import mapping, mapping_printers, mapping_tasks, schemas, schemas_printers
from gateway.api.http.answers import encode
from gateway.domain.job import ENDS, Job, JobStatus, Reason, Verdict
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Presence, PrinterStatus
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from tests.api.host import a_job
from tests.support.stand import START, printer

instants = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Any job the domain can hold."""
    status = draw(st.sampled_from(JobStatus))
    return replace(
        a_job(draw(st.text(max_size=20))),
        status=status,
        verdict=draw(st.none() | st.sampled_from(Verdict)) if status in ENDS else None,
        reasons=draw(st.frozensets(st.sampled_from(Reason), max_size=3)),
        printer_id=draw(st.none() | st.just(1)),
        is_local=draw(st.booleans()),
        printable_id=draw(st.none() | st.just("urn:x")),
        printable_url=draw(st.none() | st.just("https://example.org/f")),
        progress=draw(st.none() | st.floats(0, 1)),
        message=draw(st.none() | st.text(max_size=10)),
        error_code=draw(st.none() | st.integers(0, 999)),
        started_at=draw(st.none() | instants),
        created_at=draw(instants),
        status_at=draw(instants),
        custom_data=draw(st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
    )


printer_words = st.none() | st.sampled_from(PrinterStatus)


@given(jobs(), printer_words, st.booleans())
def test_every_job_has_words(job: Job, word: PrinterStatus | None, is_known: bool) -> None:
    known = printer() if is_known and job.printer_id else None
    found = mapping.job_object(job, known, word)
    schemas.JobObject.model_validate_json(encode(found))
    assert found["status"] == found["job_status"]["job_status"] == job.shown_status
    assert found["status"] in mapping.STATUS_WORDS


@given(jobs(), printer_words)
def test_a_job_alone_has_the_same_words_and_data(job: Job, word: PrinterStatus | None) -> None:
    alone = mapping.job_detail(job, None, word)
    schemas.JobDetail.model_validate_json(encode(alone))
    assert isinstance(alone["job_status"]["data"], dict)
    listed = mapping.job_object(job, None, word)
    assert {key: alone[key] for key in listed if key != "job_status"} == {
        key: listed[key] for key in listed if key != "job_status"
    }


@given(jobs())
def test_a_job_that_never_reached_a_printer_has_no_printer_status(job: Job) -> None:
    found = mapping.job_object(job, printer(), PrinterStatus.PRINTING)["job_status"]["printer_status"]
    if job.status in (JobStatus.CREATED, JobStatus.UNSCHEDULED, JobStatus.QUEUED):
        assert found is None
    elif not job.is_over:
        assert found == "printing"


@given(jobs(), printer_words, printer_words)
def test_the_printers_status_stands_still_with_the_end_of_the_job(
    job: Job, then: PrinterStatus | None, today: PrinterStatus | None
) -> None:
    """It is the last report about this job (Forge: GET jobs, `job_status`), not how the printer is today."""
    before, now = (mapping.job_object(job, printer(), word)["job_status"] for word in (then, today))
    if job.is_over:
        assert before == now


@pytest.mark.parametrize(
    ("status", "reasons", "word"),
    [
        (JobStatus.COMPLETED, {Reason.COMPLETED_SUCCESSFULLY}, "ready"),
        (JobStatus.COMPLETED, {Reason.COMPLETED_WITH_ERRORS}, "ready"),
        (JobStatus.CANCELED, {Reason.CANCELED_BY_USER}, "ready"),
        (JobStatus.CANCELED, {Reason.CANCELED_AT_DEVICE}, "ready"),
        (JobStatus.FAILED, {Reason.ABORTED_BY_SYSTEM}, "error"),
        (JobStatus.COMPLETED, set(), None),  # a person looked and said so: the printer reported nothing
        (JobStatus.FAILED, set(), None),
        (JobStatus.PRINTING, {Reason.PRINTING}, "maintenance"),
        (JobStatus.PAUSED, {Reason.PRINTER_STOPPED}, "maintenance"),
        (JobStatus.SENT, {Reason.HOLD}, "maintenance"),
    ],
)
def test_the_printers_word_about_a_job(status: JobStatus, reasons: set[Reason], word: str | None) -> None:
    job = replace(a_job(), status=status, reasons=frozenset(reasons), started_at=START)
    found = mapping.job_object(job, printer(), PrinterStatus.MAINTENANCE)
    assert found["job_status"]["printer_status"] == word


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_changes_no_report(verdict: Verdict) -> None:
    """An app's opinion is the status (Forge API 2.2); what the printer said stays what it said."""
    reasons = frozenset({Reason.COMPLETED_SUCCESSFULLY})
    job = replace(a_job(), status=JobStatus.COMPLETED, reasons=reasons, started_at=START, verdict=verdict)
    found = mapping.job_object(job, printer(), PrinterStatus.PRINTING)
    assert (found["status"], found["job_status"]["printer_status"]) == (verdict.value, "ready")


@given(
    st.sampled_from(LinkState),
    st.none() | st.sampled_from(Activity),
    st.none() | st.floats(0, 2000),
    st.none() | jobs(),
)
def test_every_printer_has_words(
    link: LinkState, activity: Activity | None, heard_at: float | None, job: Job | None
) -> None:
    presence = Presence(
        link=link,
        activity=activity,
        heard_at=heard_at,
        message="thermal runaway",
        temperatures={"T": 28.6875},
    )
    listed = mapping_printers.printer_object(printer(), presence, 1000.0, "FPEJMQHAG3NXE")
    schemas_printers.PrinterObject.model_validate_json(encode(listed))
    state = mapping_printers.printer_state(printer(), presence, 1000.0, job)
    schemas_printers.PrinterState.model_validate_json(encode(state))
    assert (listed["printer_last_health"] == "online") == (state["printer_availability"] == "online")
    assert ("job_id" in state["last_reported_state"]) == (job is not None)


@given(st.sampled_from(CommandStatus), st.none() | st.text(max_size=5), st.none() | jobs(), printer_words)
def test_every_command_has_words(
    state: CommandStatus, message: str | None, job: Job | None, word: PrinterStatus | None
) -> None:
    command = PrinterCommand(
        "00000000-0000-4000-8000-000000000001", 1, 1, "pause", "M", START, state, None, message
    )
    schemas_printers.CommandState.model_validate_json(
        encode(mapping_tasks.command_object(command, job, word))
    )


CALLBACK_KEYS = {
    "printer_status", "progress", "job_id", "job_progress", "job_status", "data", "job_name", "member_id",
    "printer_id", "printer_name",
}  # fmt: skip


@given(jobs(), st.booleans(), st.none() | st.sampled_from(Activity))
def test_every_job_has_a_callback(job: Job, is_known: bool, activity: Activity | None) -> None:
    known = printer() if is_known and job.printer_id else None
    presence = Presence(activity=activity) if is_known else None
    found = json.loads(encode(mapping.callback_body(job, known, presence)))
    assert set(found) - {"error_code", "error_message"} == CALLBACK_KEYS
    assert found["job_status"] == found["data"]["job_status"] == job.shown_status
    assert found["printer_status"] != "offline"


def test_a_callback_carries_what_the_printer_reported() -> None:
    """Forge 1.4, callbacks: `data` has layers and the time left; the id is ours."""
    said = {"job_id": "local_1", "layer": 6, "total_layers": 12, "seconds_left": 37, "temperature": 28.6875}
    job = replace(a_job(), status=JobStatus.PRINTING, print_key="m", progress=0.5, reported=said)
    found = mapping.callback_body(job, printer(), Presence(activity=Activity.PRINTING, print_key="m"))
    assert found["data"] == {**said, "job_id": job.job_id, "job_name": "my_job", "job_status": "printing"}
    assert (found["progress"], found["job_progress"], found["printer_status"]) == (0.5, 0.5, "printing")
    shown = mapping.job_object(job, printer(), PrinterStatus.PRINTING)["job_status"]
    assert (shown["data"], shown["job_progress"]) == (found["data"], 0.5)


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (datetime(2016, 5, 18, 5, 42, 2, tzinfo=UTC), "May 18, 2016 05:42:02"),
        (datetime(2015, 4, 2, 7, 37, 59, 999999, tzinfo=UTC), "April 02, 2015 07:37:59"),
        (datetime(2017, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "December 31, 2016 23:00:00"),
    ],
)
def test_times_are_english_and_utc(at: datetime, shown: str) -> None:
    assert mapping.shown_time(at) == shown


@given(instants)
def test_times_do_not_depend_on_the_locale(at: datetime) -> None:
    assert locale.setlocale(locale.LC_TIME) == "C"
    assert mapping.shown_time(at) == at.strftime("%B %d, %Y %H:%M:%S")


def test_one_type_id_per_driver() -> None:
    ids: list[Any] = [*mapping_printers.TYPE_IDS.values(), mapping_printers.OTHER_TYPE_ID]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("https://ben:secret@files.example:8443/a.gcode?b=1", "https://files.example:8443/a.gcode?b=1"),
        ("https://ben@files.example/", "https://files.example/"),
        ("https://files.example/a@b", "https://files.example/a@b"),
    ],
)
def test_the_credentials_in_an_address_are_shown_to_nobody(named: str, shown: str) -> None:
    """The printer's owner and its firmware read the jobs of others, too."""
    job = a_job(status=JobStatus.CREATED, printable_url=named)
    assert mapping.job_data(job)["printable_url"] == shown
