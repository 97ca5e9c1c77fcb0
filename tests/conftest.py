"""What all tests share: no example is timed, imports are no garbage, what was compiled stays so."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Dialect, Engine

from gateway.store import database

# How long an example takes says how busy the host is, and nothing about the code.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Two runs of the suite are identical: what fails, fails again. New examples are looked for by the soak runs.
settings.register_profile("suite", settings.get_profile("exploring"), derandomize=True)


def pytest_configure(config: pytest.Config) -> None:
    """Which examples are tried."""
    is_soak = config.option.markexpr == "soak"
    settings.load_profile("exploring" if is_soak else "suite")


#: Bytes that a test's name shows.
_NAMED_BYTES = 40
#: Processes that run tests at once; more would wait for each other's disk.
_MOST_WORKERS = 4

# The suite starts the gateway dozens of times, and its modules take 3 s to compile: what was compiled is kept
# beside them, as Python does unless the environment forbids it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Modules and tests stay to the end: a third of collecting them went into looking through them for garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on there is garbage, and only what comes from here on is looked through."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: the whole suite on every core. What was chosen runs here, without waiting for workers."""
    asked = {(config.invocation_params.dir / path).resolve() for path in config.args}
    is_whole = asked <= {config.rootpath, config.rootpath / "tests"} and not config.option.keyword
    is_usual = "not soak" in config.option.markexpr
    return min(len(os.sched_getaffinity(0)), _MOST_WORKERS) if is_whole and is_usual else 0


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are no part of a test's name: an archive has the time in it, and workers that collect
    different names refuse to run.
    """
    return argname if isinstance(val, bytes) and len(val) > _NAMED_BYTES else None


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
