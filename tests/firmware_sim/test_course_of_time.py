"""Time is an argument: how often and when the board is polled changes nothing; its deadlines are honest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import Board, World, personality_names
from firmware_sim.endpoints.memory import MemoryLink
from tests.firmware_sim.talk import Talk

FILE = b"G28\nM190 S30\nM109 S45\nG1 X50 F3000\nG1 X0\nM118 E1 half\nG4 S3\nM400\nM104 S0\n"

#: (seconds, what the host writes or what happens to the machine)
SCENES: dict[str, list[tuple[float, str]]] = {
    "a long heat-up with reports": [
        (1.0, "M155 S2\nM113 S1\n"),
        (1.5, "M190 S40\nM109 S80\nM105\n"),
        (90.0, "M104 S0\nM140 S0\nM109 R40\n"),
    ],
    "moves, full planner, stop": [
        (1.0, "".join(f"G1 X{index} F120\n" for index in range(30))),
        (9.3, "M114\n"),
        (12.2, "M410\n"),
        (20.0, "M400\n"),
    ],
    "a card print under reports with host lines": [
        (1.0, "M27 S3\nM155 S4\nM23 A.GCO\nM24\n"),
        (5.0, "M105\n"),
        (30.0, "M114\nM27\n"),
        (60.0, "M25\n"),
        (90.0, "M24\n"),
    ],
    "a parked pause and its timeout": [(1.0, "M104 S60\nM600\n"), (80.0, "M108\n"), (200.0, "M108\n")],
    "killed and reset": [(1.0, "G4 S30\n"), (4.0, "!kill"), (9.0, "!reset"), (12.0, "M105\n")],
    "a heater dies": [(1.0, "M104 S60\nM155 S5\n"), (40.0, "!dead"), (300.0, "M105\n")],
    "hanging": [(1.0, "M155 S1\nG4 S4\n"), (3.3, "!silent"), (4.0, "M105\n"), (30.0, "M114\n")],
    "panel": [(1.0, "!start"), (25.0, "!pause"), (80.0, "!resume"), (81.0, "!click"), (99.0, "!cancel")],
}


def act(board: Board, what: str, now: float) -> None:
    match what:
        case "!kill":
            board.kill_button(now)
        case "!reset":
            board.reset(now)
        case "!dead":
            board.fault_heater("E0", "dead", now)
        case "!silent":
            board.fault_silent(5.0, now)
        case "!start":
            board.panel.start("A.GCO", now)
        case _ if what.startswith("!"):
            getattr(board.panel, what[1:])(now)
        case _:
            board.receive(what.encode(), now)


def printer(name: str) -> Board:
    board = Board(name, sd_files={"A.GCO": FILE})
    board.poll(0.0)
    return board


def play(name: str, scene: list[tuple[float, str]], grain: float | None) -> tuple[bytes, Board]:
    """The whole scene; `grain` None polls only where something happens, else every so many seconds too."""
    board, said, now = printer(name), b"", 0.0
    for at, what in [*scene, (scene[-1][0] + 300.0, "")]:
        while grain is not None and now + grain < at:
            now += grain
            said += board.poll(now)
        act(board, what, at)
        now = at
        if grain is not None:
            said += board.poll(now)
    return said + board.poll(now), board


@pytest.mark.parametrize("grain", [0.07, 0.5, 3.1])
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("name", ["marlin-full", "marlin-sd", "marlin-bare"])
def test_many_small_steps_are_one_big_step(name: str, scene: str, grain: float) -> None:
    script = [row for row in SCENES[scene] if name != "marlin-bare" or row[1] != "!start"]
    once, first = play(name, script, None)
    often, second = play(name, script, grain)
    assert often == once
    assert second.ledger.entries == first.ledger.entries


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("name", ["marlin-full", "marlin-sd", "marlin-stock"])
def test_a_deadline_is_neither_late_nor_idle(name: str, scene: str) -> None:
    """Between two deadlines the board has nothing to say, and there are not many more of them than words."""
    board, now, polls = printer(name), 0.0, 0
    script = [row for row in SCENES[scene] if name != "marlin-stock" or row[1] != "!start"]
    for at, what in [*script, (script[-1][0] + 300.0, "")]:
        while (due := board.next_deadline()) is not None and due <= at:
            assert due >= now
            if due > now + 1e-5:
                assert board.poll(due - 1e-6 * max(1.0, due) / 100) == b"", f"something to say before {due}"
            now = due
            board.poll(now)
            polls += 1
            assert polls < 3000, "the deadlines run in circles"
        act(board, what, at)
        now = at
        board.poll(now)


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=30), st.sampled_from(personality_names()))
@settings(deadline=None, max_examples=40)
def test_random_instants_of_polling(steps: list[float], name: str) -> None:
    def said_by(instants: list[float]) -> bytes:
        board = Board(name)
        heard = board.poll(0.0)
        board.receive(b"M155 S3\nM104 S70\nG1 X30 F600\nM109 S60\nG4 S7\nM105\n", 1.0)
        return heard + b"".join(board.poll(instant) for instant in instants)

    now, instants = 1.0, []
    for step in steps:
        now += step
        instants.append(now)
    assert said_by(instants) == said_by(instants[-1:])


def test_a_clock_that_stands_or_steps_back_does_no_harm() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 P1900\n")
    for now in (2.0, 1.5, 0.0, -5.0, 2.5):
        talk.board.poll(now)
    assert talk.board.poll(2.89) == b""
    assert talk.board.poll(2.91) == b"ok\n"


def test_a_week_passes_in_one_poll() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": FILE})
    talk.send("M23 A.GCO\nM24\n")
    heard = talk.wait(7 * 24 * 3600.0)
    assert heard.count("Done printing file") == 1
    assert talk.board.is_idle
    assert talk.board.hotend.celsius(talk.now) == pytest.approx(21.0)


def conversation(seed: int) -> tuple[list[tuple[float, bytes]], Board]:
    world = World(max_seconds=1000.0)
    board = Board("marlin-full", seed=seed, sd_files={"A.GCO": FILE})
    heard: list[tuple[float, bytes]] = []
    link = MemoryLink(world, board, lambda data: heard.append((world.now, data)))
    for at, what in SCENES["a card print under reports with host lines"]:
        world.at(at, lambda what=what: link.send(what.encode()))  # type: ignore[misc]
    world.run_until(400.0)
    return heard, board


def test_the_same_world_twice_is_the_same_to_the_instant() -> None:
    first, second = conversation(3), conversation(3)
    assert first[0] == second[0]
    assert first[1].ledger.entries == second[1].ledger.entries
    assert len(first[0]) > 30


def test_touching_the_board_from_outside_wakes_the_link() -> None:
    world, heard = World(), list[bytes]()
    board = Board("marlin-stock")
    link = MemoryLink(world, board, heard.append)
    world.run_until(10.0)
    heard.clear()
    board.kill_button(10.0)
    world.run_until(20.0)
    assert heard == [], "nobody looked"
    link.touched()
    world.run_until(21.0)
    assert b"".join(heard).endswith(b"Error:Printer halted. kill() called!\n")
