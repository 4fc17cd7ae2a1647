"""What becomes of stanzas that a device was sent and never acknowledged, once its session is lost for good.

XEP-0198 section 4: they are treated as stanzas to a resource that is not there (RFC 6121 8.5.3.2), but for a message
without a type, which goes to other devices or waits like a chat message: its sender was told that the server has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.core.durable.frozen import read_stanza
from xmppd.core.durable.managed import Unacknowledged
from xmppd.core.durable.units import Unit
from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import delay
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Iq, Message, Stanza
from xmppd.wire.xml import serialise

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.sessions import Session

__all__ = ["reroute"]

_log = Logger()
CARBONS = "urn:xmpp:carbons:2"
_GONE = StanzaError(Condition.SERVICE_UNAVAILABLE)


def reroute(host: Host, session: Session, left: Iterable[Unacknowledged]) -> list[Awaitable[None]]:
    """Send on its way what a session that nobody finds any more has left; return what to wait for."""
    pending = []
    for data, at, spread in left:
        try:
            stanza = read_stanza(data)
            if spread is not None and stanza.from_ == session.account:
                stanza = _copied(stanza)
        except ValueError as error:
            _log.error("a message to {jid} is lost: {reason}", jid=session.jid, reason=str(error))
            continue
        outcome = _send_on(host, session, stanza, at)
        if outcome is not None:
            pending.append(outcome)
    return pending


def _copied(stanza: Stanza) -> Stanza:
    """Return the message that a copy was made of (XEP-0280): nobody who got the message itself has taken it either.

    :raises ValueError: if it is not well-formed.
    """
    received = stanza.child(CARBONS, "received")
    message = None if received is None else next(received.elements(), None)
    message = None if message is None else next(message.elements(ns.CLIENT, "message"), None)
    return stanza if message is None else read_stanza(serialise(message))


def _send_on(host: Host, session: Session, stanza: Stanza, at: float) -> Awaitable[None] | None:
    bounce = host.server.router.bounce
    if isinstance(stanza, Iq):
        if stanza.answerable:
            return bounce(stanza.readdressed(to=session.jid), _GONE)
        return None
    if not isinstance(stanza, Message) or stanza.from_ is None or stanza.from_ == session.account:
        return None  # presence is of no use later; what the account itself sends is for this device only (carbons)
    if stanza.type == "groupchat":
        return bounce(stanza.readdressed(to=session.jid), _GONE)
    if stanza.type in ("headline", "error"):
        return None
    if not stanza.has(DELAY, "delay"):
        stanza = stanza.adding(delay(host.jid, at))
    if stanza.to is None or stanza.type != "chat":
        stanza = stanza.readdressed(to=session.account)
    return _in_unit(host, stanza)


def _in_unit(host: Host, stanza: Stanza) -> Awaitable[None] | None:
    unit = stanza.unit = Unit(again=True)
    ledger = host.server.ledger
    pending = host.route(stanza)
    if pending is None:
        unit.close(ledger)
        return None
    return _close_after(pending, unit, host)


async def _close_after(pending: Awaitable[None], unit: Unit, host: Host) -> None:
    try:
        await pending
    finally:
        unit.close(host.server.ledger)
