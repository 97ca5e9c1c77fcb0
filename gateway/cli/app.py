"""The entry point: global options, the processes, the configuration. What is slow is imported when used."""

from __future__ import annotations

import gc
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import (
    access,
    apps,
    database,
    doctor,
    exports,
    files,
    jobs,
    printers,
    restore,
    schedules,
    stacks,
    tasks,
)
from gateway.cli.session import Exit, Target, fail

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.config.secret_files import Secrets

app = typer.Typer(
    name="print-gateway",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The daemon on a 3D-printer host that knows and drives everything the printers do.",
)
#: What the help shows together: of every day, of people and apps, of whoever looks after the host.
PRINTING, PEOPLE, HOST = "Printing", "People and apps", "On the printers' host"
app.add_typer(printers.app, name="printers", rich_help_panel=PRINTING)
app.add_typer(jobs.app, name="jobs", rich_help_panel=PRINTING)
app.add_typer(files.app, name="files", rich_help_panel=PRINTING)
app.add_typer(schedules.app, name="schedules", rich_help_panel=PRINTING)
app.add_typer(stacks.app, name="stacks", rich_help_panel=PRINTING)
app.add_typer(tasks.app, name="tasks", rich_help_panel=PRINTING)
app.command(rich_help_panel=PRINTING)(exports.export)
app.add_typer(access.members, name="members", rich_help_panel=PEOPLE)
app.add_typer(access.organizations, name="organizations", rich_help_panel=PEOPLE)
app.add_typer(access.keys, name="keys", rich_help_panel=PEOPLE)
app.add_typer(apps.app, name="apps", rich_help_panel=PEOPLE)
app.command(rich_help_panel=HOST)(doctor.doctor)
app.command(rich_help_panel=HOST)(exports.backup)
app.command(rich_help_panel=HOST)(restore.restore)
app.command(rich_help_panel=HOST)(exports.diagnostics)
app.add_typer(database.app, name="db", rich_help_panel=HOST)
printers.app.command("upload")(files.upload)

ConfigPath = Annotated[
    Path | None, typer.Option("--config", help="Default: /etc/print-gateway/config.toml if it is there.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"print-gateway {version('print-gateway')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar="PRINT_GATEWAY_URL", help="A gateway elsewhere; needs a token.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="PRINT_GATEWAY_TOKEN", help="A key; better in the environment.")
    ] = None,
    socket: Annotated[str | None, typer.Option(help="The Unix socket of a gateway on this host.")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it, and exit.")
    ] = False,
) -> None:
    """Which gateway is meant. On its own host the Unix socket is the authority."""
    if url and not _is_url(url):
        fail(f'"{url}" is not a URL; write it like http://printhost.local:8080', Exit.USAGE)
    token = token.strip() if token else None
    if token and not (token.isascii() and token.isprintable()):
        fail("the token has characters that no key has; copy it again", Exit.USAGE)
    context.obj = Target(url, token, socket)


def _is_url(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        return False


@app.command(rich_help_panel=HOST)
def serve(
    config: ConfigPath = None,
    embedded_broker: Annotated[
        bool, typer.Option("--embedded-broker", help="With an MQTT broker of its own, for this host alone.")
    ] = False,
) -> None:
    """Run the gateway: engine, store, HTTP."""
    settings = _load(config)
    secrets = _read_secrets(settings, config)
    gc.disable()  # until it listens: a tenth of the start went into looking for garbage among modules
    from gateway.main import serve as run

    raise typer.Exit(run(settings, secrets, embedded_broker=embedded_broker))


@app.command(rich_help_panel=HOST)
def streamer(config: ConfigPath = None) -> None:
    """Run the streamer: the process that feeds serial printers and outlives the gateway."""
    settings = _load(config)
    from gateway.main_streamer import stream as run

    raise typer.Exit(run(settings))


@app.command(rich_help_panel=HOST)
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running, print URL, token and broker.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="With --keep: also write them there as JSON.")
    ] = None,
) -> None:
    """Print a real file on simulated printers, with everything in a temporary folder."""
    from gateway.cli.demo import run_demo

    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        fail(f"there is no folder {ready_file.absolute().parent} for --ready-file", Exit.USAGE)
    raise typer.Exit(run_demo(keep=keep, ready_file=ready_file))


@app.command("check-config", rich_help_panel=HOST)
def check_config(
    config: ConfigPath = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read the configuration as the service would, and say everything that is wrong with it."""
    from gateway.config.loading import DEFAULT_PATH, chosen_path

    settings = _load(config)
    notes = [*settings.warnings(), *_read_secrets(settings, config).exposures]
    if chosen_path(config) is None:
        notes.insert(0, f"there is no file {DEFAULT_PATH}: all is as by default, or in the environment")
    store = _without_password(settings.store.url)
    if json:
        from json import dumps

        printers = [printer.model_dump(mode="json") for printer in settings.printers]
        told = {"url": settings.server.url, "store": store, "printers": printers}
        print(dumps({**told, "notes": notes}, indent=2))
        return
    for note in notes:
        print(f"note: {note}")
    for printer in settings.printers:
        baud = f", {printer.baud} baud" if printer.driver == "marlin" else ""
        where = f"{printer.driver} at {printer.link}{baud}"
        print(f"printer {printer.name}: {where}, owner {printer.owner}")
    if settings.mqtt.broker is not None:
        commands = "takes commands" if settings.mqtt.takes_commands else "takes no commands"
        print(f"tells the broker {settings.mqtt.broker}, and {commands} from there")
    print(f"serves {settings.server.url}; store {store}")
    print("the configuration is good")


@app.command(rich_help_panel=HOST)
def wirelog(
    printer: Annotated[str, typer.Argument(help="The printer's name in the configuration.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until Ctrl+C.")] = False,
    config: ConfigPath = None,
) -> None:
    """Print what was said on a printer's wire lately, for a bug report (on the printer's host)."""
    from gateway.cli.wirelog import show

    show(_load(config), printer, follow=follow)


def _without_password(url: str) -> str:
    import re

    return re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", url)


def main() -> None:
    """`print-gateway`."""
    for stream in (sys.stdout, sys.stderr):
        # In a locale without degrees and names as people write them: a question mark, never a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _read_secrets(config: Config, path: Path | None) -> Secrets:
    from gateway.config import ConfigError
    from gateway.config.secret_files import read_secrets

    try:
        return read_secrets(config, path)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)


def _load(path: Path | None) -> Config:
    from gateway.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
