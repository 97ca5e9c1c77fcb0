"""Following prints by what a printer posts: progress, ends, local prints, silence, and posts out of order."""

from __future__ import annotations

from itertools import permutations

import pytest

from gateway.domain.observations import Activity, LinkState, PrintPhase
from gateway.drivers.forge.driver import OpenPrint
from tests.support.forge_stand import JOB, LOCAL, MARK, ForgeStand

OTHER = "37ef6f6a-abe0-43c7-a738-9c6fab4504d9"
LOCAL_ID = f"local_{LOCAL}"
LOCAL_KEY = f"forge:58/{LOCAL_ID}"


def running(phase: PrintPhase = PrintPhase.PRINTING, is_local: bool = False) -> OpenPrint:
    """A print that was on the printer before the gateway was started anew."""
    key, wire_id, ident = (LOCAL_KEY, LOCAL_ID, LOCAL) if is_local else (MARK, JOB, JOB)
    message = "look" if phase is PrintPhase.HELD else None
    return OpenPrint(
        58, key, wire_id, ident, is_local, phase, phase is PrintPhase.HELD, "Part1", 0.4, message
    )


# ---------------------------------------------------------------- progress and ends


def test_progress_comes_from_acknowledgements_and_from_status_posts() -> None:
    stand = ForgeStand()
    stand.printing()
    assert stand.current is not None
    assert stand.current.progress == 0.1
    stand.acks(JOB, progress=0.2, job_status="printing", data={"layer": 6, "total_layers": 12})
    assert stand.current.progress == 0.2, "the page's one is the print's"
    assert stand.current.details == {"layer": 6, "total_layers": 12}
    stand.posts("printing", JOB, "printing", job_progress=0.3, data={"layer": 7})
    assert (stand.current.progress, stand.current.details) == (0.3, {"layer": 7})


@pytest.mark.parametrize("status", ["completed", "canceled", "failed"])
def test_an_end_is_said_with_the_printer_ready_already_and_repeated_until_acknowledged(status: str) -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("ready", JOB, status, error_code=0)
    assert stand.ends == {MARK: PrintPhase(status)}
    assert stand.current is None
    stand.passes(60, "ready")
    assert stand.ends == {MARK: PrintPhase(status)}
    stand.acknowledge(MARK)
    assert stand.ends == {}


def test_a_failure_comes_with_the_printers_own_words() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("error", JOB, "failed", error_code=4012, error_message="the resin\x07 tray\nis empty")
    [end] = stand.seen.ended
    assert (end.error_code, end.message) == (4012, "the resin tray is empty")
    assert stand.seen.message == "the resin tray is empty"


def test_late_and_backward_posts_after_an_end_change_nothing() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("ready", JOB, "completed")
    stand.acknowledge(MARK)
    stand.posts("printing", JOB, "printing", job_progress=0.9)
    stand.acks(JOB, progress=0.9, job_status="paused", printer_status=Activity.PAUSED)
    stand.posts("ready", JOB, "canceled")
    stand.posts("ready", JOB, "received")
    assert (stand.current, stand.ends) == (None, {})


def test_received_on_every_ping_and_progress_that_goes_back_harm_nothing() -> None:
    stand = ForgeStand()
    stand.printing()
    for _ in range(3):
        stand.posts("printing", JOB, "received", job_progress=0.05)
    assert stand.current is not None
    assert (stand.phase, stand.current.progress) == (PrintPhase.PRINTING, 0.1)


COURSE = [
    ("busy", JOB, "received", 0.0),
    ("printing", JOB, "printing", 0.2),
    ("printing", JOB, "printing", 0.6),
    ("ready", JOB, "completed", 1.0),
]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
def test_posts_in_any_order_and_twice_give_one_end(order: tuple[int, ...]) -> None:
    stand = ForgeStand()
    stand.start()
    for number in [number for number in order for _ in range(2)]:
        status, job_id, job_status, progress = COURSE[number]
        stand.posts(status, job_id, job_status, job_progress=progress)
    assert stand.ends == {MARK: PrintPhase.COMPLETED}
    assert stand.current is None
    assert stand.result(MARK) == "accepted"


def test_an_open_door_in_mid_print_is_maintenance_and_still_printing() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("maintenance", JOB, "printing", error_message="door open")
    assert stand.phase is PrintPhase.PRINTING
    assert (stand.seen.activity, stand.seen.message) == (Activity.MAINTENANCE, "door open")


def test_without_a_job_status_the_printer_status_counts() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("paused", JOB)
    assert stand.phase is PrintPhase.PAUSED
    stand.posts("printing")
    assert stand.phase is PrintPhase.PRINTING


