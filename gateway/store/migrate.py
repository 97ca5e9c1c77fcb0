"""Bringing a database to this program's schema, and telling whether one is sound."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from gateway.store.database import FILE_MODE, SoleUse, sqlite_engine, sqlite_path
from gateway.store.revision import MIGRATIONS
from gateway.store.schema import job, job_total
from gateway.store.schema_work import JOBS, task, task_total, work_block
from gateway.store.trouble import SchemaMismatch, explained, explained_os
from gateway.store.work_commit import TOTAL_OF, Blocks, count_in_block, sort_of


def random_hex(digits: int) -> str:
    """Fresh random lower-case hex digits; the default source of the rows a new database starts with."""
    return secrets.token_hex((digits + 1) // 2)[:digits]


def upgrade(url: str, hex_id: Callable[[int], str] = random_hex) -> None:
    """Create the database, or bring it to head; blocks. Nobody else may have it open.

    `hex_id(digits)` gives the public id of the first organization. Raises SchemaMismatch for a database that
    a newer program has written, StoreUnavailable for one that cannot be opened; either way it is unchanged.
    """
    path = sqlite_path(url)
    lock = SoleUse(path)
    lock.take()
    try:
        _create(path)
        # Without foreign keys: a batch migration drops and renames tables that others refer to.
        with sqlite_engine(path, foreign_keys=False).connect() as connection:
            config = _config(connection, hex_id)
            with connection.begin():
                _revision(config, connection, path)
                command.upgrade(config, "head")
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise SchemaMismatch(
                        f"the database {path}: the upgrade would leave {len(broken)} loose rows"
                    )
    except DBAPIError as error:
        raise explained(error, str(path)) from error
    finally:
        lock.release()


def check(url: str) -> tuple[str, ...]:
    """What is wrong with the database, one sentence each; empty when it is sound and at head.

    Reads only, and may be run beside a gateway. Raises StoreUnavailable when it cannot be opened.
    """
    path = sqlite_path(url)
    if not path.exists():
        return (f"the database {path} does not exist; `print-gateway db upgrade` creates it",)
    try:
        with sqlite_engine(path, read_only=True).connect() as connection, connection.begin():
            config = _config(connection, random_hex)
            try:
                found = _revision(config, connection, path)
            except SchemaMismatch as newer:
                return (str(newer),)
            head = ScriptDirectory.from_config(config).get_current_head()
            if found != head:
                return (f"the schema is {found or 'missing'}, not {head}: run `print-gateway db upgrade`",)
            return (
                *_damage(connection),
                *_drift(connection),
                *_blocks_drift(connection),
                *_tasks_drift(connection),
            )
    except DBAPIError as error:
        raise explained(error, str(path)) from error


def _create(path: Path) -> None:
    """An empty file with our mode; SQLite gives its journal files the same."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise explained_os(error, str(path)) from error


def _config(connection: Connection, hex_id: Callable[[int], str]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["hex_id"] = hex_id
    return config


def _revision(config: Config, connection: Connection, path: Path) -> str | None:
    """The database's revision, None for an empty one; SchemaMismatch if this program does not know it."""
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database {path} was written by a newer print-gateway (schema {found}): "
            "install that version again, or restore the backup made before it"
        )
    return found


def _damage(connection: Connection) -> list[str]:
    verdicts = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
    damage = [f"damaged: {verdict}" for verdict in verdicts if verdict != "ok"]
    loose = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    return damage + [f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}" for row in loose]


def _drift(connection: Connection) -> list[str]:
    """Where the kept totals differ from a count."""
    dimensions = (job.c.member_id, job.c.organization_id, job.c.shown_status)
    counted = {
        tuple(row[:3]): row[3]
        for row in connection.execute(select(*dimensions, func.count()).group_by(*dimensions))
    }
    kept = {tuple(row[:3]): row[3] for row in connection.execute(select(job_total)) if row[3]}
    return [f"total of {what}" for what in _differences(kept, counted)]


def _blocks_drift(connection: Connection) -> list[str]:
    """Where the kept blocks of ids differ from a count."""
    counted: Blocks = Counter()
    for work_id, organization_id in connection.execute(select(job.c.work_id, job.c.organization_id)):
        count_in_block(counted, work_id, organization_id, JOBS, 1)
    tasks = connection.execute(select(task.c.work_id, task.c.organization_id, task.c.kind))
    for work_id, organization_id, kind in tasks:
        count_in_block(counted, work_id, organization_id, sort_of(kind), 1)
    kept = {tuple(row[:3]): row[3] for row in connection.execute(select(work_block)) if row[3]}
    return [f"block {what}" for what in _differences(kept, counted)]


def _tasks_drift(connection: Connection) -> list[str]:
    """Where the kept totals of tasks differ from a count."""
    found = connection.execute(select(*TOTAL_OF, func.count()).group_by(*TOTAL_OF))
    counted = {tuple(row[:5]): row[5] for row in found}
    kept = {tuple(row[:5]): row[5] for row in connection.execute(select(task_total)) if row[5]}
    return [f"total of tasks {what}" for what in _differences(kept, counted)]


def _differences(kept: Mapping[tuple[Any, ...], int], counted: Mapping[tuple[Any, ...], int]) -> list[str]:
    return [
        f"{key}: {kept.get(key, 0)} kept, {counted.get(key, 0)} there"
        for key in sorted(counted.keys() | kept.keys())
        if kept.get(key, 0) != counted.get(key, 0)
    ]
