"""Plans: what strikes when, by script and by seed, and how a file that cannot be a plan is told off."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from firmware_sim import Board, Ledger
from firmware_sim.faults import catalogue
from firmware_sim.faults.catalogue import KINDS, TO_BOARD, TO_HOST, NoSuchFault, Occasion, fault_named, labels
from firmware_sim.faults.plan import FaultPlan, Planned, Trigger
from firmware_sim.faults.plan_file import BadPlan, rates_from, read_plan
from firmware_sim.faults.random_plan import RandomPlan, gap
from tests.firmware_sim.talk import Talk, frame


def struck(board: Board) -> list[str]:
    return [entry.line or "" for entry in board.ledger.events("fault")]


def talk_with(*entries: Planned, personality: str = "marlin-full") -> Talk:
    talk = Talk(personality)
    talk.board.faults.load(FaultPlan(entries))
    return talk


# -- triggers ---------------------------------------------------------------------------------------------


def test_at_line_3_drop_the_ok() -> None:
    talk = talk_with(Planned(catalogue.ok_lost(), Trigger(line=3)))
    heard = [talk.send(frame(number, "M117 x")) for number in (1, 2, 3, 4)]
    assert [len(lines) for lines in heard] == [1, 1, 0, 1]
    assert struck(talk.board) == ["ok-lost: ok N3 P15 B7"]


def test_the_ok_of_a_line_is_found_behind_a_window() -> None:
    talk = talk_with(Planned(catalogue.ok_lost(), Trigger(line=2)))
    heard = talk.send("G4 P500\n" + frame(1, "M117 a") + frame(2, "M117 b") + frame(3, "M117 c"))
    oks = [line[:5] for line in heard + talk.wait(1.0) if line.startswith("ok")]
    assert oks == ["ok P1", "ok N1", "ok N3"]


def test_a_byte_of_line_2_is_lost() -> None:
    talk = talk_with(Planned(catalogue.byte_lost(TO_BOARD), Trigger(line=2)))
    assert talk.send(frame(1, "G92 E0"))[-1] == "ok N1 P15 B7"
    talk.send(frame(2, "G92 E0"))
    assert struck(talk.board)[0].startswith("byte-lost to-board: ")
    assert talk.send(frame(3, "G92 E0"))[1] == "Resend: 2"


def test_the_fifth_byte_to_the_board() -> None:
    talk = talk_with(Planned(catalogue.byte_doubled(TO_BOARD), Trigger(byte=5)))
    assert talk.send("M118 abc\n")[:2] == ["abc\r", "ok P15 B7"]
    assert struck(talk.board) == ["byte-doubled to-board:   arrived twice"]


def test_the_first_byte_to_the_host() -> None:
    talk = talk_with(Planned(catalogue.byte_lost(TO_HOST), Trigger(byte=1)))
    assert talk.send("M118 abc\n") == ["bc\r", "ok P15 B7"]


def test_at_a_time() -> None:
    talk = talk_with(Planned(catalogue.reset(), Trigger(at=5.0)))
    talk.send("G4 S60\n")
    assert talk.wait(3.9) == ["echo:busy: processing"]
    assert "start" in talk.wait(3.0)
    assert struck(talk.board) == ["reset"]
    assert talk.ledger.events("fault")[0].t == 5.0


@pytest.mark.parametrize(
    ("state", "command"),
    [("homing", "G28"), ("heating", "M109 S200"), ("printing", "G1 X5 E1 F600")],
)
def test_in_a_state(state: str, command: str) -> None:
    talk = talk_with(Planned(catalogue.halt(), Trigger(state=state, delay=2.0)))
    talk.send("M302 P1\nG1 X1 F600\nG4 S5\n")
    talk.wait(20.0)
    began = talk.now
    talk.send(f"{command}\n")
    talk.wait(10.0)
    [kill] = talk.ledger.events("kill")
    assert kill.t == began + 2.0


def test_count_strikes_in_a_row() -> None:
    talk = talk_with(Planned(catalogue.ok_lost(), count=2))
    assert [len(talk.send("M117 x\n")) for _ in range(4)] == [0, 0, 1, 1]


# -- by seed ----------------------------------------------------------------------------------------------


def test_every_rate_is_kept_in_the_long_run() -> None:
    dice = Random(3)
    gaps = [gap(dice, 0.01, Occasion.BYTE) for _ in range(20_000)]
    assert min(gaps) >= 1
    assert sum(gaps) / len(gaps) == pytest.approx(100.0, rel=0.03)
    assert gap(dice, 1.0, Occasion.OK) == 1


def busy_hour(seed: int, rates: dict[str, float]) -> Board:
    board = Board("marlin-full", ledger=Ledger(), faults=RandomPlan(seed, rates))
    for second in range(1, 600):
        board.receive(b"M117 hello\nM105\n", float(second))
        board.poll(float(second))
    return board


def test_the_same_seed_is_the_same_bad_luck_and_another_is_not() -> None:
    rates = {"ok-lost": 0.05, "byte-flipped to-board": 1e-3, "reset": 0.01}
    first, again, other = busy_hour(1, rates), busy_hour(1, rates), busy_hour(2, rates)
    assert first.ledger.entries == again.ledger.entries
    assert struck(first) != struck(other)
    assert {line.partition(":")[0] for line in struck(first)} == set(rates)


def test_one_fault_more_leaves_the_others_where_they_were() -> None:
    resets = [e.t for e in busy_hour(1, {"reset": 0.01}).ledger.events("reset")]
    both = busy_hour(1, {"reset": 0.01, "ok-doubled": 0.1})
    assert [e.t for e in both.ledger.events("reset")] == resets != []
    assert any(line.startswith("ok-doubled") for line in struck(both))


def test_every_fault_of_the_catalogue_can_strike_at_random_and_leaves_its_name() -> None:
    for label in labels():
        kind = KINDS[label.split()[0]]
        rate = 0.01 if kind.occasion in (Occasion.INSTANT, Occasion.BYTE) else 1.0
        board = Board("marlin-full", sd_files={"A.GCO": b"G4 S9\n"}, faults=RandomPlan(5, {label: rate}))
        for second in range(1, 400):
            board.receive(b"G4 P10\nN5 M117 out of order*3\n", float(second))
            board.poll(float(second))
        assert struck(board), label
        assert all(line.split(":")[0] == label for line in struck(board))


# -- names and files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "settings", "says"),
    [
        ("ok-lots", {}, "there are: baud-mismatch"),
        ("byte-lost", {}, "byte-lost to-board"),
        ("ok-lost to-board", {}, "ok-lost"),
        ("ok-lost", {"seconds": 1.0}, "no setting 'seconds'; there are: none"),
        ("ok-late", {"seconds": -1.0}, "more than 0"),
        ("rx-overflow", {"size": 1.5}, "more than 0"),
        ("heater-dead", {"what": 5}, "a word"),
    ],
)
def test_a_fault_that_does_not_exist(label: str, settings: dict[str, object], says: str) -> None:
    with pytest.raises(NoSuchFault, match=says) as error:
        fault_named(label, **settings)
    assert "\n" not in str(error.value)


PLAN = """
seed = 9
[[fault]]
name = "ok-lost"
line = 3
[[fault]]
name = "silent"
state = "homing"
delay = 2.5
seconds = 4.0
count = 2
[random]
"byte-flipped to-board" = 0.01
ok-late = { rate = 0.5, seconds = 2.0 }
"""
AS_JSON = """
{"seed": 9}
{"name": "ok-lost", "line": 3}
{"name": "silent", "state": "homing", "delay": 2.5, "seconds": 4.0, "count": 2}
{"random": {"byte-flipped to-board": 0.01, "ok-late": {"rate": 0.5, "seconds": 2.0}}}
"""


@pytest.mark.parametrize("text", [PLAN, AS_JSON])
def test_a_plan_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan"
    path.write_text(text)
    plan = read_plan(path, seed=1)
    assert plan.entries == [
        Planned(catalogue.ok_lost(), Trigger(line=3)),
        Planned(catalogue.silent(4.0), Trigger(state="homing", delay=2.5), 2),
    ]
    [drawn] = plan.also
    assert isinstance(drawn, RandomPlan)
    assert drawn.seed == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[fault]]\nname = 'ok-lots'", "fault 1 (ok-lots): no fault"),
        ("[[fault]]\nname = 'ok-lost'\n[[fault]]\nline = 3", "fault 2 has no name"),
        ("[[fault]]\nname = 'ok-lost'\nline = 0", "line = 0 is not"),
        ("[[fault]]\nname = 'ok-lost'\nline = 3\nat = 2", "more than one trigger: at, line"),
        ("[[fault]]\nname = 'ok-lost'\nstate = 'sleeping'", "there are: heating, homing, printing"),
        ("[[fault]]\nname = 'ok-lost'\ndelay = 3", "delay goes with state"),
        ("[[fault]]\nname = 'ok-lost'\nat = true", "at = True is not"),
        ("[[fault]]\nname = 'ok-lost'\ncolour = 'red'", "no setting 'colour'"),
        ("[random]\nok-lost = 2.0", "random: ok-lost: the rate is a number from 0 to 1"),
        ("random = 3", "table of rates"),
        ("fault = 3", "write [[fault]]"),
        ("seed = 'x'", "seed = 'x'"),
        ("faults = []", "no such key: faults"),
        ("= 3", "Invalid"),
        ('{"name": "ok-lost"}\n{"name": ', "line 2: "),
    ],
)
def test_a_file_that_is_no_plan_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "plan"
    path.write_text(text)
    with pytest.raises(BadPlan) as error:
        read_plan(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message


def test_rates_of_a_command_line() -> None:
    assert rates_from("ok-lost=0.01, byte-lost to-host=1e-4") == {"ok-lost": 0.01, "byte-lost to-host": 1e-4}
    with pytest.raises(BadPlan, match="no ="):
        rates_from("ok-lost")
