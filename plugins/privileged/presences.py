"""Which presence a component has been shown, so that it is shown each once (XEP-0356 section 7)."""

from __future__ import annotations

from collections.abc import Iterable

from xmppd.api import Jid, Presence

__all__ = ["Known"]


class Known:
    """The last available presence of everybody that a component sees, or would see if it were connected.

    :param devices: how many of one contact are known; of more, the latest: anybody can make up any number of them.
    """

    def __init__(self, devices: int) -> None:
        self.devices = devices
        self._last: dict[Jid, dict[Jid, Presence]] = {}  # by bare address, and by full address

    def note(self, presence: Presence) -> bool:
        """Remember presence of a full address; false if it is the same as before, as it reaches several users."""
        sender = presence.sender
        known = self._last.get(sender.bare, {})
        before = known.get(sender)
        if presence.type == "unavailable":
            self._forget(sender)
            return before is not None
        if before is not None and _content(before) == _content(presence):
            return False
        known[sender] = presence
        self._last[sender.bare] = known
        while len(known) > self.devices:
            del known[next(iter(known))]
        return True

    def _forget(self, sender: Jid) -> None:
        known = self._last.get(sender.bare, {})
        known.pop(sender, None)
        if not known:
            self._last.pop(sender.bare, None)

    def lose(self, domain: str) -> list[Jid]:
        """Forget everybody of a domain; return who it was."""
        lost = [sender for known in self._last.values() for sender in known if sender.domain == domain]
        for sender in lost:
            self._forget(sender)
        return lost

    def all(self) -> Iterable[Presence]:
        """Return all there is."""
        return [presence for known in self._last.values() for presence in known.values()]


def _content(presence: Presence) -> tuple[object, ...]:
    return presence.payload, presence.lang, presence.id
