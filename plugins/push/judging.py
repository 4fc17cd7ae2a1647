"""What a message means to a user: by the rules, the user's settings, and what is known of the room it was said in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xmppd.api import IHost, IRoster, Jid, Message, StorageUnavailable
from xmppd.plugins.push.inside import forwarded_in
from xmppd.plugins.push.mentions import Self, mentions
from xmppd.plugins.push.options import PushOptions
from xmppd.plugins.push.registrations import Entry
from xmppd.plugins.push.rooms import Rooms
from xmppd.plugins.push.rules import DEFAULTS, MENTIONS, Importance, Place, Setting, importance, is_hidden, wanted
from xmppd.plugins.push.settings import Conversation, Settings
from xmppd.wire import stanza_id
from xmppd.wire.xml import SEPARATOR

__all__ = ["Case", "Judge"]

_NOTHING = Conversation(None, "")
_MENTIONS = f"{MENTIONS}{SEPARATOR}mentions"
_ALLOWED = {"always": Setting.ALWAYS, "mentioned": Setting.ON_MENTION, "never": Setting.NEVER}


class Case(NamedTuple):
    """A message to an account, and what is to be known to decide about it.

    :ivar message: what was said: of a notice that somebody is mentioned, the message in it.
    :ivar what: how important it is, by itself and for this user.
    :ivar setting: what the user wants to be told of this conversation.
    :ivar who: the user in the room where it was said; None if it was in no room.
    :ivar id: what the room calls it, or None.
    :ivar stranger: is its sender neither in the user's roster nor a room that the user is in, or has a bookmark of?
        None: not known.
    """

    message: Message
    what: Importance
    setting: Setting
    who: Self | None
    id: str | None
    stranger: bool | None

    def importance_to(self, entry: Entry, least: Importance) -> Importance:
        """Return how important it is to tell an app of it; NONE: it is not wanted there."""
        extras, what, setting = entry.extras, self.what, self.setting
        if extras.ignore_unknown and self.stranger:
            return Importance.NONE
        if self.message.sender.bare in extras.muted:
            return Importance.NONE
        if self.who is not None and self.who.room in extras.rooms:
            allow, nick = extras.rooms[self.who.room]
            setting = _ALLOWED[allow]
            if nick and what < Importance.MENTION and mentions(self.message, self.who._replace(nick=nick)):
                what = Importance.MENTION
        return what if wanted(what, setting, least) else Importance.NONE


class Judge:
    """Makes cases of messages."""

    def __init__(self, host: IHost, options: PushOptions, roster: IRoster | None) -> None:
        self._roster = roster
        self.settings = Settings(host, options.remembered_settings, ("client", options.client_type))
        self.rooms = Rooms(host, options.remembered_rooms)

    def case(self, entries: Iterable[Entry], message: Message, who: Self) -> Case | None:
        """Return the case of a message, or None: something has to be found out first; see :meth:`study`.

        :param who: the user; with a nickname if it is known by which the user is in the room.
        """
        settings = self.settings.known(who.account)
        if settings is None or (_ignoring(entries) and self._is_stranger(who.account, message.sender) is None):
            return None
        conversation = settings.get(message.sender.bare, _NOTHING)
        what = importance(message)
        known = bool(who.nick) or message.sender.bare in settings  # or else anybody can say that they are a room
        stranger = not known and self._is_stranger(who.account, message.sender)
        if message.type == "groupchat":
            who = who._replace(nick=who.nick or conversation.nick)
            case = self._in_room(message, what, who, conversation)
            return None if case is None else case._replace(stranger=stranger)
        if _MENTIONS in message.raw_names:
            inner, room = forwarded_in(message.child(MENTIONS, "mentions")), message.sender.bare
            if isinstance(inner, Message) and inner.from_ is not None and inner.sender.bare == room:
                id_ = stanza_id.given_by(inner, room)
                return Case(inner, what, conversation.setting or Setting.ALWAYS, who, id_, stranger)
        # Of a direct conversation there is nothing but to be told of it, or not (XEP-0492 section 3).
        setting = Setting.NEVER if conversation.setting is Setting.NEVER else DEFAULTS[Place.DIRECT]
        return Case(message, what, setting, None, None, self._is_stranger(who.account, message.sender))

    def _in_room(self, message: Message, what: Importance, who: Self, conversation: Conversation) -> Case | None:
        setting = conversation.setting
        if what is Importance.MESSAGE and setting is not Setting.NEVER and mentions(message, who):
            what = Importance.MENTION
        if setting is None:
            private = self.rooms.private(who.room)
            if private is None and what < Importance.MENTION:
                return None
            setting = DEFAULTS[Place.PRIVATE_ROOM if private else Place.PUBLIC_ROOM]
        if what is Importance.MESSAGE and setting is Setting.ON_MENTION and is_hidden(message):
            what = Importance.MENTION  # whom it mentions, only the app can see
        return Case(message, what, setting, who, stanza_id.given_by(message, who.room), None)

    async def study(self, entries: Iterable[Entry], message: Message, who: Self) -> Case | None:
        """Find out what has to be known, and return the case; None if that can't be had now."""
        try:
            await self.settings.learn(who.account)
            if self._roster is not None and _ignoring(entries):
                await self._roster.load(who.account)
            if message.type == "groupchat" and self.case(entries, message, who) is None:
                await self.rooms.ask(who.room)
        except StorageUnavailable:
            return None
        return self.case(entries, message, who)

    def _is_stranger(self, account: Jid, sender: Jid) -> bool | None:
        if self._roster is None:
            return False
        roster = self._roster.cached(account)
        return None if roster is None else sender.bare not in roster.items


def _ignoring(entries: Iterable[Entry]) -> bool:
    return any(entry.extras.ignore_unknown for entry in entries)
