"""Bad luck, by name: what the client sees, and what the machine really did."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.bambu.faults import KINDS, BambuFault, BambuFaults
from firmware_sim.bambu.printer import BambuPrinter, NotServed
from firmware_sim.bambu.storage import StorageFull
from firmware_sim.faults.strokes import BadFaults
from tests.firmware_sim.bambu.bench import Bench

START = "project_file"


def struck(bench: Bench) -> list[str]:
    return [(entry.line or "").split()[0] for entry in bench.printer.ledger.events("fault")]


@pytest.mark.parametrize(
    ("name", "starts", "is_lost"),
    [
        ("no-echo", 1, False),
        ("vanished", 0, False),
        ("refused", 0, False),
        ("verify-failed", 0, False),
        ("lost-before", 0, True),
        ("lost-after", 1, True),
    ],
)
def test_what_becomes_of_a_start(name: str, starts: int, is_lost: bool) -> None:
    bench = Bench("a1", BambuFault(name, command=START))
    echo = bench.start()
    bench.live(60.0)
    assert struck(bench) == [name]
    assert len(bench.starts()) == starts
    assert (bench.seat.lost is not None) == is_lost
    assert (echo is not None) == (name in ("refused", "verify-failed"))
    if echo is not None:
        assert echo["result"] == "failed"
    shows_hms = bench.shown["hms"] == [{"attr": 0x05000500, "code": 0x00010007}]
    assert shows_hms == (name == "verify-failed")


def test_an_echo_that_comes_late() -> None:
    bench = Bench("a1", BambuFault("echo-late", command="pause", seconds=12.0))
    assert bench.start() is not None, "only the pause is struck"
    asked = bench.now
    assert bench.ask("print", "pause", param="") is None
    bench.live(20.0)
    (late,) = [one for one in bench.heard if one.body["command"] == "pause"]
    assert late.at == asked + 12.0


def test_a_half_dead_session_tells_all_and_does_nothing_until_a_new_one_comes() -> None:
    bench = Bench("a1", BambuFault("half-dead"))
    heard = len(bench.heard)
    assert bench.start() is None
    bench.live(60.0)
    assert len(bench.heard) > heard + 10, "reports flow on"
    assert bench.ask("print", "pause", param="") is None
    assert bench.starts() == []
    bench.connect("fresh")
    assert bench.start() is not None
    bench.until("RUNNING")
    assert len(bench.starts()) == 1


def test_only_changes_after_a_connect_for_a_time() -> None:
    bench = Bench("a1", BambuFault("deltas-only", seconds=30.0))
    assert bench.heard == []
    bench.live(31.0)
    assert {one.body["msg"] for one in bench.heard} == {1}
    bench.ask("pushing", "pushall")
    assert bench.heard[-1].body["msg"] == 0


def test_a_byte_that_is_no_utf8() -> None:
    printer = BambuPrinter("a1-mini")
    printer.panel.arm(BambuFault("non-utf8"))
    seat = printer.attach("c", 0.0)
    printer.subscribe(seat, printer.report_topic, 0.0)
    printer.poll(10.0)
    first, *rest = seat.take()
    with pytest.raises(UnicodeDecodeError):
        first.decode()
    assert first.decode("utf-8", "replace").startswith('{"note":"\ufffd(","print":{')
    assert all(payload.decode() for payload in rest)


def test_a_connection_that_breaks_by_itself() -> None:
    bench = Bench("a1", BambuFault("connection-lost", at=20.0))
    bench.live(19.0)
    assert bench.seat.lost is None
    bench.live(5.0)
    assert bench.seat.lost == "the connection broke"
    assert bench.printer.seats == []


def test_a_power_cut_by_plan() -> None:
    bench = Bench("a1", BambuFault("power-cut", at=10.0, seconds=5.0))
    bench.live(15.0)
    assert not bench.printer.is_on
    with pytest.raises(NotServed, match="off"):
        bench.connect()
    bench.live(31.0)
    bench.connect()


@pytest.mark.parametrize(
    ("personality", "faults", "is_dropped"),
    [("p1s", (), True), ("a1", (), True), ("x1c", (), False), ("x1c", ("request-drop",), True)],
)
@pytest.mark.parametrize("topics", ["device/S1/request", "device/S1/#", "#", "device/+/request"])
def test_who_subscribes_to_requests(
    personality: str, faults: tuple[str, ...], is_dropped: bool, topics: str
) -> None:
    printer = BambuPrinter(personality, serial="S1")
    for name in faults:
        printer.panel.arm(BambuFault(name))
    seat = printer.attach("c", 0.0)
    printer.subscribe(seat, topics, 0.0)
    assert (seat.lost is not None) == is_dropped


def test_clamped_ids_by_bad_luck() -> None:
    bench = Bench("a1", BambuFault("int32-clamp"))
    bench.ask("pushing", "pushall")  # an occasion of its own
    bench.printer.panel.arm(BambuFault("int32-clamp", command=START))
    bench.start(2**31)
    bench.until("RUNNING")
    assert bench.shown["subtask_id"] == "2147483647"
    bench.ask("print", "stop", param="")
    bench.until("FAILED")
    bench.printer.panel.arm(BambuFault("int32-clamp", command=START))
    bench.start(2**31 + 1)
    bench.live(60.0)
    assert len(bench.starts()) == 1, "taken for the failed job"


@pytest.mark.parametrize(
    ("name", "error", "kept"),
    [("file-truncated", None, 5), ("storage-full", StorageFull, None), ("upload-cut", NotServed, 5)],
)
def test_uploads(name: str, error: type[Exception] | None, kept: int | None) -> None:
    printer = BambuPrinter("a1")
    printer.panel.arm(BambuFault(name))
    if error is None:
        printer.store_file("x.3mf", b"0123456789", 1.0)
    else:
        with pytest.raises(error):
            printer.store_file("x.3mf", b"0123456789", 1.0)
    content = printer.files.get("x.3mf")
    assert (None if content is None else len(content)) == kept


def test_a_storage_has_an_end() -> None:
    printer = BambuPrinter("a1", files={"old": b"123"})
    printer.files.room = 10
    printer.store_file("new", b"1234567", 1.0)
    with pytest.raises(StorageFull):
        printer.store_file("more", b"1", 2.0)
    printer.store_file("new", b"7654321", 3.0)
    assert printer.files.remove("old")
    printer.store_file("more", b"1", 4.0)


def test_few_clients_have_a_place_and_a_known_one_takes_over() -> None:
    printer = BambuPrinter("a1")
    seats = [printer.attach(f"c{number}", 0.0) for number in range(4)]
    with pytest.raises(NotServed, match="4 clients"):
        printer.attach("c4", 1.0)
    again = printer.attach("c2", 2.0)
    assert seats[2].lost is not None
    printer.detach(again, 3.0)
    printer.attach("c4", 4.0)


def test_a_client_that_takes_nothing_is_hung_up_on() -> None:
    printer = BambuPrinter("x1c")
    seat = printer.attach("c", 0.0)
    printer.subscribe(seat, printer.report_topic, 0.0)
    printer.poll(2000.0)
    assert seat.lost == "the client takes nothing"


def test_a_plan_file_and_chance(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[fault]]\nname = "no-echo"\ncommand = "pause"\ncount = 2\nat = 5.0\n[random]\nvanished = 0.5\n'
    )
    faults = BambuFaults.read(path, seed=3)
    assert faults.plan == [BambuFault("no-echo", command="pause", at=5.0, count=2)]
    hits = [sorted(faults.strikes("command", 10.0, command="pause")) for _ in range(200)]
    assert [("no-echo" in hit) for hit in hits[:3]] == [True, True, False]
    assert 60 < sum("vanished" in hit for hit in hits) < 140
    again = BambuFaults((), {"vanished": 0.5}, seed=3)
    assert ["vanished" in again.strikes("command", 0.0) for _ in range(200)] == [
        "vanished" in hit for hit in hits
    ]


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ('[[fault]]\nname = "nope"', "no fault 'nope'"),
        ('[[fault]]\nname = "non-utf8"\ncommand = "pause"', "strikes no commands"),
        ('[[fault]]\nname = "no-echo"\ncount = 0', "count = 0"),
        ('[[fault]]\nname = "no-echo"\nwhen = 3', "no such key: when"),
        ("[[fault]]\nat = 1", "fault 1 has no name"),
        ("[random]\nno-echo = 2", "rates from 0 to 1"),
        ("[random]\nnope = 0.1", "no fault 'nope'"),
        ("fault = 3", "is a list"),
        ("seed = true", "whole number"),
        ("= 3", "faults.toml"),
    ],
)
def test_plans_that_are_none(text: str, trouble: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(BadFaults, match=trouble):
        BambuFaults.read(path)


def test_every_kind_has_an_occasion_and_says_what_it_does() -> None:
    occasions = {occasion for occasion, _ in KINDS.values()}
    assert occasions == {"command", "report", "tick", "connection", "subscription", "upload"}
    assert all(text and text[0].islower() for _, text in KINDS.values())
