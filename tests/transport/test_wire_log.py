"""The wire log holds what went over the wire, whatever the bytes, in bounded files."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.virtual_loop import VirtualLoop
from gateway.transport.port import Port, PortListener, PortUnavailable
from gateway.transport.serial_port import open_serial
from gateway.transport.tap import tapped
from gateway.transport.wire_kept import KEPT_BYTES, KEPT_FILES, keep, kept_files, open_files
from gateway.transport.wire_log import (
    ALL_BYTES,
    FLUSH_RECORDS,
    FLUSH_SECONDS,
    GENERATIONS,
    WireLog,
    escaped,
    file_bytes,
)
from tests.transport.ptys import Listener, PtyMachine
from tests.transport.wire_reader import HEADER, Record, bytes_of, read, unescaped

WHEN = datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC)


def virtually(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def wire_log(folder: Path, *, max_bytes: int = 4_000_000, uptime: float = 100.0) -> WireLog:
    """On the running loop's clock, which begins at `uptime`."""
    loop = asyncio.get_running_loop()
    zero = loop.time()
    return WireLog(
        folder, "mk3", max_bytes=max_bytes, monotonic=lambda: uptime + loop.time() - zero, wall=lambda: WHEN
    )


def talk(folder: Path) -> list[Record]:
    """What the files hold, without the words about the time."""
    records = read(folder / "mk3.wire.1", folder / "mk3.wire")
    return [record for record in records if not record.data.startswith(b"it is ")]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_written_and_read_back(data: bytes) -> None:
    assert unescaped(escaped(data)) == data


def test_the_spelling_is_that_of_the_format() -> None:
    assert escaped(b"N1 M105*38\n") == r"N1 M105*38\n"
    assert escaped(b"ok\r\n\t\\ \xff\x00\x7f'\"~") == r"""ok\r\n\x09\\ \xff\x00\x7f'"~"""


awkward = st.sampled_from([b"\t", b"'\"", b"\\t", b"'", b'"', b"\0"])
chunks = st.lists(
    st.tuples(st.sampled_from("<>"), st.binary(min_size=1, max_size=40) | awkward),
    max_size=FLUSH_RECORDS + 100,
)


@settings(max_examples=60, deadline=None)
@given(chunks, st.sampled_from([0.0, 0.999999, 1.0, 12345.678901]))
def test_what_is_logged_is_what_went_over_the_wire(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, bytes]], uptime: float
) -> None:
    folder = tmp_path_factory.mktemp("wire")

    async def story() -> None:
        log = wire_log(folder, uptime=uptime)
        for mark, data in said:
            (log.sent if mark == ">" else log.received)(data)
        log.close()

    virtually(story())
    assert [(record.mark, record.data) for record in talk(folder)] == said
    assert all(-2e-6 < record.at - uptime < 1.0 for record in talk(folder))


@settings(max_examples=40, deadline=None)
@given(chunks, st.integers(200, 3000))
def test_rotation_drops_the_oldest_only(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, bytes]], max_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("wire")

    async def story() -> None:
        log = wire_log(folder, max_bytes=max_bytes)
        for number, (mark, data) in enumerate(said):
            (log.sent if mark == ">" else log.received)(data)
            if number % 7 == 0:
                log.flush()
        log.close()

    virtually(story())
    kept = [(record.mark, record.data) for record in talk(folder)]
    assert kept == said[len(said) - len(kept) :]
    assert kept or not said, "the newest record is always there"
    longest = len(HEADER) + 100 + 4 * 40  # a file with nothing but one record may be longer than wished for
    assert all(path.stat().st_size <= max(max_bytes, longest) for path in folder.iterdir())
    assert len(list(folder.iterdir())) <= GENERATIONS


def test_a_killed_process_loses_the_last_second_at_most(tmp_path: Path) -> None:
    """What was written is the kernel's: nothing of it waits in the process."""

    async def story() -> None:
        log = wire_log(tmp_path)
        log.sent(b"M105\n")
        log.event("opened /dev/ttyÜ")
        await asyncio.sleep(FLUSH_SECONDS * 1.01)
        log.sent(b"not yet written\n")
        assert [record[1:] for record in talk(tmp_path)] == [
            (">", b"M105\n"),
            ("!", "opened /dev/ttyÜ".encode()),
        ]
        log.close()

    virtually(story())


def test_the_next_process_goes_on_behind_the_last_whole_record(tmp_path: Path) -> None:
    async def one_life(line: bytes) -> None:
        log = wire_log(tmp_path)
        log.sent(line)
        log.close()

    virtually(one_life(b"first\n"))
    with (tmp_path / "mk3.wire").open("ab") as torn:
        torn.write(b"17.000000 > N12 G1 X")
    virtually(one_life(b"second\n"))
    assert [record.data for record in talk(tmp_path)] == [b"first\n", b"second\n"]
    told = [record.data for record in read(tmp_path / "mk3.wire") if record.mark == "!"]
    assert told == [b"it is 2026-11-22T04:05:06Z"] * 2, "each life says what its seconds mean"


