"""Making text and values fit for strangers: whatever may be a credential becomes `***`.

So does who somebody is to a machine: names to sign in with, owners, a printer's serial number. It errs on the
safe side: of an address only scheme and host are left, of an e-mail address nothing, and every long run of
letters and digits is taken for a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

MASK: Final = "***"
#: Names whose values are secret, as parts of longer names too.
_SECRET: Final = re.compile(
    r"secret|token|passw|passphrase|credential|authorization|cookie|session|permit|signature|bearer"
    r"|user.?name|(?:^|_)(?:owner|serial)$"
    r"|access.?code|(?:^|[_\W])(?:api.?)?key(?:$|[_\W])|(?:^|[_\W])(?:code|pin|psk)(?:$|[_\W])|e.?mail",
    re.IGNORECASE,
)
#: scheme://user:password@host:port/path?query#fragment -> scheme://host:port
_ADDRESS: Final = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20})://(?:[^/?#\s\"'<>]*@)?([^/?#\s\"'<>@]*)([/?#][^\s\"'<>]*)?", re.IGNORECASE
)
#: Here and below: a name is looked at from its beginning only. Else a long one takes minutes, with the
#: interpreter's lock held.
_EMAIL: Final = re.compile(
    r"(?<![^\s@<>\"'(),;:=])[^\s@<>\"'(),;:=]++@[^\s@<>\"'(),;:=]+\.[^\s@<>\"'(),;:=]+"
)
_HEADER: Final = re.compile(r"\b(Bearer|Basic|Digest)\s+[^\s\"',]+", re.IGNORECASE)
#: `token=x`, `"password": "x"`, `X-ApiKey: x`, `--token x`: up to the next blank or quote.
_NAMED: Final = re.compile(
    r"(?<![\w-])((?:[\w-]*?(?:api[^\w-]key|access[^\w-]code)[\w-]*+"
    r"|(?=[\w-]*?(?:secret|token|passw(?:or)?d|passphrase|api[\w-]?key|permit|signature|cookie|access[\w-]?code"
    r"|psk))[\w-]++)[\"']?(?:\s*+[=:]\s*+|\s++)[\"']?)([^\s\"',;&]+)",
    re.IGNORECASE,
)
_OWN_TOKEN: Final = re.compile(r"\bgw[a-z]_[A-Za-z0-9_-]+")
#: A key's secret has 43 characters; UUIDs have 36. What begins with a slash is a path, whose parts are looked
#: at one by one.
_LONG: Final = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+=-][A-Za-z0-9_+/=-]{39,}|[A-Za-z0-9_+=-]{40,}")
#: Commands by which a printer is told the password of its network or its own (Marlin, RepRapFirmware).
_NETWORK: Final = re.compile(r"\bM(58[6-9]|55[0-4])\b.*", re.IGNORECASE)


def redacted_text(text: str) -> str:
    """One or more lines without credentials."""
    text = _ADDRESS.sub(_host_of, text)
    text = _HEADER.sub(rf"\1 {MASK}", text)
    text = _OWN_TOKEN.sub(MASK, text)
    text = _EMAIL.sub(MASK, text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    text = _LONG.sub(MASK, text)
    return _NETWORK.sub(rf"M\1 {MASK}", text)


def redacted(value: Any, name: str = "") -> Any:
    """A value of JSON without credentials; `name`: the key under which it stands."""
    if value is None or isinstance(value, bool):
        return value
    if _SECRET.search(name):
        return MASK  # a number, too: access codes are
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): redacted(one, str(key)) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [redacted(one, name) for one in value]
    return redacted_text(str(value))


def _host_of(found: re.Match[str]) -> str:
    scheme, host, rest = found.groups()
    if scheme.lower() == "sqlite":
        return found[0]  # a path of this host
    return f"{scheme}://{host}" + (f"/{MASK}" if rest not in (None, "/") else "")
