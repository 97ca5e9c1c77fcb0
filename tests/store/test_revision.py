"""A database at head is known without Alembic; whatever else there is goes the long way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from gateway.store.revision import MIGRATIONS, is_at_head, newest_revision

ROOT = Path(__file__).parents[2]


def test_the_newest_is_the_head_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_a_database_at_head(url: str) -> None:
    assert is_at_head(url)


@pytest.mark.parametrize("revision", ["0001", "9999", ""])
def test_another_revision_is_not(path: Path, url: str, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    assert not is_at_head(url)


@pytest.mark.parametrize("content", [None, b"", b"G28\n" * 4096])
def test_what_is_no_database_is_not_and_stays_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gateway.db"
    if content is not None:
        path.write_bytes(content)
    assert not is_at_head(f"sqlite:///{path}")
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_gateway_is_loaded_without_alembic() -> None:
    asked = "import sys, gateway.main; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "'sqlalchemy'" in done.stdout
    assert "'alembic'" not in done.stdout
