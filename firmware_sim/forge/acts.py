"""What the firmware wants done on the network, and what came of it. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Post:
    """A request to the server's API; `path` is below its base URL.

    what: `registration`, `status`, `ack` or `local_job`. form: as bracketed form fields, else as JSON.
    """

    what: str
    path: str
    body: Mapping[str, Any]
    is_form: bool = False
    job: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a post. status 0: nothing, the connection failed. body: parsed JSON or None."""

    status: int
    body: Any = None

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Download:
    """Get a file. `command` is the message that asked for it; it comes back with the result.

    redirects: how many are followed; what comes after them is an answer that is no file.
    """

    url: str
    command: Mapping[str, Any]
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came. status 0: the connection failed or broke off. layers: 0 if the file shows none."""

    status: int
    size: int = 0
    sha256: str = ""
    layers: int = 0


@dataclass(frozen=True, slots=True)
class UploadLogs:
    """PUT the log archive to a URL outside of the API."""

    url: str
    command: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Listen to a Bayeux channel; `ext` goes along with the subscription."""

    channel: str
    ext: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Listen to it no longer."""

    channel: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Leave the Bayeux server, with a word."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Off and on again, once everything posted before is out."""


Act = Post | Download | UploadLogs | Subscribe | Unsubscribe | Disconnect | Reboot
