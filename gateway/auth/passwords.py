"""Members' passwords: scrypt, with its parameters beside the hash, so that they can grow.

    scrypt$16384$8$5$<salt>$<hash>          n, r, p; salt and hash in base64url without padding

The parameters are one of OWASP's equal choices for scrypt (Password Storage Cheat Sheet): this one needs the
least memory, 128 * n * r = 16 MiB, which a Raspberry Pi has. It is slow on purpose: some tenths of a second.
So it runs in a thread, one at a time: many who guess at once take neither the memory nor the event loop.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.auth.keys import Randomness
from gateway.domain.grant import Password
from gateway.domain.member import Member

SALT_BYTES = 16
HASH_BYTES = 32
#: Characters of a password; NIST SP 800-63B 3.1.1.2: at least 8 and room for at least 64.
SHORTEST, LONGEST = 8, 256
#: Bytes that OpenSSL may use for one hash: what the parameters need, and as much again.
MAX_MEMORY = 64 * 1024 * 1024
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's parameters."""

    n: int = 2**14
    r: int = 8
    p: int = 5


COST = Cost()


def encode_password(password: str, cost: Cost = COST, randomness: Randomness = secrets.token_bytes) -> str:
    """What is stored of a password. Blocks for a good part of a second."""
    salt = randomness(SALT_BYTES)
    digest = _scrypt(password, salt, cost)
    return "$".join(("scrypt", str(cost.n), str(cost.r), str(cost.p), _text(salt), _text(digest)))


def is_password(password: str, encoded: str) -> bool:
    """Whether it is the one that was encoded. Blocks. False, too, for what was not encoded here."""
    try:
        scheme, n, r, p, salt, digest = encoded.split("$")
        cost, known = Cost(int(n), int(r), int(p)), _bytes(digest)
        return scheme == "scrypt" and hmac.compare_digest(_scrypt(password, _bytes(salt), cost), known)
    except ValueError:
        return False


class PasswordCheck:
    """Who signs in. Unknown names cost as much time as wrong passwords: no oracle for names."""

    def __init__(self, cost: Cost = COST, compare: Callable[[str, str], bool] = is_password) -> None:
        self._cost = cost
        self._compare = compare  # blocks
        self._nobody: str | None = None
        self._turn = asyncio.Lock()

    async def encode(self, password: str) -> str:
        """`encode_password` in a thread."""
        async with self._turn:
            return await asyncio.to_thread(encode_password, password, self._cost)

    async def member(
        self, login: str, password: str, members: Mapping[str, Member], passwords: Mapping[str, Password]
    ) -> Member | None:
        """The member with this name or e-mail address, if that is the password."""
        member = member_called(login, members)
        known = passwords.get(member.member_id) if member is not None else None
        async with self._turn:
            if self._nobody is None:
                self._nobody = await asyncio.to_thread(encode_password, "", self._cost)
            encoded = self._nobody if known is None else known.encoded
            is_right = await asyncio.to_thread(self._compare, password[: LONGEST + 1], encoded)
        return member if known is not None and is_right else None


def member_called(login: str, members: Mapping[str, Member]) -> Member | None:
    """By name; else by an e-mail address that only one member has."""
    wanted = login.strip()
    named = next((member for member in members.values() if member.name == wanted), None)
    return named or member_with_email(wanted, members)


def member_with_email(email: str, members: Mapping[str, Member]) -> Member | None:
    """The one member with this address, in capitals or not; None when there is none, or more than one.

    Only A to Z have capitals here. Unicode folds letters of other alphabets to them (U+017F to s): that
    would be another mailbox, perhaps somebody else's, and an issuer may have verified it.
    """
    wanted = email.translate(_SMALL)
    found = [m for m in members.values() if m.email is not None and m.email.translate(_SMALL) == wanted]
    return found[0] if len(found) == 1 else None


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=MAX_MEMORY, dklen=HASH_BYTES)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
