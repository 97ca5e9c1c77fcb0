"""Putting a backup in the place of a stopped gateway's database and files.

    read once: every hash is that of the manifest --> contents, each by rename under its own hash
      --> the database beside the present one --> sound, of a known schema --> rename

Until the last rename nothing has changed but contents that nothing names; behind it all has. The database
that was there is kept beside it as `<name>.replaced`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from gateway.store.copying import problems_of
from gateway.store.database import BUSY_TIMEOUT, FILE_MODE, SoleUse, sqlite_path
from gateway.store.files import CONTENT_MODE, FOLDER_MODE
from gateway.store.revision import newest_revision
from gateway.store.trouble import explained, explained_os

#: What `backup` writes (`tasks.kinds.backup`).
FORMAT: Final = 1
DATABASE, FILES, MANIFEST = "gateway.db", "files/", "manifest.json"
#: Bytes of a manifest: a million files have 100 MB.
MANIFEST_BYTES_MAX: Final = 256 * 1024 * 1024
_PIECE_BYTES: Final = 1 << 20
_CONTENT: Final = re.compile(r"files/[0-9a-f]{64}")


class NotRestorable(Exception):
    """The backup cannot be restored; nothing was changed. The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place."""

    made_at: str
    version: str
    files: int
    missing: int  # contents that the backup could not have, or had damaged
    replaced: Path | None  # where the former database is now


def restore(
    archive: Path, url: str, files: Path, *, replace: bool = False, patience: float = BUSY_TIMEOUT
) -> Restored:
    """Restore a backup for a gateway that does not run; blocks.

    `replace`: a database that is there gives way, if whoever has it open lets go within `patience` seconds.
    Raises NotRestorable or StoreUnavailable.
    """
    path = sqlite_path(url)
    lock = SoleUse(path)
    try:
        _make_folder(path.parent)
        _make_file(lock.file)
    except OSError as error:
        raise explained_os(error, str(error.filename or path)) from error
    lock.take()
    try:
        if path.exists() and not replace:
            raise NotRestorable(f"{path} is there already; --force puts the backup in its place")
        manifest = _verified(archive)
        fresh = path.with_name(path.name + ".restoring")
        try:
            _unpack(archive, fresh, files, _damaged(manifest).keys())
            _check_database(fresh)
            replaced = _put_in_place(fresh, path, patience)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise explained_os(error, str(error.filename or path)) from error
    finally:
        lock.release()
    return Restored(
        made_at=str(manifest["made_at"]),
        version=str(manifest["version"]),
        files=len(manifest["files"]),
        missing=len(manifest.get("missing", ())) + len(_damaged(manifest)),
        replaced=replaced,
    )


# ---------------------------------------------------------------- the archive


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, IO[bytes], int]]]:
    """(name, content, size) of the members, in their order; NotRestorable for what no backup has."""

    def walk(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes], int]]:
        for member in tar:
            is_known = member.name in (DATABASE, MANIFEST) or _CONTENT.fullmatch(member.name)
            content = tar.extractfile(member) if member.isreg() and is_known else None
            if content is None:
                raise NotRestorable(
                    f"{archive} is no backup of a print-gateway: it holds {member.name[:80]!r}"
                )
            yield member.name, content, member.size

    try:
        with tarfile.open(archive, "r|gz") as tar:
            yield walk(tar)
    except (tarfile.TarError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise NotRestorable(f"{archive} is no backup, or damaged: {error}") from error


def _verified(archive: Path) -> Mapping[str, Any]:
    """The manifest of an archive that holds exactly what it says; raises NotRestorable."""
    found: dict[str, Mapping[str, Any]] = {}
    manifest: Any = None
    with _members(archive) as members:
        for name, content, size in members:
            if manifest is not None or name in found:
                raise NotRestorable(f"{archive} is damaged: {name} is where nothing should be")
            if name == MANIFEST:
                manifest = _read_manifest(archive, content, size)
            else:
                found[name] = {"sha256": _copied(content, None), "size": size}
    if manifest is None:
        raise NotRestorable(f"{archive} is not whole: its end is missing")
    said = _said(archive, manifest)
    for name in sorted(said.keys() | found.keys()):
        if said.get(name) != found.get(name):
            raise NotRestorable(f"{archive} is damaged: {name} is not what its manifest says")
    return dict(manifest)


def _read_manifest(archive: Path, content: IO[bytes], size: int) -> Any:
    if size > MANIFEST_BYTES_MAX:
        raise NotRestorable(f"{archive} is no backup of a print-gateway: its manifest is too long")
    manifest = json.loads(content.read())
    wanted = {"format", "made_at", "version", "schema", "database", "files"}
    if not isinstance(manifest, dict) or not wanted <= manifest.keys():
        raise NotRestorable(f"{archive} is no backup of a print-gateway")
    if manifest["format"] != FORMAT or str(manifest["schema"]) > newest_revision():
        raise NotRestorable(
            f"{archive} was made by a newer print-gateway ({manifest['version']}): install that version"
        )
    return manifest


def _said(archive: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says is in the archive, by name; a content by its own hash."""
    try:
        len(manifest.get("missing", ()))
        contents = {FILES + one["sha256"]: one for one in manifest["files"]}
        return {DATABASE: manifest["database"]} | contents | _damaged(manifest)
    except (TypeError, KeyError) as error:
        raise NotRestorable(f"{archive} is no backup of a print-gateway: its manifest is odd") from error


