"""Logging in in a way of a plugin's own, beside SASL: see :meth:`xmppd.api.IStream.prove` and ``enter``.

And what a plugin can do for clients that register in a way of their own (:class:`IRegistrant`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.api.interfaces import IStream

__all__ = ["IPasswordKeeper", "IRegistrant", "LoginRefused", "Refusal"]


class Refusal(Enum):
    """Why somebody isn't let in."""

    #: The password isn't that of the account, or there is no such account. Nothing else means that.
    WRONG = "the username or the password is wrong"
    LOCKED = "the account is locked"
    #: Too many have failed, from that address or to that account.
    TOO_MANY_FAILURES = "there were too many failures; try again later"
    #: Another client has the resource, and the settings say that it keeps it.
    CONFLICT = "the resource is in use"
    TOO_MANY_SESSIONS = "the account has too many sessions"


class LoginRefused(Exception):
    """Somebody isn't let in; the text is for people."""

    def __init__(self, refusal: Refusal, text: str = "") -> None:
        super().__init__(text or refusal.value)
        self.refusal = refusal


class IRegistrant(Protocol):
    """Makes the accounts of one kind of clients, which know no forms, and may not take an error well."""

    def offers(self, stream: IStream) -> bool:
        """Is registration (XEP-0077) on offer for them on a stream that nobody has logged in on?"""

    def takes(self, fields: Mapping[str, str]) -> bool:
        """Is that a registration by such a client?"""

    async def register(self, stream: IStream, fields: Mapping[str, str]) -> None:
        """Make the account. It may take any time.

        :raises StanzaError: it can't be made.
        """


class IPasswordKeeper(Protocol):
    """Lets clients log in that don't send their password, but something that can't be checked without it."""

    async def keep_password(self, account: Jid, password: str) -> None:
        """Keep a password that is right, if such clients are let in at all.

        :raises StorageUnavailable: it can't be written.
        """
