"""Time and chance as the operating system gives them; everything else gets them as arguments."""

from __future__ import annotations

import secrets
import string
import time
from datetime import UTC, datetime

_MEMBER_ALPHABET = string.ascii_uppercase + string.digits
_MEMBER_ID_LENGTH = 13  # as in Forge's example `FPEJMQHAG3NXE`
_CODE_LENGTH = 6  # as in Forge's example `YKNRKT`


class SystemClock:
    """engine.ports.Clock."""

    def wall(self) -> datetime:
        """Now, aware UTC, in whole milliseconds as the store keeps them."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()


class SystemIds:
    """engine.ports.IdSource."""

    def uuid(self) -> str:
        """A random UUID (RFC 9562 version 4)."""
        digits = secrets.token_hex(16)  # uuid.UUID takes four times as long, and each request has one
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def member_id(self) -> str:
        """13 of A-Z 0-9."""
        return "".join(secrets.choice(_MEMBER_ALPHABET) for _ in range(_MEMBER_ID_LENGTH))

    def hex(self, digits: int) -> str:
        """Random lower-case hex digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def registration_code(self) -> str:
        """Six of A-Z."""
        return "".join(secrets.choice(string.ascii_uppercase) for _ in range(_CODE_LENGTH))
