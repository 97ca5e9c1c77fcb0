"""Keys: shown once, kept as a hash, and nothing but the whole token opens."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.keys import KEY_ID_LENGTH, NewKey, authenticate, hash_of, key_id_of, make_key
from gateway.domain.member import Member, Principal, Scope

NOW = datetime(2016, 5, 18, tzinfo=UTC)
ANA = Member("FPEJMQHAG3NXE", "ana", 4, is_admin=True)
MEMBERS = {ANA.member_id: ANA}
SCOPES = frozenset({Scope.DATA_READ})


def made(seed: int = 1) -> NewKey:
    return make_key(ANA.member_id, "slicer", SCOPES, NOW, random.Random(seed).randbytes)


def test_a_key_opens_as_its_member() -> None:
    new = made()
    principal = authenticate(new.token, {new.key.key_id: new.key}, MEMBERS)
    assert principal == Principal(ANA.member_id, 4, SCOPES, app_id=new.key.key_id, is_org_admin=True)
    assert principal.may(Scope.DATA_READ)
    assert not principal.may(Scope.DATA_READ, Scope.DATA_WRITE)


def test_the_shape_of_a_token() -> None:
    new = made()
    head, key_id, secret = new.token.split("_", 2)
    assert (head, key_id, len(key_id), len(secret)) == ("gwk", new.key.key_id, KEY_ID_LENGTH, 43)
    assert key_id_of(new.token) == new.key.key_id
    assert new.key.secret_sha256 == hash_of(new.token)
    assert (new.key.created_at, new.key.revoked_at, new.key.name) == (NOW, None, "slicer")


def test_the_secret_is_nowhere_but_in_the_token() -> None:
    new = made()
    secret = new.token.split("_", 2)[2]
    assert secret not in repr(new)
    assert secret not in repr(new.key)


def test_keys_differ_and_the_same_chance_gives_the_same_key() -> None:
    assert made(1) == made(1)
    assert made(1).token != made(2).token
    default = [make_key(ANA.member_id, "k", SCOPES, NOW) for _ in range(2)]
    assert default[0].key.key_id != default[1].key.key_id


def test_a_revoked_key_opens_nothing() -> None:
    new = made()
    revoked = replace(new.key, revoked_at=NOW)
    assert authenticate(new.token, {revoked.key_id: revoked}, MEMBERS) is None


def test_a_key_of_nobody_opens_nothing() -> None:
    new = made()
    assert authenticate(new.token, {new.key.key_id: new.key}, {}) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.upper(),
        lambda token: "Bearer " + token,
        lambda token: token.replace("gwk", "ghp"),
        lambda token: token.split("_", 2)[1],
        lambda token: "gwk_" + "a" * 12 + token[16:],
        lambda token: "",
        lambda token: "e2R3Z2k4Q1",  # an opaque bearer token, as the Forge documents show
    ],
)
def test_any_other_token_opens_nothing(spoil: object) -> None:
    new = made()
    assert authenticate(spoil(new.token), {new.key.key_id: new.key}, MEMBERS) is None  # type: ignore[operator]


def test_another_members_key_with_the_same_id_opens_nothing() -> None:
    new, other = made(1), made(2)
    assert authenticate(other.token, {other.key.key_id: new.key}, MEMBERS) is None


@given(st.text(st.characters(codec=None)))
def test_no_text_breaks_it(text: str) -> None:
    assert authenticate(text, {}, {}) is None
    assert len(hash_of(text)) == 64
