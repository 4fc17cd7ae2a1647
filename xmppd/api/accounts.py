"""The accounts of a server, as plugins and log-in see them.

A password is never stored, only what SCRAM derives from it (RFC 5802 section 3). Accounts are named by bare JIDs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.wire.sasl import ScramKeys


class AccountExists(Exception):
    """An account of that name exists already."""


class NoSuchAccount(Exception):
    """There is no account of that name."""


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of an account. `created`: seconds since the epoch; `locked`: why nobody may log in, or None."""

    jid: Jid
    created: float
    locked: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: which accounts were made, and which existed and were left alone."""

    created: Sequence[Jid]
    existing: Sequence[Jid]


class IAccounts(Protocol):
    """The accounts of all hosts. What needs the database fails with StorageUnavailable while that can't work.

    An address that is not a bare JID with a localpart raises ValueError. What can't be a password raises
    `xmppd.wire.sasl.PasswordError`.
    """

    def known(self, jid: Jid) -> bool | None:
        """Say at once whether the bare JID is an account; None: it is not in the cache, `await exists(jid)`."""

    async def exists(self, jid: Jid) -> bool:
        """Is the bare JID an account?"""

    async def get(self, jid: Jid) -> Account | None:
        """Return the account."""

    async def create(self, jid: Jid, password: str) -> None:
        """Make an account. Raises AccountExists, PasswordError."""

    async def delete(self, jid: Jid) -> bool:
        """Delete the account, not what plugins keep for it; false if there was none."""

    async def set_password(self, jid: Jid, password: str) -> None:
        """Replace the password. Raises NoSuchAccount, PasswordError."""

    async def check_password(self, jid: Jid, password: str) -> bool:
        """Is this the account's password? A wrong one takes the same time whether or not there is such an account.

        But to try what may be the random password of a program takes no time, if the account has one like that.

        Locked accounts are checked like others: who has shown the password may be told of the lock.
        """

    async def keys(self, jid: Jid, hash: str) -> ScramKeys | None:
        """Return the account's keys for SCRAM with "SHA-1", "SHA-256" or "SHA-512", or None if there is no account."""

    async def lock(self, jid: Jid, reason: str) -> None:
        """Let nobody log in, for a reason the operator can read. Raises NoSuchAccount. Open sessions are not closed."""

    async def unlock(self, jid: Jid) -> None:
        """Undo `lock`. Raises NoSuchAccount."""

    async def list(self, host: str, after: str = "", limit: int = 100) -> Sequence[Account]:
        """Return at most `limit` accounts of a host, ordered by JID, those behind the JID `after`."""

    async def count(self, host: str) -> int:
        """Return how many accounts a host has."""

    async def import_many(self, users: Iterable[tuple[Jid, str]]) -> Imported:
        """Make many accounts of addresses and passwords, some hundred in a transaction.

        Raises PasswordError or ValueError, naming the address, before anything is made. After StorageUnavailable some
        are made; importing again makes the rest.
        """
