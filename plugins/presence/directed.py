"""Whom a device has sent presence to by name, and who has answered with an error (RFC 6121 4.6 and 4.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from xmppd.api import ISession, Jid

__all__ = ["Directed"]

#: Before an address, the name under which a session remembers that its presence was directed there. Each has its own,
#: so that to remember one more does not mean to write down all of them.
STATE = "directed "
#: What is remembered: that presence was sent; that it was to enter a room (XEP-0045 7.2); or that the recipient can't
#: be reached, and the device has been told that it isn't there any more.
_SENT, _ROOM, _GONE = True, "room", "gone"


class Directed:
    """What is remembered per session; sessions of which there is nothing to remember cost nothing.

    Whom presence was directed to outlives connections and the server, as the presence does.
    """

    def __init__(self) -> None:
        self._recipients: dict[ISession, dict[Jid, bool | str]] = {}  # as far as they were needed
        self._refusing: dict[ISession, set[Jid]] = {}

    # Directed presence

    def add(self, session: ISession, recipient: Jid, limit: int, room: bool = False) -> bool:
        """Remember a recipient of available presence; false if there are `limit` of them already.

        :param room: was it to enter a room?
        """
        recipients = self._of(session)
        if recipients is None:
            if not limit:
                return False
            recipients = self._recipients[session] = {}
        before = recipients.get(recipient)
        if before is None:
            if len(recipients) >= limit:
                return False
            # Another nickname in the same room is asked for without saying that it is one (7.6).
            room = room or any(value == _ROOM and other.bare == recipient.bare for other, value in recipients.items())
        value = _ROOM if room or before == _ROOM else _SENT
        if value != before:
            recipients[recipient] = value
            session.keep(STATE + recipient, value)
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
        """Does the recipient think the device is available, and rightly so?"""
        recipients = self._of(session)
        return recipients is not None and recipients.get(recipient, _GONE) != _GONE

    def all(self, session: ISession) -> Collection[Jid]:
        """Return all recipients that are there."""
        recipients = self._of(session) or {}
        if _GONE in recipients.values():
            return [recipient for recipient, value in recipients.items() if value != _GONE]
        return recipients

    def rooms(self, session: ISession) -> Collection[Jid]:
        """Return those by which the device has entered rooms."""
        return [recipient for recipient, value in (self._of(session) or {}).items() if value == _ROOM]

    def take(self, session: ISession) -> tuple[Jid, ...]:
        """Return all recipients, and forget them."""
        recipients = self._of(session)
        if recipients is None:
            return ()
        del self._recipients[session]
        for recipient in recipients:
            session.keep(STATE + recipient, None)
        return tuple(recipients)

    def _of(self, session: ISession) -> dict[Jid, bool | str] | None:
        recipients = self._recipients.get(session)
        if recipients is None:
            state = session.state.items()
            known = {Jid.parse(name.removeprefix(STATE)): value for name, value in state if name.startswith(STATE)}
            if known:
                recipients = self._recipients[session] = known
        return recipients

    # Recipients that can't be reached

    def lose(self, session: ISession, domain: str, unless: Callable[[Jid], bool]) -> list[tuple[Jid, bool]]:
        """Return the recipients in a domain that can't be reached, with whether they are rooms; once each.

        :param unless: says whom it does not concern: who is subscribed is sent presence anyway.
        """
        recipients = self._of(session)
        if recipients is None:
            return []
        there = [(r, value) for r, value in recipients.items() if r.domain == domain and value != _GONE]
        lost = [(r, value == _ROOM) for r, value in there if value == _ROOM or not unless(r)]
        for recipient, _ in lost:
            recipients[recipient] = _GONE
            session.keep(STATE + recipient, _GONE)
        return lost

    def take_lost(self, session: ISession, domain: str) -> list[Jid]:
        """A domain can be reached again: return those of which the device has been told that they are gone."""
        recipients = self._of(session) or {}
        lost = [r for r, value in recipients.items() if value == _GONE and r.domain == domain]
        for recipient in lost:
            self.discard(session, recipient)
        return lost

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
