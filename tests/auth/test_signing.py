"""Signed addresses: one path, until one instant, by whoever has the key."""

from __future__ import annotations

import pytest

from gateway.auth.signing import KEY_BYTES, UrlSigner

SIGNER = UrlSigner(b"k" * KEY_BYTES)
PATH = "/print/printables/4b5a3181/part.tar.gz"
PERMIT = SIGNER.sign(PATH, 1000)


def test_a_permit_is_good_for_its_path_until_its_instant() -> None:
    assert SIGNER.verify(PATH, PERMIT, 999.9)
    assert not SIGNER.verify(PATH, PERMIT, 1000)
    assert not SIGNER.verify(PATH + "x", PERMIT, 999)
    assert not UrlSigner(b"l" * KEY_BYTES).verify(PATH, PERMIT, 999)


def test_it_is_one_segment_of_a_path_and_needs_no_percent_sign() -> None:
    assert set(PERMIT) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@pytest.mark.parametrize(
    "permit",
    ["", ".", "1000", "1000.", f"2000.{PERMIT.partition('.')[2]}", PERMIT[:-1], PERMIT + "A", "x" + PERMIT,
     "\u0661" + PERMIT[1:], PERMIT.replace("1000", "001000"), "9" * 12 + ".x", PERMIT + "\u00e9"],
)  # fmt: skip
def test_nothing_else_is_one(permit: str) -> None:
    assert not SIGNER.verify(PATH, permit, 0)


def test_a_short_key_is_none() -> None:
    with pytest.raises(ValueError, match="bytes"):
        UrlSigner(b"k" * (KEY_BYTES - 1))
