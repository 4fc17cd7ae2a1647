"""Key sequences, by which a session proves that each request is its client's (XEP-0124 section 15)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1

from xmppd.wire.bosh import BindingError

__all__ = ["KeySequence"]


class KeySequence:
    """The keys of one session: each is what the one before is the hash of.

    :param first: the key that the session began with (`newkey`).
    :param remembered: how many requests may be repeated.
    """

    __slots__ = ("_expected", "_recent", "_remembered")

    def __init__(self, first: str, remembered: int) -> None:
        self._expected = first.lower()
        self._remembered = remembered
        self._recent: dict[int, str] = {}

    def check(self, rid: int, attributes: Mapping[str, str]) -> None:
        """Check the key of the next request, and go on to another sequence if the client does.

        :raises BindingError: `item-not-found`: it is not the right one.
        """
        key = attributes.get("key", "")
        if sha1(key.encode(), usedforsecurity=False).hexdigest() != self._expected:
            raise BindingError("item-not-found", "the key is not the next in the sequence")
        self._expected = attributes.get("newkey", key).lower()
        self._recent[rid] = key
        self._recent.pop(rid - self._remembered, None)

    def check_again(self, rid: int, attributes: Mapping[str, str]) -> None:
        """Check the key of a request that has come before.

        :raises BindingError: `item-not-found`: it is another one than then.
        """
        key = self._recent.get(rid)
        if key is not None and key != attributes.get("key"):
            raise BindingError("item-not-found", "the request is repeated with another key")
