"""Reading the query of a list: filters and pages, and every way to ask for one that there is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from gateway.api.greenarrow.answers import RequestedTooMany
from gateway.api.greenarrow.listing import TOKEN_GOOD, PageTokens, Paging, read_filter, read_paging
from gateway.api.http.problems import Failure
from gateway.auth.access import JobScope
from gateway.auth.signing import KEY_BYTES, UrlSigner
from gateway.domain.job import JobStatus
from gateway.domain.task import Standing, TaskKind
from gateway.engine.ports import WorkFilter
from tests.support.stand import START

SIGNER = UrlSigner(b"k" * KEY_BYTES)
TOKENS = PageTokens(SIGNER, START)
EVERYTHING = JobScope()


def paging(query: str) -> Paging:
    return read_paging(parsed(query), TOKENS)


def wanted(query: str, *, only_unfinished: bool = False) -> WorkFilter:
    return read_filter(parsed(query), EVERYTHING, only_unfinished=only_unfinished)


def parsed(query: str) -> MultiDict[str]:
    """`a=1&b=2`, without any encoding."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    return MultiDict((name, value) for name, _, value in pairs)


def test_without_a_parameter_it_is_the_first_page_and_does_not_say_so() -> None:
    assert paging("state=active") == Paging(per_page=2000, page=0, after=0, is_shown=False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("page=0", Paging(is_shown=True)),
        ("page=3", Paging(page=3, is_shown=True)),
        ("per_page=20", Paging(per_page=20, is_shown=True)),
        ("per_page=2000&page=1", Paging(page=1, is_shown=True)),
        ("page_token=", Paging(token="", is_shown=True)),
    ],
)
def test_pages(query: str, expected: Paging) -> None:
    assert paging(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "page=0&page_token=", "page=1&page_token=x", "page=-1", "page=x", "page=", "page=1.5",
        "page=2147483648", "page=99999999999999999999", "page=1&page=2",
        "per_page=-99999999999999999999", "per_page=0", "per_page=-1", "per_page=x", "per_page=",
        "page_token=x", "page_token=" + "A" * 1000, "page_token=%00", "page_token=é",
        "page_token=12", "page_token=A",
    ],
)  # fmt: skip
def test_a_page_there_is_not(query: str) -> None:
    with pytest.raises(Failure) as caught:
        paging(query)
    assert caught.value.status == 400
    assert not isinstance(caught.value, RequestedTooMany)


@pytest.mark.parametrize("per_page", ["2001", "2147483648", "9" * 19, "9" * 20, "9" * 5000])
def test_more_records_than_a_page_has(per_page: str) -> None:
    with pytest.raises(RequestedTooMany) as caught:
        paging(f"per_page={per_page}")
    assert caught.value.status == 400


@given(st.integers(1, 2**31 - 1))
def test_a_token_leads_on_from_its_row(work_id: int) -> None:
    token = TOKENS.make(work_id)
    assert paging(f"page_token={token}") == Paging(token=token, after=work_id, is_shown=True)


@given(st.integers(1, 2**31 - 1), st.data())
def test_a_token_that_was_tampered_with_is_none(work_id: int, data: st.DataObject) -> None:
    """But for the bits of its last character that say nothing."""
    token = TOKENS.make(work_id)
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09-_").filter(lambda character: character != token[at]))
    with pytest.raises(Failure):
        TOKENS.read(token[:at] + other + token[at + 1 :])


def test_tokens_end() -> None:
    token = TOKENS.make(7)
    assert PageTokens(SIGNER, START + TOKEN_GOOD - timedelta(seconds=1)).read(token) == 7
    with pytest.raises(Failure):
        PageTokens(SIGNER, START + TOKEN_GOOD).read(token)
    with pytest.raises(Failure):
        PageTokens(UrlSigner(b"x" * KEY_BYTES), START).read(token)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1404394620", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-5", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2014-07-03T13:37:00Z", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),
        ("2014-07-03T13:37:00", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),
        ("2014-07-03", datetime(2014, 7, 3, tzinfo=UTC)),
        ("2014-07-03T08:37:00-05:00", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),
        ("2014-07-03T15:37:00+02:00", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),
        ("2014-07-03T15:37:00 02:00", datetime(2014, 7, 3, 13, 37, tzinfo=UTC)),  # a + that was not encoded
    ],
)
def test_instants(text: str, at: datetime) -> None:
    for name in ("begins_at__before", "finished_at__before"):
        found = wanted(f"{name}={text}")
        assert (found.begins_before or found.ended_before) == at


