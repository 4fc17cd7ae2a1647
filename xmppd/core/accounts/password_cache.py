"""Passwords that were found right lately, so that the next log-in of a client with PLAIN costs no PBKDF2.

Kept are not passwords but, under a key that only this process knows, an HMAC to recognize one and the SaltedPassword
(RFC 5802 section 3) masked with another HMAC of it: whoever reads the process' memory has to guess passwords still.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from xmppd.core.lru import Lru
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import ScramKeys


@dataclass(frozen=True, slots=True)
class _Entry:
    keys: ScramKeys
    tag: bytes
    masked: bytes


class PasswordCache:
    """At most `size` accounts. An entry counts only for the keys it was made with."""

    def __init__(self, size: int) -> None:
        self._key = secrets.token_bytes(32)
        self._entries: Lru[Jid, _Entry] = Lru(size)

    def recall(self, account: Jid, password: bytes, keys: ScramKeys | None) -> bytes | None:
        """Return the SaltedPassword if this password has been right for these keys, else None.

        Takes the same time for every account that has no such password.
        """
        tag = self._digest("tag", account, password)
        entry = self._entries.get(account)
        if entry is None or entry.keys != keys or not hmac.compare_digest(entry.tag, tag):
            return None
        return self._mask(account, password, entry.masked)

    def remember(self, account: Jid, password: bytes, keys: ScramKeys, salted: bytes) -> None:
        """Keep a password that was found right."""
        tag = self._digest("tag", account, password)
        self._entries.put(account, _Entry(keys, tag, self._mask(account, password, salted)))

    def forget(self, account: Jid) -> None:
        """Forget the account's password."""
        self._entries.forget(account)

    def _mask(self, account: Jid, password: bytes, value: bytes) -> bytes:
        pad = self._digest("mask", account, password)[: len(value)]
        return bytes(one ^ other for one, other in zip(value, pad, strict=True))

    def _digest(self, purpose: str, account: Jid, password: bytes) -> bytes:
        # 64 octets: as long as the longest SaltedPassword, that of SHA-512.
        return hmac.digest(self._key, f"{purpose}\0{account}\0".encode() + password, "sha512")
