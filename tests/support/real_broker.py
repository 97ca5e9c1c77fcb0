"""Brokers that nobody here wrote, each a process on a free port: rumqttd (iotcore), amqtt, mosquitto.

    with RealBroker("rumqttd", folder, credentials=("ana", "secret")) as broker: broker.port

mosquitto only where it is installed. `kill` and `start` again: the port stays.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.certificates import Leaf
from tests.support.ports import free_port

#: Seconds until a broker listens, on a busy machine.
START_SECONDS = 60.0
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
_IS_HERE = {
    "rumqttd": find_spec("iotcore") is not None,
    "amqtt": find_spec("amqtt") is not None,
    "mosquitto": MOSQUITTO is not None,
}
#: The brokers that are here.
KINDS = [kind for kind, is_here in _IS_HERE.items() if is_here]
#: A test for each; it is skipped where the broker is not installed.
EACH_KIND = [
    pytest.param(kind, marks=pytest.mark.skipif(not is_here, reason=f"{kind} is not installed"))
    for kind, is_here in _IS_HERE.items()
]
Credentials = tuple[str, str] | None


class RealBroker:
    """One broker. As a context it runs."""

    def __init__(
        self, kind: str, folder: Path, *, credentials: Credentials = None, leaf: Leaf | None = None
    ) -> None:
        self.kind = kind
        self.port = free_port()
        self._folder = folder
        self._command = _COMMANDS[kind](folder, self.port, credentials, leaf)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self._folder / "broker.log").read_text(errors="replace"))

    def kill(self) -> None:
        """At once, as a power cut does."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _rumqttd(folder: Path, port: int, credentials: Credentials, leaf: Leaf | None) -> list[str]:
    lines = [
        "id = 0",
        "[router]",
        "id = 0",
        "max_connections = 1000",
        "max_outgoing_packet_count = 200",
        "max_segment_size = 10485760",
        "max_segment_count = 10",
        "[v4.1]",
        'name = "v4-1"',
        f'listen = "127.0.0.1:{port}"',
        "next_connection_delay_ms = 1",
        "[v4.1.connections]",
        "connection_timeout_ms = 10000",
        "max_payload_size = 1000000",
        "max_inflight_count = 200",
        "dynamic_filters = true",
    ]
    if credentials is not None:
        name, password = (json.dumps(part) for part in credentials)
        lines.append(f"auth = {{ {name} = {password} }}")
    if leaf is not None:
        lines += ["[v4.1.tls]", f'certpath = "{leaf.certificate}"', f'keypath = "{leaf.key}"']
    path = folder / "rumqttd.toml"
    path.write_text("\n".join(lines) + "\n")
    options = json.dumps({"config_path": str(path), "listen": "127.0.0.1", "port": port})
    return [sys.executable, "-c", "from iotcore._serve import main; main()", options]


def _amqtt(folder: Path, port: int, credentials: Credentials, leaf: Leaf | None) -> list[str]:
    """As the gateway embeds it."""
    asked = {
        "host": "127.0.0.1",
        "port": port,
        "username": credentials[0] if credentials else None,
        "password": credentials[1] if credentials else None,
        "certificate_file": str(leaf.certificate) if leaf else None,
        "key_file": str(leaf.key) if leaf else None,
    }
    return [sys.executable, "-c", _AMQTT, json.dumps(asked)]


_AMQTT = """
import asyncio, json, sys
from gateway.broker import child
asyncio.run(child.serve(json.loads(sys.argv[1])))
"""


def _mosquitto(folder: Path, port: int, credentials: Credentials, leaf: Leaf | None) -> list[str]:
    lines = [f"listener {port} 127.0.0.1", "max_queued_messages 10000", "user root"]
    if credentials is None:
        lines.append("allow_anonymous true")
    else:
        passwords = folder / "passwords"
        passwords.write_text(f"{credentials[0]}:{_mosquitto_hash(credentials[1])}\n")
        lines.append(f"password_file {passwords}")
    if leaf is not None:
        lines += [f"certfile {leaf.certificate}", f"keyfile {leaf.key}"]
    path = folder / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n")
    return [str(MOSQUITTO), "-c", str(path)]


def _mosquitto_hash(password: str) -> str:
    """PBKDF2 with SHA-512, as mosquitto_passwd(1) writes it."""
    salt, rounds = b"twelve bytes", 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${b64encode(salt).decode()}${b64encode(digest).decode()}"


_COMMANDS: dict[str, Callable[[Path, int, Credentials, Leaf | None], list[str]]] = {
    "rumqttd": _rumqttd,
    "amqtt": _amqtt,
    "mosquitto": _mosquitto,
}
