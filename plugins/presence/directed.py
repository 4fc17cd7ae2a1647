"""Whom a device has sent presence to by name, and who has answered with an error (RFC 6121 4.6 and 4.4.2)."""

from __future__ import annotations

from collections.abc import Collection

from xmppd.api import ISession, Jid

__all__ = ["Directed"]

#: Before an address, the name under which a session remembers that its presence was directed there. Each has its own,
#: so that to remember one more does not mean to write down all of them.
STATE = "directed "


class Directed:
    """What is remembered per session; sessions of which there is nothing to remember cost nothing.

    Whom presence was directed to outlives connections and the server, as the presence does.
    """

    def __init__(self) -> None:
        self._recipients: dict[ISession, dict[Jid, None]] = {}  # as far as they were needed
        self._refusing: dict[ISession, set[Jid]] = {}

    # Directed presence

    def add(self, session: ISession, recipient: Jid, limit: int) -> bool:
        """Remember a recipient of available presence; false if there are `limit` of them already."""
        recipients = self._of(session)
        if recipients is None:
            if not limit:
                return False
            recipients = self._recipients[session] = {}
        if recipient not in recipients:
            if len(recipients) >= limit:
                return False
            recipients[recipient] = None
            session.keep(STATE + recipient, True)
        return True

    def discard(self, session: ISession, recipient: Jid) -> None:
        """The recipient has been told that the device is unavailable, or wants no presence."""
        recipients = self._of(session)
        if recipients is not None and recipient in recipients:
            del recipients[recipient]
            session.keep(STATE + recipient, None)
            if not recipients:
                del self._recipients[session]

    def has(self, session: ISession, recipient: Jid) -> bool:
        """Does the recipient think the device is available?"""
        recipients = self._of(session)
        return recipients is not None and recipient in recipients

    def all(self, session: ISession) -> Collection[Jid]:
        """Return all recipients."""
        return self._of(session) or ()

    def take(self, session: ISession) -> tuple[Jid, ...]:
        """Return all recipients, and forget them."""
        recipients = self._of(session)
        if recipients is None:
            return ()
        del self._recipients[session]
        for recipient in recipients:
            session.keep(STATE + recipient, None)
        return tuple(recipients)

    def _of(self, session: ISession) -> dict[Jid, None] | None:
        recipients = self._recipients.get(session)
        if recipients is None:
            known = [Jid.parse(name.removeprefix(STATE)) for name in session.state if name.startswith(STATE)]
            if known:
                recipients = self._recipients[session] = dict.fromkeys(known)
        return recipients

    # Errors

    def refused(self, session: ISession, contact: Jid) -> None:
        """The contact, a bare address, has answered the device's presence with an error."""
        self._refusing.setdefault(session, set()).add(contact)

    def accepted(self, session: ISession, contact: Jid) -> None:
        """The contact has sent other presence since."""
        refusing = self._refusing.get(session)
        if refusing is not None:
            refusing.discard(contact)
            if not refusing:
                del self._refusing[session]

    @property
    def any_refused(self) -> bool:
        """Has anybody refused presence of any session?"""
        return bool(self._refusing)

    def refusing(self, session: ISession) -> set[Jid] | None:
        """The contacts to whom the device's presence is not sent, or None."""
        return self._refusing.get(session)

    def forgive(self, session: ISession) -> None:
        """A new presence session begins, or the session has ended: everybody is told again."""
        self._refusing.pop(session, None)
