"""kill -9 in the middle of each kind of task: real processes, big stores, a server that never ends.

After the restart each task says how it stands, and is done by its second try; what the first one had written
is gone.
"""

from __future__ import annotations

import csv
import hashlib
import os
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.http_store import fill
from tests.e2e.house import House

#: As many as make an export take a second or two.
JOBS = 40_000
#: Bytes that make a backup and a bundle take as long: noise does not shrink.
BALLAST, WIRE = 60_000_000, 12_000_000
GCODE = b"M104 S215\nG28\nG1 X10 Y10 E1\n" * 100


class Sender(ThreadingHTTPServer):
    """Sends a file of which the end does not come while `is_endless`."""

    daemon_threads = True
    is_endless = True


class _Sending(BaseHTTPRequestHandler):
    server: Sender

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(GCODE)
        while self.server.is_endless:
            try:
                self.wfile.write(GCODE)
            except OSError:
                return
            threading.Event().wait(0.01)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def sending() -> Iterator[Sender]:
    with Sender(("127.0.0.1", 0), _Sending) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def built(folder: Path, prepare: Callable[[Path], None]) -> Iterator[House]:
    """A house whose folder was prepared before its gateway starts."""
    house = House(folder, {})
    with (folder / "config.toml").open("a") as config:
        config.write(f'wire_kept = "{folder}/wire"\n\n[outbound]\nprivate_addresses = true\n')
    prepare(folder)
    with house:
        house.until(house.is_up)
        yield house


def nothing(folder: Path) -> None:
    """An empty house."""


def many_jobs(folder: Path) -> None:
    fill(folder / "gateway.db", JOBS)


def big_database(folder: Path) -> None:
    fill(folder / "gateway.db", 100)
    with closing(sqlite3.connect(folder / "gateway.db")) as database, database:
        database.execute("CREATE TABLE ballast (x)")
        piece = BALLAST // 100
        database.executemany("INSERT INTO ballast VALUES (?)", ((os.urandom(piece),) for _ in range(100)))


def long_wire_log(folder: Path) -> None:
    (folder / "wire").mkdir()
    line = "> N1234 G1 X10.123 Y20.456 E0.0312*45\n"
    (folder / "wire" / "mk3-000001-20260101T000000Z.wire").write_text(line * (WIRE // len(line)))


def add(house: House, kind: str, arguments: dict[str, Any]) -> str:
    made = house.ask("/tasks", {"kind": kind, "arguments": arguments})
    assert made is not None, house.log("gateway")
    return str(made["id"])


def task(house: House, task_id: str) -> dict[str, Any]:
    return dict(house.ask(f"/tasks/{task_id}") or {"status": None})


def is_at_it(house: House, task_id: str) -> bool:
    """Running, and something of it is done."""
    found = task(house, task_id)
    assert found["status"] in (None, "pending", "running"), found
    return found["status"] == "running" and found["progress"]["value"] > 0


def killed_at_it(house: House, task_id: str) -> dict[str, Any]:
    """kill -9 while it runs; the task when it is over."""
    house.until(lambda: is_at_it(house, task_id))
    house.kill("gateway")
    house.start("gateway")
    house.until(house.is_up)
    found = task(house, task_id)
    assert (found["standing"], found["message"]) == ("retrying", "interrupted by a restart")
    assert found["result"] is None
    assert incoming(house) == []
    assert house.ask(f"/tasks/{task_id}/resume", {}) is not None
    house.until(lambda: task(house, task_id)["status"] in ("done", "failed", "canceled"))
    return task(house, task_id)


def incoming(house: House) -> list[str]:
    """What is half written."""
    return os.listdir(house.folder / "files" / ".incoming")


def contents(house: House) -> list[Path]:
    return sorted((house.folder / "files").glob("??/??/*"))


def assert_whole(house: House) -> None:
    """Every content is what its name says, and nothing is half there."""
    assert incoming(house) == []
    for path in contents(house):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def assert_done(found: dict[str, Any]) -> None:
    assert (found["status"], found["tries"], found["error"]) == ("done", 2, None), found


def import_by_address(house: House) -> None:
    with sending() as server:
        task_id = add(house, "file-import", {"url": f"http://127.0.0.1:{server.server_port}/part.gcode"})
        house.until(lambda: is_at_it(house, task_id))
        house.kill("gateway")
        server.is_endless = False
        house.start("gateway")
        house.until(house.is_up)
        assert incoming(house) == []
        assert house.ask(f"/tasks/{task_id}/resume", {}) is not None
        house.until(lambda: task(house, task_id)["status"] == "done")
    found = task(house, task_id)
    assert_done(found)
    assert found["result"]["size"] == len(GCODE)
    assert [path.read_bytes() for path in contents(house)] == [GCODE]


def export(house: House) -> None:
    assert_done(killed_at_it(house, add(house, "history-export", {})))
    (path,) = contents(house)
    with path.open(newline="") as file:
        assert len({row["number"] for row in csv.DictReader(file, strict=True)}) >= JOBS


def backup(house: House) -> None:
    assert_done(killed_at_it(house, add(house, "backup", {"with_files": True})))
    (path,) = contents(house)
    house.terminate("gateway")
    assert house.cli("restore", str(path), "--config", f"{house.folder}/config.toml").returncode == 1
    restored = house.cli("restore", str(path), "--force", "--config", f"{house.folder}/config.toml")
    assert restored.returncode == 0, restored.stderr
    house.start("gateway")
    house.until(house.is_up)
    assert len(house.ask("/jobs?scope=all&limit=5")["jobs"]) == 5


def diagnostics(house: House) -> None:
    assert_done(killed_at_it(house, add(house, "diagnostics", {})))
    (path,) = contents(house)
    with tarfile.open(path, "r:gz") as bundle:
        assert "wire/mk3-000001-20260101T000000Z.wire" in bundle.getnames()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("prepare", "kind"),
    [
        (nothing, import_by_address),
        (many_jobs, export),
        (big_database, backup),
        (long_wire_log, diagnostics),
    ],
)
def test_killed_in_the_middle_of_a_task(
    tmp_path: Path, prepare: Callable[[Path], None], kind: Callable[[House], None]
) -> None:
    with built(tmp_path, prepare) as house:
        kind(house)
        assert_whole(house)
