"""The control socket: orders right and wrong, as they come over a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim import Board, Ledger
from firmware_sim.endpoints.control import ControlRefused, ControlSocket, obey
from firmware_sim.endpoints.pump import Pump
from tests.firmware_sim.talk import Talk

FILE = b"G28\nM118 E1 hello\nG4 S100\n"


class Hand:
    """A board that is pumped, and a connection to its control socket."""

    def __init__(self, pump: Pump, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pump, self.reader, self.writer = pump, reader, writer
        self.said = b""

    async def order(self, text: str | bytes) -> dict[str, object]:
        self.writer.write((text if isinstance(text, bytes) else text.encode()) + b"\n")
        answer: dict[str, object] = json.loads(await asyncio.wait_for(self.reader.readline(), 60.0))
        return answer


@pytest.fixture
async def hand(tmp_path: Path) -> AsyncIterator[Hand]:
    said = bytearray()
    board = Board("marlin-sd", ledger=Ledger(), sd_files={"A.GCO": FILE, "two words.gcode": FILE})
    pump = Pump(board, said.extend, speed=1000.0)
    pump.turn()
    control = ControlSocket(pump, tmp_path / "c")
    await control.open()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "c")
    hand = Hand(pump, reader, writer)
    yield hand
    writer.close()
    await control.close()
    pump.stop()
    assert not (tmp_path / "c").exists()


RIGHT = [
    "status", "panel start A.GCO", "panel start a.gco", "panel start two words.gcode", "panel pause",
    "panel resume", "panel cancel", "panel click", "reset", "kill", "fault lose-ok", "fault lose-ok 3",
    "fault corrupt-line", "fault corrupt-line 99", "fault silent 0", "fault silent 1.5", "fault silent inf",
    "fault heater E0 dead", "fault heater bed open", "fault heater E0 short", "  status  ",
]  # fmt: skip

WRONG = [
    ("", "not understood: ''"),
    ("dance", "not understood: 'dance'"),
    ("STATUS", "not understood: 'STATUS'"),
    ("status now", "not understood"),
    ("reset hard", "not understood"),
    ("panel", "not understood"),
    ("panel start", "not understood"),
    ("panel dance", "not understood"),
    ("panel pause now", "not understood"),
    ("panel start nope.gcode", "no file 'nope.gcode' on the card"),
    ("fault", "no such fault: ''"),
    ("fault flood", "no such fault: 'flood'"),
    ("fault silent", "no such fault: 'silent'"),
    ("fault silent soon", "not a number of seconds: 'soon'"),
    ("fault silent nan", "not a number of seconds: 'nan'"),
    ("fault silent -1", "not a number of seconds: '-1'"),
    ("fault silent 1 2", "no such fault"),
    ("fault lose-ok many", "not a count from 1 up: 'many'"),
    ("fault lose-ok 0", "not a count from 1 up: '0'"),
    ("fault lose-ok -3", "not a count from 1 up: '-3'"),
    ("fault lose-ok 1.5", "not a count from 1 up: '1.5'"),
    ("fault lose-ok 1 2", "not a count from 1 up: '1 2'"),
    ("fault lose-ok 99999999999999999999", "not a count"),
    ("fault corrupt-line x", "not a count from 1 up: 'x'"),
    ("fault heater", "no such fault: 'heater'"),
    ("fault heater E0", "no such fault"),
    ("fault heater E7 dead", "no heater 'E7'; there are: E0, bed"),
    ("fault heater E0 sad", "no heater fault 'sad'; there are: dead, slow, open, short"),
]


@pytest.mark.parametrize("order", RIGHT)
async def test_an_order_that_is_understood(hand: Hand, order: str) -> None:
    assert (await hand.order(order))["ok"] is True


@pytest.mark.parametrize(("order", "error"), WRONG)
async def test_an_order_that_is_not(hand: Hand, order: str, error: str) -> None:
    answer = await hand.order(order)
    assert answer["ok"] is False
    assert error in str(answer["error"])
    assert (await hand.order("status"))["ok"] is True, "the connection goes on"


async def test_wrong_orders_leave_no_trace_in_the_machine(hand: Hand) -> None:
    before = len(hand.pump.board.ledger)
    for order, _ in WRONG:
        await hand.order(order)
    assert len(hand.pump.board.ledger) == before
    hand.pump.feed(b"M105\n")
    assert hand.pump.board.ledger.executed() == ["M105"], "no fault is armed, nothing is silent"


async def test_bytes_that_are_no_text(hand: Hand) -> None:
    assert (await hand.order(b"\xff\xfe panel"))["ok"] is False
    assert (await hand.order(b"status\r"))["ok"] is True


async def test_several_orders_in_one_write_are_answered_in_order(hand: Hand) -> None:
    hand.writer.write(b"status\ndance\nreset\n")
    answers = [json.loads(await hand.reader.readline()) for _ in range(3)]
    assert [answer["ok"] for answer in answers] == [True, False, True]


async def test_two_hands_at_once_and_one_that_hangs_up_in_mid_order(hand: Hand, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "c")
    writer.write(b"stat")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    # Half an order is none: what comes back, if anything, is the refusal.
    assert b'"ok": true' not in await reader.read()
    assert (await hand.order("status"))["ok"] is True


async def test_an_order_without_end_is_hung_up_on(hand: Hand, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "c")
    with contextlib.suppress(ConnectionError):
        writer.write(b"x" * 300_000)
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 60.0) == b""
    writer.close()
    assert (await hand.order("status"))["ok"] is True


async def test_the_panel_works_through_the_socket(hand: Hand) -> None:
    assert await hand.order("panel start two words.gcode") == {"ok": True}
    card = (await hand.order("status"))["sd"]
    assert isinstance(card, dict)
    assert (card["state"], card["file"], card["size"]) == ("printing", "TWOWOR~1.GCO", len(FILE))
    assert await hand.order("kill") == {"ok": True}
    status = await hand.order("status")
    assert status["halted"] is True
    assert [entry.line for entry in hand.pump.board.ledger.events("panel")] == ["start TWOWOR~1.GCO"]


async def test_a_path_that_cannot_be_had_is_refused_by_name(tmp_path: Path) -> None:
    pump = Pump(Board("marlin-stock"), lambda _: None)
    for path in (tmp_path, tmp_path / "nope" / "c", tmp_path / ("x" * 120)):
        control = ControlSocket(pump, path)
        with pytest.raises(ControlRefused, match="no control socket at"):
            await control.open()
        await control.close()
    assert tmp_path.is_dir()


async def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    pump = Pump(Board("marlin-stock"), lambda _: None)
    first = ControlSocket(pump, tmp_path / "c")
    await first.open()
    second = ControlSocket(pump, tmp_path / "c")
    await second.open()
    await second.close()
    await first.close()
    assert not (tmp_path / "c").exists()


def test_status_is_plain_data_in_every_state() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": FILE})
    states = []
    for order in ("status", "panel start A.GCO", "panel pause", "panel cancel", "kill", "reset"):
        obey(talk.board, order, talk.now)
        talk.wait(0.5)
        status = obey(talk.board, "status", talk.now)
        json.dumps(status, allow_nan=False)
        states.append((status["idle"], status["halted"]))
    assert states[0] == (True, False)
    assert states[1] == (False, False)
    assert states[4] == (True, True)


async def test_ending_with_a_person_still_connected_is_quiet(tmp_path: Path) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    pump = Pump(Board("marlin-sd"), bytearray().extend)
    control = ControlSocket(pump, tmp_path / "c")
    await control.open()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "c")
    writer.write(b"status\n")
    await reader.readline()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await control.close()
    assert all(task.done() and not task.cancelled() for task in others), "nothing is left to be cancelled"
    assert complaints == []
    writer.close()
    pump.stop()
