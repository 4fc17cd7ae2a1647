"""Voice that was given or taken lasts from visit to visit (XEP-0045 section 5.1), so that nobody evades it."""

from __future__ import annotations

import json

from xmppd.api import Jid
from xmppd.plugins.muc.room.outcome import Noted, Outcome
from xmppd.plugins.muc.room.ranks import Role, default_role
from xmppd.plugins.muc.room.state import Occupant, Room

__all__ = ["entering_role", "forget", "forget_all", "remember"]

#: Under which name a room keeps the roles of those who have another one than others who enter.
_NOTE = "voice"
#: How many these may be; who is above that is forgotten, oldest first.
_MOST = 1000
_ABOUT_VOICE = (Role.VISITOR, Role.PARTICIPANT)


def entering_role(room: Room, who: Jid) -> Role:
    """Return the role with which somebody enters; NONE for those who may not.

    :param who: a real address, bare or full.
    """
    role = default_role(room.config, room.affiliation(who))
    if role in _ABOUT_VOICE and _NOTE in room.notes:
        return Role(_kept(room).get(who.bare, role))
    return role


def remember(room: Room, occupant: Occupant, out: Outcome) -> None:
    """A moderator has given somebody the role that they have now."""
    kept, usual = _kept(room), default_role(room.config, room.affiliation(occupant.who))
    before = kept.pop(occupant.who, None)
    if usual in _ABOUT_VOICE and occupant.role in _ABOUT_VOICE and occupant.role is not usual:
        kept[occupant.who] = str(occupant.role)
    for oldest in list(kept)[:-_MOST]:
        del kept[oldest]
    if before != kept.get(occupant.who):
        _note(room, kept, out)


def forget(room: Room, who: Jid, out: Outcome) -> None:
    """Somebody is something else to the room, or exists no more; what they may do goes with that."""
    kept = _kept(room)
    if kept.pop(who, None) is not None:
        _note(room, kept, out)


def forget_all(room: Room, out: Outcome) -> None:
    """The room is moderated now, or is not any more: who has voice goes with that."""
    if _NOTE in room.notes:
        _note(room, {}, out)


def _kept(room: Room) -> dict[str, str]:
    kept: dict[str, str] = json.loads(room.notes.get(_NOTE, "{}"))
    return kept


def _note(room: Room, kept: dict[str, str], out: Outcome) -> None:
    if kept:
        room.notes[_NOTE] = json.dumps(kept)
    else:
        del room.notes[_NOTE]
    out.changes.append(Noted(_NOTE, room.notes.get(_NOTE)))
