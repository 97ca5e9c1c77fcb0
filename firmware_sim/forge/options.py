"""The options of `firmware-sim forge`, apart from the printer so that the parser of all kinds is light."""

from __future__ import annotations

import argparse
from pathlib import Path

from firmware_sim.forge.bayeux import CONNECTION_TYPES
from firmware_sim.forge.personality import call_in_personality_names


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this kind alone; --seed, --speed and the like are the caller's."""
    names = ", ".join(call_in_personality_names())
    parser.add_argument("--url", type=_url, required=True, metavar="URL", help="http://host:port/v1")
    parser.add_argument("--faye", type=_url, metavar="URL", help="Bayeux endpoint; else /faye on that host")
    parser.add_argument("--personality", default="ember", metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keeps id and token over a restart")
    parser.add_argument(
        "--transport", choices=CONNECTION_TYPES, default=CONNECTION_TYPES[0], help="of Bayeux messages"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="faults of the network, TOML")


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or len(text.split("/")[2]) == 0:
        raise argparse.ArgumentTypeError(f"the URL is http://HOST:PORT/v1, not {text!r}")
    return text
