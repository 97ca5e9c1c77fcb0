"""The real ports, with clients that nobody here wrote: paho by way of aiomqtt, and ftplib."""

from __future__ import annotations

import asyncio
import ftplib
import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from firmware_sim.bambu import mqtt_packets as mqtt
from firmware_sim.bambu.broker import Broker, Crank
from firmware_sim.bambu.certificates import BadIdentity, Identity, kept_identity, make_identity
from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.ftps import FileServer
from firmware_sim.bambu.ledger import physical_starts
from firmware_sim.bambu.printer import BambuPrinter
from tests.firmware_sim.bambu.bench import PLATE, archive

SERIAL = "01P00A000000001"
CODE = "12345678"
PATIENCE_SECONDS = 100.0


class ByCommonName(ssl.SSLContext):
    """Connects by address and looks for the serial in the certificate."""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        return super().wrap_socket(*args, **{**options, "server_hostname": SERIAL})


def trusting(ca: bytes) -> ssl.SSLContext:
    context = ByCommonName(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = True
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the maker's CA has no key usage either
    context.load_verify_locations(cadata=ca.decode())
    return context


class Ftps(ftplib.FTP_TLS):
    """Implicit TLS; the data connection resumes the session of the control connection, unless told not to."""

    resumes = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._encrypted: ssl.SSLSocket | None = None

    @property
    def sock(self) -> Any:
        return self._encrypted

    @sock.setter
    def sock(self, plain: Any) -> None:
        is_plain = plain is not None and not isinstance(plain, ssl.SSLSocket)
        self._encrypted = self.context.wrap_socket(plain) if is_plain else plain

    def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if self.resumes else None
        return self.context.wrap_socket(data, session=session), size


class Place:
    """A printer on real ports of this host."""

    def __init__(self, printer: BambuPrinter, identity: Identity, speed: float) -> None:
        context = identity.server_context(is_tls_12_only=printer.personality.tls == "1.2")
        self.printer = printer
        self.trust = trusting(identity.ca)
        self.crank = Crank(printer, speed)
        self.broker = Broker(self.crank, context)
        self.files = FileServer(self.crank, context)

    def client(self, **changes: Any) -> aiomqtt.Client:
        options = {"username": "bblp", "password": CODE, "tls_context": self.trust, **changes}
        return aiomqtt.Client("127.0.0.1", self.broker.address[1], **options)

    async def by_ftp(self, do: Any) -> Any:
        def visit() -> Any:
            ftp = Ftps(self.trust)
            try:
                ftp.connect("127.0.0.1", self.files.address[1], timeout=PATIENCE_SECONDS)
                ftp.login("bblp", CODE)
                ftp.prot_p()
                return do(ftp)
            finally:
                ftp.close()

        return await asyncio.to_thread(visit)


@pytest.fixture(scope="module")
def identity() -> Identity:
    return make_identity(SERIAL)


@asynccontextmanager
async def place(personality: str, identity: Identity, speed: float = 200.0) -> AsyncIterator[Place]:
    files = {"cube.gcode.3mf": archive()}
    here = Place(BambuPrinter(personality, serial=SERIAL, access_code=CODE, files=files), identity, speed)
    await here.broker.open("127.0.0.1", 0)
    await here.files.open("127.0.0.1", 0)
    try:
        yield here
    finally:
        await here.files.close()
        await here.broker.close()
        here.crank.stop()


async def reports(client: aiomqtt.Client) -> AsyncIterator[dict[str, Any]]:
    async for message in client.messages:
        for body in json.loads(bytes(message.payload)).values():  # type: ignore[arg-type]
            yield body


@pytest.mark.parametrize("personality", ["a1", "x1c"])
async def test_a_print_over_a_real_connection(personality: str, identity: Identity) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), place(personality, identity) as here:
        async with here.client() as client:
            await client.subscribe(here.printer.report_topic, 1)
            order = {"command": "project_file", "sequence_id": "5", "url": "ftp:///cube.gcode.3mf",
                     "param": "Metadata/plate_1.gcode", "subtask_id": "9", "task_id": "9"}  # fmt: skip
            await client.publish(here.printer.request_topic, json.dumps({"print": order}), 1)
            states = []
            async for body in reports(client):
                if body.get("result"):
                    assert body["sequence_id"] == "5"
                states += [body["gcode_state"]] if "gcode_state" in body else []
                if states[-1:] == ["FINISH"]:
                    break
        assert list(dict.fromkeys(states))[-3:] == ["PREPARE", "RUNNING", "FINISH"]
        assert [start.subtask_id for start in physical_starts(here.printer.ledger)] == ["9"]


