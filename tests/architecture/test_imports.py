"""Who may import whom: the table of docs/ARCHITECTURE.md, checked on the source. A new arrow needs an ADR."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, Module, cycle, imports, imports_at_load, modules

STDLIB = frozenset(sys.stdlib_module_names)
#: What reads clocks, waits, or talks to the world.
WORLD = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "select", "selectors", "signal", "socket", "sqlite3", "ssl",
     "subprocess", "threading", "time", "random", "secrets", "fcntl", "termios", "http", "logging"}
)  # fmt: skip


@dataclass(frozen=True)
class Room:
    """What the modules of one folder may import besides the standard library and their own folder."""

    first: tuple[str, ...] = ()  # first-party modules and everything below them
    third: tuple[str, ...] = ()
    never: frozenset[str] = frozenset()  # of the standard library


EVERYTHING = ("gateway",)
ROOMS = {
    "gateway.protocol": Room(third=("pydantic",), never=WORLD | {"os"}),
    "gateway.gcode": Room(never=WORLD),
    "gateway.domain": Room(never=WORLD | {"os", "pathlib", "io"}),
    "gateway.transport": Room(third=("serial", "aiomqtt", "aiohttp", "yarl")),
    "gateway.broker": Room(("gateway.transport.backoff",)),  # starts its child, and loads nothing of it
    "gateway.broker.child": Room(third=("amqtt",)),
    "gateway.drivers": Room(
        ("gateway.protocol", "gateway.gcode", "gateway.transport", "gateway.domain", "gateway.safety")
    ),
    "gateway.safety": Room(("gateway.domain",), never=WORLD | {"os", "pathlib", "io"}),
    # The wire between the two processes is pydantic's JSON.
    "gateway.streamer": Room(
        ("gateway.drivers", "gateway.transport", "gateway.domain", "gateway.safety"), ("pydantic",)
    ),
    # Ports belong to the engine; who implements them imports them (ADR 0011).
    "gateway.store": Room(("gateway.domain", "gateway.engine.ports"), ("sqlalchemy", "alembic")),
    "gateway.engine": Room(("gateway.domain",)),
    "gateway.auth": Room(("gateway.domain",), ("oauthlib", "joserfc")),
    "gateway.tasks": Room(
        ("gateway.domain", "gateway.gcode", "gateway.engine.ports", "gateway.rounds", "gateway.transport"),
        ("cronsim",),
    ),
    "gateway.publish": Room(
        ("gateway.domain", "gateway.transport", "gateway.engine.ports", "gateway.rounds")
    ),
    "gateway.api.http": Room(
        ("gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "limits", "multidict", "yarl", "pydantic", "pydantic_core"),
    ),
    "gateway.api.forge": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth", "gateway.protocol.bayeux"),
        ("aiohttp", "multidict", "yarl", "pydantic"),
    ),
    "gateway.api.cloud66": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "multidict", "pydantic"),
    ),
    "gateway.api.oauth": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "multidict", "pydantic"),
    ),
    "gateway.api.conversio": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "multidict", "pydantic"),
    ),
    "gateway.api.greenarrow": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "multidict", "pydantic"),
    ),
    "gateway.api.native": Room(
        ("gateway.api.http", "gateway.domain", "gateway.engine", "gateway.auth"),
        ("aiohttp", "aiohttp_sse", "multidict", "yarl", "pydantic"),
    ),
    "gateway.client": Room(third=("aiohttp", "pydantic")),
    "gateway.config": Room(("gateway.gcode",), ("pydantic", "pydantic_core", "pydantic_settings")),
    "gateway.cli": Room(
        ("gateway.client", "gateway.config"), ("typer", "rich", "aiohttp", "aiomqtt", "pydantic")
    ),
    # Called lazily: the processes, and the database of a stopped gateway.
    "gateway.cli.app": Room(
        ("gateway.cli", "gateway.config", "gateway.main", "gateway.main_streamer"), ("typer",)
    ),
    "gateway.cli.database": Room(
        ("gateway.cli", "gateway.config", "gateway.store", "gateway.engine.ports"), ("typer",)
    ),
    "gateway.cli.restore": Room(
        ("gateway.cli", "gateway.config", "gateway.store", "gateway.engine.ports"), ("typer",)
    ),
    "gateway.main": Room(EVERYTHING, ("aiohttp",)),
    "gateway.main_gateway": Room(EVERYTHING),
    "gateway.main_files": Room(("gateway.domain", "gateway.gcode", "gateway.protocol.marlin")),
    "gateway.main_tasks": Room(
        (
            "gateway.config",
            "gateway.domain",
            "gateway.engine",
            "gateway.main_files",
            "gateway.publish",
            "gateway.store",
            "gateway.tasks",
            "gateway.transport",
        )
    ),
    "gateway.main_call_in": Room(
        ("gateway.api.forge", "gateway.domain", "gateway.drivers", "gateway.engine.ports", "gateway.publish")
    ),
    "gateway.main_mqtt": Room(
        (
            "gateway.config",
            "gateway.domain",
            "gateway.drivers",
            "gateway.engine",
            "gateway.main_mqtt_printers",
            "gateway.main_northbound",
            "gateway.publish",
            "gateway.running",
            "gateway.transport",
        )
    ),
    "gateway.main_mqtt_printers": Room(
        (
            "gateway.config",
            "gateway.domain",
            "gateway.drivers",
            "gateway.main_safety",
            "gateway.protocol.bambu",
            "gateway.protocol.moonraker",
            "gateway.safety",
            "gateway.transport",
        ),
        ("aiohttp",),
    ),
    "gateway.main_northbound": Room(
        (
            "gateway.auth",
            "gateway.broker.supervisor",
            "gateway.config",
            "gateway.domain",
            "gateway.engine",
            "gateway.publish",
            "gateway.transport",
        )
    ),
    "gateway.main_safety": Room(("gateway.config", "gateway.safety")),
    "gateway.main_streamer": Room(
        (
            "gateway.config",
            "gateway.drivers",
            "gateway.main_safety",
            "gateway.running",
            "gateway.safety",
            "gateway.streamer",
            "gateway.system",
            "gateway.transport",
        )
    ),
    "gateway.__main__": Room(("gateway.cli.app",)),
    "gateway.rounds": Room(("gateway.engine.ports",)),  # what workers beside the engine share
    "gateway.running": Room(("gateway.transport.own_task",)),  # signals, named tasks, sd_notify
    "gateway.system": Room(),  # the real clock, real chance
    "firmware_sim": Room(),
    # A printer that calls in is an HTTP client.
    "firmware_sim.forge": Room(("firmware_sim",), ("aiohttp",)),
    # A printer that is a broker, with a certificate of its own making.
    "firmware_sim.bambu": Room(("firmware_sim",), ("cryptography",)),
    # A client of somebody's broker, and an HTTP server for its files.
    "firmware_sim.moonraker": Room(("firmware_sim",), ("aiomqtt", "aiohttp")),
}
#: Folders of folders: nothing but an `__init__` that imports nothing.
BARE = {"gateway", "gateway.api"}
ALL = [*modules("gateway"), *modules("firmware_sim")]
KNOWN = frozenset(module.name for module in ALL)


def is_below(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(name: str) -> str | None:
    return max((room for room in ROOMS if is_below(name, room)), key=len, default=None)


def broken_rules(module: Module) -> list[str]:
    """What a module imports and may not, one sentence each."""
    name = room_of(module.name)
    if name is None:
        found = imports(module) - {"__future__"}
        return [f"{module.name} is in no room but imports {', '.join(sorted(found))}"] if found else []
    room, problems = ROOMS[name], []
    for target in sorted(imports(module, known=KNOWN)):
        top = target.partition(".")[0]
        if top in STDLIB:
            allowed = top not in room.never
        elif top in ("gateway", "firmware_sim"):
            allowed = any(is_below(target, other) for other in (name, *room.first))
        else:
            allowed = top in room.third
        if not allowed:
            problems.append(f"{module.name} imports {target}, which {name} may not")
    return problems


def test_imports_follow_the_table() -> None:
    assert [problem for module in ALL for problem in broken_rules(module)] == []


def test_every_module_is_placed() -> None:
    assert [m.name for m in ALL if room_of(m.name) is None and m.name not in BARE] == []


def test_every_room_exists() -> None:
    assert [room for room in ROOMS if not any(is_below(module.name, room) for module in ALL)] == []


def test_no_dialect_knows_another() -> None:
    dialects = {room for room in ROOMS if room.startswith("gateway.api.")} - {"gateway.api.http"}
    for room in dialects:
        assert not dialects & set(ROOMS[room].first)
    assert not [other for other in ROOMS["gateway.api.http"].first if is_below(other, "gateway.api")]


def test_there_are_no_import_cycles() -> None:
    """Of modules, by what they import while they are loaded themselves."""
    graph = {module.name: imports_at_load(module, known=KNOWN) & KNOWN for module in ALL}
    assert cycle(graph) == []


def loaded_with(*names: str) -> set[str]:
    """Everything that is imported, at whatever distance, while these modules are."""
    by_name, found, open_ends = {module.name: module for module in ALL}, set[str](), list(names)
    while open_ends:
        name = open_ends.pop()
        if name not in found:
            found.add(name)
            packages = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
            inside = imports_at_load(by_name[name], known=KNOWN) if name in by_name else set()
            open_ends += [*packages, *inside]
    return found


@pytest.mark.parametrize("process", ["gateway.main", "gateway.main_streamer", "gateway.cli.app"])
def test_what_speaks_no_mqtt_loads_nothing_of_it(process: str) -> None:
    """It is 2 MB and a tenth of a second, on a board that may have little of both."""
    assert not {"aiomqtt", "paho", "amqtt"} & loaded_with(process)
    assert "aiomqtt" in loaded_with("gateway.main_mqtt")


@pytest.mark.parametrize(("one", "other"), [("gateway", "firmware_sim"), ("firmware_sim", "gateway")])
def test_the_simulator_and_the_gateway_share_nothing(one: str, other: str) -> None:
    guilty = [m.name for m in modules(one) if any(is_below(target, other) for target in imports(m))]
    assert guilty == []


def test_the_domain_and_the_protocols_read_no_clock() -> None:
    """`now` is an argument: nobody there calls `datetime.now()`, `date.today()` or opens a file."""
    forbidden = {"now", "utcnow", "today", "fromtimestamp"}
    for module in ALL:
        if room_of(module.name) not in ("gateway.domain", "gateway.protocol"):
            continue
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            called = call.func
            if isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("datetime", "date"):
                assert called.attr not in forbidden, f"{module.name}:{call.lineno}"
            assert not (isinstance(called, ast.Name) and called.id == "open"), f"{module.name}:{call.lineno}"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gateway.domain.made_up", "import asyncio", "imports asyncio"),
        ("gateway.domain.made_up", "from gateway.store import rows", "imports gateway.store"),
        ("gateway.engine.made_up", "def f():\n    import sqlalchemy", "imports sqlalchemy"),
        ("gateway.store.made_up", "import gateway.engine.engine", "imports gateway.engine.engine"),
        ("gateway.store.made_up", "from gateway.engine import ports", ""),
        ("gateway.cli.made_up", "from gateway import main", "imports gateway.main"),
        ("gateway.protocol.made_up", "from ..domain import job", "imports gateway.domain.job"),
        ("gateway.made_up", "import json", "is in no room"),
        ("firmware_sim.made_up", "import gateway.protocol", "imports gateway.protocol"),
    ],
)
def test_the_rules_bite(name: str, text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "made_up.py"
    path.write_text(text)
    problems = " ".join(broken_rules(Module(name, path)))
    assert expected in problems
    assert bool(problems) == bool(expected)


def test_a_cycle_would_be_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_table_is_written_down() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    missing = [room for room in ROOMS if f"`{room.replace('.', '/')}" not in text and f"`{room}" not in text]
    assert missing == []
