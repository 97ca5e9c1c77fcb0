"""`print-gateway db …`: the one command that opens the database itself, on a stopped gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.session import Exit, fail

app = typer.Typer(no_args_is_help=True, help="The database of a stopped gateway.")

ConfigPath = Annotated[
    Path | None, typer.Option("--config", help="Default: /etc/print-gateway/config.toml if it is there.")
]


@app.command()
def upgrade(config: ConfigPath = None) -> None:
    """Create the database, or bring it to this version. Stop the gateway first."""
    url = _url(config)
    from gateway.engine.ports import StoreUnavailable
    from gateway.store import migrate

    try:
        migrate.upgrade(url)
    except StoreUnavailable as error:
        fail(str(error))
    print("the database is up to date")


@app.command()
def check(config: ConfigPath = None) -> None:
    """Say what is wrong with the database; changes nothing."""
    url = _url(config)
    from gateway.engine.ports import StoreUnavailable
    from gateway.store import migrate

    try:
        problems = migrate.check(url)
    except StoreUnavailable as error:
        fail(str(error))
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(Exit.TROUBLE)
    print("the database is sound")


def _url(path: Path | None) -> str:
    from gateway.config import ConfigError, load

    try:
        return load(path).store.url
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
