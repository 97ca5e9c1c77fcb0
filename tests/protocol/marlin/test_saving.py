"""Between M28 and M29: the firmware writes what it accepts, so nothing of the link's own may be accepted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gateway.protocol.marlin.card_words import FileList, same_file
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.parsing import parse_reply
from gateway.protocol.marlin.replies import FileSaved, FileWriting, Other
from tests.protocol.marlin.test_link import Duet
from tests.protocol.marlin.tiny_firmware import TinyFirmware

CARD = Path(__file__).parents[2] / "vectors" / "marlin" / "full-card.toml"


class SavingFirmware(TinyFirmware):
    """TinyFirmware with a card; words and refusals as recorded in full-card.toml, "M28 upload"."""

    def __init__(self, *, is_saving: bool = False) -> None:
        super().__init__()
        self.is_saving = is_saving
        self.file: list[str] = []

    def _take(self, line: str) -> tuple[bool, list[str]]:
        is_numbered = line.startswith("N")
        if self.is_saving and line.strip() and not is_numbered and not re.search(r"M29(?!\d)", line):
            self.received.append(line)
            return True, self._refuse("No Checksum with line number")
        return super()._take(line)

    def _execute(self, text: str, number: int | None) -> list[str]:
        if re.search(r"M29(?!\d)", text):
            was_saving, self.is_saving = self.is_saving, False
            return [*["Done saving file."] * was_saving, "ok"]
        if self.is_saving:
            self.file.append(text)
            return ["ok"]
        if text.startswith("M28 "):
            self.is_saving = True
            return [f"Writing to file: {text[4:]}", "ok"]
        return super()._execute(text, number)


def saving() -> tuple[Duet, SavingFirmware]:
    """A link whose firmware has a file open."""
    firmware = SavingFirmware()
    duet = Duet(firmware)
    duet.settle()
    duet.link.is_saving = True
    duet.link.submit("M28 up.gco")
    duet.settle()
    assert FileWriting("up.gco") in duet.events
    return duet, firmware


def send(duet: Duet, *texts: str) -> None:
    for text in texts:
        while not duet.link.wants_line:
            if not duet.turn():
                due = duet.link.deadline()
                assert due is not None
                duet.now = max(duet.now, due)
                duet.link.handle_timer(duet.now)
        duet.link.submit(text)
    duet.settle()


# -- words ------------------------------------------------------------------------------------------------


def test_the_recorded_upload_word_by_word() -> None:
    recording = tomllib.loads(CARD.read_text("utf-8"))
    exchanges = [exchange for section in recording["section"] for exchange in section["exchange"]]
    said = {
        exchange["send"]: [line for _, line in exchange["reply"]]
        for exchange in exchanges
        if "send" in exchange
    }
    assert parse_reply(said["M28 up.gco\n"][1].strip().encode()) == FileWriting("up.gco")
    assert parse_reply(said["M29\n"][0].strip().encode()) == FileSaved()
    files = FileList()
    for line in said["M20\n"]:  # the last one, behind the upload
        reply = parse_reply(line.strip().encode())
        if isinstance(reply, Other):
            files.hear(reply.text)
    assert files.is_whole
    assert files.sizes == {"TEST.GCO": 61, "UP.GCO": 18}, "M118 E1 uploaded, CR, LF"


@pytest.mark.parametrize(
    ("lines", "sizes"),
    [
        (["Begin file list", "A.GCO", "End file list"], {"A.GCO": None}),
        (["Begin file list", "/a.gco 7 a long name.gcode", "End file list"], {"A.GCO": 7}),
        (["stray", "Begin file list", "End file list", "later 5"], {}),
        (["Begin file list", "OLD.GCO 1", "Begin file list", "NEW.GCO 2", "End file list"], {"NEW.GCO": 2}),
    ],
)
def test_lists(lines: list[str], sizes: dict[str, int | None]) -> None:
    files = FileList()
    for line in lines:
        files.hear(line)
    assert files.is_whole
    assert files.sizes == sizes


def test_half_a_list_is_none() -> None:
    files = FileList()
    files.hear("End file list")
    assert not files.is_whole
    files.hear("Begin file list")
    files.hear("A.GCO 5")
    assert not files.is_whole


def test_one_file_has_many_spellings() -> None:
    assert same_file("/up.gco", "UP.GCO")
    assert not same_file("UP_2.GCO", "UP.GCO")


# -- the link ---------------------------------------------------------------------------------------------


def test_lines_are_written_and_the_m105_of_a_file_is_one_of_them() -> None:
    duet, firmware = saving()
    send(duet, "G28", "M105", "G1 X1", "M105")
    assert firmware.file == ["G28", "M105", "G1 X1", "M105"]
    assert duet.link.is_idle, "no answer of M105's own kind is waited for"
    assert "G28" not in firmware.executed


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_lost_oks_are_asked_for_by_a_line_that_is_refused(lost: int) -> None:
    duet, firmware = saving()
    oks = 0

    def spoil(line: str) -> list[str]:
        nonlocal oks
        oks += line == "ok"
        return [] if line == "ok" and oks <= lost else [line]

    duet.spoil_reply = spoil
    began = duet.now
    texts = [f"G1 X{number}" for number in range(12)]
    send(duet, *texts)
    assert firmware.file == texts, "no question stands in the file, no line twice"
    assert duet.failure is None
    assert duet.now - began < 10.0


def test_a_lost_line_is_found_out_the_same_way() -> None:
    duet, firmware = saving()
    writes = 0

    def spoil(written: bytes) -> bytes:
        nonlocal writes
        writes += 1
        return b"" if writes in (2, 5) else written

    duet.spoil_write = spoil
    texts = [f"G1 X{number}" for number in range(12)]
    send(duet, *texts)
    assert firmware.file == texts
    assert duet.failure is None


def test_behind_m29_it_asks_as_ever() -> None:
    duet, firmware = saving()
    send(duet, "G28")
    duet.link.submit("M29")
    duet.link.is_saving = False
    duet.settle()
    assert FileSaved() in duet.events
    send(duet, "G1 X5", "M105")
    assert firmware.file == ["G28"]
    assert firmware.executed[-1] == "G1 X5"
    assert duet.link.is_done(duet.link.last_number)


def test_an_emergency_stop_closes_the_file_in_front_of_it_and_mutes_the_rest() -> None:
    duet, _ = saving()
    for number in range(3):
        duet.link.submit(f"G1 X{number}")
    duet.link.stop_saving()
    assert duet.link.to_send(duet.now) == b"M29\nM112\n", "not one line more of the file"
    assert duet.link.to_send(duet.now) == b""


# -- a new host -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [b"", b"N57 G1 X1", b"N57 G1 X10*8"])
@pytest.mark.parametrize("may_be_saving", [True, False])
def test_a_handshake_closes_what_a_former_host_left_open(may_be_saving: bool, half: bytes) -> None:
    firmware = SavingFirmware(is_saving=True)
    firmware.last_line = 56
    firmware.receive(half)
    duet = Duet(firmware, may_be_saving=may_be_saving)
    duet.settle()
    assert duet.link.is_ready
    assert not firmware.is_saving
    assert firmware.file == [], "no question was written"


def test_where_nothing_is_open_it_does_no_harm() -> None:
    firmware = SavingFirmware()
    duet = Duet(firmware, may_be_saving=True)
    duet.settle()
    assert duet.link.is_ready
    assert firmware.file == []
    assert [line for line in firmware.received if "M29" in line] == ["M29", "M29"]


def test_in_mid_print_nothing_is_closed() -> None:
    link = Link(0.0, may_number=False)
    link.handle_timer(0.0)
    assert b"M29" not in link.to_send(0.0)
