"""Message archives (XEP-0313), as other plugins see them."""

from __future__ import annotations

from typing import Protocol

from xmppd.api.interfaces import ISession
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message

__all__ = ["USED", "IArchive"]

#: The name under which a session remembers what its client was given of the archive, see :meth:`ISession.keep`: a list
#: with something in it as soon as it was given a page of everything there is. Searches don't count.
USED = "archive"


class IArchive(Protocol):
    """The archives of the accounts of a host. Accounts are bare addresses."""

    def archive_id(self, account: Jid, message: Message) -> str | None:
        """Return the id that a message has in the archive of `account`, or None if it is not archived there.

        Of a message for the account it can be asked from phase ``DELIVER`` of ``ToAccount`` on, for as long as there is
        the message: it is in it (XEP-0359). Of a message from the account it can be asked in phase ``DELIVER`` of
        ``FromClient``, about the very stanza of the event.
        """

    def take_back(self, account: Jid, message: Message) -> None:
        """Have a message for `account` not be in the archive, while it is handled: its sender is refused it."""

    def fetched(self, session: ISession, archive_id: str) -> bool:
        """Has this session's client been sent the archived message of that id, as a result of a query?

        Said of queries for everything, which clients keep up with the archive by, not of searches: of all messages that
        came between those that the client was given, and the one that it had asked to go on from. That a client reads
        the archive at all is to be seen in ``session.state.get(USED)``.
        """
