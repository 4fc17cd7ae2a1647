"""Decides what is pushed: brings messages, settings, sessions and registrations together, by the tables of rules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from xmppd.api import IDelayedCall, IHost, IRoster, ISession, Jid, Message
from xmppd.api.muc import MembersMissed
from xmppd.api.presence import IDirectedPresence
from xmppd.plugins.push.inside import original
from xmppd.plugins.push.judging import Case, Judge
from xmppd.plugins.push.mentions import Self
from xmppd.plugins.push.options import PushOptions
from xmppd.plugins.push.payload import of_message
from xmppd.plugins.push.registrations import Entry, Registrations
from xmppd.plugins.push.rules import DUE, HINTS, Device, Due, Importance, device, importance, takes
from xmppd.plugins.push.wakeups import Wakeups

__all__ = ["Engine"]

#: Of how many messages in rooms it is remembered that apps were told of them: they come on several ways.
_REMEMBERED = 10_000
#: The name under which the plugin for XEP-0352 notes that a client is inactive.
_INACTIVE = "csi"
_SUREST = list(Device)


class Engine:
    """The engine of a host."""

    def __init__(
        self,
        host: IHost,
        options: PushOptions,
        later: Callable[[float, Callable[[], Any]], IDelayedCall],
        registrations: Registrations,
        roster: IRoster | None,
        presence: IDirectedPresence | None,
    ) -> None:
        self._host, self._later = host, later
        self._registrations, self._roster, self._presence = registrations, roster, presence
        self.wakeups = Wakeups(host, later, options, self._is_unread)
        self.take(options)
        self._watched: dict[ISession, IDelayedCall] = {}
        self._told: OrderedDict[tuple[str, Jid, str], None] = OrderedDict()

    def take(self, options: PushOptions) -> None:
        """Take other options; what is to be told is told by them from now on."""
        self._options = self.wakeups.options = options
        self.judge = Judge(self._host, options, self._roster)
        self._least = Importance[options.least.upper()]

    def stop(self) -> None:
        """Begin nothing more."""
        self.wakeups.stopped = True
        for entry in self._registrations:
            entry.stop()

    # Messages

    def consider(self, account: Jid, message: Message) -> Awaitable[None] | None:
        """A message is about to be delivered to an account: decide whom else to tell."""
        entries = self._registrations.of(account)
        if not entries or not importance(message):
            return None
        sender, to = message.from_, message.recipient
        if sender is None or sender.bare == account:
            return None
        if to.resource and message.type != "chat" and self._host.session(to) is None:
            return None  # its sender gets an error (RFC 6121 8.5.3.2.1)
        if message.type == "groupchat" and not to.resource:
            return None  # the same (RFC 6121 8.5.2.1.1)
        who = Self(account, sender.bare, self._nick(self._host.session(to), sender.bare))
        if message.type == "groupchat" and who.nick and sender.resource == who.nick:
            return None  # the user's own
        case = self.judge.case(entries, message, who)
        if case is not None:
            self._decide(case, message, entries)
            return None
        if message.type == "groupchat":
            # The room may be far away: what it says is not waited for.
            self._host.spawn(self._study(entries, message, who), f"finding out what to push to {account}")
            return None
        return self._study(entries, message, who)

    async def _study(self, entries: Sequence[Entry], message: Message, who: Self) -> None:
        case = await self.judge.study(entries, message, who)
        if case is not None:
            self._decide(case, message, entries)

    def _decide(self, case: Case, message: Message, entries: Sequence[Entry]) -> None:
        sessions = self._host.sessions(entries[0].account)
        for entry in entries:
            what = case.importance_to(entry, self._least)
            found = self._find(entry, message, sessions) if what and entry.used else None
            if found is None:
                continue
            where, session = found
            due = DUE[where][what is Importance.CALL]
            if due is Due.WATCH and session is not None:
                self._watch(session, what)
            elif due is Due.PUSH and not self._is_settled(entry, case, message, where, what):
                self.wakeups.tell(entry, what, of_message(case.message, self._options.body_characters), message)

    def _is_settled(self, entry: Entry, case: Case, message: Message, where: Device, what: Importance) -> bool:
        """Has the app been told of it before, or would it find nothing?"""
        if message.again and entry.count:
            return True  # since its device's connection was lost
        if where is Device.ABSENT and what is not Importance.CALL and message.has(HINTS, "no-store"):
            return True
        return case.who is not None and case.id is not None and not self._is_new(entry, case.who.room, case.id)

    def _is_new(self, entry: Entry, room: Jid, id: str) -> bool:
        key = (entry.id, room, id)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True

    def _find(
        self, entry: Entry, message: Message, sessions: Sequence[ISession]
    ) -> tuple[Device, ISession | None] | None:
        """Return where the device of a registration is; None if another copy of the message is the one for it."""
        own = [session for session in sessions if entry.is_of(session)]
        if message.type == "groupchat":
            addressed = [session for session in own if session.jid == message.to]
            if not addressed and any(self._nick(session, message.sender.bare) for session in own):
                return None
            own = addressed
        found: tuple[Device, ISession | None] = (Device.ABSENT, None)
        for session in own:
            where = device(
                gets=takes(message, session),
                hibernating=session.hibernating,
                acknowledges=session.durable,
                inactive=bool(session.state.get(_INACTIVE)),
            )
            if _SUREST.index(where) > _SUREST.index(found[0]):
                found = where, session
        return found

    def _nick(self, session: ISession | None, room: Jid) -> str:
        """Return under which nickname a device is in a room, or ""."""
        if session is None or self._presence is None:
            return ""
        return next((seat.resource for seat in self._presence.rooms(session) if seat.bare == room), "")

    def missed(self, event: MembersMissed) -> None:
        """Something was said in a room; find those of its members who have apps and are not there."""
        for account in event.members & self._registrations.accounts:
            found = event.find(account)
            if found is not None:
                self._missed_by(Self(account, event.room, found.nick, found.occupant_id), event.message)

    def _missed_by(self, who: Self, said: Message) -> None:
        entries = self._registrations.of(who.account)
        message = said.readdressed(to=who.account).along(said)
        case = self.judge.case(entries, message, who)
        if case is None:
            self._host.spawn(self._study_missed(entries, message, who), f"finding out what to push to {who.account}")
        else:
            self._tell_absent(case, message, entries)

    async def _study_missed(self, entries: Sequence[Entry], message: Message, who: Self) -> None:
        case = await self.judge.study(entries, message, who)
        if case is not None:
            self._tell_absent(case, message, entries)

    def _tell_absent(self, case: Case, message: Message, entries: Sequence[Entry]) -> None:
        case = case._replace(stranger=None)  # the user is a member
        last = of_message(case.message, self._options.body_characters)
        for entry in entries:
            what = case.importance_to(entry, self._least)
            if what and entry.used and not self._is_settled(entry, case, message, Device.ABSENT, what):
                self.wakeups.tell(entry, what, last, message)

    # Sessions

    def lost(self, session: ISession) -> None:
        """A device has lost its connection: what it has not acknowledged, it may not have got (XEP-0198)."""
        entries = self._registrations.of_session(session)
        if entries:
            self._host.spawn(self._tell_unacknowledged(session, 0.0), f"looking what {session.jid} has not got")

    def _watch(self, session: ISession, what: Importance) -> None:
        """Look soon whether a device has acknowledged what it was sent."""
        wait, watched = self._patience(what), self._watched.get(session)
        if watched is not None and what is not Importance.CALL:
            return
        if watched is not None:
            watched.cancel()
        self._watched[session] = self._later(wait, lambda: self._check(session, wait))

    def _patience(self, what: Importance) -> float:
        seconds = self._options.acknowledge_seconds
        return seconds / 3 if what is Importance.CALL else seconds

    async def _check(self, session: ISession, wait: float) -> None:
        self._watched.pop(session, None)
        if self._host.session(session.jid) is not session or session.hibernating:
            return
        if await self._tell_unacknowledged(session, wait) and not self.wakeups.stopped:
            self._watch(session, Importance.MESSAGE)

    async def _tell_unacknowledged(self, session: ISession, age: float) -> bool:
        """Tell apps of what their device was sent so many seconds ago and has not acknowledged.

        :returns: is there more, that is not so old yet?
        """
        entries = self._registrations.of_session(session)
        now, young = self._host.clock.seconds(), False
        cases: list[tuple[Case, float]] = []
        for sent, at in session.unacknowledged():
            if now - at < age:
                young = True
            elif entries and (case := await self._case_of(session, sent, entries)) is not None:
                cases.append((case, at))
        for entry in entries:
            if not any(self._is_elsewhere(other, session, entry) for other in self._host.sessions(session.account)):
                self._tell_of(entry, cases, connected=not session.hibernating)
        return young

    async def _case_of(self, session: ISession, sent: Message, entries: Sequence[Entry]) -> Case | None:
        message = original(sent)
        sender = None if message is None else message.from_
        if message is None or sender is None or sender.bare == session.account or not importance(message):
            return None
        who = Self(session.account, sender.bare, self._nick(session, sender.bare))
        if message.type == "groupchat" and who.nick == sender.resource:
            return None
        return self.judge.case(entries, message, who) or await self.judge.study(entries, message, who)

    def _is_elsewhere(self, other: ISession, session: ISession, entry: Entry) -> bool:
        """Is a device there with another session than the one that has lost something?"""
        return other is not session and not other.hibernating and entry.is_of(other)

    def _tell_of(self, entry: Entry, cases: Sequence[tuple[Case, float]], connected: bool) -> None:
        wanted = [(what, case, at) for case, at in cases if (what := case.importance_to(entry, self._least))]
        if connected and (not wanted or (entry.pushed_at and wanted[0][2] > entry.pushed_at)):
            self.wakeups.seen(entry)  # it has come for what it was told of
        if len(wanted) <= entry.count or not entry.used:
            return
        for _, case, _ in wanted:
            if case.who is not None and case.id is not None:
                self._is_new(entry, case.who.room, case.id)
        last = of_message(wanted[-1][1].message, self._options.body_characters)
        self.wakeups.tell(entry, max(what for what, _, _ in wanted), last, None, len(wanted))

    def _is_unread(self, entry: Entry) -> bool:
        """Does a session of the app's client hold something important that was not acknowledged?"""
        own = [session for session in self._host.sessions(entry.account) if entry.is_of(session)]
        return any(importance(m) for session in own for m, _ in session.unacknowledged())

    def ended(self, session: ISession) -> None:
        """A session is gone: what was sent to it and lost comes by again."""
        watched = self._watched.pop(session, None)
        if watched is not None:
            watched.cancel()
