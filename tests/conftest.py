"""What all tests share: no example is timed, imports are no garbage, SQL statements are compiled once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Dialect, Engine

from gateway.store import database

# How long an example takes says how busy the host is, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: a sixth of the time went into looking through them for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """One dialect and one cache of compiled statements for every `Database` of this process.

    A daemon opens one database and compiles once; a thousand tests would each spend 25 ms on it.
    """
    compiled: dict[Any, Any] = {}
    first: list[Dialect] = []
    sqlite_engine = database.sqlite_engine

    def sharing(path: Path, **options: Any) -> Engine:
        engine = sqlite_engine(path, **options)
        if not first:
            first.append(engine.dialect)
        engine.dialect = first[0]
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "sqlite_engine", sharing)
        yield
