"""Ports for processes that are told theirs before they listen.

Below the range that the kernel hands out by itself (ip(7), ip_local_port_range: 32768 up): between the
choice and the use nobody gets such a port by accident, neither a server that asks for any nor a client that
connects. Each process that runs tests has a part of its own.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

#: The first port, and how many belong to one of pytest-xdist's workers (gw0, gw1, ...), used in turn.
FIRST, PART = 12_000, 2_000
#: Parts below 32768.
_PARTS = 10


def _turns() -> Iterator[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS
    begin = os.getpid()  # two runs on one host begin in different places
    return (FIRST + number * PART + (begin + turn) % PART for turn in itertools.count())


_ports = _turns()


def free_port() -> int:
    """A port on which nobody listens, and that nobody else is given."""
    for port in itertools.islice(_ports, PART):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise AssertionError("all ports are taken")
