"""What happened to apps and grants; `gateway.domain.events` says how events are meant."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.events import Event


@dataclass(frozen=True, slots=True)
class AppAdded(Event):
    """An app was registered."""

    kind = "app-added"
    app_id: str
    name: str


@dataclass(frozen=True, slots=True)
class AppRevoked(Event):
    """An app and all its tokens stopped working."""

    kind = "app-revoked"
    app_id: str
    name: str


@dataclass(frozen=True, slots=True)
class AccessAllowed(Event):
    """A member agreed that an app may act for it."""

    kind = "access-allowed"
    app_id: str
    name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessEnded(Event):
    """An app's tokens for a member ended before their time."""

    kind = "access-ended"
    app_id: str
    name: str
    reason: str  # withdrawn: by the member; reused: a code or refresh token came a second time


@dataclass(frozen=True, slots=True)
class PasswordSet(Event):
    """A member got a password, or another one."""

    kind = "password-set"
    name: str
