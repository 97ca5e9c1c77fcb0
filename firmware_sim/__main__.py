"""The command `firmware-sim`: a simulated printer, on a pseudo-terminal or on a network.

Prints `ready PATH` or `ready tcp://HOST:PORT` when it can be opened, `ready URL` when it has called in there,
`ready NAME URL` when it is on the broker, and runs until SIGTERM or SIGINT. Exit status 0; 2 for an argument
that is wrong or cannot be had (unknown personality, a link path that is taken, a folder that is not there):
then one line on stderr says which.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from firmware_sim.bambu.options import add_options as add_bambu_options
from firmware_sim.endpoints.control import ControlRefused, ControlSocket
from firmware_sim.endpoints.pty import LinkRefused, PtyEndpoint
from firmware_sim.endpoints.pump import Pump
from firmware_sim.endpoints.tcp import ListenRefused, TcpEndpoint
from firmware_sim.faults.plan import FaultPlan
from firmware_sim.faults.plan_file import BadPlan, random_part, rates_from, read_plan
from firmware_sim.forge.options import add_options as add_call_in_options
from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.moonraker.options import add_options as add_moonraker_options
from firmware_sim.personality import (
    BadPersonality,
    UnknownPersonality,
    load_personality,
    personality_names,
)
from firmware_sim.playing import Replay
from firmware_sim.replay import BadWireLog, read_wire_log
from firmware_sim.wire.link import Link

USAGE_ERROR = 2
LEAST_BAUD, MOST_BAUD = 300, 4_000_000
"""What UARTs of printers run at, with room on both sides."""
MOST_PORT = 65_535
REPLAY_PERSONALITY = "marlin-stock"
NETWORK_KINDS = {
    "bambu": "firmware_sim.bambu.command_line",
    "forge": "firmware_sim.forge.command_line",
    "moonraker": "firmware_sim.moonraker.command_line",
}
"""Printers that are no boards: who serves them. Each has `serve(options, stopped)` and `CannotStart`."""


class CannotStart(Exception):
    """An argument that cannot be had; the message is the line for the user."""


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line; how it would be right is told by --help."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.kind in NETWORK_KINDS:
        return _network_printer(options)
    try:
        board = _lender(options) if options.kind == "replay" else _board(options)
    except CannotStart as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    try:
        return asyncio.run(_serve(options, board))
    except BadWireLog as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (LinkRefused, ListenRefused, ControlRefused) as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        board.ledger.close()


def _network_printer(options: argparse.Namespace) -> int:
    """A printer without a board. Its module, and what that needs, is loaded only when it is wanted."""
    printer = importlib.import_module(NETWORK_KINDS[options.kind])

    async def until_signal() -> None:
        await printer.serve(options, _stop_by_signal())

    try:
        asyncio.run(until_signal())
    except (printer.CannotStart, ControlRefused) as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0


def _stop_by_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="firmware-sim", description="A simulated 3D printer.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    serial = kinds.add_parser("serial", help="a Marlin printer on a pseudo-terminal")
    serial.add_argument("--link", type=Path, required=True, metavar="PATH", help="symlink to the pty")
    serial.add_argument(
        "--by-id", nargs=2, metavar=("DIR", "NAME"), help="a second symlink DIR/NAME, as in /dev/serial/by-id"
    )
    tcp = kinds.add_parser("tcp", help="a Marlin printer on a TCP port")
    tcp.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT", help="port 0: any")
    for kind in (serial, tcp):
        _add_machine_options(kind)
    replay = kinds.add_parser("replay", help="a recorded wire log plays the printer, on a pseudo-terminal")
    replay.add_argument("wirelog", type=Path, metavar="WIRELOG", help="as the gateway writes it")
    replay.add_argument("--link", type=Path, required=True, metavar="PATH", help="symlink to the pty")
    replay.add_argument("--ledger", type=Path, metavar="FILE", help="JSON lines: where the host deviates")
    replay.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="recorded time per real time")
    bambu = kinds.add_parser("bambu", help="a Bambu Lab printer: its own MQTT broker, and files over FTPS")
    bambu.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT", help="port 0: any")
    add_bambu_options(bambu)
    _add_common_options(bambu)
    calling = kinds.add_parser("forge", help="a printer that calls in, by the Forge firmware protocol")
    add_call_in_options(calling)
    _add_common_options(calling)
    moonraker = kinds.add_parser("moonraker", help="Klipper with Moonraker, on somebody's MQTT broker")
    add_moonraker_options(moonraker)
    _add_common_options(moonraker)
    return parser


def _add_common_options(kind: argparse.ArgumentParser) -> None:
    kind.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random")
    kind.add_argument("--ledger", type=Path, metavar="FILE", help="JSON lines: what the machine really did")
    kind.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="machine time per real time")
    kind.add_argument("--control", type=Path, metavar="SOCKET", help="Unix socket to act as a person")


def _add_machine_options(kind: argparse.ArgumentParser) -> None:
    names = ", ".join(personality_names())
    kind.add_argument("--personality", default="marlin-sd", metavar="NAME", help=f"one of: {names}")
    _add_common_options(kind)
    kind.add_argument("--sd", type=Path, metavar="DIR", help="every file in DIR is on the SD card")
    kind.add_argument("--baud", type=_baud, default=0, metavar="RATE", help="10 bits a byte; 0: as USB")
    kind.add_argument("--faults", type=Path, metavar="FILE", help="a fault plan, TOML or JSON lines")
    kind.add_argument("--rates", metavar="NAME=RATE,...", help="faults at random, by --seed")


def _baud(text: str) -> int:
    if not text.isdecimal() or not (int(text) == 0 or LEAST_BAUD <= int(text) <= MOST_BAUD):
        raise argparse.ArgumentTypeError(f"baud is 0 or {LEAST_BAUD} to {MOST_BAUD}, not {text!r}")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > MOST_PORT:
        raise argparse.ArgumentTypeError(f"the address is HOST:PORT, not {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"speed must be a number more than 0, not {text!r}")
    return value


def _board(options: argparse.Namespace) -> Board:
    try:
        personality = load_personality(options.personality)
    except (UnknownPersonality, BadPersonality) as error:
        raise CannotStart(str(error)) from error
    try:
        plan = _plan(options)
    except BadPlan as error:
        raise CannotStart(str(error)) from error
    try:
        files = _files_of(options.sd)
    except OSError as error:
        raise CannotStart(f"--sd {options.sd}: {error.strerror or error}") from error
    ledger = _ledger(options)
    return Board(personality, ledger=ledger, seed=options.seed, sd_files=files, faults=plan)


def _ledger(options: argparse.Namespace) -> Ledger:
    try:
        return Ledger(options.ledger)
    except OSError as error:
        raise CannotStart(f"--ledger {options.ledger}: {error.strerror}") from error


def _lender(options: argparse.Namespace) -> Board:
    """A board that never runs: a replay needs its ledger only."""
    return Board(REPLAY_PERSONALITY, ledger=_ledger(options))


def _plan(options: argparse.Namespace) -> FaultPlan:
    scripted = read_plan(options.faults, options.seed) if options.faults else FaultPlan()
    if not options.rates:
        return scripted
    drawn = random_part(rates_from(options.rates), options.seed)
    return FaultPlan(scripted.entries, (*scripted.also, drawn))


def _files_of(folder: Path | None) -> dict[str, bytes] | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise NotADirectoryError("not a folder")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


async def _serve(options: argparse.Namespace, board: Board) -> int:
    stopped = _stop_by_signal()
    if options.kind == "replay":
        told = Replay(board, read_wire_log(options.wirelog), lambda text: print(text, flush=True))
        return await _serve_pty(options, board, told, None, stopped)
    cable = Link(board, baud=options.baud) if options.baud else None
    if options.kind == "tcp":
        return await _serve_tcp(options, board, cable, stopped)
    by_id = Path(*options.by_id) if options.by_id else None
    return await _serve_pty(options, board, cable, by_id, stopped)


async def _serve_pty(
    options: argparse.Namespace, board: Board, cable: Link | None, by_id: Path | None, stopped: asyncio.Event
) -> int:
    endpoint = PtyEndpoint(board, options.link, speed=options.speed, cable=cable, by_id=by_id)
    try:
        await _until_stopped(options, endpoint.pump, f"ready {options.link}", stopped)
    finally:
        endpoint.close()
    return 0


async def _serve_tcp(
    options: argparse.Namespace, board: Board, cable: Link | None, stopped: asyncio.Event
) -> int:
    endpoint = TcpEndpoint(board, speed=options.speed, cable=cable)
    try:
        await endpoint.open(*options.listen)
        host, port = endpoint.address
        shown = f"[{host}]" if ":" in host else host
        await _until_stopped(options, endpoint.pump, f"ready tcp://{shown}:{port}", stopped)
    finally:
        await endpoint.close()
    return 0


async def _until_stopped(options: argparse.Namespace, pump: Pump, ready: str, stopped: asyncio.Event) -> None:
    path: Path | None = getattr(options, "control", None)
    control = ControlSocket(pump, path) if path is not None else None
    try:
        if control is not None:
            await control.open()
        print(ready, flush=True)
        await stopped.wait()
    finally:
        if control is not None:
            await control.close()


if __name__ == "__main__":
    sys.exit(main())
