"""`print-gateway wirelog`: what was said between this host and a printer, read from the streamer's files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.cli.session import Exit, fail
from gateway.config import Config, MarlinPrinter

#: Seconds between two looks at a file that is being followed; the streamer writes once a second.
LOOK_SECONDS = 0.5
_PIECE_BYTES = 1 << 16


def show(config: Config, printer: str, *, follow: bool) -> None:
    """Print the wire log of `printer`, oldest record first; with `follow`, until Ctrl+C."""
    if not config.printers:
        fail("no printer is configured; name the gateway's configuration with --config", Exit.USAGE)
    if printer in [entry.name for entry in config.printers if not isinstance(entry, MarlinPrinter)]:
        fail(f'"{printer}" has no wire log: it is at no serial port. `print-gateway doctor` says how it is')
    known = [entry.name for entry in config.printers if isinstance(entry, MarlinPrinter)]
    if printer not in known:
        fail(f'there is no printer "{printer}"; known here: {", ".join(known)}', Exit.USAGE)
    if not config.streamer.wire_log_bytes:
        fail("wire logs are switched off: wire_log_bytes under [streamer] is 0", Exit.USAGE)
    current = config.streamer.wire_folder / f"{printer}.wire"
    try:
        for piece in pieces(current, follow=follow):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    except FileNotFoundError:
        fail(f"there is no {current} yet: is the streamer running?")
    except PermissionError:
        fail(f"{current} is for the service's user: use sudo")
    except (KeyboardInterrupt, BrokenPipeError):
        pass


def pieces(current: Path, *, follow: bool, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """What both files hold, and with `follow` what comes later, also in the files that take their place."""
    former = current.with_name(f"{current.name}.1")
    if former.exists():
        with former.open("rb") as file:
            yield from _rest(file)
    while True:
        with current.open("rb") as file:
            yield from _rest(file)
            if not follow:
                return
            while not _is_replaced(file, current):
                sleep(LOOK_SECONDS)
                yield from _rest(file)
            yield from _rest(file)  # a file is complete once its successor is there


def _rest(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _is_replaced(file: BinaryIO, path: Path) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False  # between two files
