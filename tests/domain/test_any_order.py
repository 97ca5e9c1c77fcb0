"""Whatever comes in whatever order: no illegal move, no second start, no start on an occupied plate."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.commands import (
    CancelJob,
    CommandRefused,
    ConfigurePrinters,
    PauseJob,
    PrinterSetting,
    ResolveJob,
    ResumeJob,
    SetPlate,
)
from gateway.domain.deciding import Input
from gateway.domain.job import JobStatus
from gateway.domain.observations import (
    Activity,
    DriverAttached,
    DriverDetached,
    LinkState,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate, PlateClear, PrinterStatus
from tests.support.stand import ANA, Table, a_submission, house, printer, report

NAMES = ("left", "right")
#: Keys a driver may speak of: the first ids the table gives (jobs, marks, commands), and local ones.
KEYS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 12)] + ["local-1", "local-2"]
keys = st.sampled_from(KEYS)
printers = st.sampled_from(NAMES)
printer_ids = st.sampled_from([1, 2])

reports = st.builds(
    report,
    keys,
    st.sampled_from(PrintPhase),
    is_local=st.booleans(),
    size=st.sampled_from([None, 1000, 2000]),
    position=st.sampled_from([None, 10, 500, 1000]),
    progress=st.sampled_from([None, 0.1, 0.9]),
    reason=st.sampled_from([None, "job-canceled-at-device", "printer-stopped", "nonsense"]),
)
snapshots = st.builds(
    PrinterObserved,
    printers,
    st.sampled_from(LinkState),
    activity=st.sampled_from([None, *Activity]),
    current=st.none() | reports,
    ended=st.lists(reports.filter(lambda r: r.phase.is_end), max_size=2).map(tuple),
    silent_for=st.sampled_from([None, 0.0, 30.0, 90.0]),
)
job_commands = st.one_of(
    *(st.builds(kind, keys, st.just(ANA.member_id)) for kind in (PauseJob, ResumeJob, CancelJob)),
    st.builds(ResolveJob, keys, st.just(ANA.member_id), st.sampled_from(JobStatus)),
)
inputs: st.SearchStrategy[Input] = st.one_of(
    snapshots,
    st.builds(a_submission, st.just("job"), st.sampled_from([1, 2, None])),
    job_commands,
    st.builds(SetPlate, printer_ids, st.sampled_from(Plate), st.just("ana")),
    st.builds(OrderAnswered, printers, keys, st.sampled_from(OrderResult)),
    st.builds(DriverAttached, st.just("streamer"), st.just("x"), st.lists(snapshots, max_size=2).map(tuple)),
    st.just(DriverDetached("streamer", "gone")),
    st.builds(
        ConfigurePrinters,
        st.lists(printers, unique=True).map(
            lambda names: tuple(PrinterSetting(n, "marlin", "ana", PlateClear.CONFIRM, "x") for n in names)
        ),
    ),
)
#: Seconds that pass before the input: less and more than every pause and grace the domain knows.
steps = st.lists(st.tuples(inputs, st.sampled_from([0.0, 1.0, 4.0, 61.0])), max_size=40)


def check_starts(table: Table, plates: dict[str, Plate], new: list[StartPrint]) -> None:
    assert len({start.printer for start in new}) == len(new), "one start a printer at a time"
    for start in new:
        printer_now = table.state.printer_named(start.printer)
        assert printer_now is not None
        assert plates[start.printer] is Plate.CLEAR, "a start needs a plate confirmed clear"
        assert printer_now.plate is Plate.OCCUPIED
        presence = table.state.presence[printer_now.printer_id]
        assert (presence.link, presence.print_key) == (LinkState.UP, None)
        assert presence.activity is Activity.READY


def check_standing(table: Table) -> None:
    for work_id, job in table.state.jobs.items():
        assert job.work_id == work_id
        assert not job.is_over, "what is over leaves memory"
        assert not job.is_on_printer or job.print_key is not None
        assert (work_id in table.state.attempts) <= job.is_on_printer
    ordinals = [job.member_ordinal for job in table.state.jobs.values() if job.member_id == ANA.member_id]
    assert len(set(ordinals)) == len(ordinals)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_any_inputs_in_any_order(given_steps: list[tuple[Input, float]]) -> None:
    table = Table(house(printer(1, "left"), printer(2, "right")))
    started: set[str] = set()
    ended: dict[int, JobStatus] = {}
    for given_input, seconds in given_steps:
        table.clock.advance(seconds)
        plates = {p.name: p.plate for p in table.state.printers.values()}
        if isinstance(given_input, SetPlate) and given_input.printer_id in table.state.printers:
            plates[table.state.printers[given_input.printer_id].name] = given_input.plate
        refused = isinstance(given_input, OrderAnswered) and given_input.result is OrderResult.REFUSED
        before = len(table.orders)
        try:
            table.give(given_input)
        except CommandRefused:
            assert not table.draft.is_durable
            continue
        new = [order for order in table.orders[before:] if isinstance(order, StartPrint)]
        assert started.isdisjoint(start.key for start in new), "no key is started twice"
        started |= {start.key for start in new}
        if not refused:  # a refused start gives the plate back as it was
            check_starts(table, plates, new)
        check_standing(table)
        for work_id, job in table.draft.job_rows.items():
            assert work_id not in ended, "nothing follows an end"
            if job.is_over:
                ended[work_id] = job.status


@given(snapshots, st.floats(0, 200))
def test_a_printer_always_has_a_word_for_the_world(snapshot: PrinterObserved, later: float) -> None:
    table = Table(house(printer(1, "left"), printer(2, "right")))
    table.give(snapshot)
    for presence in table.state.presence.values():
        assert presence.status(table.clock.monotonic() + later) in PrinterStatus
