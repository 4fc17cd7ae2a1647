"""Slow mode: how long one has to wait between two messages to a room (XEP-0500)."""

from __future__ import annotations

from itertools import takewhile
from math import ceil

from xmppd.api import Condition, Jid, StanzaError
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room

__all__ = ["check", "spoke"]

#: How many more people than there are occupants may be remembered before those are forgotten who needn't wait.
_SPARE = 64


def check(room: Room, who: Jid, now: float) -> None:
    """Refuse a message with a body that comes too soon after the one before, with whatever nickname and device.

    Admins and owners needn't wait. It takes nothing but the time: :func:`spoke` is called when it is said.

    :param who: the bare real address.
    :param now: in seconds since the epoch.
    :raises StanzaError: policy-violation, of type wait (section 4.3).
    """
    seconds = room.config.slow_mode
    last = room.spoken.get(who)
    if last is None or now - last >= seconds or room.affiliation(who).rank >= Affiliation.ADMIN.rank:
        return
    text = (
        "You have exceeded the limit imposed by the slow mode in this room. You have to wait "
        f"{seconds} seconds between messages. Please try again in {ceil(last + seconds - now)} seconds."
    )
    raise StanzaError(Condition.POLICY_VIOLATION, type="wait", text=text)


def spoke(room: Room, who: Jid, now: float) -> None:
    """Remember when somebody has said something in a room in slow mode."""
    spoken = room.spoken
    spoken.pop(who, None)
    spoken[who] = now  # those who have spoken last are last
    if len(spoken) > len(room.occupants) + _SPARE:
        forgotten = now - room.config.slow_mode
        for other in list(takewhile(lambda one: spoken[one] <= forgotten, spoken)):
            del spoken[other]
