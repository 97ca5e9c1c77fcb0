"""`firmware-sim moonraker`: a process on a broker that nobody here wrote, with a port and a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiohttp import ClientError, ClientSession, FormData

from firmware_sim.__main__ import main
from firmware_sim.ledger import read_ledger
from tests.firmware_sim.moonraker import bench as machines
from tests.support.real_broker import KINDS, RealBroker

#: At the speed below five seconds of printing: a busy host has them to look at a machine that prints.
MOVES = machines.MOVES * 10
PART = machines.PART.replace("\n".join(machines.MOVES).encode(), "\n".join(MOVES).encode())
PATIENCE_SECONDS = 60.0
needs_broker = pytest.mark.skipif("rumqttd" not in KINDS, reason="no iotcore: no real broker here")
Refuse = Callable[..., str]


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the command; the one line it says on its way out."""

    def run(*arguments: str, broker: str = "mqtt://127.0.0.1:9") -> str:
        try:
            status = main(["moonraker", "--broker", broker, *arguments])
        except SystemExit as stop:
            status = int(str(stop.code))
        said = capsys.readouterr()
        assert (status, said.out) == (2, "")
        assert said.err.startswith("firmware-sim")
        assert said.err.count("\n") == 1, said.err
        return said.err

    return run


@pytest.mark.parametrize("url", ["", "host", "http://host:1883", "mqtt://", "mqtt://host:x", "mqtt://h/path"])
def test_a_broker_that_is_none(refuse: Refuse, url: str) -> None:
    assert f"the broker is mqtt://HOST:PORT, not {url!r}" in refuse(broker=url)


