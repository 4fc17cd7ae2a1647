"""What messages and presence to everybody may hold, where an owner restricts it (XEP-0045 section 18.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xmppd.api import Message, Presence
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.words import MUC, RETRACT
from xmppd.wire import ns
from xmppd.wire.xml import SEPARATOR, serialise

__all__ = ["NODE", "namespaces", "passing"]

#: Where one asks for it.
NODE = f"{MUC}#traffic"
_S = TypeVar("_S", Message, Presence)
#: What is no extension, and what the room itself acts upon.
_ALWAYS = (ns.CLIENT, RETRACT)


def namespaces(config: RoomConfig) -> Sequence[str] | None:
    """Return the namespaces of extensions that pass; None, if all do."""
    return [one for one in config.traffic if one not in _ALWAYS] if config.traffic else None


def passing(config: RoomConfig, stanza: _S) -> _S:
    """Return a stanza for everybody without what doesn't pass."""
    if not config.traffic:
        return stanza
    allowed = {*config.traffic, *_ALWAYS}
    if all(name.partition(SEPARATOR)[0] in allowed for name in stanza.raw_names):
        return stanza
    return stanza.with_payload(b"".join(serialise(element) for element in stanza.elements if element.uri in allowed))
