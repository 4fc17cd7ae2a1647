"""What users want to be told of: XEP-0492, in bookmarks (XEP-0402), which clients keep in PEP."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from xmppd.api import Element, IHost, Iq, Jid, JidError, StanzaError, tag
from xmppd.plugins.push.rules import Setting

__all__ = ["BOOKMARKS", "Conversation", "Settings", "conversations", "setting"]

BOOKMARKS = "urn:xmpp:bookmarks:1"
NOTIFY = "urn:xmpp:notification-settings:1"
PUBSUB = "http://jabber.org/protocol/pubsub"
_REQUEST = tag("pubsub", tag("items", node=BOOKMARKS), xmlns=PUBSUB)
_SETTINGS = {setting.value: setting for setting in Setting}


class Conversation(NamedTuple):
    """What a bookmark says; None and "": nothing."""

    setting: Setting | None
    nick: str


Conversations = Mapping[Jid, Conversation]


def setting(notify: Element, category: str, type_: str) -> Setting | None:
    """Return what counts for clients of an identity: the element that is most specific to it (section 3).

    :param category: such as ``client``; `type_`: such as ``phone`` (XEP-0030).
    """
    best: tuple[int, Setting] | None = None
    for element in notify.elements():
        found = _SETTINGS.get(element.name) if element.uri == NOTIFY else None
        if found is None:
            continue
        given = element.attributes
        of, kind = given.get("identity-category"), given.get("identity-type")
        if of is None and kind is None:
            rank = 0
        elif of == category and kind is None:
            rank = 1
        elif of == category and kind == type_:
            rank = 2
        else:
            continue
        if best is None or rank > best[0]:
            best = rank, found
    return None if best is None else best[1]


def conversations(pubsub: Element, category: str, type_: str) -> Conversations:
    """Read bookmarks, as they are answered (XEP-0060 6.5); what can't be read is left out."""
    found: dict[Jid, Conversation] = {}
    for items in pubsub.elements(PUBSUB, "items"):
        for item in items.elements(PUBSUB, "item"):
            conference = next(item.elements(BOOKMARKS, "conference"), None)
            if conference is None:
                continue
            try:
                jid = Jid.parse(item.getAttribute("id", "")).bare
            except JidError:
                continue
            extensions = next(conference.elements(BOOKMARKS, "extensions"), None)
            notify = None if extensions is None else next(extensions.elements(NOTIFY, "notify"), None)
            chosen = None if notify is None else setting(notify, category, type_)
            nick = next((str(child) for child in conference.elements(BOOKMARKS, "nick")), "")
            found[jid] = Conversation(chosen, nick)
    return found


class Settings:
    """The settings of accounts, read when they are needed first.

    :param size: of how many accounts they are remembered.
    """

    def __init__(self, host: IHost, size: int, identity: tuple[str, str]) -> None:
        self._host, self._size, self._identity = host, size, identity
        self._known: OrderedDict[Jid, Conversations] = OrderedDict()
        self._changes = 0

    def known(self, account: Jid) -> Conversations | None:
        """Return them if they are remembered."""
        return self._known.get(account)

    async def learn(self, account: Jid) -> Conversations:
        """Return them.

        :raises StorageUnavailable: they can't be read now.
        """
        known = self._known.get(account)
        if known is None:
            changes = self._changes
            request = Iq(account, account, "bookmarks", "get", payload=_REQUEST)
            try:
                answer = await self._host.answer_as(request)
                known = conversations(answer.elements[0], *self._identity)
            except StanzaError:
                known = {}  # no bookmarks, or no PEP
            if changes == self._changes:  # else they may have changed while they were read
                self._known[account] = known
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return known

    def forget(self, account: Jid) -> None:
        """They have changed."""
        self._changes += 1
        self._known.pop(account, None)
