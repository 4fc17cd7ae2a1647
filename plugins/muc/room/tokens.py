"""Invite tokens: who has one may enter as a member, whoever they are (XEP-0488)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil

from xmppd.api import Condition, Element, Iq, Jid, Stanza, StanzaError, tag
from xmppd.plugins.muc.room.elements import child, text_of
from xmppd.plugins.muc.room.outcome import Affiliated, Noted, Outcome
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member, Room
from xmppd.plugins.muc.room.words import MUC

__all__ = ["NS", "forget", "invited", "issue", "refusal", "revoke", "show", "use"]

NS = "urn:xmpp:muc-token-invite:0"
_NOTE = "tokens"
_DIGITS = 10  # of an xs:unsignedInt
_HIGHEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    :ivar text: what one has to know.
    :ivar creator: who has asked for it: a bare real address.
    :ivar expires: when, in seconds since the epoch; 0.0: never.
    :ivar left: how often it may still be used; None: any number of times.
    """

    text: str
    creator: str
    expires: float
    left: int | None

    def element(self, now: float, by: bool = False) -> bytes:
        """Return it as it is told; `by`: with who has asked for it."""
        delay = ceil(self.expires - now) if self.expires else None
        return tag("token", self.text, delay=delay, counter=self.left, creator=self.creator if by else None)


def _known(room: Room) -> list[Token]:
    return [Token(**one) for one in json.loads(room.notes.get(_NOTE, "[]"))]


def _keep(room: Room, tokens: Sequence[Token]) -> Noted:
    room.notes[_NOTE] = text = json.dumps([asdict(token) for token in tokens], ensure_ascii=False)
    return Noted(_NOTE, text)


def _good(room: Room, now: float) -> list[Token]:
    """Return the tokens that let somebody in: those of people who may still issue them."""
    return [
        token
        for token in _known(room)
        if (not token.expires or token.expires > now) and token.left != 0 and _may(room, Jid.parse(token.creator))
    ]


def _may(room: Room, who: Jid) -> bool:
    """Those may issue tokens who may invite (muc#roomconfig_allowinvites), and belong to the room."""
    affiliation = room.affiliation(who)
    return affiliation.rank >= Affiliation.ADMIN.rank or (affiliation is Affiliation.MEMBER and room.config.invites)


def _sees_all(room: Room, iq: Iq) -> bool:
    """Moderators have to do with the tokens of everybody (section 7)."""
    occupant = room.devices.get(iq.sender)
    moderator = occupant is not None and occupant.role is Role.MODERATOR
    return moderator or room.affiliation(iq.sender).rank >= Affiliation.ADMIN.rank


# Requests


def issue(room: Room, iq: Iq, now: float, text: str) -> Outcome:
    """Issue a token (section 4.2).

    :param text: of the new token, which nobody can guess.
    :raises StanzaError: forbidden to who may not, and in rooms with a password, which a token would not replace;
        bad-request for limits that are no numbers; resource-constraint, if there are too many.
    """
    _check_may(room, iq)
    limits = room.service.limits
    delay = _limited(_number(iq.request, "delay"), limits.token_seconds)
    left = _limited(_number(iq.request, "counter"), limits.token_uses)
    tokens = _good(room, now)
    if len(tokens) >= limits.tokens:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="There are too many tokens; revoke some.")
    token = Token(text, str(iq.sender.bare), now + delay if delay else 0.0, left)
    reply = tag("token", text, xmlns=NS, delay=delay, counter=left)
    return Outcome(changes=[_keep(room, [*tokens, token])], reply=reply)


def _check_may(room: Room, iq: Iq) -> None:
    if not _may(room, iq.sender):
        raise StanzaError(Condition.FORBIDDEN, text="You may not invite others to this room.")
    if room.config.password:
        raise StanzaError(Condition.FORBIDDEN, text="To this room, people are invited by its password.")


def _number(request: Element, name: str) -> int | None:
    text = request.getAttribute(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS or not 0 < int(text) <= _HIGHEST:
        raise StanzaError(Condition.BAD_REQUEST, text=f"The {name} is no number above 0.")
    return int(text)


def _limited(wanted: int | None, most: int) -> int | None:
    """Return what is granted: what is wanted, but no more than may be (0: anything)."""
    if not most:
        return wanted
    return most if wanted is None else min(wanted, most)


def show(room: Room, iq: Iq, now: float) -> Outcome:
    """List the tokens that somebody may revoke (section 4.6). :raises StanzaError: forbidden."""
    everything = _sees_all(room, iq)
    if not everything and not _may(room, iq.sender):
        raise StanzaError(Condition.FORBIDDEN, text="You may not invite others to this room.")
    own = str(iq.sender.bare)
    shown = (token for token in _good(room, now) if everything or token.creator == own)
    return Outcome(reply=tag("tokens", *(token.element(now, everything) for token in shown), xmlns=NS))


def revoke(room: Room, iq: Iq, now: float) -> Outcome:
    """Take a token back (section 4.7).

    :raises StanzaError: forbidden to who may not issue any; item-not-found, if there is no such token of theirs.
    """
    everything, own = _sees_all(room, iq), str(iq.sender.bare)
    if not everything and not _may(room, iq.sender):
        raise StanzaError(Condition.FORBIDDEN, text="You may not invite others to this room.")
    text, tokens = text_of(iq.request).strip(), _good(room, now)
    left = [token for token in tokens if token.text != text or not (everything or token.creator == own)]
    if len(left) == len(tokens):
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such token.")
    return Outcome(changes=[_keep(room, left)])


def forget(room: Room, who: Jid) -> Outcome:
    """Forget the tokens of somebody who exists no more."""
    tokens = _known(room)
    left = [token for token in tokens if token.creator != str(who)]
    return Outcome(changes=[_keep(room, left)] if len(left) < len(tokens) else [])


# Entering


def _given(room: Room, presence: Stanza) -> str:
    """Return what may be a token: what somebody says as password who is nothing to the room (section 4.5)."""
    if _NOTE not in room.notes or room.config.password or room.affiliation(presence.sender) is not Affiliation.NONE:
        return ""
    return text_of(child(presence.child(MUC, "x"), MUC, "password"))


def invited(room: Room, presence: Stanza, now: float) -> bool:
    """Does somebody who wants to enter have a token that is good?"""
    text = _given(room, presence)
    return bool(text) and any(token.text == text for token in _good(room, now))


def refusal(room: Room, presence: Stanza) -> StanzaError | None:
    """Return the error for who wants to enter a members-only room with a token that is not good any more."""
    if not _given(room, presence):
        return None
    expired = tag("expired-token", xmlns=NS)
    return StanzaError(Condition.NOT_AUTHORIZED, text="The invitation is not valid any more.", app=expired)


def use(room: Room, presence: Stanza, now: float, out: Outcome) -> None:
    """Make somebody who enters with a token a member; who is something to the room already needs none."""
    text = _given(room, presence)
    tokens = _good(room, now) if text else []
    token = next((one for one in tokens if one.text == text), None)
    if token is None:
        return
    room.version += 1
    who = presence.sender.bare
    room.members[who] = member = Member(Affiliation.MEMBER, version=room.version)
    out.changes.append(Affiliated(who, member))
    if token.left is not None:
        used = replace(token, left=token.left - 1)
        out.changes.append(_keep(room, [used if one is token else one for one in tokens]))
