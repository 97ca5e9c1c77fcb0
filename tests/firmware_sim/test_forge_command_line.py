"""The command `firmware-sim forge`: a process that calls in, has a panel, and starts again."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.forge import read_call_in_ledger
from tests.firmware_sim.forge.play import TOKEN
from tests.firmware_sim.forge.stub_server import StubServer

Refuse = Callable[..., str]
PATIENCE_SECONDS = 60.0


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the command; the one line it says on its way out."""

    def run(*arguments: str, url: str = "http://127.0.0.1:9/v1") -> str:
        try:
            status = main(["forge", "--url", url, *arguments])
        except SystemExit as stop:
            status = int(str(stop.code))
        said = capsys.readouterr()
        assert status == 2
        assert said.out == "", "never ready"
        assert said.err.startswith("firmware-sim")
        assert said.err.count("\n") == 1, said.err
        return said.err

    return run


@pytest.mark.parametrize("url", ["", "x", "127.0.0.1:80", "ftp://x/", "http:///v1", "http://"])
def test_a_url_that_is_none(refuse: Refuse, url: str) -> None:
    assert f"not {url!r}" in refuse(url=url)


@pytest.mark.parametrize("name", ["marlin-sd", "Ember", "../ember", ""])
def test_an_unknown_personality(refuse: Refuse, name: str) -> None:
    assert "there are: documented, ember, ember-button, spark-simulator" in refuse("--personality", name)


def test_files_that_cannot_be_had(refuse: Refuse, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nope" / "x")
    (tmp_path / "text").write_text("no state")
    assert f"--ledger {nowhere}: No such file" in refuse("--ledger", nowhere)
    assert f"--state {nowhere}: No such file" in refuse("--state", nowhere)
    assert f"--state {tmp_path}: Is a directory" in refuse("--state", str(tmp_path))
    assert "is no state of a printer" in refuse("--state", str(tmp_path / "text"))
    assert "No such file" in refuse("--faults", nowhere)
    assert "no control socket at" in refuse("--control", nowhere)


def test_a_transport_that_is_none(refuse: Refuse) -> None:
    said = refuse("--transport", "pigeon")
    assert all(name in said for name in ("long-polling", "callback-polling", "websocket"))


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process, ended by SIGTERM with status 0 and nothing on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim", "forge", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        assert (process.returncode, complaints) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_by(process: asyncio.subprocess.Process, lines: int) -> set[str]:
    assert process.stdout is not None
    return {(await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().strip()
            for _ in range(lines)}  # fmt: skip


async def order(path: Path, text: str) -> dict[str, object]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(text.encode() + b"\n")
    answer: dict[str, object] = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS))
    writer.close()
    return answer


async def test_it_calls_in_prints_by_hand_and_is_the_same_printer_when_it_starts_again(
    tmp_path: Path,
) -> None:
    state, ledger, control = tmp_path / "state.json", tmp_path / "ledger.jsonl", tmp_path / "c"
    async with StubServer() as server:
        common = (
            "--url", server.url, "--state", str(state), "--ledger", str(ledger), "--control", str(control),
            "--speed", "200",
        )  # fmt: skip
        async with started(*common) as process:
            assert await said_by(process, 2) == {"code YKNRKT", f"ready {server.url}"}
            server.belong()
            assert await said_by(process, 1) == {"code"}, "the display shows it no more"
            answer = await order(control, "start-local vase 3")
            assert answer["ok"] is True
            while (await order(control, "status"))["job_id"] is not None:
                await asyncio.sleep(0.01)
            assert (await order(control, "cancel")) == {"ok": False, "error": "no print to cancel"}
        async with started(*common) as process:
            assert await said_by(process, 1) == {f"ready {server.url}"}
        assert [contact.token for contact in server.of("registration_code")] == [None, TOKEN]
    deeds = read_call_in_ledger(ledger)
    assert deeds.starts() == [answer["job_id"]]
    assert (deeds.count("layer"), deeds.count("completed"), deeds.count("power_on")) == (3, 1, 2)
    assert not control.exists()
