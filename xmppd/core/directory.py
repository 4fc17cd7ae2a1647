"""The directory that finds the sessions of our users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xmppd.core.sessions import Session
from xmppd.wire.jid import Jid

__all__ = ["Directory"]

_NONE: Mapping[str, Session] = {}


class Directory:
    """All sessions of the server. Entries of other nodes would be entered here as well: nothing else holds sessions."""

    def __init__(self) -> None:
        self.by_jid: dict[Jid, Session] = {}
        self.by_account: dict[Jid, dict[str, Session]] = {}
        self._ended = [0, 0]  # stanzas received and sent by sessions that are gone

    def stanzas(self) -> tuple[int, int]:
        """How many stanzas clients have sent and were sent since the server was started."""
        received, sent = self._ended
        for session in self.by_jid.values():
            received += session.received
            sent += session.sent
        return received, sent

    def add(self, session: Session) -> None:
        """Enter a session whose full address is free."""
        self.by_jid[session.jid] = session
        self.by_account.setdefault(session.account, {})[session.jid.resource] = session

    def remove(self, session: Session) -> None:
        """Take a session out, unless its address has been taken over by another."""
        if self.by_jid.get(session.jid) is session:
            del self.by_jid[session.jid]
            self._ended[0] += session.received
            self._ended[1] += session.sent
            resources = self.by_account[session.account]
            del resources[session.jid.resource]
            if not resources:
                del self.by_account[session.account]

    def of(self, account: Jid) -> Mapping[str, Session]:
        """The sessions of an account by resource; empty if there is none."""
        return self.by_account.get(account, _NONE)

    def on(self, host: Jid) -> Iterable[Session]:
        """The sessions of a host."""
        return [session for session in self.by_jid.values() if session.host.jid == host]
