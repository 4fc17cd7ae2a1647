"""Who is what to a room, told to who enters as far as it has changed since they were last told (XEP-0463).

A version is the number of changes there were. Of those who are nothing to the room any more the last are remembered;
who knows nothing newer than what is forgotten gets the whole list.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping

from xmppd.api import Condition, Element, Jid, Message, Presence, Stanza, StanzaError, tag
from xmppd.plugins.muc.room.elements import child
from xmppd.plugins.muc.room.outcome import Affiliated, Noted, Outcome
from xmppd.plugins.muc.room.presenting import user
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member, Occupant, Room
from xmppd.plugins.muc.room.words import MUC, USER

__all__ = ["NS", "annotate", "catch_up", "forget", "mark", "newest", "remove"]

NS = "urn:xmpp:muc:affiliations:1"
_NOTE = "removed"
_AT_ONCE = 500  # items in a message
_OPENING = f"<x xmlns='{USER}'>".encode()


# Versions


def mark(room: Room, until: int, since: int | None = None) -> bytes:
    """Return the ``<mav/>`` that says which versions something is about."""
    return tag("mav", xmlns=NS, since=None if since is None else _text(room, since), until=_text(room, until))


def _text(room: Room, version: int) -> str:
    """Return a version as clients see it; another room of the same name has others."""
    return f"{_prefix(room)}{version}"


def _prefix(room: Room) -> str:
    return hmac.digest(room.service.secret, f"versions\0{room.number}".encode(), "sha256")[:6].hex() + "-"


def _read(room: Room, text: str | None) -> int | None:
    """Return the version that a client knows; None, if that is none of this room."""
    prefix, number = _prefix(room), (text or "").removeprefix(_prefix(room))
    known = text is not None and text.startswith(prefix) and number.isascii() and number.isdigit() and len(number) < 16
    return int(number) if known and int(number) <= room.version else None


# Those who are nothing any more


def _removed(room: Room) -> tuple[int, dict[str, int]]:
    """Return up to which version removals are forgotten, and the versions of the others by bare address.

    That of somebody who was banned and never a member is negative: it is told only to those who know of bans.
    """
    forgotten, removed = json.loads(room.notes.get(_NOTE, "[0, {}]"))
    return forgotten, removed


def newest(room: Room) -> int:
    """Return the version of the last removal that is remembered."""
    forgotten, removed = _removed(room)
    return max(map(abs, removed.values()), default=forgotten)


def remove(room: Room, who: Jid, old: Affiliation) -> Noted:
    """Somebody belongs to the room no more, since its present version; return what is to be stored.

    :param old: what they were to it.
    """
    forgotten, removed = _removed(room)
    known = old.rank >= Affiliation.MEMBER.rank or removed.pop(str(who), 0) > 0
    removed.pop(str(who), None)
    removed[str(who)] = room.version if known else -room.version
    while len(removed) > room.service.limits.removals:
        first = next(iter(removed))
        forgotten = max(forgotten, abs(removed.pop(first)))
    room.notes[_NOTE] = text = json.dumps([forgotten, removed], ensure_ascii=False)
    return Noted(_NOTE, text)


def forget(room: Room, who: Jid) -> list[Noted]:
    """Forget somebody who exists no more: who knows nothing newer gets the whole list. Return what is to be stored."""
    removed = _removed(room)[1]
    if who in room.members or str(who) in removed:
        room.version += who in room.members
        room.notes[_NOTE] = text = json.dumps([room.version, {}])
        return [Noted(_NOTE, text)]
    return []


# Entering


def catch_up(room: Room, occupant: Occupant, presence: Presence, out: Outcome) -> bytes:
    """Send who enters, and asks for it, what has changed; before any presence (section 5.2.1).

    :returns: what is said in their own presence.
    """
    device = presence.sender
    room.versioned.discard(device)
    asked = child(presence.child(MUC, "x"), NS, "mav")
    if asked is None:
        return b""
    affiliation = room.affiliation(occupant.who)
    staff = affiliation.rank >= Affiliation.ADMIN.rank
    if not _may_list(room, affiliation, occupant.role):
        error = StanzaError(Condition.FORBIDDEN, text="You may not know who is what to this room.", by=room.jid)
        out.send(Message(None, room.jid, presence.id, "error", payload=error.to_bytes()), device)
        return b""
    for message in _difference(room, occupant.who, _read(room, asked.getAttribute("since")), staff):
        out.send(message, device)
    room.versioned.add(device)
    if len(room.versioned) > 2 * len(room.devices) + _AT_ONCE:
        room.versioned.intersection_update(room.devices, (device,))
    return mark(room, room.version)


def _may_list(room: Room, affiliation: Affiliation, role: Role) -> bool:
    """May somebody know who is what: all those lists that there are in XEP-0045, but for bans?"""
    if affiliation is Affiliation.OWNER:
        return True
    return not room.config.anonymous and affiliation.rank >= Affiliation.MEMBER.rank and role in room.config.member_list


def _difference(room: Room, who: Jid, since: int | None, staff: bool) -> Iterable[Message]:
    """Return what is to be told to who knows a version, in messages that are not too large.

    What others were before they belonged to the room is not for them: who knows an older version gets the whole list.

    :param staff: are they told of bans as well?
    """
    own = room.members.get(who)
    forgotten, removed = _removed(room)
    if since is not None and (since < forgotten or (own is not None and not staff and since < own.version)):
        since = None
    if since == room.version:
        return
    low = -1 if since is None else since
    changed = [
        (member.version, str(one), str(member.affiliation))
        for one, member in room.members.items()
        if member.version > low and (staff or member.affiliation is not Affiliation.OUTCAST)
    ]
    if since is not None:
        changed += [(abs(at), one, "none") for one, at in removed.items() if _is_told(room, one, at, low, staff)]
    if not changed and since is not None:
        return
    changed.sort()
    yield from _messages(room, changed, since)


def _is_told(room: Room, who: str, at: int, low: int, staff: bool) -> bool:
    """Is it to be told that somebody belongs to the room no more?"""
    member = room.members.get(Jid.parse(who))
    if staff:
        return abs(at) > low and member is None
    return at > low and (member is None or member.affiliation is Affiliation.OUTCAST)


def _messages(room: Room, changed: list[tuple[int, str, str]], since: int | None) -> Iterable[Message]:
    place = 0
    while True:
        end = place + _AT_ONCE
        while end < len(changed) and changed[end][0] == changed[end - 1][0]:
            end += 1  # one version is not torn apart
        until = room.version if end >= len(changed) else changed[end - 1][0]
        items = b"".join(tag("item", jid=who, affiliation=what) for _, who, what in changed[place:end])
        yield Message(None, room.jid, payload=user(mark(room, until, since) + items))
        place, since = end, until
        if place >= len(changed):
            return


# Changes


def annotate(room: Room, out: Outcome, there: Mapping[Jid, Jid]) -> None:
    """Say in what is sent because somebody is something else which version that makes, to those who go by versions.

    :param there: bare real addresses by those of occupants.
    """
    if not room.versioned:
        return
    removed = _removed(room)[1]
    changes = (change for change in out.changes if isinstance(change, Affiliated))
    versions = {change.who: _version(change.who, change.member, removed) for change in changes}
    sent: list[tuple[Stanza, Iterable[Jid]]] = []
    for stanza, recipients in out.sent:
        who = _subject(stanza, there)
        version = 0 if who is None else versions.get(who, 0)
        knowing = [jid for jid in recipients if jid in room.versioned] if version else []
        if not version or not knowing:
            sent.append((stanza, recipients))
            continue
        others = [jid for jid in recipients if jid not in room.versioned]
        if others:
            sent.append((stanza, others))
        before, opening, after = stanza.payload.rpartition(_OPENING)  # the room's own is behind what occupants say
        sent.append((stanza.with_payload(before + opening + mark(room, version, version - 1) + after), knowing))
    out.sent[:] = sent


def _version(who: Jid, member: Member | None, removed: Mapping[str, int]) -> int:
    return abs(removed.get(str(who), 0)) if member is None else member.version


def _subject(stanza: Stanza, there: Mapping[Jid, Jid]) -> Jid | None:
    """Return whom a stanza of the room is about, by bare real address."""
    if isinstance(stanza, Presence):
        return there.get(stanza.sender)
    item: Element | None = child(stanza.child(USER, "x"), USER, "item")
    return None if item is None or not item.getAttribute("jid") else Jid.parse(item["jid"]).bare
