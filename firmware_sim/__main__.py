"""The command `firmware-sim`: a simulated printer on a real pseudo-terminal.

Prints `ready PATH` when the link is there, and runs until SIGTERM or SIGINT. Exit status 0; 2 for a wrong
argument (unknown personality, a link path that is taken).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware_sim.endpoints.control import ControlSocket
from firmware_sim.endpoints.pty import LinkRefused, PtyEndpoint
from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.personality import Personality, UnknownPersonality, load_personality, personality_names

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        personality = load_personality(options.personality)
        files = _files_of(options.sd)
    except (UnknownPersonality, NotADirectoryError) as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
    return asyncio.run(_serve(options, personality, files))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="firmware-sim", description="A simulated 3D printer.")
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
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError("speed must be more than 0")
    return value


def _files_of(folder: Path | None) -> dict[str, bytes] | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise NotADirectoryError(f"--sd {folder}: not a folder")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


async def _serve(
    options: argparse.Namespace, personality: Personality, files: dict[str, bytes] | None
) -> int:
    ledger = Ledger(options.ledger)
    board = Board(personality, ledger=ledger, seed=options.seed, sd_files=files)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        endpoint = PtyEndpoint(board, options.link, speed=options.speed)
    except LinkRefused as error:
        print(f"firmware-sim: {error}", file=sys.stderr)
        return USAGE_ERROR
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
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
