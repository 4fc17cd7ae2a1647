"""Requests to rooms, by type, namespace and name: which act answers each.

An act that changes the room is pure: it takes the room, the request and the time, and its outcome has the reply. What
needs more takes the service as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from xmppd.api import Condition, Iq, Payload, StanzaError, settled
from xmppd.plugins.muc.room import admin, owner, registering
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import ADMIN, OWNER
from xmppd.plugins.muc.service import archive_requests, discovery, features

if TYPE_CHECKING:
    from xmppd.plugins.muc import Muc

__all__ = ["ACTS", "ANSWERS", "Act", "Answer", "receive"]

#: Answers a request to the room's own address.
Act = Callable[["Room", Iq, float], Outcome]
#: Answers one with the help of the service; returns the reply's content.
Answer = Callable[["Muc", "Room", Iq], Awaitable[Payload]]


#: Requests to a room that its rules answer, by type, namespace and name.
ACTS: Mapping[tuple[str, str, str], Act] = {
    ("get", ADMIN, "query"): admin.ask,
    ("set", ADMIN, "query"): admin.change,
    ("get", OWNER, "query"): owner.ask,
    ("set", OWNER, "query"): owner.change,
    ("get", registering.NS, "query"): registering.ask,
    ("set", registering.NS, "query"): registering.register,
    **features.ACTS,
}
#: Requests to a room that take more than its rules.
ANSWERS: Mapping[tuple[str, str, str], Answer] = {**discovery.ANSWERS, **features.ANSWERS, **archive_requests.ANSWERS}


async def receive(muc: Muc, room: Room | None, iq: Iq) -> None:
    """Answer a request to a room, or pass on what is for an occupant.

    :raises StanzaError: item-not-found, if there is no such room; service-unavailable for what nobody answers.
    """
    if iq.recipient.resource:
        await muc.between.pass_on(room, iq)
        return
    if not iq.answerable:
        return
    if room is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room.")
    if room.locked and room.affiliation(iq.sender) is not Affiliation.OWNER:  # section 10.1.1
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room.")
    names = (iq.type, *iq.names[0])
    muc.between.count(iq)
    if names in ANSWERS:
        reply = await ANSWERS[names](muc, room, iq)
        await settled(muc.host.route(iq.result(reply).along(iq)))
    elif names in ACTS:
        muc.host.will_store(iq)
        outcome = ACTS[names](room, iq, muc.clock.seconds())
        muc.between.spare(room, iq.sender.bare, outcome)
        # Section 8.2 and others: who has asked is told first, and others then.
        answered = muc.host.route(iq.result(outcome.reply).along(iq))
        await settled(answered, muc.delivering.deliver(room, outcome, iq))
    else:
        raise StanzaError(Condition.SERVICE_UNAVAILABLE)
