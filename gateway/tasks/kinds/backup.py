"""`backup`: a consistent copy of the database while the gateway writes, and the print files, as one tar.gz.

    gateway.db       of the moment at which the copy began
    files/<sha256>   every content that this database names, if asked for; not earlier backups and bundles
    manifest.json    last: version, schema, SHA-256 and size of everything before it; what could not be had

Contents go while they are packed: what expires behind the copy of the database is `missing`. A content that
the disk has damaged does not spoil the rest: it is `damaged`, said with the hash that was found.
`print-gateway restore` reads it. It holds all that the gateway has, hashes of keys and passwords too.
Progress is in bytes: of the copy, then of what is packed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.domain.task import Task
from gateway.engine.ports import Clock, Files
from gateway.tasks.archive import MEDIA_TYPE, Archive
from gateway.tasks.results import Results
from gateway.tasks.work import Outcome, TaskFailed, Work

#: Of the manifest: what `restore` must know to read the rest.
FORMAT: Final = 1
DATABASE, FILES, MANIFEST = "gateway.db", "files/", "manifest.json"


class Copies(Protocol):
    """The store's copies of itself (`store.copying`)."""

    def copy(self, target: str, step: Callable[[int, int], None]) -> None:
        """Copy the database into an empty file; blocks. Raises StoreUnavailable, or what `step` does."""

    def contents(self, path: str) -> tuple[str, ...]:
        """SHA-256 of the contents that a copy names. Raises StoreUnavailable."""

    @property
    def schema(self) -> str:
        """The schema's revision."""


class Backup:
    """The kind. `copies` is None where the database is not SQLite."""

    def __init__(
        self, *, copies: Copies | None, files: Files, results: Results, clock: Clock, version: str
    ) -> None:
        self._copies = copies
        self._files = files
        self._results = results
        self._clock = clock
        self._version = version

    async def run(self, task: Task, work: Work) -> Outcome:
        """One try; raises as `Kind` says."""
        if self._copies is None:
            raise TaskFailed(
                "the gateway's database is PostgreSQL: back it up with `pg_dump`, and the folder of files"
            )
        now, with_files = self._clock.wall(), bool(task.arguments.get("with_files"))
        copy = await self._files.begin()
        try:
            async with self._results.file_of(task) as file:
                found = await work.blocking(
                    self._pack, self._copies, copy.temporary_path, now, with_files, file.sink(), work
                )
                made = await file.finish(f"print-gateway-{now:%Y-%m-%d-%H%M}.tar.gz", MEDIA_TYPE)
        except OSError as error:
            words = error.strerror or error
            raise TaskFailed(f"the backup cannot be made: {words}", is_passing=True) from error
        finally:
            await copy.discard()
        return Outcome(found, made)

    def _pack(
        self,
        copies: Copies,
        copy: str,
        now: datetime,
        with_files: bool,
        sink: Callable[[bytes], None],
        work: Work,
    ) -> Mapping[str, Any]:
        """Copy, then pack; blocks. Raises StoreUnavailable, OSError, GivenUp."""

        def copied(value: int, total: int) -> None:
            self._files.must_fit(total - value)  # SQLite writes the copy, not an upload
            work.at(value, 2 * total, "copying the database")

        copies.copy(copy, copied)
        size = os.stat(copy).st_size
        wanted = copies.contents(copy) if with_files else ()
        paths = {sha256: self._files.path_of(sha256) for sha256 in wanted}
        total = 2 * size + sum(_size(path) for path in paths.values())
        packed = size

        def read(piece: bytes) -> None:
            nonlocal packed
            packed += len(piece)
            work.at(packed, max(total, packed), "packing")

        digest = hashlib.sha256()

        def read_database(piece: bytes) -> None:
            digest.update(piece)
            read(piece)

        with Archive(sink, now.timestamp()) as archive:
            archive.add_file(DATABASE, copy, read_database)
            files = _add_files(archive, paths, read)
            manifest = {
                "format": FORMAT,
                "made_at": now.isoformat(),
                "version": self._version,
                "schema": copies.schema,
                "database": {"sha256": digest.hexdigest(), "size": size},
                **files,
            }
            archive.add_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())
        work.at(packed, packed)
        return {
            "database_bytes": size,
            "files": len(files["files"]),
            "files_missing": len(files["missing"]) + len(files["damaged"]),
        }


def _size(path: str) -> int:
    """In bytes, for the progress; 0 for what went meanwhile."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _add_files(
    archive: Archive, paths: Mapping[str, str], read: Callable[[bytes], None]
) -> dict[str, list[Any]]:
    """Every content that is there. `missing`: hashes of what was swept since, or lost before."""
    found: dict[str, list[Any]] = {"files": [], "missing": [], "damaged": []}
    for sha256, path in paths.items():
        digest = hashlib.sha256()

        def hashed(piece: bytes, digest: Any = digest) -> None:
            digest.update(piece)
            read(piece)

        try:
            size = archive.add_file(FILES + sha256, path, hashed)
        except FileNotFoundError:
            found["missing"].append(sha256)
            continue
        if digest.hexdigest() == sha256:
            found["files"].append({"sha256": sha256, "size": size})
        else:
            found["damaged"].append({"sha256": sha256, "size": size, "found": digest.hexdigest()})
    return found
