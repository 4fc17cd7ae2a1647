"""Which presence a component has been shown, so that it is shown each once (XEP-0356 section 7)."""

from __future__ import annotations

from collections.abc import Iterable

from xmppd.api import Jid, Presence

__all__ = ["Known"]


class Known:
    """The last available presence of everybody that a component sees, or would see if it were connected."""

    def __init__(self) -> None:
        self._last: dict[Jid, Presence] = {}

    def note(self, presence: Presence) -> bool:
        """Remember presence of a full address; false if it is the same as before, as it reaches several users."""
        sender = presence.sender
        before = self._last.get(sender)
        if presence.type == "unavailable":
            return self._last.pop(sender, None) is not None
        if before is not None and _content(before) == _content(presence):
            return False
        self._last[sender] = presence
        return True

    def lose(self, domain: str) -> list[Jid]:
        """Forget everybody of a domain; return who it was."""
        lost = [sender for sender in self._last if sender.domain == domain]
        for sender in lost:
            del self._last[sender]
        return lost

    def all(self) -> Iterable[Presence]:
        """Return all there is."""
        return list(self._last.values())


def _content(presence: Presence) -> tuple[object, ...]:
    return presence.payload, presence.lang, presence.id
