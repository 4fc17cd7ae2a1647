"""What a plugin measures of its own, for whoever watches the server: each figure is on ``/metrics``, by host.

A plugin returns them from :meth:`xmppd.api.Plugin.figures`::

    def figures(self) -> Iterable[Figure]:
        yield Figure("games", "Games that are played now.", len(self._games))
        yield Figure("moves", "Moves that were made.", self._moves, grows=True)
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, as it is now.

    :ivar name: in lower case, with words joined by ``_`` and the unit at the end, if it has one: ``games`` of a plugin
        ``chess`` is told as ``xmppd_chess_games``. If it grows, ``_total`` is added.
    :ivar text: what it is: a sentence.
    :ivar grows: it does nothing but grow until the plugin is started again.
    """

    name: str
    text: str
    value: float
    grows: bool = False
