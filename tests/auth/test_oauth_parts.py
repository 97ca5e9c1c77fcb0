"""Passwords, sessions, addresses and tokens by themselves."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth import passwords
from gateway.auth.passwords import (
    Cost,
    PasswordCheck,
    encode_password,
    is_password,
    member_called,
    member_with_email,
)
from gateway.auth.redirects import form_target, redirect_uri_fault
from gateway.auth.sessions import SESSION_SECONDS, Sessions
from gateway.auth.tokens import ACCESS_PREFIX, make_app_id, make_secret
from gateway.domain.grant import Password
from gateway.domain.member import Member
from tests.support.stand import ANA, BEN, START

CHEAP = Cost(n=2, r=1, p=1)


@settings(max_examples=25)
@given(st.text(min_size=0, max_size=40), st.text(max_size=40))
def test_a_password_is_known_again_and_no_other_is(password: str, other: str) -> None:
    encoded = encode_password(password, CHEAP)
    assert is_password(password, encoded)
    assert is_password(other, encoded) is (other == password)


def test_what_is_stored_is_scrypt_with_its_parameters_and_a_salt() -> None:
    """RFC 7914's own vector (12): password `password`, salt `NaCl`, N 1024, r 8, p 16."""
    vector = bytes.fromhex(
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
    )
    assert hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=16, dklen=64, maxmem=2**26) == vector
    encoded = encode_password("password", Cost(1024, 8, 16), lambda size: b"NaCl")
    assert encoded.split("$")[:4] == ["scrypt", "1024", "8", "16"]
    assert passwords._bytes(encoded.rpartition("$")[2]) == vector[: passwords.HASH_BYTES]
    assert encode_password("x", CHEAP) != encode_password("x", CHEAP)


def test_the_parameters_are_one_of_owasps_choices_and_fit_the_memory() -> None:
    assert passwords.COST in (Cost(2**17, 8, 1), Cost(2**16, 8, 2), Cost(2**15, 8, 3), Cost(2**14, 8, 5))
    assert 128 * passwords.COST.n * passwords.COST.r <= passwords.MAX_MEMORY / 2
    assert is_password("correct horse", encode_password("correct horse"))


@pytest.mark.parametrize(
    "encoded", ["", "scrypt$2$1$1$AA", "md5$2$1$1$AA$AA", "scrypt$x$1$1$AA$AA", "scrypt$3$1$1$AA$AA"]
)
def test_what_was_not_encoded_here_is_nobodys_password(encoded: str) -> None:
    assert not is_password("", encoded)


async def test_unknown_names_cost_what_wrong_passwords_cost() -> None:
    """Counted, not timed: one comparison each, with a hash of the same cost."""
    compared: list[str] = []

    def compare(password: str, encoded: str) -> bool:
        compared.append(encoded.rpartition("$")[0].rpartition("$")[0])
        return is_password(password, encoded)

    check = PasswordCheck(CHEAP, compare)
    known = {BEN.member_id: Password(BEN.member_id, encode_password("bens", CHEAP), set_at=START)}
    members = {member.member_id: member for member in (ANA, BEN)}
    for login in ("ben", "ana", "nobody", ""):
        compared.clear()
        assert await check.member(login, "wrong", members, known) is None
        assert compared == ["scrypt$2$1$1"], login
    assert await check.member("ben", "bens", members, known) == BEN


async def test_one_at_a_time() -> None:
    """Sixteen megabytes each: as many at once as a stranger likes would be all the memory."""
    running: list[int] = [0]
    most: list[int] = [0]

    def compare(password: str, encoded: str) -> bool:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.001)
        running[0] -= 1
        return False

    check = PasswordCheck(CHEAP, compare)
    await asyncio.gather(*(check.member("ben", "x", {}, {}) for _ in range(20)))
    assert most == [1]


def test_names_before_addresses_and_only_addresses_of_one() -> None:
    carl = Member("C", "carl", 1, email="ana", created_at=START)
    twin = replace(carl, member_id="T", name="twin", email="Both@example.org")
    twain = replace(carl, member_id="W", name="twain", email="both@EXAMPLE.org")
    members = {member.member_id: member for member in (carl, ANA, twin, twain)}
    assert member_called("ana", members) == ANA  # not the one who wrote a name where an address belongs
    assert member_called(" carl ", members) == carl
    assert member_called("both@example.org", members) is None
    del members["W"]
    assert member_called("both@example.org", members) == twin


@pytest.mark.parametrize("email", ["ma\u017fk@example.org", "mas\u212a@example.org"])
def test_an_address_that_only_looks_alike_is_another(email: str) -> None:
    """Whoever has the mailbox of one of them at an issuer has not that of the other."""
    mask = replace(ANA, email="Mask@example.org")
    assert member_with_email("MASK@Example.ORG", {"M": mask}) == mask
    assert member_with_email(email, {"M": mask}) is None


@settings(max_examples=50)
@given(st.text(max_size=120))
def test_no_text_is_a_session(cookie: str) -> None:
    assert Sessions().read(cookie, 0.0) is None


def test_a_session_is_its_process_own_and_ends() -> None:
    sessions = Sessions()
    session = sessions.begin(100.0, BEN.member_id)
    cookie = sessions.cookie(session)
    assert sessions.read(cookie, 100.0) == session
    assert sessions.read(cookie, 100.0 + SESSION_SECONDS) is None
    assert Sessions().read(cookie, 100.0) is None
    assert sessions.is_form_token(session, sessions.form_token(session))
    assert not sessions.is_form_token(sessions.begin(100.0), sessions.form_token(session))
    assert not sessions.is_form_token(session, cookie.rpartition(".")[2])  # signed for something else


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("https://app.example/in?a=b", "https://app.example"),
        ("http://127.0.0.1:8000/in", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/in", "http:"),  # a policy cannot name it
        ("com.example.app:/in", "com.example.app:"),
        ("myapp://in", "myapp:"),
    ],
)
def test_where_a_form_may_lead(uri: str, target: str) -> None:
    assert redirect_uri_fault(uri) is None
    assert form_target(uri) == target


@given(
    st.text(max_size=60), st.sampled_from(["https://a.example/", "http://", "app:", "", "https://a.example;"])
)
def test_a_policy_is_never_broken_out_of(text: str, start: str) -> None:
    uri = start + text
    if redirect_uri_fault(uri) is None:
        assert not set(form_target(uri)) & set(" ;,'\"\t\r\n")


def test_secrets_are_long_and_never_alike() -> None:
    made = {make_secret(ACCESS_PREFIX) for _ in range(100)}
    assert len(made) == 100
    assert {len(secret) for secret in made} == {4 + 43}
    assert {len(make_app_id()) for _ in range(100)} == {16}
