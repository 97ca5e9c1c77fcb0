"""Drivers under the contract: each offers the same stand, with a simulated machine behind it.

A member is a factory of stands; a stand has `driver`, `seen`, `answers`, the orders as verbs, `panel`, and
the machine's ledger through `moves()` and `ledger`. A new driver joins by adding its name here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.marlin_stand import MarlinStand

CARD = b"G28\n" + b"".join(b"G1 X%d Y%d F3000\n" % (i % 150, i % 90) for i in range(200))

MEMBERS: dict[str, Callable[[], MarlinStand]] = {
    "marlin": lambda: MarlinStand("marlin-full", sd_files={"model.gco": CARD}),
}


@pytest.fixture(params=sorted(MEMBERS))
def make_stand(request: pytest.FixtureRequest) -> Callable[[], MarlinStand]:
    """Makes a stand; call it inside the running loop."""
    return MEMBERS[request.param]


@pytest.fixture
def print_file(tmp_path: Path) -> Path:
    """A print of 150 moves."""
    path = tmp_path / "part.gcode"
    path.write_text("G28\n" + "".join(f"G1 X{i} Y{i % 7} F6000\n" for i in range(150)) + "M84\n")
    return path
