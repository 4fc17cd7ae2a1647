"""Requests that rooms answer because of other extensions than XEP-0045, by type, namespace and name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from xmppd.api import Iq, Message, Payload, settled
from xmppd.plugins.muc.room import moderating
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import MODERATE

if TYPE_CHECKING:
    from xmppd.plugins.muc import Muc

__all__ = ["ACTS", "ANSWERS", "FEATURES"]

#: Features of every room.
FEATURES = moderating.FEATURES


async def _moderate(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Retract a message of the history, or one that is only in the archive."""
    id = moderating.wanted(room, iq)
    original: Message | None = moderating.find(room, id)
    if original is None:
        found = await muc.archive.find(room, id)
        original = None if found is None else found.message
    outcome = moderating.moderate(room, iq, original, muc.clock.seconds())
    await settled(muc.delivering.deliver(room, outcome, iq))
    return outcome.reply


#: Those that a room's rules answer.
ACTS: Mapping[tuple[str, str, str], Callable[[Room, Iq, float], Outcome]] = {}
#: Those that take more.
ANSWERS: Mapping[tuple[str, str, str], Callable[[Muc, Room, Iq], Awaitable[Payload]]] = {
    ("set", MODERATE, "moderate"): _moderate,
}