def _damaged(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Contents that were damaged before they were packed, by name, with the hash they have; never placed."""
    return {
        FILES + one["sha256"]: {"sha256": one["found"], "size": one["size"]}
        for one in manifest.get("damaged", ())
    }


def _unpack(archive: Path, database: Path, files: Path, damaged: Set[str]) -> None:
    """Contents to their places, but damaged ones; the database to its temporary one."""
    _make_folder(files)
    folders = set()
    with _members(archive) as members:
        for name, content, size in members:
            if name == DATABASE:
                _write(database, content, FILE_MODE)
            elif name != MANIFEST and name not in damaged:
                sha256 = name.removeprefix(FILES)
                place = files / sha256[:2] / sha256[2:4] / sha256
                folders |= {files, place.parent.parent, place.parent}
                if not (place.exists() and place.stat().st_size == size):
                    _place(content, place)
    for folder in folders:
        _sync_folder(folder)


def _place(content: IO[bytes], place: Path) -> None:
    _make_folder(place.parent)
    temporary = place.with_name(place.name + ".restoring")
    _write(temporary, content, CONTENT_MODE)
    temporary.rename(place)


def _make_folder(folder: Path) -> None:
    """The folder and those above it, where they are missing."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=FOLDER_MODE)
        with _opened(folder, os.O_NOFOLLOW) as fd:
            _give_like(fd, folder.parent)


def _make_file(path: Path) -> None:
    """An empty file, where it is missing."""
    with suppress(FileExistsError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            _give_like(fd, path.parent)
        finally:
            os.close(fd)


def _write(path: Path, content: IO[bytes], mode: int) -> None:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        _copied(content, file.write)
        file.flush()
        os.fsync(fd)
        _give_like(fd, path.parent)


def _copied(content: IO[bytes], write: Callable[[bytes], Any] | None) -> str:
    """The SHA-256 of a member, handed on piece by piece."""
    digest = hashlib.sha256()
    while piece := content.read(_PIECE_BYTES):
        digest.update(piece)
        if write is not None:
            write(piece)
    return digest.hexdigest()


# ---------------------------------------------------------------- the database


def _check_database(path: Path) -> None:
    problems = problems_of(path)
    if problems:
        raise NotRestorable(f"the database in the backup is damaged: {problems[0]}")
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error as error:
            raise NotRestorable(f"the database in the backup is none of a print-gateway: {error}") from error
    if found is None or str(found[0]) > newest_revision():
        raise NotRestorable("the database in the backup was written by a newer print-gateway")


def _put_in_place(fresh: Path, path: Path, patience: float) -> Path | None:
    """The last step: one rename. What was there keeps another name."""
    kept = None
    if path.exists():
        _settle(path, patience)
        kept = path.with_name(path.name + ".replaced")
        kept.unlink(missing_ok=True)
        os.link(path, kept)
    for log in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        log.unlink(missing_ok=True)  # it would be read into the restored one
    fresh.rename(path)
    _sync_folder(path.parent)
    return kept


def _settle(path: Path, patience: float) -> None:
    """Bring what its log holds into the database itself. One that is damaged is kept as it is."""
    try:
        with closing(sqlite3.connect(path, timeout=patience)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise explained(error, str(path)) from error


def _give_like(fd: int, model: Path) -> None:
    """Root restores for the gateway's user, whose folder it is.

    Only what was made here, and by its descriptor: that user may put a link to anything in the place of a
    name.
    """
    if os.geteuid() == 0:
        owner = model.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    with _opened(folder) as fd:
        os.fsync(fd)


@contextmanager
def _opened(folder: Path, flags: int = 0) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)
    try:
        yield fd
    finally:
        os.close(fd)
