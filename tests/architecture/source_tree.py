"""The tree as the architecture tests see it: modules, what each imports, which room it belongs to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of a package."""

    name: str  # dotted
    path: Path

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def modules(package: str, root: Path = ROOT) -> list[Module]:
    """Every module of a package, `__pycache__` aside."""
    found = []
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imports(module: Module, *, known: frozenset[str] = frozenset()) -> set[str]:
    """Full dotted names of what a module imports anywhere, also inside functions and under TYPE_CHECKING.

    `from a.b import c` counts as `a.b.c` when that is one of the `known` modules, else as `a.b`.
    """
    return {name for node in ast.walk(module.tree) for name in _named(module, node, known)}


def imports_at_load(module: Module, *, known: frozenset[str] = frozenset()) -> set[str]:
    """The same, but only what is imported when the module itself is: what can make a cycle."""
    return {name for node in _at_load(module.tree) for name in _named(module, node, known)}


def _named(module: Module, node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = module.package.split(".")
            parents = parents[: len(parents) - node.level + 1]
            base = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            yield full if full in known else base


def _at_load(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (found for other in child.orelse for found in (other, *_at_load(other)))
            continue
        yield child
        yield from _at_load(child)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """One import cycle, as the names along it; empty when there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph.get(name, ())):
            if found := visit(target, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])
