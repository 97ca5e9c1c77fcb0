"""The demo's parts without the demo: its place, its children, its proof."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
import tarfile
import tomllib
import zipfile
import zlib
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo_archive import HEIGHT, SLICES, WIDTH
from gateway.cli.demo_children import Children, clean_environment
from gateway.cli.demo_machines import ACCESS_CODE, Address
from gateway.cli.demo_place import CLOUD_NAME, OWNER, PANEL_NAME, Place, free_port, write_ready
from gateway.cli.demo_proof import (
    Ended,
    Proof,
    commands,
    executed,
    prove,
    prove_files,
    prove_layers,
    prove_starts,
    queue_rows,
)
from gateway.cli.demo_sliced import PLATE
from gateway.client.models import Job
from gateway.config import BambuPrinter, load
from gateway.gcode.sliced_3mf import sliced_3mf
from tests.client.fake_gateway import job

#: What Marlin knows and the demo's files may use.
KNOWN = set("G1 G21 G28 G90 G91 G92 M82 M84 M104 M106 M107 M109 M117 M140 M190".split())
#: Where the printer on the network says that it is.
AT = Address("127.0.0.1", 8883, 8990, "01S00C000000001")
FILE = ["; a comment", "G28 ; home", "", "G1 X1", "G1 X1", "M84"]


def ledger(*lines: str, source: str = "host") -> list[str]:
    rows = [{"t": 0.0, "event": "executed", "source": source, "n": 1, "line": line} for line in lines]
    return [json.dumps(row) for row in rows]


# proof


def test_each_line_once_and_in_order() -> None:
    proof = prove(FILE, ledger("M115", "G28", "M105", "G1 X1", "G1 X1", "M84", "M400"), "host")
    assert (proof.count, proof.fault) == (4, None)
    assert str(proof) == "all 4 lines of the file, each once and in order"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("G28", "G1 X1", "M84"), 'line 3 of the file is "G1 X1", the machine executed "M84"'),
        (("G28", "G1 X1", "G1 X1"), "the file has 4 lines, the machine executed 3"),
        (("G28", "G1 X1", "G1 X1", "M84", "M84"), "the file has 4 lines, the machine executed 5"),
        (("G28", "G28", "G1 X1", "M84"), 'line 2 of the file is "G1 X1", the machine executed "G28"'),
        ((), "the file has 4 lines, the machine executed 0"),
    ],
)
def test_lost_and_doubled_lines_are_found(lines: tuple[str, ...], fault: str) -> None:
    assert str(prove(FILE, ledger(*lines), "host")) == fault


def test_only_the_source_in_question_counts() -> None:
    entries = [*ledger("G28", source="sd"), *ledger("M84"), json.dumps({"event": "boot", "t": 0.0})]
    assert executed(entries, "sd") == ["G28"]
    assert executed(entries, "host") == ["M84"]


def test_proof_of_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\n".join(FILE))
    (tmp_path / "ledger").write_text("\n".join(ledger("G28", "G1 X1", "G1 X1", "M84")))
    assert prove_files(tmp_path / "file", tmp_path / "ledger", "host").fault is None


def self_printing(*starts: tuple[str, tuple[str, ...]]) -> str:
    """The ledger of a printer that prints by itself: who started it, and what it executed then."""
    rows = []
    for who, lines in starts:
        rows.append(json.dumps({"event": "print-started", "source": who, "line": "clip.3mf"}))
        rows += ledger(*lines, source="sd")
    return "\n".join(rows)


LINES = ("G28", "G1 X1", "G1 X1", "M84")


@pytest.mark.parametrize(
    ("starts", "faults"),
    [
        ((("mqtt", LINES), ("cloud", LINES)), [None, None]),
        ((("mqtt", LINES), ("cloud", LINES[:3])), [None, "the file has 4 lines, the machine executed 3"]),
        (
            (("mqtt", LINES), ("mqtt", LINES), ("cloud", LINES)),
            ["the machine was started by mqtt, mqtt, cloud, expected: mqtt, cloud"] * 2,
        ),
        ((), ["the machine was started by nobody, expected: mqtt, cloud"] * 2),
    ],
)  # fmt: skip
def test_each_start_of_a_printer_that_prints_by_itself(
    tmp_path: Path, starts: tuple[tuple[str, tuple[str, ...]], ...], faults: list[str | None]
) -> None:
    (tmp_path / "file").write_text("\n".join(FILE))
    (tmp_path / "ledger").write_text(self_printing(*starts))
    proofs = prove_starts(tmp_path / "file", tmp_path / "ledger", ("mqtt", "cloud"))
    assert [proof.fault for proof in proofs] == faults
    if faults == [None, None]:
        told = "all 4 lines of its one start {}, each once and in order"
        assert [str(proof) for proof in proofs] == [told.format("over MQTT"), told.format("from its cloud")]


ARCHIVE = b"slices"


def deeds(
    *starts: str, layers: range = range(1, SLICES + 1), archive: bytes = ARCHIVE, more: tuple[str, ...] = ()
) -> list[str]:
    """The ledger of a printer that calls in."""
    rows: list[dict[str, object]] = [
        {"event": "print_started", "job": start, "sha256": sha256(archive).hexdigest()} for start in starts
    ]
    rows += [{"event": "layer", "job": "J", "layer": layer} for layer in layers]
    return [json.dumps(row) for row in (*rows, *({"event": "violation", "what": what} for what in more))]


def test_one_start_and_all_layers() -> None:
    proof = prove_layers(ARCHIVE, deeds("J"), "J")
    assert str(proof) == f"all {SLICES} layers of its one start, each once and in order"
    assert proof.short == f"1 start, {SLICES} layers"


@pytest.mark.parametrize(
    ("ledger", "fault"),
    [
        (deeds(), "the machine started 0 prints, where the job is one start"),
        (deeds("J", "J"), "the machine started 2 prints, where the job is one start"),
        (deeds("K"), "the machine started another print than was ordered"),
        (deeds("J", archive=b"old"), "the machine printed another file than was uploaded"),
        (deeds("J", layers=range(1, 3)), f"the archive has {SLICES} layers, the machine executed [1, 2]"),
        (deeds("J", more=("plate occupied",)), "the machine notes: plate occupied"),
    ],
)
def test_another_start_or_a_lost_layer_is_found(ledger: list[str], fault: str) -> None:
    proof = prove_layers(ARCHIVE, ledger, "J")
    assert (proof.fault, str(proof), proof.short) == (fault, fault, "FAULT")


@pytest.mark.parametrize(
    ("changes", "end", "fault"),
    [
        ({"status": "failed", "message": "jammed"}, {}, "the job is failed: jammed"),
        ({"member": "ben"}, {}, "the job belongs to ben, started by: gateway"),
        ({}, {"origin": "panel"}, "the job belongs to ana, started by: gateway"),
        ({}, {"wants_updates": True}, "the last word to its receiver was none"),
        ({}, {"wants_updates": True, "told": "printing"}, "the last word to its receiver was printing"),
    ],
)
def test_a_print_is_proven_only_if_everybody_agrees(
    changes: dict[str, object], end: dict[str, Any], fault: str
) -> None:
    told = Job.model_validate(job(**{"status": "completed", "member": "ana", "origin": "gateway", **changes}))
    ended = Ended(told, "studio", Proof(4, None), **end)
    assert ended.verdict("ana") == f'FAILED: ledger of "studio": {fault}'
    whole = Ended(
        Job.model_validate(job(status="completed", member="ana", origin="gateway")), "studio", Proof(4, None)
    )
    assert whole.verdict("ana").startswith('PROVEN: ledger of "studio": it executed all 4 lines')


def test_the_queue_as_rows() -> None:
    ended = Job.model_validate(job(status="completed", origin="gateway"))
    end = Ended(ended, "workshop", Proof(4, None), wants_updates=True, told="completed")
    done = {
        "job_id": "J", "job_name": "clip", "printer_id": 1, "status": "completed", "local_job": False,
        "member_id": "A",
        "job_date_time": "September 30, 2026 23:59:58", "job_status_time": "October 01, 2026 00:00:40",
    }  # fmt: skip
    running = {**done, "job_id": "K", "status": "printing", "local_job": True, "member_id": "B",
               "printer_id": 2, "job_status": {"job_progress": 0.5}}  # fmt: skip
    assert queue_rows([done, running], {"A": "ana"}, {1: "workshop"}, {"J": end}) == [
        ("clip", "workshop", "completed", "gateway", "ana", "42 s", "4 lines, once", "the end"),
        ("clip", "", "printing", "local", "B", "50%", "", ""),
    ]


# place


def test_the_place_is_furnished(tmp_path: Path) -> None:
    place = Place(tmp_path, 8099, 8098)
    place.furnish()
    place.configure(AT)
    config = load(place.config, {})
    assert config.server.url == place.url == "http://127.0.0.1:8099"
    assert config.mqtt.url == place.broker_url == "mqtt://127.0.0.1:8098"
    assert [printer.owner for printer in config.printers] == [OWNER] * 3
    *serial, networked = config.printers
    assert [printer.link for printer in serial] == [str(machine.link) for machine in place.machines]
    assert isinstance(networked, BambuPrinter)
    assert (networked.link, networked.ftps_port) == ("mqtts://127.0.0.1:8883", 8990)
    assert (networked.verified_by, networked.serial) == ("pinned", AT.serial)
    assert Path(networked.access_code_file).read_text() == f"{ACCESS_CODE}\n"
    assert (place.machines[1].card / PANEL_NAME).stat().st_size > 10_000
    assert Path(config.store.files).is_dir()
    assert not any(str(machine.link).startswith("/dev") for machine in place.machines)


def test_odd_folder_names_survive_toml(tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" f\u00f6lder'
    odd.mkdir()
    place = Place(odd, 1, 2)
    place.furnish()
    place.configure(AT)
    assert tomllib.loads(place.config.read_text(encoding="utf-8"))["server"]["socket"] == str(place.socket)


def test_the_print_files_are_plain_marlin(tmp_path: Path) -> None:
    place = Place(tmp_path, 1, 2)
    place.furnish()
    panel_file = place.machines[1].card / PANEL_NAME
    for path, least, most in ((place.print_file, 4000, 6000), (panel_file, 300, 800)):
        lines = commands(path.read_text(encoding="ascii").splitlines())
        assert least <= len(lines) <= most
        assert {line.split()[0] for line in lines} <= KNOWN
        assert max(map(len, lines)) <= 96
        assert not any(word in path.read_text() for word in ("/home", "/root", "/tmp", "/usr"))


def test_the_archive_has_a_picture_a_layer(tmp_path: Path) -> None:
    place = Place(tmp_path, 1, 2)
    place.furnish()
    with tarfile.open(place.archive) as archive:
        names = archive.getnames()
        pictures = [archive.extractfile(name).read() for name in names]  # type: ignore[union-attr]
    assert names == [f"slice_{number}.png" for number in range(1, SLICES + 1)]
    hardened = [white_pixels(picture) for picture in pictures]
    assert hardened == sorted(hardened, reverse=True)
    assert (hardened[0], hardened[-1]) == ((WIDTH - 10) * (HEIGHT - 10), (WIDTH - 500) * (HEIGHT - 500))


def test_the_sliced_archive_is_one_that_the_gateway_takes(tmp_path: Path) -> None:
    place = Place(tmp_path, 1, 2)
    place.furnish()
    assert sliced_3mf(place.sliced) == {"plates": [1], "estimated_time": 56.0}
    with zipfile.ZipFile(place.sliced) as archive:
        gcode = archive.read(PLATE)
        assert archive.read(f"{PLATE}.md5").decode() == md5(gcode).hexdigest().upper()
    assert gcode == place.small_file.read_bytes()
    assert (place.network.storage / CLOUD_NAME).read_bytes()[:2] == b"PK"


async def test_where_the_printer_on_the_network_is(tmp_path: Path) -> None:
    machine = Place(tmp_path, 1, 2).network
    assert await machine.address() is None
    ready = Path(machine.arguments()[machine.arguments().index("--ready-out") + 1])
    ready.write_text('{"host": "127.0.0.1", "po')
    assert await machine.address() is None
    told = {"host": AT.host, "port": AT.port, "ftps_port": AT.ftps_port, "serial": AT.serial, "username": "x"}
    ready.write_text(json.dumps(told))
    assert await machine.address() == AT


def white_pixels(picture: bytes) -> int:
    """Of a PNG of one bit a pixel, with its checksums."""
    chunks, rest = {}, picture.removeprefix(b"\x89PNG\r\n\x1a\n")
    while rest:
        length = int.from_bytes(rest[:4], "big")
        chunks[rest[4:8]] = rest[8 : 8 + length]
        assert zlib.crc32(rest[4 : 8 + length]) == int.from_bytes(rest[8 + length : 12 + length], "big")
        rest = rest[12 + length :]
    assert chunks[b"IHDR"][:9] == WIDTH.to_bytes(4, "big") + HEIGHT.to_bytes(4, "big") + b"\x01"
    return int.from_bytes(zlib.decompress(chunks[b"IDAT"]), "big").bit_count()


def test_a_taken_port_is_not_used() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with free_port(taken.getsockname()[1]) as port:
            assert port != taken.getsockname()[1]


def test_a_port_is_one_demos_at_a_time() -> None:
    with free_port() as first:
        with free_port(first) as second:
            assert second != first
    with free_port(first) as again:
        assert again == first


def test_the_ready_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_ready(path, {"url": "http://x"})
    assert json.loads(path.read_text()) == {"url": "http://x"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_outer_world_does_not_configure_the_children() -> None:
    outer = {"PRINT_GATEWAY_SERVER__LISTEN": "x", "NOTIFY_SOCKET": "y", "PATH": "/bin", "WATCHDOG_USEC": "1"}
    assert clean_environment(outer.items()) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}


# children


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A module for `python -m` that says it is up, and then does what its argument says."""
    os.mkfifo(tmp_path / "up")
    (tmp_path / "child.py").write_text(
        "import signal, sys\n"
        "if sys.argv[1] == 'deaf': signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if sys.argv[1] == 'brief': print('out of paper', file=sys.stderr); sys.exit(7)\n"
        f"if sys.argv[1] == 'deaf': open({str(tmp_path / 'up')!r}, 'w').close()\n"
        "signal.pause()\n"
    )
    return "child"


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return Children(tmp_path)


async def test_a_death_is_told_with_the_end_of_the_log(children: Children, module: str) -> None:
    await children.start("calm", module, "calm")
    await children.start("brief", module, "brief")
    death = await children.first_death()
    assert (str(death), death.child) == ("the brief ended (exit code 7)", "brief")
    assert list(children.tail("brief")) == ["out of paper"]
    await children.stop()


async def test_none_is_left(children: Children, module: str) -> None:
    await children.start("calm", module, "calm")
    await children.start("calm2", module, "calm")
    processes = [child.running for child in children.all]
    await children.stop()
    await children.stop()
    assert [process.returncode for process in processes] == [-signal.SIGTERM] * 2
    assert children.tail("calm") == ()


async def test_who_does_not_hear_is_killed(tmp_path: Path, children: Children, module: str) -> None:
    await children.start("deaf", module, "deaf")
    (child,) = children.all
    await asyncio.to_thread((tmp_path / "up").read_text)
    await children.stop(within=0.1)
    assert child.running.returncode == -signal.SIGKILL
