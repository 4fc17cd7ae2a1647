"""The first run: who can read the server's log, or run xmppctl, gets a code that makes them its operator."""

from __future__ import annotations

import secrets

from xmppd.api import IClock
from xmppd.plugins.console.totp import hashed

__all__ = ["SetupCode"]

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_ATTEMPTS = 10


class SetupCode:
    """A code that counts once, for a while, and not for those who guess: too many attempts, and it is void.

    :param seconds: how long it counts.
    """

    def __init__(self, clock: IClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.void()

    def void(self) -> None:
        """Let no code count any more."""
        self._hash, self._ends, self._left = "", 0.0, 0

    def new(self) -> str:
        """Return a new one; those before it don't count any more."""
        code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
        self._hash, self._ends, self._left = hashed(code), self._clock.seconds() + self._seconds, _ATTEMPTS
        return code

    def fits(self, code: str) -> bool:
        """Is it that code? It still counts afterwards: what else is filled in may be wrong. :meth:`void` ends that."""
        if not self._hash or self._clock.seconds() >= self._ends:
            return False
        if secrets.compare_digest(hashed(code), self._hash):
            return True
        self._left -= 1
        if self._left <= 0:
            self.void()
        return False
