"""The command `firmware-sim bambu`: a process with two ports, a control socket and a ledger."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.bambu.personality import (
    bambu_personality_names,
    load_bambu_personality,
    parse_bambu_personality,
)
from firmware_sim.ledger import read_ledger
from firmware_sim.personality import BadPersonality
from tests.firmware_sim.bambu.bench import PLATE

Refuse = Callable[..., str]
PATIENCE_SECONDS = 60.0


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the command; the one line it says on its way out."""

    def run(*arguments: str, listen: str = "127.0.0.1:0") -> str:
        try:
            status = main(["bambu", "--listen", listen, *arguments])
        except SystemExit as stop:
            status = int(str(stop.code))
        said = capsys.readouterr()
        assert status == 2
        assert "ready" not in said.out
        assert said.err.startswith("firmware-sim")
        assert said.err.count("\n") == 1, said.err
        return said.err

    return run


def test_what_cannot_be_had(refuse: Refuse, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nope" / "x")
    (tmp_path / "text").write_text("nothing")
    names = ", ".join(bambu_personality_names())
    assert f"there are: {names}" in refuse("--personality", "ember")
    assert f"--ledger {nowhere}: No such file" in refuse("--ledger", nowhere)
    assert f"--files {nowhere}: No such file" in refuse("--files", nowhere)
    assert f"--ca-out {nowhere}: No such file" in refuse("--ca-out", nowhere)
    assert f"--identity {nowhere}: No such file" in refuse("--identity", nowhere)
    assert "holds no printer's identity" in refuse("--identity", str(tmp_path / "text"))
    assert "No such file" in refuse("--faults", nowhere)
    assert "a port is 0 to 65535, not '65536'" in refuse("--ftps-port", "65536")
    assert "letters and digits" in refuse("--serial", "a/b")
    assert "more than 0" in refuse("--upload-rate", "0")
    assert "cannot listen on" in refuse(listen="192.0.2.1:8883")


async def test_a_printer_as_a_process(tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    (tmp_path / "sd" / "plain.gcode").write_bytes(PLATE)
    ca, ready, ledger, control = (tmp_path / name for name in ("ca.pem", "ready.json", "ledger.jsonl", "c"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim", "bambu", "--personality", "p1s", "--listen", "127.0.0.1:0",
        "--serial", "S1", "--files", str(tmp_path / "sd"), "--ca-out", str(ca), "--ready-out", str(ready),
        "--ledger", str(ledger), "--control", str(control), "--speed", "1000",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, second = [(await process.stdout.readline()).decode() for _ in range(2)]
            told = json.loads(ready.read_text())
            assert first == f"ftps 127.0.0.1:{told['ftps_port']}\n"
            assert second == f"ready mqtts://127.0.0.1:{told['port']}\n"
            assert (told["serial"], told["username"]) == ("S1", "bblp")
            assert ssl.PEM_cert_to_DER_cert(ca.read_text())
            reader, writer = await asyncio.open_unix_connection(control)
            writer.write(b"panel start plain.gcode\nnonsense\n")
            assert json.loads(await reader.readline()) == {"ok": True}
            assert json.loads(await reader.readline())["ok"] is False
            state = ""
            while state != "FINISH":
                writer.write(b"status\n")
                state = json.loads(await reader.readline())["gcode_state"]
                await asyncio.sleep(0.02)
            writer.close()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    events = [entry.event for entry in read_ledger(ledger) if entry.event.startswith("print-")]
    assert events == ["print-accepted", "print-started", "print-finished"]


@pytest.mark.parametrize("name", bambu_personality_names())
def test_personalities_load(name: str) -> None:
    assert load_bambu_personality(name).name == name


NEEDED = """
product = "X"
project_code = "X"
firmware = "1"
sends_deltas = true
drops_request_subscribe = true
"""


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "missing key: drops_request_subscribe, firmware, product"),
        (NEEDED + "colour = 1", "unknown key: colour"),
        (NEEDED + 'busy_start = "maybe"', "busy_start is one of: refuses, cancels"),
        (NEEDED + "verifies = 1", "is no bool"),
        (NEEDED + "bed = [1, 2]", "bed = "),
        (NEEDED + "hotend = { rate = 1 }", "hotend needs rate, tau and max_celsius"),
        (NEEDED + "report_seconds = -1", "is no float"),
        ("=", "personality x"),
    ],
)
def test_personalities_that_are_none(text: str, trouble: str) -> None:
    with pytest.raises(BadPersonality, match=trouble):
        parse_bambu_personality("x", text)
