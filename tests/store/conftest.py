"""One migrated database a session, copied for each test; the rooms that work on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.state import State
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.migrate import upgrade
from gateway.store.queries import Queries
from tests.store.stand import Ids, SetClock, peopled


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fresh") / "gateway.db"
    upgrade(f"sqlite:///{path}", lambda digits: "f" * digits)
    return path


@pytest.fixture
def path(fresh_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(fresh_database, tmp_path / "gateway.db"))


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def ids() -> Ids:
    return Ids()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def journal(database: Database, ids: Ids, clock: SetClock) -> Journal:
    return Journal(database, ids.hex, clock)


@pytest.fixture
def queries(database: Database) -> Queries:
    return Queries(database)


@pytest.fixture
async def state(journal: Journal, ids: Ids) -> State:
    """Loaded, with everybody in it."""
    loaded = await journal.load()
    made = peopled(loaded, ids)
    await journal.commit(made)
    made.apply()
    return loaded
