"""What the documents promise is so: commands, configuration, links, decisions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.config import Config, MarlinPrinter, load
from tests.architecture.source_tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
#: The two commands of a fresh clone, to the letter.
FIRST = "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && .venv/bin/print-gateway demo"
SECOND = ".venv/bin/pip install -q '.[test]' && .venv/bin/pytest -q"


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of one language, without the indent of a list."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.splitlines():
        if line.strip().startswith("```"):
            if inside is None:
                inside, wanted, indent = [], line.strip() == f"```{language}", line.partition("`")[0]
            else:
                found += ["\n".join(inside)] if wanted else []
                inside = None
        elif inside is not None:
            inside.append(line.removeprefix(indent))
    return found


def test_the_two_commands_are_there() -> None:
    assert f"{FIRST}\n{SECOND}" in README
    assert README.index("sudo apt install python3-venv") < README.index(FIRST)


def test_the_example_configuration_is_all_keys_with_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(next(block for block in blocks(README, "toml") if "[server]" in block))
    config = load(path, {})
    (printer,) = config.printers
    assert config.model_copy(update={"printers": ()}) == Config()
    wanted = MarlinPrinter(name="mk3", driver="marlin", port="/dev/serial/by-id/...", owner="ana")
    assert printer == wanted
    sections = [type(getattr(config, name)) for name in Config.model_fields if name != "printers"]
    for model in (Config, MarlinPrinter, *sections):
        for key in model.model_fields:
            assert re.search(rf"^(# )?(\[+(printers\.)?)?{key}\b", path.read_text(), re.MULTILINE), key


def test_the_first_printers_configuration_is_good(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(next(block for block in blocks(README, "toml") if "[server]" not in block))
    assert load(path, {}).warnings() == []


def commands_in(text: str) -> list[str]:
    """What is typed: lines of blocks, without what is said about them, and what stands in backquotes."""
    lines = [line.strip() for block in blocks(text) for line in block.splitlines()]
    shown = [*(re.split(" {3}| # ", line)[0] for line in lines), *re.findall(r"`([^`\n]+)`", text)]
    calls = [line.removeprefix("sudo ") for line in shown]
    return [call for call in calls if re.match(r"print-gateway [a-z]", call)]


#: The README's, the pages', and those that the decisions tell of: each once.
COMMANDS = sorted({call for path in DOCUMENTS for call in commands_in(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("words", [shlex.split(call)[1:] for call in COMMANDS], ids=" ".join)
def test_every_command_shown_exists(words: list[str]) -> None:
    """Its options too: asked for help, a command still refuses an option that it does not know."""
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0, result.output
    named = [word for word in words if word.startswith("--")]
    assert all(option in result.output for option in named)


def test_there_are_commands_to_check() -> None:
    assert len(commands_in(README)) >= 8
    assert len(COMMANDS) >= 60


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)\)", path.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    """`gateway/…`, `tests/…` and `systemd/…` in backquotes; a bare `name.py` stands beside a full path."""
    roots = "gateway|firmware_sim|tests|systemd|docs"
    named = re.findall(rf"`((?:{roots})/[\w./-]*)`", path.read_text(encoding="utf-8"))
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]
    assert missing == []


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_its_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    parts = [text.index(part) for part in ("Status: ", "**Context.**", "**Decision.**", "**Consequences.**")]
    assert parts == sorted(parts)
    assert len(text.splitlines()) <= 45


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_has_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert set(re.findall(r"^### (\w+)", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip
