"""The command `firmware-sim`: a simulated printer on a real pseudo-terminal.

Prints `ready PATH` when the link is there, and runs until SIGTERM or SIGINT. Exit status 0; 2 for an argument
that is wrong or cannot be had (unknown personality, a link path that is taken, a folder that is not there):
then one line on stderr says which.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from firmware_sim.endpoints.control import ControlRefused, ControlSocket
from firmware_sim.endpoints.pty import LinkRefused, PtyEndpoint
from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.personality import (
    BadPersonality,
    UnknownPersonality,
    load_personality,
    personality_names,
)

USAGE_ERROR = 2


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
    try:
        board = _board(options)
    except CannotStart as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    try:
        return asyncio.run(_serve(options, board))
    except (LinkRefused, ControlRefused) as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        board.ledger.close()


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="firmware-sim", description="A simulated 3D printer.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    serial = kinds.add_parser("serial", help="a Marlin printer on a pseudo-terminal")
    serial.add_argument("--link", type=Path, required=True, metavar="PATH", help="symlink to the pty")
    serial.add_argument(
        "--personality", default="marlin-sd", metavar="NAME", help=f"one of: {', '.join(personality_names())}"
    )
    serial.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random")
    serial.add_argument("--ledger", type=Path, metavar="FILE", help="JSON lines: what the machine really did")
    serial.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="machine time per real time")
    serial.add_argument("--sd", type=Path, metavar="DIR", help="every file in DIR is on the SD card")
    serial.add_argument("--control", type=Path, metavar="SOCKET", help="Unix socket to act as a person")
    return parser


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
        files = _files_of(options.sd)
    except OSError as error:
        raise CannotStart(f"--sd {options.sd}: {error.strerror or error}") from error
    try:
        ledger = Ledger(options.ledger)
    except OSError as error:
        raise CannotStart(f"--ledger {options.ledger}: {error.strerror}") from error
    return Board(personality, ledger=ledger, seed=options.seed, sd_files=files)


def _files_of(folder: Path | None) -> dict[str, bytes] | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise NotADirectoryError("not a folder")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


async def _serve(options: argparse.Namespace, board: Board) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    endpoint = PtyEndpoint(board, options.link, speed=options.speed)
    control = ControlSocket(endpoint.pump, options.control) if options.control else None
    try:
        if control is not None:
            await control.open()
        print(f"ready {options.link}", flush=True)
        await stopped.wait()
    finally:
        if control is not None:
            await control.close()
        endpoint.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
