"""Migrations: head is the models, to the letter; what a newer program wrote is left alone."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.auth import peer
from gateway.domain.member import HOME_ORGANIZATION_ID
from gateway.engine.ports import StoreUnavailable, WorkFilter
from gateway.store.database import Database, sqlite_engine
from gateway.store.journal import Journal
from gateway.store.migrate import MIGRATIONS, check, random_hex, upgrade
from gateway.store.queries import Queries
from gateway.store.schema import HOST_NUMBERS, HOST_RANGE, metadata
from gateway.store.trouble import SchemaMismatch
from tests.store.stand import Ids, SetClock


def made_of(path: Path) -> dict[str, str]:
    """Name -> the SQL that made it, without white space and in the order of its columns and constraints."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: "".join(sorted("".join(sql.split()))) for name, sql in found if name != "alembic_version"}


def test_models_are_the_migrations_head(path: Path) -> None:
    with sqlite_engine(path).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_constraints_and_conditions_are_the_same_too(path: Path, tmp_path: Path) -> None:
    """What the comparison above does not look at: CHECKs, partial indexes, AUTOINCREMENT."""
    models = tmp_path / "models.db"
    with sqlite_engine(models).connect() as connection, connection.begin():
        metadata.create_all(connection)
    assert made_of(path) == made_of(models)


def test_an_empty_database_has_a_home_an_operator_and_a_host(path: Path) -> None:
    connection = sqlite3.connect(path)
    home = connection.execute("SELECT * FROM organization").fetchall()
    assert home == [(HOME_ORGANIZATION_ID, "home", "f" * 24)]
    operator = connection.execute("SELECT member_id, organization_id, is_admin FROM member").fetchall()
    assert operator == [(peer.OPERATOR_ID, HOME_ORGANIZATION_ID, 1)]
    assert connection.execute("SELECT * FROM host").fetchall() == [(1, 0)]
    connection.close()


def test_upgrading_twice_changes_nothing(path: Path, url: str) -> None:
    before = path.read_bytes()
    upgrade(url)
    assert path.read_bytes() == before


