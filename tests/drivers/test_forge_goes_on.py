"""A print that is over for the gateway and that the machine runs all the same: shown, and to be stopped.

Over by a word of the printer, or because a person said so of a held one. One late word changes nothing.
"""

from __future__ import annotations

import pytest

from gateway.domain.observations import PrintPhase
from gateway.drivers.forge.driver import OpenPrint
from gateway.drivers.forge.names import ident_of, names_in_key
from gateway.drivers.forge.prints import GOES_ON, GOES_ON_SECONDS
from tests.support.forge_stand import JOB, LOCAL, MARK, ForgeStand

RUNS = ("printing", JOB, "printing")


def over(stand: ForgeStand) -> None:
    """A person says of the print on the machine that it is over."""
    stand.printing()
    stand.acknowledge(MARK)
    assert stand.current is None


def test_a_machine_that_goes_on_is_seen() -> None:
    stand = ForgeStand()
    over(stand)
    stand.posts(*RUNS)
    stand.passes(GOES_ON_SECONDS - 15, *RUNS)
    assert stand.current is None
    stand.passes(15, *RUNS)
    assert stand.current is not None
    assert (stand.phase, stand.current.is_local) == (PrintPhase.PRINTING, True)
    assert stand.current.key not in (MARK, f"forge:58/{JOB}")
    assert stand.current.message == GOES_ON


def test_it_can_be_canceled() -> None:
    stand = ForgeStand()
    over(stand)
    stand.passes(GOES_ON_SECONDS + 15, *RUNS)
    assert stand.current is not None
    stand.cancel(stand.current.key)
    assert stand.messages[-1].payload["job_id"] == JOB
    key = stand.current.key
    stand.posts("ready", JOB, "canceled")
    assert stand.ends == {key: PrintPhase.CANCELED}


def test_its_next_process_knows_it_by_that_key() -> None:
    stand = ForgeStand()
    over(stand)
    stand.passes(GOES_ON_SECONDS + 15, *RUNS)
    assert stand.current is not None
    key = stand.current.key
    wire_id, ident = names_in_key(key)
    assert (wire_id, ident) == (JOB, ident_of(JOB))
    left = OpenPrint(58, key, wire_id, ident, True, PrintPhase.PRINTING, False, "print", 0.5, None)
    later = ForgeStand(left, is_ready=False)
    later.posts(*RUNS)
    assert later.current is not None
    assert later.current.key == key


@pytest.mark.parametrize(
    "between",
    [
        ("ready",),
        ("ready", JOB, "completed"),
        ("printing", JOB, "completed"),
        ("printing", f"local_{LOCAL}", "printing"),
    ],
)
def test_any_other_word_of_the_printer_says_that_those_were_late(between: tuple[str, ...]) -> None:
    stand = ForgeStand()
    over(stand)
    stand.posts(*RUNS)
    stand.passes(GOES_ON_SECONDS - 15, *RUNS)
    stand.posts(*between)
    stand.passes(GOES_ON_SECONDS, *RUNS)
    keys = [stand.current.key] if stand.current else []
    assert keys in ([], [f"forge:58/local_{LOCAL}"])


def test_acknowledgements_alone_prove_nothing() -> None:
    stand = ForgeStand()
    over(stand)
    for _ in range(10):
        stand.passes(15)
        stand.acks(JOB, job_status="printing", progress=0.5)
    assert stand.current is None


def test_a_local_print_gets_a_key_that_its_end_did_not_have() -> None:
    stand = ForgeStand()
    words = ("printing", f"local_{LOCAL}", "printing")
    stand.posts(*words)
    stand.posts("ready", f"local_{LOCAL}", "canceled")
    stand.acknowledge(f"forge:58/local_{LOCAL}")
    stand.passes(GOES_ON_SECONDS + 15, *words)
    assert stand.current is not None
    assert stand.current.key.startswith(f"forge:58/local_{LOCAL}~")
