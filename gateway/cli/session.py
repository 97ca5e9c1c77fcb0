"""From a command to an answer: where the gateway is, and one clear line when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from gateway.client.native import GatewayClient

T = TypeVar("T")


class Exit(IntEnum):
    """Exit codes, for scripts."""

    COMPLETED = 0
    TROUBLE = 1  # unreachable, refused, broken
    USAGE = 2
    CANCELED = 3
    FAILED = 4
    INTERRUPTED = 130


#: What the gateway answers when what it was asked is wrong, whatever state it is in.
ASKED_WRONGLY = frozenset({400, 404, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Target:
    """The global options: which gateway is meant."""

    url: str | None = None
    token: str | None = None
    socket: str | None = None


def fail(message: str, code: int = Exit.TROUBLE) -> NoReturn:
    """One line on stderr, and out."""
    print(f"print-gateway: {message}", file=sys.stderr)
    raise typer.Exit(code)


def call(context: typer.Context, work: Callable[[GatewayClient], Awaitable[T]]) -> T:
    """Run calls on the gateway that the global options name; troubles end the command with one line."""
    import asyncio

    from gateway.client.calls import DEFAULT_SOCKET, Address
    from gateway.client.errors import GatewayUnreachable, Refused
    from gateway.client.native import GatewayClient

    target = context.find_root().obj or Target()
    address = Address(target.url, target.socket or DEFAULT_SOCKET, target.token)

    async def run() -> T:
        async with GatewayClient(address) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except GatewayUnreachable as error:
        fail(str(error))
    except Refused as error:
        fail(str(error), Exit.USAGE if error.status in ASKED_WRONGLY else Exit.TROUBLE)
    except UnicodeEncodeError:
        fail("one of the words is no UTF-8 text; type it again", Exit.USAGE)
    except KeyboardInterrupt:
        fail("stopped watching; the gateway goes on", Exit.INTERRUPTED)


def readable_file(path: Path) -> Path:
    """The path, if there is a file one may read and that is not empty; else the command ends."""
    try:
        with path.open("rb") as content:
            if not content.read(1):
                fail(f"{path} is empty; slice it again", Exit.USAGE)
    except FileNotFoundError:
        fail(f"there is no file {path}", Exit.USAGE)
    except OSError as error:
        fail(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", Exit.USAGE)
    return path
