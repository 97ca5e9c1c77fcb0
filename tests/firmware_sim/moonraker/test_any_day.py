"""Days on which people, accidents and lost messages meet, by seed: the machine stays one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from firmware_sim.ledger import Entry
from firmware_sim.moonraker.faults import Misfortunes
from firmware_sim.moonraker.life import Life
from firmware_sim.moonraker.uploads import UploadForm
from tests.firmware_sim.moonraker.bench import PART, Bench, Heard

FILES = {"hot": b"M109 S60\n" + PART, "bad": b"G1 X5\n", "halted": b"G28\nPAUSE\nG1 X5\n"}
RATES = {"reply-lost": 0.05, "reply-late": 0.05, "request-lost": 0.05, "request-doubled": 0.05}
SCRIPTS = (
    "M112", "G28", "SDCARD_RESET_FILE", "M23 part.gcode", "M24", "M25", "FIRMWARE_RESTART\nG28", "CLEAR_PAUSE"
)  # fmt: skip
METHODS = (
    "printer.print.cancel", "printer.print.pause", "printer.print.resume", "printer.emergency_stop",
    "printer.firmware_restart", "printer.firmware_restart", "printer.restart", "server.history.list",
)  # fmt: skip


def deeds(bench: Bench, chance: Random) -> list[Callable[[], object]]:
    """What somebody may do, or what may happen, at this instant."""
    machine, now = bench.printer, bench.now
    file = f"{chance.choice(['part', 'hot', 'bad', 'halted', 'missing'])}.gcode"
    return [
        lambda: machine.broker_up(now) if machine.wants_broker else None,
        lambda: machine.broker_lost(now),
        lambda: bench.ask("printer.print.start", filename=file),
        lambda: bench.ask("printer.print.start", filename=file),
        lambda: bench.ask(chance.choice(METHODS)),
        lambda: bench.ask(chance.choice(METHODS)),
        lambda: bench.ask("printer.gcode.script", script=chance.choice(SCRIPTS)),
        lambda: bench.ask("printer.objects.subscribe", objects={"print_stats": None}),
        lambda: bench.ask("printer.objects.query", objects={"webhooks": None}),
        lambda: machine.kill_klippy(now),
        lambda: machine.start_klippy(now),
        lambda: machine.restart_klippy(now),
        lambda: machine.kill_moonraker(now, back_after=chance.choice([None, 1.0])),
        lambda: machine.start_moonraker(now),
        lambda: machine.power_cycle(now),
        lambda: machine.panel.start("part.gcode", now),
        lambda: machine.panel.cancel(now),
        lambda: machine.upload(UploadForm("new.gcode", PART, should_print=chance.random() < 0.3), now),
    ]


def day(seed: int) -> tuple[list[Heard], list[Entry]]:
    """Sixty deeds, some at once and some far apart."""
    chance, bench = Random(seed), Bench(**FILES)
    bench.printer.faults = Misfortunes(rates=RATES, seed=seed)
    for _ in range(60):
        chance.choice(deeds(bench, chance))()
        bench.run(chance.choice([0.0, 0.1, 1.0, 5.0, 20.0]))
        check(bench)
    starts = bench.printer.physical_starts()
    assert [entry.n for entry in starts] == list(range(1, len(starts) + 1))
    return bench.said, list(bench.printer.ledger)


def check(bench: Bench) -> None:
    machine = bench.printer
    klippy, due = machine.klippy, machine.next_deadline()
    assert due is None or due > bench.now, "whatever is due has happened"
    if klippy.life is Life.READY:
        assert (klippy.stats.state == "printing") is klippy.sdcard.is_active
    assert sum(job.status == "in_progress" for job in machine.server.history) < 2


@pytest.mark.parametrize("seed", range(12))
def test_a_day(seed: int) -> None:
    day(seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12, 500))
def test_many_days(seed: int) -> None:
    day(seed)


def test_the_same_day_is_the_same_day() -> None:
    assert day(5) == day(5)
