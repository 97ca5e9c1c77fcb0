"""Members who sign in with a password: only at the page where they let an app act for them."""

from __future__ import annotations

import hashlib
from typing import Final

from gateway.api.http.rate import AttemptLimit, client_of
from gateway.auth.passwords import COST, Cost, PasswordCheck
from gateway.auth.sessions import Sessions
from gateway.domain.member import Member
from gateway.domain.state import State
from gateway.engine.ports import Clock

#: Tries from one address: people who mistype need three. 14,400 a day are no way through passwords of eight
#: characters that are not in the first lists of a guesser.
PER_ADDRESS: Final = "10/minute"
#: Tries for one name or e-mail address from anywhere. Whoever uses them up on purpose keeps that member from
#: signing in with it, but from nothing else: keys and tokens work on.
PER_LOGIN: Final = "10/minute"
#: Seconds between two looks for codes and tokens that have expired: they take room, nothing else.
FORGET_EVERY: Final = 3600.0


class TooManyTries(Exception):
    """Wait before the next one. `wait` is in seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many tries; wait {wait:.0f} s")
        self.wait = wait


class SignIn:
    """Passwords, sessions, how often one may try, and when what expired is forgotten."""

    def __init__(self, clock: Clock, cost: Cost = COST) -> None:
        self.passwords = PasswordCheck(cost)
        self.sessions = Sessions()
        self._clock = clock
        self._forgot_at: float | None = None  # monotonic seconds
        self._addresses = AttemptLimit(PER_ADDRESS, clock)
        self._logins = AttemptLimit(PER_LOGIN, clock)

    async def member(self, login: str, password: str, address: str, state: State) -> Member | None:
        """Who signs in with this name or e-mail address; None when it is wrong. Raises TooManyTries."""
        for limit, key in ((self._addresses, client_of(address)), (self._logins, _counted_as(login))):
            wait = limit.spend(key)
            if wait is not None:
                raise TooManyTries(wait)
        return await self.passwords.member(login, password, state.members, state.grants.passwords)

    def is_time_to_forget(self) -> bool:
        """Whether expired codes and tokens should go now; asking counts as having seen to it."""
        now = self._clock.monotonic()
        if self._forgot_at is not None and now - self._forgot_at < FORGET_EVERY:
            return False
        self._forgot_at = now
        return True


def _counted_as(login: str) -> str:
    """What tries are counted under: what was typed alone, for two names that share their tries would be one
    member's; and its hash, for whoever guesses says how long it is."""
    return hashlib.sha256(login.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()
