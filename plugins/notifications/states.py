"""The states of a delivery, and which may follow on which: none goes back, and a device itself knows best."""

from __future__ import annotations

from xmppd.api.notifications import State

__all__ = ["ENDS", "RANKS", "UNREAD", "may_follow"]

#: States in which nobody has anything to tell any more, unless the device itself does: it may answer late.
ENDS = (State.EXPIRED, State.SUPERSEDED, State.CANCELLED, State.FAILED)
#: States of what no device has read yet, as far as is known.
UNREAD = (State.QUEUED, State.SENT)
RANKS = {
    State.QUEUED: 0,
    State.SENT: 1,
    **dict.fromkeys(ENDS, 2),
    State.REACHED: 3,
    State.DELIVERED: 4,
    State.OPENED: 5,
}


def may_follow(new: State, old: State) -> bool:
    """May a delivery in state `old` come to be in state `new`?"""
    return RANKS[new] > RANKS[old]
