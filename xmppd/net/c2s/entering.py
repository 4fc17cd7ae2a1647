"""Logging in and binding a resource on behalf of a plugin: what :class:`xmppd.api.IStream` has for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.logins import LoginRefused, Refusal
from xmppd.core.server import BindRefused
from xmppd.net.c2s import binding
from xmppd.net.c2s.login import Login
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq

if TYPE_CHECKING:
    from xmppd.core.sessions import Session
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["enter", "prove"]

_log = Logger()


async def prove(of: ClientStream, account: Jid, check: Callable[[], Awaitable[bool]], how: str) -> None:
    """See IStream.prove. The limits and locks are those of SASL."""
    listener, peer = of.listener, of.peer
    guesses = listener.server.guesses

    def stopped() -> bool:
        return guesses.stopped(peer) or guesses.stopped(peer, account)

    if stopped():
        raise LoginRefused(Refusal.TOO_MANY_FAILURES)
    right = await check()
    if stopped():  # others failed meanwhile: what they may not try, they may not try at once either
        raise LoginRefused(Refusal.TOO_MANY_FAILURES)
    found = await listener.accounts.get(account) if right else None
    if found is None:
        await _failed(of, account)
        raise LoginRefused(Refusal.WRONG)
    if found.locked is not None:
        raise LoginRefused(Refusal.LOCKED, found.locked)
    listener.login_results["success"] += 1
    guesses.succeeded(peer, account)
    _log.debug("{account} logged in from {peer} with {how}", account=account, peer=peer, how=how)


async def _failed(of: ClientStream, account: Jid) -> None:
    """Have the client wait. :raises StreamError: it has failed too often."""
    negotiation = of.negotiation
    if negotiation is None:  # it has left
        return
    if negotiation.login is None:
        negotiation.login = Login(of)
    if await negotiation.login.failed_otherwise(account):
        raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to log in")


async def enter(of: ClientStream, account: Jid, resource: str, welcome: Callable[[Jid], Iq]) -> None:
    """See IStream.enter."""
    negotiation, listener = of.negotiation, of.listener
    if negotiation is None or of.account is not None:
        raise StreamError(StreamCondition.NOT_AUTHORIZED, "somebody has logged in here")

    def bound(session: Session) -> None:
        of.write(welcome(session.jid).to_bytes())

    of.account = account
    replace = listener.server.settings.accounts.resource_conflict != "refuse"
    try:
        session = await binding.bind(of, resource, bound, replace=replace)
    except BindRefused as refused:
        of.account = None
        raise LoginRefused(Refusal.CONFLICT if refused.conflict else Refusal.TOO_MANY_SESSIONS) from None
    except Exception:
        of.account = None
        raise
    if of.negotiation is not negotiation:  # the client left meanwhile
        await listener.server.unbind(session)
        return
    of.framer.limits = listener.limits_after
    negotiation.arrived(session)
