"""Requests that rooms answer because of other extensions than XEP-0045, by type, namespace and name."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from xmppd.api import Condition, Iq, Message, Payload, StanzaError, settled
from xmppd.api.commands import NS as COMMANDS_NS
from xmppd.plugins.muc.room import avatar, commands, hat_commands, moderating, tokens, versions
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import HATS, MODERATE
from xmppd.plugins.muc.service import store

if TYPE_CHECKING:
    from xmppd.plugins.muc import Muc

__all__ = ["ACTS", "ANSWERS", "COMMANDS", "FEATURES"]

_TOKEN_OCTETS = 24
#: Features of every room.
FEATURES = (*moderating.FEATURES, avatar.NS, HATS, COMMANDS_NS, tokens.NS, versions.NS)


async def _moderate(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Retract a message of the history, or one that is only in the archive."""
    id = moderating.wanted(room, iq)
    original: Message | None = moderating.find(room, id)
    if original is None:
        found = await muc.archive.find(room, id)
        original = None if found is None else found.message
    muc.host.will_store(iq)
    outcome = moderating.moderate(room, iq, original, muc.clock.seconds())
    await settled(muc.delivering.deliver(room, outcome, iq))
    return outcome.reply


async def _token(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Issue a token (XEP-0488 section 4.2)."""
    muc.host.will_store(iq)
    outcome = tokens.issue(room, iq, muc.clock.seconds(), secrets.token_urlsafe(_TOKEN_OCTETS))
    await settled(muc.delivering.deliver(room, outcome, iq))
    return outcome.reply


async def _vcard(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Return the room's vCard (XEP-0486 section 3.4)."""
    card = await muc.db.read(lambda c: store.note(c, room.number, avatar.VCARD))
    if card is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="The room has no vCard.")
    return card.encode()


#: Ad-hoc commands of every room, by node.
COMMANDS = hat_commands.COMMANDS

#: Those that a room's rules answer.
ACTS: Mapping[tuple[str, str, str], Callable[[Room, Iq, float], Outcome]] = {
    ("set", avatar.NS, "vCard"): avatar.publish,
    ("get", tokens.NS, "tokens"): tokens.show,
    ("set", tokens.NS, "revoke"): tokens.revoke,
    ("set", COMMANDS_NS, "command"): lambda room, iq, now: commands.execute(room, iq, COMMANDS),
}
#: Those that take more.
ANSWERS: Mapping[tuple[str, str, str], Callable[[Muc, Room, Iq], Awaitable[Payload]]] = {
    ("get", avatar.NS, "vCard"): _vcard,
    ("set", MODERATE, "moderate"): _moderate,
    ("set", tokens.NS, "request"): _token,
}
