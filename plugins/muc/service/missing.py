"""Members who are not in a room when something is said there: what they are told of it, and other plugins for them.

Everything is in the archive, and that is where they find it; see docs/decisions for why nothing more is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from xmppd.api import IHost, Message, Stanza
from xmppd.api.muc import MembersMissed
from xmppd.plugins.muc.room import mentioning
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.service.indicators import Indicators

__all__ = ["Missing"]


class Missing:
    """Looks after those who are not there."""

    def __init__(self, host: IHost, indicators: Indicators) -> None:
        self._host = host
        self._indicators = indicators

    def said(self, room: Room, message: Message, cause: Stanza, pending: list[Awaitable[None]]) -> None:
        """Something was said to everybody that is kept.

        :param message: as it was sent, with its id in the archive.
        """
        self._indicators.said(room, message)
        mentioned = mentioning.mentioned(room, message)
        if mentioned:
            notice = mentioning.notice(room, message, self._host.clock.seconds()).along(cause)
            for copy in notice.copies(mentioned):
                _add(pending, self._host.route(copy))
        if self._host.observed(MembersMissed) and mentioning.is_news(message):
            find = partial(mentioning.absent, room)
            _add(pending, self._host.notify(MembersMissed(room.jid, message, room.members.keys(), find)))


def _add(pending: list[Awaitable[None]], wait: Awaitable[None] | None) -> None:
    if wait is not None:
        pending.append(wait)