def test_a_pause_and_a_cancel_at_the_panel_are_seen() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("paused", JOB, "paused")
    assert stand.phase is PrintPhase.PAUSED
    stand.posts("printing", JOB, "printing")
    assert stand.phase is PrintPhase.PRINTING
    stand.posts("busy", JOB, "canceled")
    assert stand.ends == {MARK: PrintPhase.CANCELED}
    assert stand.messages[1:] == []


# ---------------------------------------------------------------- what it does not say


def test_ready_without_the_job_for_a_minute_is_held_for_a_person() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.passes(45, "ready")
    assert stand.phase is PrintPhase.PRINTING, "one post may be late"
    stand.passes(30, "ready")
    assert stand.phase is PrintPhase.HELD
    assert stand.current is not None
    assert "did not say how this print ended" in (stand.current.message or "")
    assert stand.current.key == MARK
    stand.posts("ready", JOB, "completed")
    assert stand.ends == {MARK: PrintPhase.COMPLETED}, "the printer remembered after all"


def test_a_post_that_names_the_job_begins_the_minute_anew() -> None:
    stand = ForgeStand()
    stand.printing()
    for _ in range(5):
        stand.passes(45, "ready")
        stand.posts("printing", JOB, "printing")
    assert stand.phase is PrintPhase.PRINTING


def test_busy_or_silent_is_not_lost() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.passes(600, "busy")
    stand.passes(600)
    assert stand.phase is PrintPhase.PRINTING
    assert stand.seen.link is LinkState.DOWN


def test_a_held_print_goes_on_when_the_printer_says_so_and_is_forgotten_when_a_person_says_so() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.passes(75, "ready")
    stand.posts("printing", JOB, "printing")
    assert stand.phase is PrintPhase.PRINTING
    stand.passes(75, "ready")
    stand.acknowledge(MARK)
    assert stand.current is None
    stand.posts("printing", JOB, "printing")
    assert stand.current is None


@pytest.mark.parametrize("is_local", [False, True])
def test_after_a_restart_a_print_stays_until_the_printer_says_otherwise(is_local: bool) -> None:
    stand = ForgeStand(running(is_local=is_local), is_ready=False)
    assert stand.seen.link is LinkState.DOWN
    assert stand.phase is PrintPhase.PRINTING
    stand.passes(600)
    assert stand.phase is PrintPhase.PRINTING
    name = LOCAL_ID if is_local else JOB
    stand.posts("printing", name, "printing", job_progress=0.6)
    stand.posts("ready", name, "completed")
    assert stand.ends == {LOCAL_KEY if is_local else MARK: PrintPhase.COMPLETED}


def test_after_a_restart_a_held_print_stays_held_with_its_words() -> None:
    stand = ForgeStand(running(PrintPhase.HELD))
    stand.passes(120, "ready")
    assert stand.current is not None
    assert (stand.phase, stand.current.message) == (PrintPhase.HELD, "look")


# ---------------------------------------------------------------- local prints


def test_a_local_print_has_a_key_of_its_printer_and_its_own_uuid() -> None:
    stand = ForgeStand()
    stand.posts("printing", LOCAL_ID, "printing", job_progress=0.1, data={"job_name": "Vase.stl", "layer": 2})
    current = stand.current
    assert current is not None
    assert (current.key, current.job_id, current.is_local) == (LOCAL_KEY, LOCAL, True)
    assert (current.name, current.progress, current.phase) == ("Vase.stl", 0.1, PrintPhase.PRINTING)
    stand.posts("ready", LOCAL_ID, "completed")
    assert stand.ends == {LOCAL_KEY: PrintPhase.COMPLETED}


def test_a_local_print_of_which_only_the_end_was_heard_is_told() -> None:
    stand = ForgeStand()
    stand.posts("ready", LOCAL_ID, "completed")
    assert stand.ends == {LOCAL_KEY: PrintPhase.COMPLETED}


def test_the_same_local_name_on_two_printers_is_two_prints() -> None:
    keys = []
    for printer_id in (58, 59):
        stand = ForgeStand(printer_id=printer_id)
        stand.posts("printing", LOCAL_ID, "printing")
        assert stand.current is not None
        keys.append(stand.current.key)
    assert keys == [LOCAL_KEY, f"forge:59/{LOCAL_ID}"]


def test_the_job_of_another_printer_is_not_believed() -> None:
    stand = ForgeStand()
    stand.posts("ready", OTHER, "completed")
    stand.posts("ready", OTHER, "printing")
    stand.acks(OTHER, "received", progress=0.0, job_status="printing", printer_status=Activity.PRINTING)
    assert (stand.current, stand.ends) == (None, {})


def test_a_machine_that_runs_what_nobody_knows_has_a_local_print_without_that_id() -> None:
    stand = ForgeStand()
    stand.posts("printing", OTHER, "printing")
    assert stand.current is not None
    assert (stand.current.key, stand.current.job_id) == (f"forge:58/{OTHER}", None)
    assert stand.current.is_local