def test_arguments_that_cannot_be_had(refuse: Refuse, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nope" / "x")
    (tmp_path / "empty").write_text("\n")
    assert "without + # and /" in refuse("--instance", "a/b")
    assert "the address is HOST:PORT" in refuse("--http", "7125")
    assert f"--ledger {nowhere}: No such file" in refuse("--ledger", nowhere)
    assert f"--gcodes {nowhere}: No such file" in refuse("--gcodes", nowhere)
    assert f"--api-key-file {nowhere}: No such file" in refuse("--api-key-file", nowhere)
    assert "it is empty" in refuse("--broker-password-file", str(tmp_path / "empty"))
    assert "No such file" in refuse("--faults", nowhere)
    assert "above 0.25" in refuse("--status-interval", "0.25")
    assert "no control socket at" in refuse("--control", nowhere, "--http", "127.0.0.1:0")


class Machine:
    """The command as a process, seen from the broker, from its HTTP port and from its control socket."""

    def __init__(self, client: aiomqtt.Client, web: ClientSession, url: str, control: Path) -> None:
        self.web, self.url = web, url
        self._client, self._control = client, control

    async def heard(self, topic: str, fits: Callable[[Any], object] = bool) -> Any:
        """The next message on a topic that fits."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for message in self._client.messages:
                assert isinstance(message.payload, bytes)
                body = json.loads(message.payload)
                if str(message.topic) == topic and fits(body):
                    return body

    async def is_said(self, word: str) -> None:
        """Wait until Moonraker's status is this: `online`, `offline`."""
        await self.heard("bench/moonraker/status", lambda body: body == {"server": word})

    async def ask(self, method: str, **params: object) -> Any:
        """A request and its reply."""
        asked = {"jsonrpc": "2.0", "method": method, "params": params, "id": method}
        await self._client.publish("bench/moonraker/api/request", json.dumps(asked))
        return await self.heard("bench/moonraker/api/response", lambda body: body["id"] == method)

    async def order(self, text: str) -> Any:
        """One line on the control socket."""
        reader, writer = await asyncio.open_unix_connection(self._control)
        writer.write(text.encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        return answer


@asynccontextmanager
async def machine(broker: RealBroker, folder: Path) -> AsyncIterator[Machine]:
    (folder / "key").write_text("secret\n")
    arguments = (
        "--broker", f"mqtt://ana@127.0.0.1:{broker.port}", "--instance", "bench", "--http", "127.0.0.1:0",
        "--broker-password-file", str(folder / "password"), "--api-key-file", str(folder / "key"),
        "--ledger", str(folder / "ledger"), "--control", str(folder / "control"), "--speed", "25",
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim", "moonraker", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().split()
        assert said[:2] == ["ready", "bench"]
        async with (
            aiomqtt.Client("127.0.0.1", broker.port, username="ana", password="open") as client,
            ClientSession(headers={"X-Api-Key": "secret"}) as web,
        ):
            await client.subscribe("bench/#")
            bench = Machine(client, web, said[2], folder / "control")
            yield bench
            process.send_signal(signal.SIGTERM)
            await bench.is_said("offline")  # a goodbye
        _, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        assert (process.returncode, complaints) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@needs_broker
async def test_a_file_is_uploaded_printed_and_lives_through_accidents(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open\n")
    with RealBroker("rumqttd", tmp_path, credentials=("ana", "open")) as broker:
        async with machine(broker, tmp_path) as bench:
            await bench.is_said("online")
            await upload(bench)
            assert (await bench.ask("printer.print.start", filename="part one.gcode"))["result"] == "ok"
            await bench.heard("bench/klipper/status", lambda body: "printing" in str(body))
            assert (await bench.order("status"))["state"] == "printing"
            assert await bench.order("moonraker kill 2") == {"ok": True}
            await bench.is_said("offline")  # the broker's will
            await bench.is_said("online")
            await bench.heard("bench/klipper/status", lambda body: "complete" in str(body))
            assert (await bench.order("dance"))["error"] == "not understood: 'dance'"
    ledger = read_ledger(tmp_path / "ledger")
    assert [entry.source for entry in ledger if entry.event == "print-started"] == ["rpc"]
    moves = [entry.line for entry in ledger if entry.event == "executed" and entry.source == "sd"]
    assert moves == ["G28", "G1 X10 F6000", *MOVES]


async def upload(bench: Machine) -> None:
    """With a checksum; without the key nobody is let in; what is there can be fetched and deleted."""
    form = FormData(quote_fields=False)
    form.add_field("root", "gcodes")
    form.add_field("checksum", hashlib.sha256(PART).hexdigest())
    form.add_field("file", PART, filename="part one.gcode")
    async with bench.web.post(f"{bench.url}/server/files/upload", data=form) as response:
        assert response.status == 201
        assert (await response.json())["item"]["path"] == "part one.gcode"
    path = f"{bench.url}/server/files/gcodes/part%20one.gcode"
    async with bench.web.get(path) as response:
        assert await response.read() == PART
    async with ClientSession() as stranger, stranger.delete(path) as response:
        assert (response.status, (await response.json())["error"]["message"]) == (401, "Unauthorized")
    async with bench.web.get(f"{bench.url}/server/info") as response:
        assert (await response.json())["result"]["klippy_connected"]


@needs_broker
async def test_a_broker_that_went_away_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open\n")
    with RealBroker("rumqttd", tmp_path, credentials=("ana", "open")) as broker:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "firmware_sim", "moonraker", "--broker",
            f"mqtt://ana@127.0.0.1:{broker.port}", "--broker-password-file", str(tmp_path / "password"),
            "--http", "127.0.0.1:0", "--speed", "25",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().split()[2]
            broker.kill()
            said = await asyncio.wait_for(process.stderr.readline(), PATIENCE_SECONDS)
            assert said.startswith(b"firmware-sim: not on the broker 127.0.0.1:")
            async with ClientSession() as web, web.get(f"{url}/server/info") as response:
                assert response.status == 200, "HTTP needs no broker"
            broker.start()
            async with aiomqtt.Client("127.0.0.1", broker.port, username="ana", password="open") as client:
                await client.subscribe("voron1/moonraker/status")
                async with asyncio.timeout(PATIENCE_SECONDS):
                    message = await anext(aiter(client.messages))
            assert message.payload == b'{"server":"online"}'
            process.terminate()
            await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
            assert process.returncode == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@needs_broker
async def test_a_dead_moonraker_breaks_http_connections(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open\n")
    with RealBroker("rumqttd", tmp_path, credentials=("ana", "open")) as broker:
        async with machine(broker, tmp_path) as bench:
            await bench.is_said("online")
            await bench.order("moonraker kill")
            await bench.is_said("offline")
            with pytest.raises(ClientError):
                await bench.web.get(f"{bench.url}/server/info")
            await bench.order("moonraker start")
            await bench.is_said("online")
