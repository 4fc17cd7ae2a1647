"""Messages that wait for somebody who is not there (XEP-0160), as other plugins see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message

__all__ = ["IOfflineStore", "StoredMessage"]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message that waits.

    :ivar position: places it among the messages of its account; greater is later.
    :ivar stored_at: when it came, in seconds since the epoch.
    :ivar octets: its size, as it counts against the limit.
    :ivar message: as it came.
    """

    position: int
    stored_at: float
    octets: int
    message: Message


class IOfflineStore(Protocol):
    """The messages that wait for the accounts of a host. Accounts are bare addresses.

    Whatever needs the database fails with StorageUnavailable while that can't work.
    """

    def count(self, account: Jid) -> int:
        """Return how many messages wait."""

    async def list(self, account: Jid, limit: int = 100, after: int = 0) -> Sequence[StoredMessage]:
        """Return at most `limit` messages, oldest first, those behind the position `after`."""

    async def purge(self, account: Jid) -> int:
        """Throw all messages of an account away; return how many there were."""
