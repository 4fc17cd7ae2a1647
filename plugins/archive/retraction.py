"""XEP-0424 Message Retraction, section 5: what is left of a message that its sender has taken back."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from xmppd.api import Element, Jid, JidError, Message, tag
from xmppd.api.archives import Archives, brief
from xmppd.plugins.archive.rules import RETRACT
from xmppd.plugins.archive.store import MESSAGES
from xmppd.wire import ns
from xmppd.wire.delay import format_datetime
from xmppd.wire.xml import parse

__all__ = ["Retraction", "read"]

_m = MESSAGES.c
_BEYOND = (
    select(_m.id)
    .where(_m.owner == bindparam("whose"))
    .order_by(_m.id.desc())
    .limit(1)
    .offset(bindparam("reach"))
)  # fmt: skip
_CANDIDATES = select(_m.position, _m.stanza).where(
    _m.owner == bindparam("whose"),
    _m.id > bindparam("low"),
    _m.peer == bindparam("peer_"),
    _m.mark == bindparam("mark_"),
)


@dataclass(frozen=True, slots=True)
class Retraction:
    """A message that takes back another one.

    :ivar sender: who has sent it, bare.
    :ivar other: to whom, bare.
    :ivar target: the stanza id of what is taken back.
    :ivar id: its own stanza id.
    :ivar at: when it came, in seconds since the epoch.
    """

    sender: Jid
    other: Jid
    target: str
    id: str
    at: float

    def apply(self, connection: Connection, archives: Archives, account: Jid, reach: int) -> None:
        """Replace the message in an archive by a tombstone.

        :param account: whose archive.
        :param reach: how many of the newest messages of the archive are looked through, by the index.
        """
        peer = self.other if account == self.sender else self.sender
        owner = archives.store.find_owner(connection, account)
        beyond = connection.execute(_BEYOND, {"whose": owner, "reach": reach}).scalar()
        low = -1 if beyond is None else beyond
        values = {"whose": owner, "low": low, "peer_": brief(peer), "mark_": brief(self.target)}
        for position, stanza in connection.execute(_CANDIDATES, values).all():
            (message,) = parse(bytes(stanza))
            if self._means(message):
                archives.store.replace(connection, position, self._tombstone(message))
                archives.search.remove(connection, [position])

    def _means(self, message: Element) -> bool:
        """Is it the same conversation, from the same sender (section 6), and nothing that has to stay?"""
        if message.getAttribute("id") != self.target:
            return False
        if any(e.uri == RETRACT and e.name in ("retract", "retracted") for e in message.elements()):
            return False
        try:
            sender, other = (Jid.parse(message.getAttribute(name, "")).bare for name in ("from", "to"))
        except JidError:
            return False
        return (sender, other) == (self.sender, self.other)

    def _tombstone(self, message: Element) -> bytes:
        retracted = tag("retracted", xmlns=RETRACT, stamp=format_datetime(self.at), id=self.id)
        return Message(
            Jid.parse(message["to"]),
            Jid.parse(message["from"]),
            message.getAttribute("id"),
            message.getAttribute("type"),
            message.getAttribute((ns.XML, "lang")),
            retracted,
        ).to_bytes()


def read(message: Message, now: float) -> Retraction | None:
    """Return what a message takes back; None if it doesn't say what, or has no id for a tombstone to name."""
    retract = message.child(RETRACT, "retract")
    target = None if retract is None else retract.getAttribute("id")
    if not target or not message.id:
        return None
    return Retraction(message.sender.bare, message.recipient.bare, target, message.id, now)
