"""Hats: what people are in a room besides roles and affiliations, such as teacher or host (XEP-0317)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

from xmppd.api import Jid, tag
from xmppd.plugins.muc.room.outcome import Change, Noted
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import HATS

__all__ = ["Hat", "Hats", "digest", "forget", "keep", "of", "worn_by"]

_NOTE = "hats"


@dataclass(frozen=True, slots=True)
class Hat:
    """A hat that the room has.

    :ivar title: for people.
    :ivar hue: of its colour, as an angle in degrees, as it was written; "" if it has none.
    :ivar lang: of the title, as in xml:lang; "" if that isn't known.
    """

    title: str
    hue: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Hats:
    """The hats of a room, and who wears them.

    :ivar hats: by URI.
    :ivar worn: URIs by bare real address.
    """

    hats: Mapping[str, Hat] = field(default_factory=dict)
    worn: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def assignments(self) -> int:
        """How many hats are worn."""
        return sum(map(len, self.worn.values()))

    def with_hat(self, uri: str, hat: Hat) -> Hats:
        """Return them with that hat, or with that one changed."""
        return replace(self, hats={**self.hats, uri: hat})

    def without_hat(self, uri: str) -> Hats:
        """Return them without that hat, which nobody wears any more (section 5.3)."""
        left = Hats({other: hat for other, hat in self.hats.items() if other != uri}, self.worn)
        for who in self.wearers(uri):
            left = left.taken(who, uri)
        return left

    def wearers(self, uri: str) -> list[Jid]:
        """Return who wears a hat."""
        return [Jid.parse(who) for who, uris in self.worn.items() if uri in uris]

    def given(self, who: Jid, uri: str) -> Hats:
        """Return them with that hat on somebody's head."""
        others = tuple(other for other in self.worn.get(str(who), ()) if other != uri)
        return replace(self, worn={**self.worn, str(who): (*others, uri)})

    def taken(self, who: Jid, uri: str) -> Hats:
        """Return them without it."""
        worn = dict(self.worn)
        left = tuple(other for other in worn.pop(str(who), ()) if other != uri)
        return replace(self, worn={**worn, str(who): left} if left else worn)


_NONE = Hats()


def of(room: Room) -> Hats:
    """Return the hats of a room."""
    return _read(room.notes[_NOTE]) if _NOTE in room.notes else _NONE


@lru_cache(maxsize=1024)
def _read(text: str) -> Hats:
    kept = json.loads(text)
    hats = {uri: Hat(**hat) for uri, hat in kept["hats"].items()}
    return Hats(hats, {who: tuple(uris) for who, uris in kept["worn"].items()})


def keep(room: Room, hats: Hats) -> Noted:
    """Have a room have these hats; return what is to be stored."""
    if hats == _NONE:
        room.notes.pop(_NOTE, None)
        return Noted(_NOTE, None)
    kept = {"hats": {uri: asdict(hat) for uri, hat in hats.hats.items()}, "worn": hats.worn}
    text = json.dumps(kept, ensure_ascii=False)
    room.notes[_NOTE] = text
    return Noted(_NOTE, text)


def forget(room: Room, who: Jid) -> list[Change]:
    """Take off the hats of somebody who exists no more."""
    known = of(room)
    if str(who) not in known.worn:
        return []
    return [keep(room, replace(known, worn={other: uris for other, uris in known.worn.items() if other != str(who)}))]


def worn_by(room: Room, who: Jid) -> bytes:
    """Return the ``<hats/>`` of somebody's presence (section 4.1), or nothing.

    :param who: the bare real address.
    """
    if _NOTE not in room.notes:
        return b""
    hats = of(room)
    uris = hats.worn.get(str(who))
    return tag("hats", *(_hat(uri, hats.hats[uri]) for uri in uris), xmlns=HATS) if uris else b""


def _hat(uri: str, hat: Hat) -> bytes:
    lang: dict[str, object] | None = {"xml:lang": hat.lang} if hat.lang else None
    return tag("hat", title=hat.title, uri=uri, hue=hat.hue or None, attributes=lang)


def digest(room: Room) -> str:
    """Return what tells one list of hats from another (section 3); "" of a room that has none."""
    uris = of(room).hats
    return hashlib.sha1("\n".join(sorted(uris)).encode()).hexdigest() if uris else ""  # no secret