async def test_a_wrong_code_and_a_wrong_ca_are_refused(identity: Identity) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), place("a1", identity) as here:
        with pytest.raises(aiomqtt.MqttError, match="authorized"):
            async with here.client(password="87654321"):
                pass
        other = trusting(make_identity(SERIAL).ca)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", here.broker.address[1], ssl=other)
        assert here.printer.ledger.count("connected") == 0


async def test_connections_that_the_printer_ends(identity: Identity) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), place("p1s", identity) as here:
        with pytest.raises(aiomqtt.MqttError):
            async with here.client() as client:
                await client.subscribe(here.printer.request_topic, timeout=0.5)
        here.printer.panel.arm(BambuFault("lost-after", command="pause"))
        with pytest.raises(aiomqtt.MqttError):
            async with here.client() as client:
                await client.publish(
                    here.printer.request_topic, '{"print":{"command":"pause"}}', 1, timeout=2
                )
        asked = [entry.line for entry in here.printer.ledger.events("request")]
        assert asked == ["print.pause"]


async def test_a_keep_alive_that_is_broken(identity: Identity) -> None:
    """1.5 times one second without a packet."""
    async with asyncio.timeout(PATIENCE_SECONDS), place("a1", identity) as here:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", here.broker.address[1], ssl=here.trust, server_hostname=SERIAL
        )
        writer.write(mqtt.encode(mqtt.Connect("mute", 1, username="bblp", password=CODE.encode())))
        assert await reader.readexactly(4) == mqtt.encode(mqtt.Connack(0))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert here.printer.seats == []
        writer.transport.abort()


@pytest.mark.parametrize("personality", ["a1", "p1s"])
async def test_files_over_ftps(personality: str, identity: Identity) -> None:
    content = PLATE * 500

    def visit(ftp: Ftps) -> None:
        ftp.mkd("cache/new")
        ftp.cwd("cache/new")
        if personality == "a1":  # a complete file, and 426 all the same
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.storbinary("STOR plate.gcode", io.BytesIO(content))
        else:
            assert ftp.storbinary("STOR plate.gcode", io.BytesIO(content)).startswith("226")
        assert ftp.size("plate.gcode") == len(content)
        back = io.BytesIO()
        ftp.retrbinary("RETR /cache/new/plate.gcode", back.write)
        assert back.getvalue() == content
        assert ftp.nlst("/cache/new") == ["plate.gcode"]
        ftp.delete("plate.gcode")
        assert ftp.nlst() == []

    async with asyncio.timeout(PATIENCE_SECONDS), place(personality, identity) as here:
        await here.by_ftp(visit)
        assert here.printer.ledger.count("file-stored") == 1


async def test_a_data_connection_that_resumes_no_session(identity: Identity) -> None:
    def visit(ftp: Ftps) -> None:
        ftp.resumes = False
        with pytest.raises(ftplib.error_perm, match="522"):
            ftp.storbinary("STOR plate.gcode", io.BytesIO(PLATE))

    async with asyncio.timeout(PATIENCE_SECONDS), place("x1c", identity) as here:
        await here.by_ftp(visit)
        assert here.printer.files.get("plate.gcode") is None


async def test_uploads_that_go_wrong(identity: Identity) -> None:
    def finds_no_room(ftp: Ftps) -> None:
        with pytest.raises(ftplib.error_temp, match="452"):
            ftp.storbinary("STOR plate.gcode", io.BytesIO(PLATE))

    def loses_half(ftp: Ftps) -> None:
        assert ftp.storbinary("STOR plate.gcode", io.BytesIO(PLATE)).startswith("226")
        assert ftp.size("plate.gcode") == len(PLATE) // 2

    def is_cut(ftp: Ftps) -> None:
        with pytest.raises(ftplib.error_temp, match="426"):
            ftp.storbinary("STOR plate.gcode", io.BytesIO(PLATE))
        with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
            ftp.voidcmd("NOOP")

    async with asyncio.timeout(PATIENCE_SECONDS), place("p1s", identity) as here:
        for name, visit in (
            ("storage-full", finds_no_room),
            ("file-truncated", loses_half),
            ("upload-cut", is_cut),
        ):
            here.printer.panel.arm(BambuFault(name))
            await here.by_ftp(visit)
        here.printer.access_code = "changed"
        with pytest.raises(ftplib.error_perm, match="530"):
            await here.by_ftp(loses_half)


def test_an_identity_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "identity.pem"
    made = kept_identity(kept, SERIAL)
    assert kept_identity(kept, SERIAL) == made
    assert kept.stat().st_mode & 0o077 == 0
    with pytest.raises(BadIdentity, match="not of OTHER"):
        kept_identity(kept, "OTHER")
    kept.write_text("nothing")
    with pytest.raises(BadIdentity, match="holds no printer's identity"):
        kept_identity(kept, SERIAL)
