"""The printer database in memory: what is shipped, and an operator's own records over it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway.api.forge.printdb.records import Material, PrinterType, Profile, Record

SHIPPED: Final = Path(__file__).parent
#: Bytes of one file: the shipped ones have 10,000; a thousand records have 300,000.
FILE_BYTES: Final = 4_000_000
#: The table of a file, which is also the file's name, and the shape of its entries.
KINDS: Final[Mapping[str, type[Record]]] = {
    "printer_types": PrinterType,
    "materials": Material,
    "profiles": Profile,
}
Records = dict[str, dict[str, Any]]  # by id


class CatalogueError(Exception):
    """A data file cannot be used. The text names it and says what to do."""


class Catalogue:
    """All records, in the order of the files; an entry with a known id takes the place of that one."""

    def __init__(self, tables: Mapping[str, Records]) -> None:
        self.printer_types: Mapping[str, Mapping[str, Any]] = tables["printer_types"]
        self.materials: Mapping[str, Mapping[str, Any]] = tables["materials"]
        self.profiles: Mapping[str, Mapping[str, Any]] = tables["profiles"]

    @classmethod
    def load(cls, directory: Path | None = None) -> Catalogue:
        """The shipped records and those of `directory`; raises CatalogueError. Blocks."""
        tables = {kind: _read(SHIPPED / f"{kind}.toml", kind) for kind in KINDS}
        if directory is not None:
            for path in _own_files(directory):
                tables[path.stem] |= _read(path, path.stem)
        _check_references(tables, directory or SHIPPED)
        return cls(tables)

    def knows_type(self, type_id: str) -> bool:
        """Whether this is a kind of printers that may call in (Forge: POST printers/registration_code)."""
        return type_id.upper() in self.printer_types


def _own_files(directory: Path) -> Iterator[Path]:
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
    except OSError as failure:
        raise CatalogueError(f'[forge] printdb = "{directory}" cannot be read: {_reason(failure)}') from None
    for path in found:
        if path.stem not in KINDS:
            known = ", ".join(f"{kind}.toml" for kind in KINDS)
            raise CatalogueError(f"{path}: there is no such file in a printer database; known are {known}")
    yield from found


def _reason(failure: OSError) -> str:
    return f"{(failure.strerror or str(failure)).lower()}; check its owner and mode"


def _read(path: Path, kind: str) -> Records:
    try:
        content = path.read_bytes()[: FILE_BYTES + 1]
    except OSError as failure:
        raise CatalogueError(f"{path} cannot be read: {_reason(failure)}") from None
    if len(content) > FILE_BYTES:
        raise CatalogueError(f"{path} has more than {FILE_BYTES} bytes; split off what nobody asks for")
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except ValueError as failure:
        raise CatalogueError(f"{path} is not TOML in UTF-8: {failure}") from None
    entries = tables.pop(kind, [])
    if tables or not isinstance(entries, list):
        raise CatalogueError(f"{path}: it may hold [[{kind}]] and nothing else")
    return dict(_entry(path, kind, number, entry) for number, entry in enumerate(entries, start=1))


def _entry(path: Path, kind: str, number: int, entry: object) -> tuple[str, dict[str, Any]]:
    try:
        found = KINDS[kind].model_validate(entry).model_dump()
        json.dumps(found, allow_nan=False)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        where = " ".join(str(step) for step in first["loc"])
        raise CatalogueError(f"{path}: [[{kind}]] no. {number} {where}: {first['msg']}") from None
    except (TypeError, ValueError):
        text = (
            f"{path}: [[{kind}]] no. {number} holds a date, nan or inf, which JSON has not; write it as text"
        )
        raise CatalogueError(text) from None
    return found["id"], found


def _check_references(tables: Mapping[str, Records], source: Path) -> None:
    """Every id that a record names is there: an app follows them."""
    for kind, record, name, target in _references(tables):
        if target not in tables[name]:
            raise CatalogueError(
                f'{source}: "{record["name"]}" in {kind} names {target}, which is not in {name}; '
                f"add it to {name}.toml or leave it out"
            )


def _references(tables: Mapping[str, Records]) -> Iterator[tuple[str, Mapping[str, Any], str, str]]:
    singles = {
        "profile_id": "profiles", "default_profile_id": "profiles", "default_material_id": "materials",
    }  # fmt: skip
    for kind, records in tables.items():
        for record in records.values():
            for key, name in singles.items():
                if record.get(key) is not None:
                    yield kind, record, name, record[key]
            if kind == "printer_types":
                continue
            for name in ("printer_types", "materials"):
                for target in record.get(name, ()):
                    yield kind, record, name, target
