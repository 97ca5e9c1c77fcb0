"""Driver kinds under the contract. A new kind joins by adding its stand (`stand.Stand`) here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.contract.forge_member import ForgeMember
from tests.contract.marlin_member import MarlinMember
from tests.contract.stand import Stand
from tests.support.bambu_stand import BambuStand
from tests.support.moonraker_stand import MoonrakerStand

MEMBERS: dict[str, type[Stand]] = {
    "bambu": BambuStand,
    "marlin": MarlinMember,
    "forge": ForgeMember,
    "moonraker": MoonrakerStand,
}
#: Stands of printers that refuse every start until a person changes something at the printer.
READ_ONLY: dict[str, Callable[[Path], Stand]] = {
    "bambu with signed firmware": partial(BambuStand, developer_mode=False),
}
EVERY_CUT = [(kind, cut) for kind, member in sorted(MEMBERS.items()) for cut in member.traits.cuts]


@pytest.fixture(params=sorted(MEMBERS))
def make_stand(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Stand]:
    """Makes a stand; call it inside the running loop."""
    return partial(MEMBERS[request.param], tmp_path)


@pytest.fixture(params=sorted(READ_ONLY))
def make_read_only(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Stand]:
    """Makes a stand whose printer takes no start, and says so only when it is asked."""
    return partial(READ_ONLY[request.param], tmp_path)


def pytest_generate_tests(metafunc: Any) -> None:
    """A test that takes `cuttable` runs once for everything that can break between driver and machine."""
    if "cuttable" in metafunc.fixturenames:
        ids = [f"{kind}-{cut}" for kind, cut in EVERY_CUT]
        metafunc.parametrize("cuttable", EVERY_CUT, ids=ids, indirect=True)


@pytest.fixture
def cuttable(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Callable[[], Stand], str]:
    """Makes a stand, and names what is cut."""
    kind, cut = request.param
    return partial(MEMBERS[kind], tmp_path), cut
