from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.transport.ptys import PtyMachine


@pytest.fixture
def machine() -> Iterator[PtyMachine]:
    pty = PtyMachine()
    yield pty
    pty.unplug()


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    """Names that are nobody's (RFC 6761, 6.4) are unknown at once, whatever the host's resolver does."""
    look_up = socket.getaddrinfo

    def looked_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(host, str) and host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", looked_up)
        yield