def test_the_database_is_not_for_everybody(path: Path, url: str, tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/new.db")
    for file in tmp_path.glob("new.db*"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0, file


def make_old(path: Path, revision: str) -> None:
    """A database as an older program left it."""
    path.touch()
    with sqlite_engine(path).connect() as connection, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["hex_id"] = lambda digits: "f" * digits
        command.upgrade(config, revision)


#: What the first release wrote: a printer, a job on it, and a command that nobody has answered.
ROWS_OF_0001 = """
INSERT INTO member VALUES ('FPEJMQHAG3NXE', 'ana', 1, NULL, 0, 1463550122250);
INSERT INTO printer VALUES (1, 'mk3', 'marlin', 'FPEJMQHAG3NXE', 1, 'clear', 'confirm', 1, '/dev/mk3', 3);
INSERT INTO work VALUES (1, 'job', '44964c43-176e-43a5-b36c-7694054fe028', 'a', 'b', 1, 'FPEJMQHAG3NXE',
    NULL, NULL, 1463550122250, 2);
INSERT INTO job (work_id, member_id, organization_id, member_ordinal, printer_id, status, shown_status,
    reasons, is_held, is_local, name, status_at, print_key, attempts, settings)
    VALUES (1, 'FPEJMQHAG3NXE', 1, 0, 1, 'printing', 'printing', '["job-printing"]', 0, 0, 'my_job',
    1463550122250, 'mark', 1, '{}');
INSERT INTO job_total VALUES ('FPEJMQHAG3NXE', 1, 'printing', 1);
INSERT INTO printer_command VALUES ('bf16cf49-86d9-4c7a-8aa4-90e18eb1b689', 1, 1, 'pause', 'FPEJMQHAG3NXE',
    1463550122250, 'pending', NULL, NULL);
"""


async def test_a_database_of_the_first_release_is_brought_up_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    url = f"sqlite:///{path}"
    make_old(path, "0001")
    connection = sqlite3.connect(path)
    connection.executescript(ROWS_OF_0001)
    connection.close()
    upgrade(url)
    assert check(url) == ()
    database = Database(url)
    state = await Journal(database, Ids().hex, SetClock()).load()
    printer, job = state.printers[1], state.jobs[1]
    assert (printer.name, printer.version, printer.display_name, printer.type_id) == ("mk3", 3, None, None)
    assert printer.jobs_from == 0, "its owner sees all that it saw so far"
    assert (job.name, job.status, job.reported, job.callback_url) == ("my_job", "printing", None, None)
    (pending,) = state.commands.values()
    assert (pending.command, pending.parameters, pending.answer) == ("pause", {}, None)
    assert (await Queries(database).jobs(member_id="FPEJMQHAG3NXE")).total == 1
    database.close()


#: The same for tables as they were just before tasks came: printers and commands had more columns.
FIRST_ROWS_AT_0005 = (
    ROWS_OF_0001.replace("'/dev/mk3', 3)", "'/dev/mk3', 3, NULL, NULL, 0)")
    .replace("'pending', NULL, NULL)", "'pending', NULL, NULL, '{}', NULL, NULL, NULL)")
)  # fmt: skip

#: And what the release before tasks wrote besides: jobs of two organizations, far apart, one of them over.
ROWS_OF_0005 = """
INSERT INTO organization VALUES (2, 'shop', '0123456789abcdef01234567');
INSERT INTO work SELECT n, 'job', 'uuid' || n, 'hex24-' || n, 'hex32-' || n, 1 + (n > 4000), 'FPEJMQHAG3NXE',
    NULL, NULL, 1463550122250, 1 FROM (SELECT 2 AS n UNION SELECT 2047 UNION SELECT 2048 UNION SELECT 4100);
INSERT INTO job (work_id, member_id, organization_id, member_ordinal, status, shown_status, reasons, is_held,
    is_local, name, status_at, ended_at, end_ordinal, attempts, settings, file_sha256)
    SELECT id, member_id, organization_id, id, 'canceled', 'canceled', '[]', 0, 0, 'old', 1463550122250,
    1463550122250, id, 0, '{}', 'ab' FROM work WHERE id > 1;
INSERT INTO job_total VALUES ('FPEJMQHAG3NXE', 1, 'canceled', 3), ('FPEJMQHAG3NXE', 2, 'canceled', 1);
"""


async def test_jobs_of_a_release_without_tasks_are_in_the_list_with_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    url = f"sqlite:///{path}"
    make_old(path, "0005")
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_ROWS_AT_0005 + ROWS_OF_0005)
    connection.close()
    upgrade(url)
    assert check(url) == (), "the blocks of ids are those of its jobs"
    database = Database(url)
    state = await Journal(database, Ids().hex, SetClock()).load()
    assert (state.tasks, state.stacks, state.schedules, state.actions) == ({}, {}, {}, {})
    assert state.last_work_id == 4100
    queries, now = Queries(database), SetClock().now
    page = await queries.works(WorkFilter(), now=now, limit=2, offset=3, with_total=True)
    assert ([work.work_id for work in page.works], page.total) == ([2048, 4100], 5)
    page = await queries.works(WorkFilter(organization_id=2), now=now, limit=9, with_total=True)
    assert ([work.work_id for work in page.works], page.total) == ([4100], 1)
    database.close()


def test_an_upgraded_database_is_like_a_new_one(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    make_old(old, "0001")
    upgrade(f"sqlite:///{old}")
    assert made_of(old) == made_of(path)


def test_the_tables_are_fit_for_postgresql() -> None:
    """It cuts longer names off (NAMEDATALEN), and two may then be the same."""
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert len(str(index.name)) <= 63
            is_partial = index.dialect_options["sqlite"]["where"] is not None
            assert ("WHERE" in str(CreateIndex(index).compile(dialect=dialect))) == is_partial


def test_every_id_fits_32_bits() -> None:
    assert HOST_NUMBERS * HOST_RANGE == 2**31


def test_random_hex_has_the_digits_asked_for() -> None:
    assert [len(random_hex(digits)) for digits in (1, 24, 31, 32)] == [1, 24, 31, 32]


def stamped(path: Path, revision: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.commit()
    connection.close()


def test_a_newer_database_is_refused_and_left_as_it_is(path: Path, url: str) -> None:
    stamped(path, "9999")
    before = path.read_bytes()
    with pytest.raises(SchemaMismatch, match=r"newer print-gateway .*9999"):
        upgrade(url)
    assert path.read_bytes() == before
    assert "newer print-gateway" in check(url)[0]


def test_check_of_a_sound_database(url: str) -> None:
    assert check(url) == ()


def test_check_beside_a_running_gateway(url: str, database: Database) -> None:
    assert check(url) == ()


def test_upgrade_beside_a_running_gateway_is_refused(url: str, database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="another print-gateway"):
        upgrade(url)


def test_check_says_what_is_missing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    assert "does not exist" in check(url)[0]
    sqlite3.connect(tmp_path / "gateway.db").execute("PRAGMA journal_mode = WAL").connection.close()
    assert "db upgrade" in check(url)[0]


def test_check_finds_totals_that_drifted(path: Path, url: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO job_total VALUES ('OPERATOR00000', 1, 'queued', 3)")
    connection.commit()
    connection.close()
    assert check(url) == ("total of ('OPERATOR00000', 1, 'queued'): 3 kept, 0 there",)


def test_check_finds_loose_rows(path: Path, url: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE member SET organization_id = 77")
    connection.commit()
    connection.close()
    assert check(url) == ("row 1 of member refers to a missing row of organization",)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        upgrade(f"sqlite:///{tmp_path}/nowhere/gateway.db")


def test_what_is_no_database_is_not_overwritten(tmp_path: Path, fresh_database: Path) -> None:
    broken = tmp_path / "gateway.db"
    broken.write_bytes(b"; sliced" * 1024)
    with pytest.raises(StoreUnavailable, match="no database"):
        upgrade(f"sqlite:///{broken}")
    assert broken.read_bytes() == b"; sliced" * 1024
    shutil.copy(fresh_database, broken)
    assert check(f"sqlite:///{broken}") == ()
