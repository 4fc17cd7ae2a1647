"""A room's vCard and the avatar in it (XEP-0486, XEP-0054, XEP-0153).

The vCard is kept with the room, but not in memory; the hashes of its pictures are.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode

from xmppd.api import Condition, Element, Iq, Jid, Presence, StanzaError, tag
from xmppd.plugins.muc.room.elements import child, children, text_of
from xmppd.plugins.muc.room.outcome import Noted, Outcome
from xmppd.plugins.muc.room.presenting import tell_configured
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room

__all__ = ["NS", "VCARD", "hashes", "publish", "show"]

NS = "vcard-temp"
#: Under which name the vCard is noted.
VCARD = "vcard"
_HASHES = "avatar"
_UPDATE = "vcard-temp:x:update"  # XEP-0153


def publish(room: Room, iq: Iq, now: float) -> Outcome:
    """Take another vCard for the room; an empty one takes it away (XEP-0486 section 3.2).

    :raises StanzaError: forbidden to all but owners and admins; policy-violation if it is too large; bad-request if a
        picture isn't in base64.
    """
    if room.affiliation(iq.sender).rank < Affiliation.ADMIN.rank:
        raise StanzaError(Condition.FORBIDDEN, text="Only owners and admins are allowed to set avatars.")
    most = room.service.limits.vcard_octets
    if len(iq.payload) > most:
        text = f"The vCard of a room may have {most} octets, this one has {len(iq.payload)}."
        raise StanzaError(Condition.POLICY_VIOLATION, text=text)
    before, found = hashes(room), " ".join(_hashes(iq.request))
    empty = not any(True for _ in iq.request.elements())
    out = Outcome(changes=[Noted(VCARD, None if empty else iq.payload.decode())])
    if found:
        room.notes[_HASHES] = found
    else:
        room.notes.pop(_HASHES, None)
    out.changes.append(Noted(_HASHES, found or None))
    if hashes(room) != before:
        out.show(_presence(room), tuple(room.devices))
    tell_configured(room, out)
    return out


def _hashes(vcard: Element) -> list[str]:
    """Return the hash of each picture (XEP-0486 section 5.1), as XEP-0153 section 3.1 has it."""
    found: list[str] = []
    for photo in children(vcard, NS, "PHOTO"):
        picture = child(photo, NS, "BINVAL")
        if picture is None:
            continue
        try:
            data = b64decode("".join(text_of(picture).split()), validate=True)
        except (binascii.Error, ValueError):
            raise StanzaError(Condition.BAD_REQUEST, text="The picture is not in base64.") from None
        if data:
            found.append(hashlib.sha1(data).hexdigest())  # what XEP-0153 says
    return found


def hashes(room: Room) -> tuple[str, ...]:
    """Return the hashes of the room's pictures; none, if it has no avatar."""
    return tuple(room.notes.get(_HASHES, "").split())


def show(room: Room, device: Jid, out: Outcome) -> None:
    """Tell who enters which avatar the room has (XEP-0486 section 6), as those clients expect who don't ask for it."""
    if _HASHES in room.notes:
        out.send(_presence(room), device)


def _presence(room: Room) -> Presence:
    found = hashes(room)
    photo = tag("photo", found[0]) if found else tag("photo")
    return Presence(None, room.jid, payload=tag("x", photo, xmlns=_UPDATE))