def test_the_group_may_read_and_others_may_not(tmp_path: Path) -> None:
    async def story() -> None:
        log = wire_log(tmp_path)
        log.sent(b"M105\n")
        log.close()

    before = os.umask(0o077)
    try:
        virtually(story())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mk3.wire").stat().st_mode) == 0o640


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")

    async def story() -> None:
        log = wire_log(tmp_path / "file" / "wire")
        for _ in range(3):
            log.sent(b"M105\n")
            log.flush()
        log.close()

    with caplog.at_level(logging.WARNING):
        virtually(story())
    assert len(caplog.records) == 1
    assert "the wire log of mk3 cannot be written" in caplog.text
    assert "Not a directory); printing goes on without it" in caplog.text


def test_memory_is_shared_among_many_printers() -> None:
    assert file_bytes(4 << 20, 1) == file_bytes(4 << 20, 16) == 4 << 20
    assert file_bytes(4 << 20, 64) == 1 << 20
    assert GENERATIONS * 64 * file_bytes(1 << 40, 64) <= ALL_BYTES
    assert file_bytes(0, 3) == 0


# the tap


async def test_a_tap_on_a_real_port_writes_down_both_ways(machine: PtyMachine, tmp_path: Path) -> None:
    async def open_port(heard: PortListener) -> Port:
        return await open_serial(machine.path, 115200, heard)

    log = wire_log(tmp_path)
    listener = Listener()
    port = await tapped(open_port, log, f"{machine.path} 115200")(listener)
    port.write(b"N1 M105*38\n")
    assert await machine.hear_bytes(11) == b"N1 M105*38\n"
    everything = bytes(range(256))
    machine.say(everything)
    assert await listener.until_heard(256) == everything
    assert port.unsent == 0
    machine.unplug()
    reason = await listener.until_lost()
    port.close()
    log.close()
    records = talk(tmp_path)
    assert records[0][1:] == ("!", f"opened {machine.path} 115200".encode())
    assert records[1][1:] == (">", b"N1 M105*38\n")
    assert bytes_of(records, "<") == everything
    assert f"lost: {reason}".encode() in [record.data for record in records if record.mark == "!"]
    assert log.is_port_gone


def test_a_printer_that_is_off_fills_no_log(tmp_path: Path) -> None:
    async def story() -> None:
        trouble = iter(["it is off"] * 50 + ["it is busy", "it is off"])

        async def open_port(_: PortListener) -> Port:
            raise PortUnavailable(next(trouble))

        log = wire_log(tmp_path)
        open_tapped = tapped(open_port, log, "/dev/ttyUSB0 115200")
        for _ in range(52):
            with pytest.raises(PortUnavailable):
                await open_tapped(Listener())
        assert log.is_port_gone
        log.close()

    virtually(story())
    assert [record.data for record in talk(tmp_path)] == [
        b"not opened: it is off",
        b"not opened: it is busy",
        b"not opened: it is off",
    ]


# the part that is kept


def written(path: Path, first: int, count: int) -> Path:
    lines = "".join(f"{n}.000000 > N{n} G1 X{n % 200}\\n\n" for n in range(first, first + count))
    path.write_text(HEADER + "\n" + lines)
    return path


def test_the_end_of_both_files_is_kept(tmp_path: Path) -> None:
    former, current = written(tmp_path / "a", 1, 50), written(tmp_path / "b", 51, 10)
    kept = keep(open_files(former, current), tmp_path / "kept", "mk3", WHEN)
    assert kept.name == "mk3-000001-20261122T040506Z.wire"
    text = kept.read_text().replace(HEADER + "\n", "")
    assert [line.split(".")[0] for line in text.splitlines()] == [str(n) for n in range(1, 61)]
    assert not [path for path in (tmp_path / "kept").iterdir() if path.name.endswith(".part")]


def test_only_the_end_is_kept_from_a_whole_record_on(tmp_path: Path) -> None:
    former, current = written(tmp_path / "a", 1, 120_000), written(tmp_path / "b", 120_001, 60)
    kept = keep(open_files(former, current), tmp_path / "kept", "mk3", WHEN)
    assert KEPT_BYTES - 100 < kept.stat().st_size <= KEPT_BYTES + len(HEADER) + 1
    lines = [line for line in kept.read_text().splitlines() if line != HEADER]
    numbers = [int(line.split(".")[0]) for line in lines]
    assert numbers == list(range(numbers[0], 120_061))


def test_a_bounded_number_is_kept_and_other_printers_are_left_alone(tmp_path: Path) -> None:
    source = written(tmp_path / "a", 1, 3)
    other = keep(open_files(source), tmp_path / "kept", "mk3-000009-20261122T040506Z", WHEN)
    made = [keep(open_files(source), tmp_path / "kept", "mk3", WHEN) for _ in range(KEPT_FILES + 5)]
    assert kept_files(tmp_path / "kept", "mk3") == made[-KEPT_FILES:]
    assert other.exists()


def test_a_log_that_was_never_written_keeps_a_header(tmp_path: Path) -> None:
    kept = keep(open_files(tmp_path / "none"), tmp_path / "kept", "mk3", WHEN)
    assert kept.read_text() == HEADER + "\n"
