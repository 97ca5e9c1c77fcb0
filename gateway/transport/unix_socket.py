"""A Unix socket of one's own: what a dead process left is replaced, a living one is respected."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat

#: Connections waiting to be accepted: a person's commands, and a gateway.
_BACKLOG = 64


class SocketUnavailable(Exception):
    """The socket cannot be had. The text says why and what to do, for people."""


async def claim_socket(path: str, mode: int, who: str) -> socket.socket:
    """A socket that listens at `path`, for whom the file's mode lets. Raises SocketUnavailable.

    `who`, such as "streamer", is what listens there, for people.
    """
    if os.path.lexists(path):  # noqa: ASYNC240 - once, before anything runs
        await _remove_stale(path, who)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        try:
            bound.bind(path)
        except OSError as error:
            raise _cannot_bind(path, who, error) from error
        os.chmod(path, mode)  # before listen: until then every connection is refused
        bound.listen(_BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


async def _remove_stale(path: str, who: str) -> None:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise SocketUnavailable(f"{path} is there and no socket: remove it or configure another path")
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except (ConnectionRefusedError, FileNotFoundError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    except OSError as error:
        raise SocketUnavailable(f"{path} cannot be looked at: {error.strerror or error}") from error
    writer.close()
    raise SocketUnavailable(f"another {who} is running at {path}: stop it, or give this one its own path")


def _cannot_bind(path: str, who: str, error: OSError) -> SocketUnavailable:
    if error.errno == errno.ENOENT:
        return SocketUnavailable(
            f"the folder of {path} does not exist: create it (systemd: RuntimeDirectory=)"
        )
    if error.errno == errno.EADDRINUSE:
        return SocketUnavailable(f"another {who} is just starting at {path}")
    if "too long" in str(error):
        return SocketUnavailable(f"{path} is too long for a socket: 107 bytes are possible")
    return SocketUnavailable(f"no socket at {path}: {error.strerror or error}")


def remove_socket(path: str, inode: int) -> None:
    """Remove one's own socket file, known by its inode, not that of a successor."""
    with contextlib.suppress(OSError):
        if os.lstat(path).st_ino == inode:
            os.unlink(path)
