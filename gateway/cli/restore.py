"""`print-gateway restore`: a backup in the place of the database and the files of a stopped gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.session import Exit, fail
from gateway.cli.show import plain

ConfigPath = Annotated[
    Path | None, typer.Option("--config", help="Default: /etc/print-gateway/config.toml if it is there.")
]


def restore(
    file: Annotated[Path, typer.Argument(help="What a backup task made: print-gateway-….tar.gz")],
    force: Annotated[
        bool, typer.Option("--force", help="Put it in the place of the database that is there.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Restore a backup. Stop the gateway first; nothing changes before all of it is verified."""
    from gateway.config import ConfigError, load
    from gateway.engine.ports import StoreUnavailable
    from gateway.store.restoring import NotRestorable
    from gateway.store.restoring import restore as put_back

    try:
        store = load(config).store
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    if not file.is_file():
        fail(f"{file} is no file", Exit.USAGE)
    try:
        done = put_back(file, store.url, Path(store.files), replace=force)
    except (NotRestorable, StoreUnavailable) as error:
        fail(str(error))
    made = f"{plain(done.made_at[:19].replace('T', ' '))} UTC"
    print(f"restored the backup of {made} (version {plain(done.version)}), {_files(done.files)}")
    if done.missing:
        print(f"not in it: {_files(done.missing)}, gone or damaged when it was made")
    if done.replaced is not None:
        print(f"the former database is {done.replaced}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