@pytest.mark.parametrize(
    "text", ["x", "yesterday", "2014-13-03", "99999999999999999", "1.5", "--1", "2014-07-03T13:37:00Q"]
)
def test_what_is_no_instant(text: str) -> None:
    for bound in ("begins_at__after", "begins_at__before", "finished_at__after", "finished_at__before"):
        with pytest.raises(Failure, match=bound) as caught:
            wanted(f"{bound}={text}")
        assert caught.value.status == 400
        with pytest.raises(Failure, match="2 times"):
            wanted(f"{bound}=1&{bound}=2")


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(-2500, 2500),
)
def test_bounds_compare_what_is_shown(bound: datetime, milliseconds: int) -> None:
    """A job whose shown second is the bound is neither after nor before it."""
    at = (bound + timedelta(milliseconds=milliseconds)).replace(tzinfo=UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # the store's unit
    shown, exact = at.replace(microsecond=0), bound.replace(tzinfo=UTC)
    found = wanted(f"finished_at__after={bound.isoformat()}&finished_at__before={bound.isoformat()}")
    assert found.ended_after is not None
    assert found.ended_before is not None
    assert (at > found.ended_after) == (shown > exact)
    assert (at < found.ended_before) == (shown < exact)


def test_nothing_narrows_without_filters() -> None:
    assert wanted("") == WorkFilter()
    assert wanted("state=&job_type=&finished_at__after=&sort=id") == WorkFilter()


def test_the_scope_narrows() -> None:
    found = read_filter(MultiDict(), JobScope("M", 2), only_unfinished=False)
    assert (found.member_id, found.organization_id) == ("M", 2)


@pytest.mark.parametrize(
    "query",
    [
        "state=active,paused",
        "state=active&state=paused",
        "state[]=active&state[]=paused",
        "state=active, paused,",
    ],
)
def test_states(query: str) -> None:
    found = wanted(query)
    on_printer = {JobStatus.SENT, JobStatus.RECEIVED, JobStatus.PRINTING, JobStatus.PAUSED}
    assert found.job_statuses == on_printer
    assert found.standings == {Standing.RUNNING, Standing.PAUSED}


def test_unfinished() -> None:
    found = wanted("", only_unfinished=True)
    assert found.job_statuses == set(JobStatus) - {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED}
    assert found.standings == set(Standing) - {Standing.DONE, Standing.FAILED, Standing.CANCELED}
    narrowed = wanted("state=active,finished", only_unfinished=True)
    assert narrowed.standings == {Standing.RUNNING}


@pytest.mark.parametrize("word", ["idle", "Active", "nothing"])
def test_a_state_that_nothing_here_has_matches_nothing(word: str) -> None:
    found = wanted(f"state={word}")
    assert found.job_statuses == found.standings == frozenset()


def test_types() -> None:
    prints = wanted("job_type=PrintJob")
    assert (prints.job_statuses, prints.standings, prints.task_kinds) == (None, frozenset(), None)
    exports = wanted("job_type=HistoryExport,FileImport")
    assert exports.task_kinds == {TaskKind.HISTORY_EXPORT, TaskKind.FILE_IMPORT}
    assert (exports.job_statuses, exports.standings) == (frozenset(), None)
    both = wanted("job_type=PrintJob&job_type=Backup&state=finished")
    assert both.job_statuses == {JobStatus.COMPLETED}
    assert (both.standings, both.task_kinds) == ({Standing.DONE}, {TaskKind.BACKUP})
    nothing = wanted("job_type=Campaign")
    assert nothing.job_statuses == nothing.standings == frozenset()


def test_too_many_words() -> None:
    with pytest.raises(Failure, match="101 values"):
        wanted("state=" + ",".join(["active"] * 101))
