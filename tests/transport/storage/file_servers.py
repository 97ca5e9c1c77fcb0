"""FTPS servers to store files on: vsftpd where it is installed, a simulated printer's, one that errs."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.bambu.broker import Crank
from firmware_sim.bambu.certificates import make_identity
from firmware_sim.bambu.ftps import FileServer
from firmware_sim.bambu.personality import load_bambu_personality
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.ledger import Ledger
from tests.support.certificates import Authority, Leaf
from tests.support.ports import free_port

SERIAL = "01P00A123"
VSFTPD = shutil.which("vsftpd") or shutil.which("vsftpd", path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Place:
    """Where files are stored, and as whom."""

    port: int
    ca_file: Path
    username: str
    password: str


@contextmanager
def vsftpd(folder: Path, *, tls_1_3: bool = True) -> Iterator[Place]:
    """As it runs in X1C and P1S: implicit TLS, and only with the session of the control channel."""
    maker = Authority(folder)
    leaf = maker.printer(SERIAL)
    root = folder / "root"
    (root / "card").mkdir(parents=True)
    root.chmod(0o555)
    shutil.chown(root / "card", "ftp")
    port = free_port()
    settings = {
        "listen": "YES", "listen_address": "127.0.0.1", "listen_port": port, "background": "NO",
        "anonymous_enable": "YES", "no_anon_password": "YES", "anon_root": root, "write_enable": "YES",
        "anon_upload_enable": "YES", "anon_other_write_enable": "YES", "anon_umask": "022",
        "anon_world_readable_only": "NO", "ssl_enable": "YES", "implicit_ssl": "YES", "allow_anon_ssl": "YES",
        "force_anon_data_ssl": "YES", "force_anon_logins_ssl": "YES", "require_ssl_reuse": "YES",
        "strict_ssl_read_eof": "YES", "ssl_ciphers": "HIGH", "rsa_cert_file": leaf.certificate,
        "rsa_private_key_file": leaf.key, "seccomp_sandbox": "NO", "xferlog_enable": "NO",
        "secure_chroot_dir": "/var/run/vsftpd/empty",
    }  # fmt: skip
    os.makedirs("/var/run/vsftpd/empty", exist_ok=True)
    path = folder / "vsftpd.conf"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    with subprocess.Popen([str(VSFTPD), str(path)], stdout=subprocess.DEVNULL) as process:
        try:
            _listens(port, process)
            yield Place(port, maker.file, "anonymous", "12345678")
        finally:
            process.kill()


def _listens(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise AssertionError("vsftpd does not listen")


@asynccontextmanager
async def simulated(
    folder: Path, personality: str = "p1s", *, rate: float | None = None
) -> AsyncIterator[tuple[Place, BambuPrinter]]:
    """The simulated printer's file server; `rate` in bytes a second."""
    printer = BambuPrinter(load_bambu_personality(personality), ledger=Ledger())
    crank = Crank(printer)
    identity = make_identity(printer.serial)
    server = FileServer(crank, identity.server_context(is_tls_12_only=True), rate=rate)
    await server.open("127.0.0.1", 0)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(identity.ca)
    try:
        yield Place(server.address[1], ca_file, "bblp", printer.access_code), printer
    finally:
        await server.close()
        crank.stop()


class ErringServer:
    """One client at a time: it takes what comes, and answers what it was told to. As a context it listens.

    `answers`: by command, instead of the usual one. "STOR" is the answer to the command, "226" to the data;
    "stall" there means: no answer, and nothing of the data is read. `data_leaf`: somebody else's certificate
    on the data channel. `took` is what came over that.
    """

    def __init__(self, leaf: Leaf, answers: Mapping[str, str], data_leaf: Leaf | None = None) -> None:
        self._context = _serving(leaf)
        self._data_context = self._context if data_leaf is None else _serving(data_leaf)
        self.took = b""
        self._answers = {
            "USER": "331 Go on.", "PASS": "230 Come in.", "PBSZ": "200 Yes.", "PROT": "200 Yes.",
            "TYPE": "200 Yes.", "STOR": "150 Send it.", "226": "226 Got it.", "SIZE": "550 No such file.",
            "DELE": "550 No such file.", "RETR": "550 No such file.",
        } | dict(answers)  # fmt: skip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]
        self.has_stalled = threading.Event()  # a client waits for the end of its upload
        self.was_left = threading.Event()  # a client is gone

    def __enter__(self) -> ErringServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain:
                with self._context.wrap_socket(plain, server_side=True) as control:
                    self._talk(control)
            self.was_left.set()

    def _talk(self, control: ssl.SSLSocket) -> None:
        control.sendall(b"220 Hello.\r\n")
        with control.makefile("r") as lines, contextlib.ExitStack() as data:
            listener: socket.socket | None = None
            for line in lines:
                command = line.split()[0]
                if command in ("PASV", "EPSV"):
                    listener = data.enter_context(socket.create_server(("127.0.0.1", 0)))
                    port = listener.getsockname()[1]
                    control.sendall(f"227 (127,0,0,1,{port >> 8},{port & 255})\r\n".encode())
                    continue
                answer = self._answers[command]
                control.sendall(f"{answer}\r\n".encode("latin-1"))
                if command == "STOR" and answer.startswith("1"):
                    assert listener is not None
                    self._take(listener, control)

    def _take(self, listener: socket.socket, control: ssl.SSLSocket) -> None:
        plain, _ = listener.accept()
        with plain, self._data_context.wrap_socket(plain, server_side=True) as data:
            if self._answers["226"] == "stall":
                self.has_stalled.set()
                control.recv(1)  # until the client leaves
                return
            with contextlib.suppress(OSError):
                while piece := data.recv(65536):
                    self.took += piece
        control.sendall(f"{self._answers['226']}\r\n".encode())


def _serving(leaf: Leaf) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    return context
