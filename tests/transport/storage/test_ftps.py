"""Files onto printers and back over implicit FTPS, on real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.transport import tls
from gateway.transport.ftps import FtpsStorage, FtpsThreads
from gateway.transport.storage import StorageTrouble
from tests.support.certificates import Authority
from tests.transport.storage.file_servers import SERIAL, VSFTPD, ErringServer, Place, simulated, vsftpd

needs_vsftpd = pytest.mark.skipif(VSFTPD is None or os.getuid() != 0, reason="no vsftpd here, or not root")
CONTENT = os.urandom(300_000)


@pytest.fixture
def threads() -> Iterator[FtpsThreads]:
    made = FtpsThreads(2)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = tmp_path / "print.gcode.3mf"
    found.write_bytes(CONTENT)
    return str(found)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def storage(place: Place, threads: FtpsThreads, serial: str = SERIAL) -> FtpsStorage:
    return FtpsStorage(
        "127.0.0.1",
        tls.pinned(place.ca_file, serial),
        threads,
        place.username,
        place.password,
        place.port,
        who="the printer a1",
    )


def erring(
    authority: Authority, threads: FtpsThreads, answers: dict[str, str]
) -> tuple[ErringServer, FtpsStorage]:
    server = ErringServer(authority.printer(SERIAL), answers)
    return server, storage(Place(server.port, authority.file, "bblp", "12345678"), threads)


def ignored(_sent: int) -> None:
    """No word on progress wanted."""


@needs_vsftpd
@pytest.mark.parametrize("most", [None, tls.ONLY_1_2], ids=["TLS 1.3", "TLS 1.2"])
async def test_what_was_stored_on_vsftpd_is_there(
    most: tls.ssl.TLSVersion | None, tmp_path: Path, path: str, threads: FtpsThreads
) -> None:
    with vsftpd(tmp_path) as place:
        for context in (
            tls.pinned(place.ca_file, SERIAL, most=most),
            tls.first_use(tls.FingerprintFile(tmp_path / "seen"), most=most),
        ):
            card = replace(storage(place, threads), context=context)
            await card.store(path, "card/a.gcode.3mf", told=ignored)
            assert await card.fetch("card/a.gcode.3mf", len(CONTENT)) == CONTENT
            with pytest.raises(StorageTrouble, match="300000 bytes, more than 1000"):
                await card.fetch("card/a.gcode.3mf", 1000)
            await card.delete("card/a.gcode.3mf")
            await card.delete("card/a.gcode.3mf")
            with pytest.raises(StorageTrouble, match="is not on the printer") as raised:
                await card.fetch("card/a.gcode.3mf", 1000)
            assert raised.value.is_absent
            with pytest.raises(StorageTrouble, match="SD card") as raised:
                await card.store(path, "no/such/folder/a.3mf", told=ignored)
            assert raised.value.is_absent


@needs_vsftpd
async def test_vsftpd_takes_no_data_without_the_session(
    tmp_path: Path, path: str, threads: FtpsThreads
) -> None:
    """That the tests above prove it: a context of its own for each socket, and the server refuses."""
    with vsftpd(tmp_path) as place:
        card = replace(storage(place, threads), context=_Forgetful(place.ca_file))
        with pytest.raises(StorageTrouble, match=r"reuse|522"):
            await card.store(path, "card/a.gcode.3mf", told=ignored)


class _Forgetful(tls._SerialContext):
    """Begins every socket without a session."""

    def __new__(cls, ca_file: Path) -> _Forgetful:
        return super().__new__(cls, tls.ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, ca_file: Path) -> None:
        self.serial = SERIAL
        self.hostname_checks_common_name = True
        self.load_verify_locations(ca_file)

    def wrap_socket(self, sock, *args, **options):  # type: ignore[no-untyped-def]
        return super().wrap_socket(sock, *args, **options | {"session": None})


@pytest.mark.parametrize("personality", ["x1c", "p1s", "a1"])
async def test_what_was_stored_on_a_simulated_printer_is_there(
    personality: str, tmp_path: Path, path: str, threads: FtpsThreads
) -> None:
    async with simulated(tmp_path, personality) as (place, printer):
        card = storage(place, threads, printer.serial)
        await card.store(path, "a.gcode.3mf", told=ignored)
        assert await card.fetch("a.gcode.3mf", len(CONTENT)) == CONTENT
        (stored,) = [entry for entry in printer.ledger.entries if entry.event == "file-stored"]
        digest = hashlib.sha256(CONTENT).hexdigest()
        assert stored.effect == f"300000 bytes, SHA-256 {digest}"
        await card.delete("a.gcode.3mf")
        with pytest.raises(StorageTrouble, match="is not on the printer"):
            await card.fetch("a.gcode.3mf", 1)


@needs_vsftpd
@pytest.mark.parametrize("most", [None, tls.ONLY_1_2], ids=["TLS 1.3", "TLS 1.2"])
async def test_a_look_at_vsftpd_uses_both_channels(
    most: tls.ssl.TLSVersion | None, tmp_path: Path, threads: FtpsThreads
) -> None:
    with vsftpd(tmp_path) as place:
        card = storage(place, threads)
        await replace(card, context=tls.pinned(place.ca_file, SERIAL, most=most)).check()
        with pytest.raises(StorageTrouble, match=r"reuse|522"):
            await replace(card, context=_Forgetful(place.ca_file)).check()


@pytest.mark.parametrize("personality", ["x1c", "p1s", "a1"])
async def test_a_look_at_a_simulated_printer_leaves_no_trace(
    personality: str, tmp_path: Path, path: str, threads: FtpsThreads
) -> None:
    async with simulated(tmp_path, personality) as (place, printer):
        card = storage(place, threads, printer.serial)
        await card.check()
        assert not any(entry.event.startswith("file-") for entry in printer.ledger.entries)
        with pytest.raises(StorageTrouble, match=r"cannot put print files there: .* refuses the login"):
            await replace(card, password="wrong").check()
        with pytest.raises(StorageTrouble, match="made out to another name"):
            await storage(place, threads, "01P00A999").check()


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [("550 No files found.", True), ("530 Log in first.", False), ("425 No data connection.", False)],
)
async def test_an_empty_folder_is_no_trouble(
    answer: str, is_well: bool, authority: Authority, threads: FtpsThreads
) -> None:
    server, card = erring(authority, threads, {"NLST": answer})
    with server:
        if is_well:
            await card.check()
        else:
            with pytest.raises(StorageTrouble, match="cannot put print files there"):
                await card.check()


async def test_nobody_looks_while_a_file_is_on_its_way(
    authority: Authority, path: str, threads: FtpsThreads
) -> None:
    """Small printers serve one client: another login would be refused, or end the first."""
    server, card = erring(authority, threads, {"226": "stall"})
    looked_at = replace(card, threads=threads)  # as `doctor` has it
    with server:
        storing = asyncio.create_task(card.store(path, "a.3mf", told=ignored))
        assert await asyncio.to_thread(server.has_stalled.wait, 60)
        assert "a file is on its way" in (await looked_at.check() or "")
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
        assert card.under_way == set()


async def test_a_wrong_access_code(tmp_path: Path, path: str, threads: FtpsThreads) -> None:
    async with simulated(tmp_path) as (place, printer):
        card = storage(replace(place, password="wrong"), threads, printer.serial)
        with pytest.raises(
            StorageTrouble, match="refuses the login: read the access code again on the printer"
        ):
            await card.store(path, "a.3mf", told=ignored)
        assert "wrong" not in repr(card)


async def test_another_printer_answers(tmp_path: Path, path: str, threads: FtpsThreads) -> None:
    async with simulated(tmp_path) as (place, _):
        with pytest.raises(StorageTrouble, match="made out to another name"):
            await storage(place, threads, "01P00A999").store(path, "a.3mf", told=ignored)


@pytest.mark.parametrize(
    ("answers", "words", "is_absent"),
    [
        ({"226": "552 Disk full."}, "storage of the printer a1 at .* is full: delete files", True),
        ({"226": "452 Disk full.", "SIZE": "213 1000"}, "is full: delete files", False),
        ({"STOR": "553 Could not create file."}, "look at the SD card", True),
        ({"STOR": "550 Permission denied."}, "look at the SD card", True),
        ({"226": "226 Got it.", "SIZE": "213 1000"}, "1000 of 300000 bytes arrived", False),
        ({"226": "226 Got it."}, "0 of 300000 bytes arrived", True),
        ({"226": "426 Broken."}, "0 of 300000 bytes arrived .*426 Broken", True),
        ({"PASS": "530 Login incorrect."}, "refuses the login", False),
        ({"USER": "421 Too many clients."}, "says: 421 Too many clients", False),
        ({"STOR": "550 Größe \x1b[2J"}, r"does not take it \(550 Gr..e \[2J\)", True),
        ({"PASS": "\r\n".join(["230-more"] * 2000)}, "more than 1000 lines of replies", False),
        ({"SIZE": "213 many"}, "a size that is no number", False),
    ],
)
async def test_what_printers_answer(
    answers: dict[str, str],
    words: str,
    is_absent: bool,
    authority: Authority,
    path: str,
    threads: FtpsThreads,
) -> None:
    server, card = erring(authority, threads, answers)
    with server, pytest.raises(StorageTrouble, match=words) as raised:
        await card.store(path, "a.3mf", told=ignored)
    assert raised.value.is_absent is is_absent


@pytest.mark.parametrize("way", ["pinned", "first use"])
async def test_nothing_goes_to_somebody_else_on_the_data_channel(
    way: str, tmp_path: Path, authority: Authority, path: str, threads: FtpsThreads
) -> None:
    stranger = Authority(tmp_path, "Other Maker").printer(SERIAL)
    with ErringServer(authority.printer(SERIAL), {}, data_leaf=stranger) as server:
        context = (
            tls.pinned(authority.file, SERIAL, most=tls.ONLY_1_2)
            if way == "pinned"
            else tls.first_use(tls.FingerprintFile(tmp_path / "known"), most=tls.ONLY_1_2)
        )
        card = FtpsStorage("127.0.0.1", context, threads, "bblp", "12345678", port=server.port)
        with pytest.raises(StorageTrouble, match="certificate is"):
            await card.store(path, "a.3mf", told=ignored)
        assert server.took == b""


async def test_a_broken_off_reply_after_all_bytes_means_nothing(
    authority: Authority, path: str, threads: FtpsThreads
) -> None:
    server, card = erring(authority, threads, {"226": "426 Broken.", "SIZE": f"213 {len(CONTENT)}"})
    with server:
        await card.store(path, "a.3mf", told=ignored)


async def test_a_file_that_cannot_be_deleted(authority: Authority, threads: FtpsThreads) -> None:
    server, card = erring(authority, threads, {"DELE": "550 It is being printed.", "SIZE": "213 1000"})
    with server, pytest.raises(StorageTrouble, match=r"cannot delete a\.3mf"):
        await card.delete("a.3mf")


async def test_cancelling_ends_the_thread_and_the_connection(
    authority: Authority, path: str, threads: FtpsThreads
) -> None:
    server, card = erring(authority, threads, {"226": "stall"})
    with server:
        storing = asyncio.create_task(card.store(path, "a.3mf", told=ignored))
        assert await asyncio.to_thread(server.has_stalled.wait, 60)
        assert not storing.done()
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
        await asyncio.to_thread(server.was_left.wait, 60)
        assert server.was_left.is_set()
        # The place is free again, and the thread too.
        with pytest.raises(StorageTrouble, match="not on the printer"):
            await asyncio.gather(card.fetch("b", 1), card.fetch("b", 1))


async def test_one_that_waits_for_a_thread_can_be_cancelled(authority: Authority, path: str) -> None:
    threads = FtpsThreads(1)
    server, card = erring(authority, threads, {"226": "stall"})
    with server:
        first = asyncio.create_task(card.store(path, "a.3mf", told=ignored))
        assert await asyncio.to_thread(server.has_stalled.wait, 60)
        second = asyncio.create_task(card.store(path, "b.3mf", told=ignored))
        await asyncio.sleep(0.05)
        for task in (second, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    threads.close()


async def test_progress_is_told(tmp_path: Path, path: str, threads: FtpsThreads) -> None:
    told: list[int] = []
    async with simulated(tmp_path, rate=200_000) as (place, printer):
        await storage(place, threads, printer.serial).store(path, "a.3mf", told=told.append)
    assert told == sorted(told)
    assert all(0 < sent <= len(CONTENT) for sent in told)


async def test_no_file_nobody_there_and_no_name(tmp_path: Path, path: str, threads: FtpsThreads) -> None:
    maker = Authority(tmp_path)
    card = storage(Place(1, maker.file, "bblp", "12345678"), threads)
    with pytest.raises(StorageTrouble, match="refuses the connection: is LAN mode on"):
        await card.store(path, "a.3mf", told=ignored)
    with pytest.raises(StorageTrouble, match=r"nothing\.3mf cannot be read: No such file"):
        await card.store(str(tmp_path / "nothing.3mf"), "a.3mf", told=ignored)
    with pytest.raises(StorageTrouble, match="is unknown: check the spelling"):
        await replace(card, host="printer.invalid").delete("a.3mf")
