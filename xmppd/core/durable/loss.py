"""What becomes of stanzas that a device was sent and never acknowledged, once its session is lost for good.

XEP-0198 section 4: they are treated as stanzas to a resource that is not there (RFC 6121 8.5.3.2), but for a message
without a type, which goes to other devices or waits like a chat message: its sender was told that the server has it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api.waiting import settled
from xmppd.core.durable import journal
from xmppd.core.durable.frozen import read_stanza
from xmppd.core.durable.units import Spread, Unit
from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import delay
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Iq, Message, Stanza
from xmppd.wire.xml import serialise

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.sessions import Session

__all__ = ["bury", "bury_again", "redirect"]

_log = Logger()
CARBONS = "urn:xmpp:carbons:2"
_GONE = StanzaError(Condition.SERVICE_UNAVAILABLE)


async def bury(session: Session) -> None:
    """Send on its way what a session that nobody finds any more has left, one after the other, and forget it.

    What becomes of a stanza, and that the session has it no longer, is committed together: if the server is killed
    meanwhile, the rest goes on its way when it is started again.
    """
    managed = session.managed
    if managed is None:
        return
    ledger = session.host.server.ledger
    while managed.queue:
        data, at, spread = managed.queue[0]
        unit = Unit(again=True)
        if managed.is_last_with(spread):
            pending = _reroute(session, data, at, spread, unit)
            if pending is not None:
                try:
                    await pending
                except Exception:
                    _log.failure("what {jid} was sent could not be sent elsewhere", jid=session.jid)
        unit.close(ledger)
        managed.give_up()
    managed.buried = True
    ledger.end(managed, journal.ended(managed.number))


async def bury_again(session: Session) -> None:
    """The same for a session that something was sent to after it had ended; when all copies of that are known."""
    await _turn(session)
    await bury(session)


async def redirect(session: Session, stanza: Stanza, spread: Spread | None) -> None:
    """Send on its way what was on its way to a session without stream management when that ended.

    :param spread: what ties it to copies for other devices; if one of them has it, nothing is to be done.
    """
    await _turn(session)
    if spread is not None and (spread.taken or spread.holders):
        return
    unit = Unit(again=True)
    try:
        await settled(_reroute(session, stanza.to_bytes(), session.host.clock.seconds(), None, unit))
    finally:
        unit.close(session.host.server.ledger)


async def _turn(session: Session) -> None:
    """Let what runs now come to its end: the copies for other devices may not be sent yet."""
    turn: Deferred[None] = Deferred()
    session.host.clock.callLater(0, turn.callback, None)
    await turn


def _reroute(session: Session, data: bytes, at: float, spread: Spread | None, unit: Unit) -> Awaitable[None] | None:
    try:
        stanza = read_stanza(data)
        if spread is not None and stanza.from_ == session.account:
            stanza = _copied(stanza)
    except ValueError as error:
        _log.error("a message to {jid} is lost: {reason}", jid=session.jid, reason=str(error))
        return None
    stanza.unit = unit
    return _send_on(session.host, session, stanza, at)


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
    return host.route(stanza)
