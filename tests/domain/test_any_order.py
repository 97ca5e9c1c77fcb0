"""Whatever comes in whatever order: no illegal move, no second start, no start on an occupied plate."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.call_in import EXCLUSIVE_COMMANDS
from gateway.domain.call_in_commands import ContactAgain, RegisterPrinter, UnregisterPrinter
from gateway.domain.commands import (
    CancelJob,
    ChooseFile,
    ChoosePrinter,
    CommandRefused,
    ConfigurePrinters,
    FileFetched,
    FileNotFetched,
    JudgeJob,
    PauseJob,
    PrinterSetting,
    ResolveJob,
    ResumeJob,
    SetCallback,
    SetPlate,
    StartJob,
    TellPrinter,
    WithdrawJob,
)
from gateway.domain.deciding import Input
from gateway.domain.job import JobStatus, Verdict
from gateway.domain.observations import (
    Activity,
    DriverAttached,
    DriverDetached,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate, PlateClear, PrinterStatus
from tests.support.stand import (
    ANA,
    BEN,
    Table,
    a_file,
    a_forge_printer,
    a_submission,
    house,
    printer,
    report,
    with_call_ins,
)

NAMES = ("left", "right")
ALL_NAMES = (*NAMES, "forge:58")
URL = "https://files.example.com/part"
#: Keys a driver may speak of: the first ids the table gives (jobs, marks, commands), and local ones.
KEYS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 12)] + ["local-1", "local-2"]
keys = st.sampled_from(KEYS)
printers = st.sampled_from(ALL_NAMES)
printer_ids = st.sampled_from([1, 2, 58])
members = st.sampled_from([ANA.member_id, BEN.member_id])

reports = st.builds(
    report,
    keys,
    st.sampled_from(PrintPhase),
    is_local=st.booleans(),
    size=st.sampled_from([None, 1000, 2000]),
    position=st.sampled_from([None, 10, 500, 1000]),
    progress=st.sampled_from([None, 0.1, 0.9]),
    reason=st.sampled_from([None, "job-canceled-at-device", "printer-stopped", "nonsense"]),
    job_id=st.sampled_from([None, "local-id", KEYS[0]]),
    details=st.sampled_from([None, {"layer": 3}]),
    error_code=st.sampled_from([None, 500]),
)
snapshots = st.builds(
    PrinterObserved,
    printers,
    st.sampled_from(LinkState),
    activity=st.sampled_from([None, *Activity]),
    current=st.none() | reports,
    ended=st.lists(reports.filter(lambda r: r.phase.is_end), max_size=2).map(tuple),
    obstacle=st.sampled_from([None, None, None, "it has not subscribed"]),
    silent_for=st.sampled_from([None, 0.0, 30.0, 90.0]),
)
job_commands = st.one_of(
    *(st.builds(kind, keys, st.just(ANA.member_id)) for kind in (PauseJob, ResumeJob, CancelJob)),
    st.builds(ResolveJob, keys, st.just(ANA.member_id), st.sampled_from(JobStatus)),
)
work_ids = st.integers(1, 4)
files = st.sampled_from([a_file(), replace(a_file("part.zip"), metadata={"format": "zip"})])
preparing = st.one_of(
    *(st.builds(kind, keys, members, printer_ids) for kind in (StartJob, ChoosePrinter)),
    st.builds(ChooseFile, keys, members, st.none() | files, st.sampled_from([None, URL])),
    st.builds(FileFetched, work_ids, st.just(URL), files),
    st.builds(FileNotFetched, work_ids, st.just(URL), st.just("it is not there")),
    st.builds(SetCallback, keys, members, st.just(URL)),
    st.builds(WithdrawJob, keys, printer_ids),
    st.builds(JudgeJob, keys, members, st.none() | st.sampled_from(Verdict), st.sampled_from([None, "nice"])),
)
calling_in = st.one_of(
    st.builds(ContactAgain, st.sampled_from([58, 59]), st.just("1.2")),
    st.builds(RegisterPrinter, members, st.sampled_from([f"AAAAA{c}" for c in "ABCDEFGHIJKL"])),
    st.builds(UnregisterPrinter, printer_ids, members),
    st.builds(TellPrinter, printer_ids, members, st.sampled_from(["log", "pause", "home", "calibrate"])),
    st.builds(OrderProgressed, printers, keys, st.just(0.5), st.just({"progress": 0.5})),
)
inputs: st.SearchStrategy[Input] = st.one_of(
    snapshots,
    st.builds(
        a_submission,
        st.just("job"),
        st.sampled_from([1, 2, 58, None]),
        file=st.none() | files,
        printable_url=st.sampled_from([None, URL]),
    ),
    job_commands,
    preparing,
    calling_in,
    st.builds(SetPlate, printer_ids, st.sampled_from(Plate), st.just("ana")),
    st.builds(OrderAnswered, printers, keys, st.sampled_from(OrderResult)),
    st.builds(DriverAttached, st.just("streamer"), st.just("x"), st.lists(snapshots, max_size=2).map(tuple)),
    st.just(DriverDetached("streamer", "gone")),
    st.builds(
        ConfigurePrinters,
        st.lists(st.sampled_from(NAMES), unique=True).map(
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
        assert presence.obstacle is None
        assert printer_now.enabled
        told = [c for c in table.state.commands.values() if c.printer_id == printer_now.printer_id]
        assert not any(command.command in EXCLUSIVE_COMMANDS for command in told)
        [job] = [job for job in table.state.jobs.values() if job.print_key == start.key]
        assert (job.printer_id, job.job_id) == (printer_now.printer_id, start.job_id)
        assert printer_now.driver == "forge" or str(job.printable_id).endswith(".gcode")


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
    table = Table(with_call_ins(house(printer(1, "left"), printer(2, "right"), a_forge_printer())))
    table.stored["local-id"] = None
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
            assert ended.get(work_id, job.status) == job.status, (
                "nothing follows an end but what is said of it"
            )
            if job.is_over:
                ended[work_id] = job.status
                table.stored[job.job_id] = job


@given(snapshots, st.floats(0, 200))
def test_a_printer_always_has_a_word_for_the_world(snapshot: PrinterObserved, later: float) -> None:
    table = Table(house(printer(1, "left"), printer(2, "right")))
    table.give(snapshot)
    for presence in table.state.presence.values():
        assert presence.status(table.clock.monotonic() + later) in PrinterStatus
