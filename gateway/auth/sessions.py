"""Who is signed in at the consent page: a short session in a signed cookie, and the token of its forms.

The key is random and lives as long as the process: a restart ends all sessions, which last minutes anyway.
Nothing is stored; time is monotonic seconds of the same process.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from gateway.auth.keys import Randomness

#: Seconds from signing in (or opening the page) to the decision.
SESSION_SECONDS = 600.0
ID_BYTES = 16
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """One browser at the consent page."""

    session_id: str  # hex
    member_id: str | None  # None: nobody has signed in yet
    expires_at: float  # monotonic seconds


class Sessions:
    """Makes and reads the cookies of one process."""

    def __init__(self, randomness: Randomness = secrets.token_bytes) -> None:
        self._randomness = randomness
        self._key = randomness(KEY_BYTES)

    def begin(self, now: float, member_id: str | None = None) -> Session:
        """A new one. Signing in begins a new one, too: an id that somebody planted is worth nothing then."""
        return Session(self._randomness(ID_BYTES).hex(), member_id, now + SESSION_SECONDS)

    def cookie(self, session: Session) -> str:
        """What the browser keeps."""
        text = f"{session.session_id}.{session.member_id or ''}.{int(session.expires_at)}"
        return f"{text}.{self._sign('session', text)}"

    def read(self, cookie: str | None, now: float) -> Session | None:
        """The session of a cookie; None when there is none, it is over, or not ours."""
        text, _, signature = (cookie or "").rpartition(".")
        if not text or not self._is_signed("session", text, signature):
            return None
        session_id, member_id, expires_at = text.split(".")
        session = Session(session_id, member_id or None, float(expires_at))
        return session if session.expires_at > now else None

    def form_token(self, session: Session) -> str:
        """What the forms of a session carry, and no other site can know."""
        return self._sign("form", session.session_id)

    def is_form_token(self, session: Session, given: str) -> bool:
        """Whether a form came from a page of this session."""
        return self._is_signed("form", session.session_id, given)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    def _is_signed(self, purpose: str, text: str, signature: str) -> bool:
        expected = self._sign(purpose, text)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
