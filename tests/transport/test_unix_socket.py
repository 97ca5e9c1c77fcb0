"""A Unix socket of one's own: whose file is replaced, whose is left alone, and what people read."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from gateway.transport.unix_socket import SocketUnavailable, claim_socket, remove_socket


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.sock"


async def test_it_listens_and_takes_whom_the_mode_lets(path: Path) -> None:
    own = await claim_socket(str(path), 0o660, "gateway")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.close()
    own.close()


async def test_a_living_one_is_left_alone(path: Path) -> None:
    own = await claim_socket(str(path), 0o666, "gateway")
    inode = path.stat().st_ino
    with pytest.raises(
        SocketUnavailable, match=r"another gateway is running at .*own.sock: stop it, or give"
    ):
        await claim_socket(str(path), 0o666, "gateway")
    assert path.stat().st_ino == inode
    own.close()


async def test_the_file_of_a_dead_one_is_replaced(path: Path) -> None:
    dead = await claim_socket(str(path), 0o600, "gateway")
    dead.close()  # the file stays, as after SIGKILL
    own = await claim_socket(str(path), 0o666, "gateway")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    own.close()


async def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(SocketUnavailable, match="no socket"):
        await claim_socket(str(path), 0o666, "gateway")
    assert path.read_text() == "precious"


async def test_a_missing_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="does not exist: create it"):
        await claim_socket(str(tmp_path / "run" / "own.sock"), 0o666, "gateway")


async def test_a_path_too_long_for_a_socket_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="too long for a socket"):
        await claim_socket(str(tmp_path / ("x" * 120)), 0o666, "gateway")


async def test_only_ones_own_file_is_removed(path: Path) -> None:
    own = await claim_socket(str(path), 0o666, "gateway")
    inode = path.stat().st_ino
    remove_socket(str(path), inode + 1)
    assert path.exists(), "a successor's"
    remove_socket(str(path), inode)
    assert not path.exists()
    remove_socket(str(path), inode)
    own.close()


async def test_who_connects_before_it_is_served_waits(path: Path) -> None:
    """A gateway that begins has its socket already: a person's command is answered when it is up."""
    own = await claim_socket(str(path), 0o666, "gateway")
    early = socket.socket(socket.AF_UNIX)
    early.setblocking(False)
    early.connect(os.fspath(path))

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()

    async with await asyncio.start_unix_server(greet, sock=own):
        assert await asyncio.get_running_loop().sock_recv(early, 100) == b"welcome"
    early.close()
