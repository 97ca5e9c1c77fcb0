from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.app import app
from tests.client.conftest import free_port
from tests.client.fake_gateway import FakeGateway, served

__all__ = ["free_port"]

Run = Callable[..., Result]


@pytest.fixture
def fake() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def socket(fake: FakeGateway, tmp_path: Path) -> Iterator[Path]:
    with served(fake, tmp_path / "api.sock") as where:
        yield Path(where)


@pytest.fixture
def run(socket: Path) -> Run:
    """The command line on the fake gateway's host."""
    return lambda *words: CliRunner().invoke(app, ["--socket", str(socket), *words])


@pytest.fixture
def run_alone() -> Run:
    """The command line with nothing around it."""
    clean = {"PRINT_GATEWAY_URL": None, "PRINT_GATEWAY_TOKEN": None}
    return lambda *words, **env: CliRunner().invoke(app, list(words), env={**clean, **env})