def test_a_machine_that_runs_and_gives_no_name_has_a_print_too() -> None:
    """Else its plate would count as clear when it is done."""
    stand = ForgeStand()
    stand.posts("printing")
    assert stand.current is None, "one post may be late"
    stand.posts("printing")
    assert stand.current is not None
    assert stand.current.is_local
    key = stand.current.key
    stand.posts("paused")
    assert (stand.current.key, stand.phase) == (key, PrintPhase.PAUSED)
    stand.passes(90, "ready")
    assert stand.phase is PrintPhase.HELD, "nothing says how it ended"


def test_a_local_print_in_place_of_the_job_takes_its_place_and_the_job_is_not_lost() -> None:
    stand = ForgeStand()
    stand.printing()
    stand.posts("printing", LOCAL_ID, "printing")
    assert stand.current is not None
    assert stand.current.key == LOCAL_KEY
    stand.posts("ready", LOCAL_ID, "completed")
    stand.posts("ready", JOB, "canceled")
    assert stand.ends == {LOCAL_KEY: PrintPhase.COMPLETED, MARK: PrintPhase.CANCELED}


def test_an_announced_print_is_one_however_often_it_is_announced() -> None:
    stand = ForgeStand()
    driver = stand.driver
    keys = {driver.local_print_announced(58, name, "Vase") for name in (LOCAL, LOCAL_ID, LOCAL_ID)}
    assert keys == {LOCAL_KEY}
    assert stand.current is not None
    assert (stand.current.name, stand.current.job_id) == ("Vase", LOCAL)
    stand.posts("ready", LOCAL, "completed")
    assert stand.ends == {LOCAL_KEY: PrintPhase.COMPLETED}
    assert driver.local_print_announced(58, LOCAL_ID, "Vase") == ""


def test_an_announced_print_without_an_id_gets_one() -> None:
    stand = ForgeStand()
    key = stand.driver.local_print_announced(58, None, None)
    assert stand.current is not None
    assert stand.current.key == key == f"forge:58/local_{stand.current.job_id}"


@pytest.mark.parametrize("name", [JOB, f"local_{JOB}"])
def test_a_withdrawn_print_is_canceled(name: str) -> None:
    stand = ForgeStand()
    stand.start()
    assert not stand.driver.print_withdrawn(58, OTHER)
    assert stand.driver.print_withdrawn(58, name)
    assert stand.ends == {MARK: PrintPhase.CANCELED}
    assert stand.result(MARK) == "accepted"
    assert not stand.driver.print_withdrawn(58, name)


# ---------------------------------------------------------------- how the printer is


def test_offline_after_a_minute_of_silence_and_back_with_the_next_post() -> None:
    stand = ForgeStand()
    stand.passes(59)
    assert stand.seen.link is LinkState.UP
    stand.passes(2)
    assert (stand.seen.link, stand.seen.silent_for) == (LinkState.DOWN, 61.0)
    assert "has not called for 60 s" in (stand.seen.link_reason or "")
    heard = len(stand.heard)
    stand.passes(600)
    assert len(stand.heard) == heard, "it is told once"
    stand.posts("ready")
    assert (stand.seen.link, stand.seen.silent_for) == (LinkState.UP, 0.0)


def test_a_printer_that_does_not_listen_can_take_no_job() -> None:
    stand = ForgeStand()
    assert stand.seen.obstacle is None
    stand.driver.channel_listened("/printers/58/users", False)
    assert stand.seen.obstacle is None
    stand.driver.channel_listened("/printers/58/command", False)
    assert "/faye" in (stand.seen.obstacle or "")


def test_the_last_status_post_is_kept_with_the_documented_keys() -> None:
    stand = ForgeStand()
    assert stand.seen.reported is not None
    assert "job_id" not in stand.seen.reported
    stand.posts("printing", LOCAL_ID, "printing", job_progress=0.5, data={"temperature": 28.6875, "x": "y"})
    assert stand.seen.reported == {
        "printer_status": "printing", "error_code": None, "error_message": None, "job_id": LOCAL_ID,
        "job_status": "printing", "job_progress": 0.5, "data": {"temperature": 28.6875, "x": "y"},
    }  # fmt: skip
    assert stand.seen.temperatures == {"T": 28.6875}
    assert stand.seen.firmware == "1.1.58"


def test_strangers_are_bounded_and_not_reported() -> None:
    stand = ForgeStand()
    heard = len(stand.heard)
    for printer_id in range(100, 3100):
        stand.driver.listening_changed(printer_id, True)
    assert len(stand.heard) == heard
    assert len(stand.driver._strangers) == 1000
