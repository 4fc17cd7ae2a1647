"""Messages that wait for somebody who is not there (XEP-0160), as other plugins see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message

__all__ = ["FETCHES", "IOfflineStore", "StoredMessage"]

#: The name under which a session remembers that its client fetches by itself what waits (XEP-0013); see
#: :meth:`xmppd.api.ISession.keep`. As long as there is such a session, nothing is delivered to its account from here.
FETCHES = "fetches_offline"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message that waits.

    :ivar position: unique among the messages of its account, and never given to another one.
    :ivar place: messages are delivered in the order of place and position, of which the first is when they came.
    :ivar stored_at: when it came, in seconds since the epoch.
    :ivar octets: its size, as it counts against the limit.
    :ivar message: as it came.
    """

    position: int
    place: int
    stored_at: float
    octets: int
    message: Message


class IOfflineStore(Protocol):
    """The messages that wait for the accounts of a host. Accounts are bare addresses.

    Whatever needs the database fails with StorageUnavailable while that can't work.
    """

    def count(self, account: Jid) -> int:
        """Return how many messages wait."""

    async def list(self, account: Jid, limit: int = 100, after: StoredMessage | None = None) -> Sequence[StoredMessage]:
        """Return at most `limit` messages, oldest first, those behind `after`."""

    async def find(self, account: Jid, positions: Sequence[int]) -> Sequence[StoredMessage]:
        """Return those of the messages at these positions that are still there, oldest first."""

    def stamped(self, stored: StoredMessage) -> Message:
        """Return a message as it is delivered: it says when it came (XEP-0203)."""

    async def remove(self, account: Jid, messages: Sequence[StoredMessage]) -> int:
        """Throw messages away that :meth:`list` has returned; return how many of them were still there."""

    async def purge(self, account: Jid) -> int:
        """Throw all messages of an account away; return how many there were."""
