"""Names that say nothing are not given; what the wheel needs is in it."""

from __future__ import annotations

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, modules

EMPTY_WORDS = set("utils util helpers helper common manager core data info process misc".split())
ALL = [*modules("gateway"), *modules("firmware_sim")]
#: A module is looked at twice beyond 400 lines, and split beyond this.
MOST_LINES = 500
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_no_module_has_an_empty_name() -> None:
    named = [(module.name, set(module.name.split("."))) for module in ALL]
    assert [name for name, parts in named if parts & EMPTY_WORDS] == []


def test_no_module_is_huge() -> None:
    sizes = {module.name: len(module.path.read_text(encoding="utf-8").splitlines()) for module in ALL}
    assert {name: lines for name, lines in sizes.items() if lines > MOST_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [m.name for m in ALL if m.tree.body and ast.get_docstring(m.tree) is None]
    assert silent == []


def test_the_commands_are_there() -> None:
    for target in PROJECT["project"]["scripts"].values():
        name, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(name), function))


def test_the_wheel_takes_both_packages_whole() -> None:
    """hatchling packs every file below these folders that Git does not ignore: print files, profiles, …"""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["gateway", "firmware_sim"]
    assert not {"exclude", "include", "only-include"} & wheel.keys()
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert not [pattern for pattern in ignored if pattern.endswith((".gcode", ".toml", ".sql", ".json"))]


@pytest.mark.parametrize(
    "path", ["gateway/cli/demo_files/cable-clip.gcode", "gateway/cli/demo_files/cable-clip-small.gcode"]
)
def test_package_files_exist(path: str) -> None:
    assert (ROOT / path).stat().st_size > 0


def test_top_level_holds_only_what_it_may() -> None:
    """Besides dot-files and what builds and tools leave behind."""
    allowed = {
        "pyproject.toml", "README.md", "gateway", "firmware_sim", "tests", "systemd", "docs", "CHANGELOG.md",
        "CONTRIBUTING.md", "LICENSE", "build", "dist",
    }  # fmt: skip
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in found - allowed if not name.endswith(".egg-info")} == set()


def test_tests_patch_nothing() -> None:
    """Fakes are arguments."""
    words = ("mock" + ".patch", "monkeypatch" + ".setattr", "unittest" + ".mock")
    guilty = [
        str(path.relative_to(ROOT))
        for path in sorted(Path(ROOT / "tests").rglob("*.py"))
        if any(word in path.read_text(encoding="utf-8") for word in words)
    ]
    assert guilty == []
