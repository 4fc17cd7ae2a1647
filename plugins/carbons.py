"""XEP-0280 Message Carbons."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    OWN_ACCOUNT,
    Condition,
    Drop,
    Element,
    FromClient,
    Handled,
    Iq,
    ISession,
    Jid,
    Message,
    Pass,
    Phase,
    Plugin,
    SessionBound,
    SessionEnded,
    Stanza,
    StanzaError,
    ToAccount,
    Verdict,
    bind_feature,
    filter,
    iq_set,
    observe,
    settled,
    tag,
    use,
)
from xmppd.api.archive import IArchive
from xmppd.api.presence import IDirectedPresence
from xmppd.wire import ns
from xmppd.wire.forward import forwarded
from xmppd.wire.stanza_id import stanza_id
from xmppd.wire.xml import SEPARATOR

NS = "urn:xmpp:carbons:2"
RULES = "urn:xmpp:carbons:rules:0"
#: Under which name a session remembers that it has enabled them.
STATE = "carbons"

_RECEIVED, _SENT, _PRIVATE = (f"{NS}{SEPARATOR}{name}" for name in ("received", "sent", "private"))
_NO_COPY = f"urn:xmpp:hints{SEPARATOR}no-copy"
_BODY = f"{ns.CLIENT}{SEPARATOR}body"
#: A piece of a bytestream, which is for one device (XEP-0047).
_DATA = f"http://jabber.org/protocol/ibb{SEPARATOR}data"
_MUC_USER = "http://jabber.org/protocol/muc#user"
_ROOM = f"{_MUC_USER}{SEPARATOR}x"
_INVITATION = f"jabber:x:conference{SEPARATOR}x"  # XEP-0249
#: Payloads of instant messaging, whatever the type: receipts, chat states, markers and calls.
_PAYLOADS = (
    "urn:xmpp:receipts", "http://jabber.org/protocol/chatstates", "urn:xmpp:chat-markers:0",
    "urn:xmpp:jingle-message:0", "urn:xmpp:call-invites:0",
)  # fmt: skip

#: Of how many copied messages an account is remembered that they were, for the errors that may answer them.
_REMEMBERED = 30
_PASS = Pass()
_DROP = Drop()
_FORGED = StanzaError(Condition.FORBIDDEN, text="only the server of an account makes carbon copies for it")


class Carbons(Plugin):
    """Show every device of a user what the user writes and gets on the others."""

    xep = ((280, "1.0.1"), (297, "1.0"), (334, "1.0.0"), (353, "0.8.0"), (482, "0.1.0"))
    features = (NS, RULES)

    archive = use(IArchive)
    presence = use(IDirectedPresence)

    async def start(self) -> None:
        # Those who have enabled them, by account.
        self._devices: dict[Jid, tuple[ISession, ...]] = {}
        # Copied messages by account: the other side's bare address, and the id.
        self._copied: dict[Jid, dict[tuple[Jid, str], None]] = {}
        self._latest: tuple[Jid, tuple[Jid, str], Stanza] | None = None  # of those, with the message
        for session in self.host.all_sessions():
            self._look_at(session)

    # Sections 4 and 5

    @iq_set(NS, "enable", to=OWN_ACCOUNT)
    def enable(self, request: Iq) -> Iq:
        """Have a device get copies from now on; once more is no error (10.1)."""
        session = self._asker(request)
        session.keep(STATE, True)
        self._look_at(session)
        return request.result()

    @bind_feature(NS, "enable")
    def enable_bound(self, element: Element, session: ISession) -> None:
        """Have a device get copies from its beginning (XEP-0386 3.2)."""
        session.keep(STATE, True)

    @iq_set(NS, "disable", to=OWN_ACCOUNT)
    def disable(self, request: Iq) -> Iq:
        """Have it get none."""
        session = self._asker(request)
        session.keep(STATE, None)
        self._leave_out(session)
        return request.result()

    @iq_set(NS, "enable", to=(ACCOUNT, NO_ACCOUNT))
    @iq_set(NS, "disable", to=(ACCOUNT, NO_ACCOUNT))
    def refuse(self, request: Iq) -> Iq:
        """Refuse to do so for the account of somebody else (4.1, 5.1), whether there is such an account or not."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        raise StanzaError(Condition.NOT_ALLOWED)

    def _asker(self, request: Iq) -> ISession:
        session = self.host.session(request.sender)
        if session is None:
            raise StanzaError(Condition.NOT_ALLOWED)
        return session

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """A session is back after a restart: what it has enabled still is."""
        self._look_at(event.session)

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> None:
        """Forget it."""
        self._leave_out(event.session)

    def _look_at(self, session: ISession) -> None:
        devices = self._devices.get(session.account, ())
        if session.state.get(STATE) and session not in devices:
            self._devices[session.account] = (*devices, session)
            self.wake()

    def _leave_out(self, session: ISession) -> None:
        left = tuple(device for device in self._devices.get(session.account, ()) if device is not session)
        if left:
            self._devices[session.account] = left
        else:
            self._devices.pop(session.account, None)
            self._copied.pop(session.account, None)

    # Messages

    @filter(ToAccount, Phase.POLICY, kinds=(Message,), dormant=True)
    def incoming(self, event: ToAccount) -> Verdict | None:
        """Refuse what somebody passes off as a copy, for clients that don't look whom it is from (section 11)."""
        stanza = event.stanza
        names = stanza.raw_names
        if _RECEIVED not in names and _SENT not in names:
            return None
        if not stanza.answerable:
            return _DROP
        # Without what it answers, which would be refused as well.
        return Handled(also=[Message(stanza.from_, stanza.to, stanza.id, "error", payload=_FORGED.to_bytes())])

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,), dormant=True)
    def received(self, event: ToAccount) -> Awaitable[Verdict] | None:
        """Copy what an account gets to its devices that don't get it themselves (section 7)."""
        account = event.account
        devices = self._devices.get(account)
        if devices is None:
            return None
        message = event.stanza
        if len(devices) == 1 and _gets(devices[0], message):
            return None
        sessions = self.host.sessions(account)
        takers = _takers(message, self.host.session(message.recipient), sessions)
        if takers is None:
            return None
        others = [d for d in devices if d not in takers and d.jid != message.from_]
        if not takers and message.type != "error":
            # It waits for the first device that can take it (offline messages). Those that never will, because of
            # their priority, see it now; the others would see it twice.
            others = [device for device in others if device.presence is not None]
        room = self._is_in(self.host.session(message.recipient), message.sender)
        if not others or not self._eligible(message, account, message.sender, room):
            return None
        if room and message.type == "error":
            others = self._in_the_room(message.sender.bare, self.host.session(message.recipient), others)
        return self._copy(message, account, "received", others)

    @filter(FromClient, Phase.DELIVER, kinds=(Message,), dormant=True)
    def sent(self, event: FromClient) -> Awaitable[Verdict] | None:
        """Copy what a device sends to the user's others (section 8)."""
        session = event.session
        devices = self._devices.get(session.account)
        if devices is None or (len(devices) == 1 and devices[0] is session):
            return None
        message, account = event.stanza, session.account
        # What the user writes to the own account comes by again, as what that gets.
        if message.to is None or message.to.bare == account or not self._eligible(message, account):
            return None
        others = [device for device in devices if device is not session]
        if message.to.resource and (_ROOM in message.raw_names or self._is_in(session, message.to)):
            others = self._in_the_room(message.to.bare, session, others)
        return self._copy(message, account, "sent", others)

    def _is_in(self, session: ISession | None, other: Jid) -> bool:
        """Is an address that of somebody in a room in which a device is as well?

        By that it is known that a message is private in a room, if it doesn't say so itself (section 6.1).
        """
        if session is None or not other.resource or self.presence is None:
            return False
        return any(address.bare == other.bare for address in self.presence.rooms(session))

    def _in_the_room(self, room: Jid, session: ISession | None, others: list[ISession]) -> list[ISession]:
        """Return those who are there under the same nickname: others can't take part in what is private (6.1)."""
        if self.presence is None or session is None:
            return others
        nicknames = {address for address in self.presence.directed(session) if address.bare == room}
        return [device for device in others if not nicknames.isdisjoint(self.presence.directed(device))]

    def _eligible(self, message: Stanza, account: Jid, sender: Jid | None = None, room: bool = False) -> bool:
        """Is it one that is copied (section 6.1)?

        :param sender: who sent it to the account; None: the account sends it.
        :param room: did it come from somebody in a room where the device is that it is to?
        """
        if message.again or message.type == "groupchat":
            return False
        if message.type == "error":
            other = message.recipient if sender is None else sender
            return (other.bare, message.id) in self._copied.get(account, ())
        names = message.raw_names
        if _PRIVATE in names or _NO_COPY in names or _DATA in names:
            return False
        if _ROOM in names and _invites(message):
            return True
        if room or (_ROOM in names and sender is not None and sender.resource):
            return False  # a private message in a room, which sends it to all devices itself
        return (
            message.type == "chat"
            or (_BODY in names and message.type != "headline")
            or _INVITATION in names
            or any(namespace in _PAYLOADS for namespace, _ in message.names)
        )

    def _copy(self, message: Stanza, account: Jid, name: str, to: Iterable[ISession]) -> Awaitable[Verdict] | None:
        other = message.sender if name == "received" else message.recipient
        cause = message
        if message.type == "error":
            # Its copies don't overtake those of what it answers, which may still wait for the disk.
            if self._latest is not None and self._latest[:2] == (account, (other.bare, message.id)):
                cause = self._latest[2]
        elif message.id is not None:
            self._latest = (account, (other.bare, message.id), message)
            self._remember(account, (other.bare, message.id))
        payload = tag(name, forwarded(self._with_id(message, account) if name == "sent" else message), xmlns=NS)
        pending = []
        for device in to:
            copy = Message(device.jid, account, type=message.type, payload=payload, names=(f"{NS}{SEPARATOR}{name}",))
            outcome = device.send(copy.along(cause))
            if outcome is not None:
                pending.append(outcome)
        return _after(pending) if pending else None

    def _with_id(self, message: Stanza, account: Jid) -> Stanza:
        """Say under which id a message that was sent is archived; what was received says so itself (XEP-0359)."""
        if self.archive is None or not isinstance(message, Message):
            return message
        id_ = self.archive.archive_id(account, message)
        return message if id_ is None else message.adding(stanza_id(account, id_))

    def _remember(self, account: Jid, which: tuple[Jid, str]) -> None:
        copied = self._copied.setdefault(account, {})
        copied[which] = None
        if len(copied) > _REMEMBERED:
            del copied[next(iter(copied))]


def _gets(device: ISession, message: Stanza) -> bool:
    """Does a device get the message itself? In a hurry: false if that takes a closer look."""
    to = message.to
    if to is None or to.resource:
        return to == device.jid
    return device.priority >= 0 and device.presence is not None and message.type == "chat"


def _takers(message: Stanza, addressed: ISession | None, sessions: Iterable[ISession]) -> list[ISession] | None:
    """Return the devices that get the message itself (RFC 6121 8.5); None if it is refused or ignored.

    :param addressed: the device at exactly the address it is to, if there is one.
    """
    if addressed is not None:
        return [addressed]
    if message.recipient.resource:
        if message.type == "error":
            return []
        if message.type != "chat":
            return None
    elif message.type in ("error", "groupchat"):
        return None
    return [session for session in sessions if session.presence is not None and session.priority >= 0]


def _invites(message: Stanza) -> bool:
    """Is it an invitation that a room passes on (XEP-0045 7.8.2)?"""
    x = message.child(_MUC_USER, "x")
    return x is not None and any(child.name == "invite" for child in x.elements())


async def _after(pending: Iterable[Awaitable[None]]) -> Verdict:
    await settled(*pending)
    return _PASS
