"""What is said on an FTP control connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.bambu.ftp_session import FtpSession, Passive, Transfer, Way
from firmware_sim.bambu.printer import BambuPrinter


@pytest.fixture
def session() -> FtpSession:
    """Logged in, with encrypted data connections."""
    files = {"cube.3mf": b"12345", "cache/old.3mf": b"1"}
    session = FtpSession(BambuPrinter("a1", files=files))
    for line in ("USER bblp", "PASS 12345678", "PBSZ 0", "PROT P"):
        session.obey(line)
    return session


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("PWD", '257 "/"'),
        ("pwd\r\n", '257 "/"'),
        ("SIZE cube.3mf", "213 5"),
        ("SIZE /cache/old.3mf", "213 1"),
        ("SIZE nope", "550"),
        ("SIZE", "550"),
        ("DELE cube.3mf", "250"),
        ("DELE nope", "550"),
        ("CWD cache", "250"),
        ("CWD nope", "550"),
        ("MKD new", '257 "/new"'),
        ("RETR nope", "550"),
        ("STOR /", "553"),
        ("TYPE I", "200"),
        ("TYPE X", "504"),
        ("FEAT", "211-"),
        ("AUTH TLS", "503"),
        ("PROT E", "536"),
        ("RNFR cube.3mf", "500"),
        ("", "500"),
        ("QUIT", "221"),
    ],
)
def test_replies(session: FtpSession, line: str, reply: str) -> None:
    said = session.obey(line)
    assert isinstance(said, str)
    assert said.startswith(reply)
    assert session.is_over == (line == "QUIT")


def test_where_one_is(session: FtpSession) -> None:
    session.obey("CWD cache")
    assert session.obey("PWD") == '257 "/cache" is the current directory'
    assert session.obey("SIZE old.3mf") == "213 1"
    assert session.obey("STOR new.3mf") == Transfer(Way.STORE, "cache/new.3mf")
    session.obey("CDUP")
    assert session.obey("RETR cube.3mf") == Transfer(Way.RETRIEVE, "cube.3mf", b"12345")


def test_listings(session: FtpSession) -> None:
    names = session.obey("NLST")
    assert isinstance(names, Transfer)
    assert names.content == b"cache\r\ncube.3mf\r\nmodel\r\ntimelapse\r\n"
    detailed = session.obey("LIST -la")
    assert isinstance(detailed, Transfer)
    assert [line.split()[4] for line in detailed.content.decode().splitlines()] == ["0", "5", "0", "0"]


def test_nothing_without_login_and_nothing_in_the_clear() -> None:
    session = FtpSession(BambuPrinter("a1", files={"cube.3mf": b"12345"}))
    for line in ("LIST", "RETR cube.3mf", "STOR x", "DELE cube.3mf", "EPSV", "PWD"):
        assert session.obey(line) == "530 Please login with USER and PASS."
    assert session.obey("USER bblp") == "331 Please specify the password."
    assert session.obey("PASS wrong") == "530 Login incorrect."
    assert session.obey("PASS 12345678") == "230 Login successful."
    assert session.obey("EPSV") == "521 Data connections must be encrypted."
    session.obey("PROT P")
    assert session.obey("EPSV") == Passive(True)
    assert session.obey("PASV") == Passive(False)
    session.obey("USER bblp")
    assert session.obey("PWD") == "530 Please login with USER and PASS."


@given(st.text(max_size=40))
def test_any_line_gets_an_answer(line: str) -> None:
    session = FtpSession(BambuPrinter("a1"))
    session.is_logged_in = True
    assert session.obey(line)
