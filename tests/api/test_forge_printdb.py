"""The printer database: what is shipped, what an operator lays over it, and how both are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.api.forge.mapping_printers import OTHER_TYPE_ID, TYPE_IDS
from gateway.api.forge.printdb.catalogue import Catalogue, CatalogueError
from gateway.api.forge.printdb.records import Material, PrinterType, Profile
from tests.api.host import CATALOGUE, Host

EMBER = "7FAF097F-DB2E-45DC-9395-A30210E789AA"
#: Forge 1.5, printdb: the printer types the reference names.
KNOWN = {
    EMBER: "Ember",
    "F2F4B9B6-1D54-4A16-883E-B0385F27380D": "Replicator 2",
    "8D39294C-FA7A-40F4-AB79-19F506C64097": "Ultimaker 2",
    "F2F4B9B6-1D54-4A16-883E-B0385F27380C": "Series 1",
}
#: Forge 1.5: the fields of a printer type.
FIELDS = {
    "id", "version", "profile_id", "manufacturer", "name", "technology", "default_material_id",
    "default_profile_id", "icon_id", "icons", "supported_connections", "build_volume", "registration_url",
}  # fmt: skip


def own(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


async def get(host: Host, path: str) -> Any:
    response = await host.client.get(f"/v1/printdb/{path}")
    assert response.status == 200, await response.text()
    return await response.json()


def test_the_types_of_the_reference_are_known() -> None:
    assert {key: CATALOGUE.printer_types[key]["name"] for key in KNOWN} == KNOWN
    assert all(set(record) >= FIELDS for record in CATALOGUE.printer_types.values())


def test_every_type_that_a_printer_can_show_is_in_the_database() -> None:
    assert {*TYPE_IDS.values(), OTHER_TYPE_ID} <= set(CATALOGUE.printer_types)


@pytest.mark.parametrize("spelling", [EMBER, EMBER.lower()])
def test_a_type_is_known_in_any_spelling(spelling: str) -> None:
    assert CATALOGUE.knows_type(spelling)
    assert not CATALOGUE.knows_type("00000000-0000-0000-0000-000000000000")


def test_what_is_shipped_keeps_its_shapes() -> None:
    for records, model in (
        (CATALOGUE.printer_types, PrinterType),
        (CATALOGUE.materials, Material),
        (CATALOGUE.profiles, Profile),
    ):
        assert records
        for key, record in records.items():
            assert model.model_validate_json(json.dumps(record)).id == key


def test_own_records_come_behind_and_take_the_place_of_shipped_ones(tmp_path: Path) -> None:
    text = f"""
    [[printer_types]]
    id = "{EMBER.lower()}"
    name = "Our Ember"
    technology = "DLP"

    [[printer_types]]
    id = "11111111-2222-4333-8444-555555555555"
    name = "Workshop printer"
    technology = "FDM"
    chamber = "heated"
    """
    found = Catalogue.load(own(tmp_path, printer_types=text)).printer_types
    assert found[EMBER]["name"] == "Our Ember"
    assert found["11111111-2222-4333-8444-555555555555"]["chamber"] == "heated"
    assert next(iter(found)) == EMBER
    assert len(found) == len(CATALOGUE.printer_types) + 1


RECORD = 'id = "11111111-2222-4333-8444-555555555555"\nname = "x"\ntechnology = "FDM"\n'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("printer_type", "", "there is no such file in a printer database; known are printer_types.toml"),
        ("materials", "materials = [", "materials.toml is not TOML in UTF-8"),
        ("materials", "[[profiles]]\n", r"it may hold \[\[materials\]\] and nothing else"),
        ("materials", "materials = 3\n", r"it may hold \[\[materials\]\] and nothing else"),
        ("materials", "materials = [3]\n", r"\[\[materials\]\] no. 1 : Input should be"),
        ("profiles", '[[profiles]]\nname = "x"\n', r"\[\[profiles\]\] no. 1 id: Field required"),
        ("profiles", RECORD.replace("1111-", "11-"), "may hold"),
        ("profiles", f"[[profiles]]\n{RECORD.replace('11111111', '1')}", "id: Value error, a UUID is needed"),
        ("profiles", f"[[profiles]]\n{RECORD}since = 2016-05-18\n", "holds a date, nan or inf"),
        ("profiles", f"[[profiles]]\n{RECORD}height = nan\n", "holds a date, nan or inf"),
        (
            "materials",
            f'[[materials]]\n{RECORD}printer_types = ["99999999-2222-4333-8444-555555555555"]\n',
            '"x" in materials names 99999999-2222-4333-8444-555555555555, which is not in printer_types',
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(CatalogueError, match=words) as raised:
        Catalogue.load(own(tmp_path, **{name: text}))
    assert str(tmp_path) in str(raised.value)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"printdb = .* cannot be read: no such file or directory"):
        Catalogue.load(tmp_path / "none")


async def test_printer_types_in_both_spellings_and_with_a_slash(host: Host) -> None:
    listed = [await get(host, f"{name}") for name in ("printerTypes", "printertypes", "printerTypes/")]
    assert listed[0] == listed[1] == listed[2]
    assert {record["id"] for record in listed[0]["printerTypes"]} >= set(KNOWN)
    assert (await get(host, f"printertypes/{EMBER.lower()}/"))["manufacturer"] == "Autodesk"


async def test_materials_are_filtered(host: Host) -> None:
    every = (await get(host, "materials"))["materials"]
    resins = (await get(host, "materials/?technology=dlp"))["materials"]
    assert 0 < len(resins) < len(every)
    assert {record["technology"] for record in resins} == {"DLP"}
    both = (await get(host, "materials?technology=FDM&composition=ABS&color=FFFEF8"))["materials"]
    assert {record["composition"] for record in both} == {"ABS"}
    assert (await get(host, "materials?color=000000"))["materials"] == []
    assert await get(host, f"materials/{every[0]['id']}") == every[0]


async def test_profiles_come_in_pages(host: Host) -> None:
    """Forge 1.5: "count 37, limit 5", and the SDK's slash."""
    names, path = [], "profiles/?limit=5"
    while path:
        page = await get(host, path)
        assert page["count"] == len(CATALOGUE.profiles)
        assert "member_id" not in page
        names += [record["id"] for record in page["profiles"]]
        path = page["_link_next"].removeprefix("/printdb/")
    assert names == list(CATALOGUE.profiles)
    assert (await get(host, "profiles?limit=5"))["_link_next"] == "/printdb/profiles?limit=5&offset=5"
