"""What rooms leave in the log, so that operators can tell who has done what: little, and nothing that was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.logger import Logger

from xmppd.api import Stanza
from xmppd.plugins.muc.room.outcome import Affiliated, Change, Configured, Created, Destroyed
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room

__all__ = ["record"]

_log = Logger(namespace="xmppd.plugins.muc")
_DONE: Mapping[type, str] = {Created: "made", Configured: "configured", Destroyed: "ended"}


def record(room: Room, changes: Iterable[Change], cause: Stanza) -> None:
    """Write down who has made, configured or ended a room, and what people are to it from now on.

    A room that is not persistent is ended by the last one who leaves it.

    :param cause: what has led to it; from the service itself, if an operator has done it.
    """
    by = cause.sender.bare
    for change in changes:
        if isinstance(change, Affiliated):
            what = Affiliation.NONE if change.member is None else change.member.affiliation
            _log.info("{by} set {who} to {what} in {room}", by=by, who=change.who, what=str(what), room=room.jid)
        elif done := _DONE.get(type(change)):
            _log.info("{by} " + done + " {room}", by=by, room=room.jid)
