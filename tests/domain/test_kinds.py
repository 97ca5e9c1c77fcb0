"""What differs by the kind of printer: which files it prints, and what can be done about a held print."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.commands import CommandRefused, RecoverJob
from gateway.domain.file import StoredFile
from gateway.domain.kinds import misfit
from gateway.domain.observations import DriverDetached, LinkState, PrintPhase
from gateway.domain.orders import StartPrint
from tests.support.stand import BEN, Table, a_file, a_submission, house, printer, report, seen


def a_file_of(kind: str) -> StoredFile:
    name = {"gcode.3mf": "part.gcode.3mf"}.get(kind, f"part.{kind}")
    return replace(a_file(name), metadata={"format": kind})


@pytest.mark.parametrize(
    ("driver", "prints"),
    [
        ("marlin", {"gcode"}),
        ("moonraker", {"gcode"}),
        ("bambu", {"gcode", "gcode.3mf"}),
        ("forge", {"gcode", "gcode.3mf", "zip", "tar.gz"}),
    ],
)
def test_each_kind_reads_its_formats(driver: str, prints: set[str]) -> None:
    formats = ("gcode", "gcode.3mf", "zip", "tar.gz")
    there = printer(driver=driver)
    assert {given for given in formats if misfit(there, "part", given) is None} == prints


def test_a_file_for_another_kind_is_refused_before_anything_is_sent() -> None:
    for driver, kind, expected in (
        ("marlin", "gcode.3mf", "mk3 prints G-code, and 'part.gcode.3mf' is gcode.3mf: slice it for this"),
        ("bambu", "tar.gz", "mk3 prints sliced 3MF files (.gcode.3mf) and G-code, and 'part.tar.gz' is"),
    ):
        table = Table(house(printer(driver=driver)))
        with pytest.raises(CommandRefused) as refused:
            table.give(a_submission(file=a_file_of(kind)))
        assert str(refused.value).startswith(expected)
        assert not table.orders


def test_a_sliced_3mf_starts_on_a_bambu_printer() -> None:
    table = Table(house(printer(driver="bambu")))
    table.give(a_submission(file=a_file_of("gcode.3mf")))
    assert [type(order) for order in table.orders] == [StartPrint]


@pytest.mark.parametrize("driver", ["bambu", "moonraker"])
def test_a_held_print_of_a_machine_that_has_the_file_cannot_be_recovered(driver: str) -> None:
    table = Table(house(printer(driver=driver)))
    table.give(a_submission())
    key = str(table.job().print_key)
    table.give(seen(report(key)))
    table.give(seen(report(key, PrintPhase.HELD, message="it does not know it any more")))
    job = table.job()
    assert job.is_held
    with pytest.raises(CommandRefused, match="prints by itself, from its own copy of the file"):
        table.give(RecoverJob(job.job_id, BEN.member_id, job.position or 0, 0, 0, (), ()))


@pytest.mark.parametrize("driver", ["bambu", "moonraker"])
def test_nobody_speaks_of_streamers_where_there_is_none(driver: str) -> None:
    table = Table(house(printer(driver=driver)))
    table.give(a_submission())
    key = str(table.job().print_key)
    table.give(seen(report(key)))
    table.give(seen())
    table.clock.advance(10)
    table.give(seen())
    assert table.job().is_held
    assert str(table.job().message).startswith("mk3 does not speak of this print any more; look at mk3")


def test_a_streamer_that_goes_takes_its_own_printers_only() -> None:
    table = Table(house(printer(), printer(2, "a1", driver="bambu")))
    table.give(DriverDetached("streamer", "it went"))
    presence = table.state.presence
    assert (presence[1].link, presence[2].link) == (LinkState.DOWN, LinkState.UP)
