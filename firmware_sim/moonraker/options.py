"""The options of `firmware-sim moonraker`, apart from it so that the parser of all kinds is light."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
MOST_PORT = 65_535


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this kind alone; --seed, --speed and the like are the caller's."""
    parser.add_argument(
        "--broker", type=_broker, required=True, metavar="URL", help="mqtt://[USER@]HOST:PORT or mqtts://..."
    )
    parser.add_argument("--broker-password-file", type=Path, metavar="FILE", help="of USER")
    parser.add_argument("--broker-ca-file", type=Path, metavar="FILE", help="whom to believe with mqtts://")
    parser.add_argument("--instance", type=_instance, default="voron1", metavar="NAME", help="of the topics")
    parser.add_argument(
        "--http", type=_address, default=("127.0.0.1", 7125), metavar="HOST:PORT", help="port 0: any"
    )
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="what X-Api-Key must be")
    parser.add_argument("--gcodes", type=Path, metavar="DIR", help="every file in DIR is there to print")
    parser.add_argument("--split-status", action="store_true", help="a retained topic for each field")
    parser.add_argument("--status-interval", type=float, default=0.5, metavar="SECONDS", help="above 0.25")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a fault plan, TOML")


class Broker:
    """Where the broker is. Raises ValueError for a URL that is none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(url)
        self.url = url
        self.is_tls = parts.scheme == "mqtts"
        self.host, self.port = parts.hostname, parts.port or PORTS[parts.scheme]
        self.username = parts.username


def _broker(text: str) -> Broker:
    try:
        return Broker(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"the broker is mqtt://HOST:PORT, not {text!r}") from error


def _instance(text: str) -> str:
    if not text or set("+#/\0") & set(text):
        raise argparse.ArgumentTypeError(f"the instance is a name without + # and /, not {text!r}")
    return text


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > MOST_PORT:
        raise argparse.ArgumentTypeError(f"the address is HOST:PORT, not {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)
