"""The options of `firmware-sim bambu`, apart from the printer so that the parser of all kinds is light."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from firmware_sim.bambu.personality import bambu_personality_names

MOST_PORT = 65_535


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this kind alone; --listen, --seed, --speed and the like are the caller's."""
    names = ", ".join(bambu_personality_names())
    parser.add_argument("--personality", default="a1", metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--ftps-port", type=_port, default=0, metavar="PORT", help="of its files; 0: any")
    parser.add_argument("--serial", type=_word, default="01S00C000000001", metavar="SERIAL")
    parser.add_argument("--access-code", type=_word, default="12345678", metavar="CODE")
    parser.add_argument("--signed", action="store_true", help="not in developer mode: commands are refused")
    parser.add_argument("--files", type=Path, metavar="DIR", help="every file in DIR is on its storage")
    parser.add_argument(
        "--upload-rate", type=_rate, metavar="BYTES", help="a second; else as fast as it goes"
    )
    parser.add_argument("--ca-out", type=Path, metavar="FILE", help="writes the certificate to trust, PEM")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="keeps key and certificates, PEM")
    parser.add_argument(
        "--ready-out", type=Path, metavar="FILE", help="writes host, ports and serial as JSON"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="bad luck, TOML")


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST_PORT)) or int(text) > MOST_PORT:
        raise argparse.ArgumentTypeError(f"a port is 0 to {MOST_PORT}, not {text!r}")
    return int(text)


def _word(text: str) -> str:
    if not text or not text.isascii() or not text.isalnum():
        raise argparse.ArgumentTypeError(f"letters and digits, not {text!r}")
    return text


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number of bytes more than 0, not {text!r}")
    return value
