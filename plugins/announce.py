"""Announcements and the message of the day, as XEP-0133 sections 4.23 to 4.26 describe them.

Administrators use the operations, or send messages to ``HOST/announce/...`` as with other servers.
"""

from __future__ import annotations

from collections.abc import Awaitable

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, Text, delete, insert, select

from xmppd.api import (
    AccountDeleted,
    AvailabilityChanged,
    Condition,
    Handled,
    ISession,
    Jid,
    Message,
    OperationError,
    Phase,
    Plugin,
    Result,
    Stanza,
    StanzaError,
    ToHost,
    Verdict,
    filter,
    observe,
    operation,
    settled,
    tag,
)
from xmppd.api.operations import Progress
from xmppd.api.words import plural
from xmppd.wire import ns
from xmppd.wire.xml import parse, serialise

_METADATA = MetaData()
MOTD = Table(
    "announce_motd",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("set_at", BigInteger, nullable=False),
)
SEEN = Table("announce_seen", _METADATA, Column("account", Text, primary_key=True))

_PAGE = 500  # accounts read at a time
_SHOWN = ((ns.CLIENT, "subject"), (ns.CLIENT, "body"))


class Announce(Plugin):
    """Let administrators send a message to everybody, or have one greet each user at the next login."""

    xep = (133, "1.3.1")
    tables = (MOTD, SEEN)

    async def start(self) -> None:
        host, mine = str(self.host.jid), SEEN.c.account.endswith(f"@{self.host.jid}", autoescape=True)

        def load(connection: Connection) -> tuple[bytes | None, set[str]]:
            content = connection.execute(select(MOTD.c.content).where(MOTD.c.host == host)).scalar()
            seen = set(connection.execute(select(SEEN.c.account).where(mine)).scalars())
            return (None if content is None else bytes(content)), seen

        self._motd, self._seen = await self.db.read(load)

    # Messages of administrators

    @filter(ToHost, Phase.DELIVER, kinds=(Message,))
    def command(self, event: ToHost) -> Awaitable[Verdict | None] | None:
        """Take messages to ``HOST/announce/...``."""
        message = event.stanza
        resource = message.recipient.resource
        if not resource.startswith("announce/") or message.type == "error":
            return None
        return self._command(message, resource.removeprefix("announce/"))

    async def _command(self, message: Stanza, what: str) -> Verdict:
        if message.from_ is None or message.from_.bare not in self.host.admins:
            raise StanzaError(Condition.FORBIDDEN)
        if what == "motd/delete":
            await self._forget_motd()
            return Handled()
        content = b"".join(serialise(e) for e in message.elements if (e.uri, e.name) in _SHOWN)
        if not content:
            raise StanzaError(Condition.BAD_REQUEST, text="there is nothing to announce")
        if what == "online":
            await self._to_online(content)
        elif what == "all":
            self.host.spawn(self._to_all(content), "announcing to all accounts")
        elif what == "motd":
            await self._set_motd(content, now=True)
        elif what == "motd/update":
            await self._set_motd(content, now=False)
        else:
            raise StanzaError(Condition.ITEM_NOT_FOUND)
        return Handled()

    # Sending

    async def _to_online(self, content: bytes) -> int:
        sessions = [session for session in self.host.all_sessions() if session.presence is not None]
        for session in sessions:
            await self._give(session, content)
        return len(sessions)

    async def _give(self, session: ISession, content: bytes) -> None:
        await settled(session.send(Message(session.jid, self.host.jid, type="headline", payload=content)))

    async def _to_all(self, content: bytes, progress: Progress | None = None) -> int:
        total, done, after = await self.host.accounts.count(str(self.host.jid)), 0, ""
        while page := await self.host.accounts.list(str(self.host.jid), after, _PAGE):
            for account in page:
                # Of a type that is stored for those who are not there.
                await settled(self.host.route(Message(account.jid, self.host.jid, payload=content)))
            after, done = str(page[-1].jid), done + len(page)
            if progress is not None:
                progress(done, max(total, done))
        return done

    # The message of the day

    @observe(AvailabilityChanged)
    def greet(self, event: AvailabilityChanged) -> Awaitable[None] | None:
        """Show it to who has not seen it, at initial presence (RFC 6121 4.2)."""
        if self._motd is None or event.previous is not None or event.presence.type != "available":
            return None
        if event.session.account in self._seen:
            return None
        return self._show(event.session, self._motd)

    async def _show(self, session: ISession, content: bytes) -> None:
        self._seen.add(session.account)
        await self.db.write(lambda c: _note_seen(c, [session.account]))
        await self._give(session, content)

    async def _set_motd(self, content: bytes, now: bool) -> int:
        """Have everybody see it once.

        :param now: those who are there see it at once; else, like all others, when they next come.
        """
        host, set_at = str(self.host.jid), int(self.clock.seconds())
        there = {s.account for s in self.host.all_sessions() if s.presence is not None} if now else set()
        await self.db.write(lambda c: _put(c, host, content, set_at, there))
        self._motd, self._seen = content, set(there)
        return await self._to_online(content) if now else 0

    async def _forget_motd(self) -> bool:
        await self.db.write(lambda c: _remove(c, str(self.host.jid)))
        existed, self._motd, self._seen = self._motd is not None, None, set()
        return existed

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete that the account has seen the message of the day."""
        self._seen.discard(event.account)
        await self.db.write(lambda c: _forget_seen(c, event.account))

    # Operations

    @operation("announce online", examples=("'Down at 8.'", "'Down at 8.' --subject Maintenance"))
    async def announce_online(self, text: str, *, subject: str = "") -> Result:
        """Send a message to everybody who is connected and available.

        :param text: the message.
        :param subject: its subject.
        """
        return f"Sent to {plural(await self._to_online(_content(text, subject)), 'device')}."

    @operation("announce all", examples=("'We have moved.'",))
    async def announce_all(self, text: str, progress: Progress, *, subject: str = "") -> Result:
        """Send a message to every account; it waits for those who are not there.

        :param text: the message.
        :param subject: its subject.
        """
        return f"Sent to {plural(await self._to_all(_content(text, subject), progress), 'account')}."

    @operation("motd set", examples=("'Welcome to the new server.'", "'We have moved.' --later"))
    async def motd_set(self, text: str, *, subject: str = "", later: bool = False) -> Result:
        """Set the message of the day, which every user gets once: at once, or at the next login.

        :param text: the message.
        :param subject: its subject.
        :param later: those who are connected now get it at their next login, too.
        """
        devices = await self._set_motd(_content(text, subject), now=not later)
        return "Set." if later else f"Set, and sent to {plural(devices, 'device')}."

    @operation("motd show", safe=True, examples=("",))
    async def motd_show(self) -> Result:
        """Show the message of the day."""
        if self._motd is None:
            raise OperationError("there is no message of the day", Condition.ITEM_NOT_FOUND)
        texts = {element.name: str(element) for element in reversed(parse(self._motd))}
        return {"subject": texts.get("subject", ""), "text": texts.get("body", "")}

    @operation("motd delete", examples=("",))
    async def motd_delete(self) -> Result:
        """Delete the message of the day: nobody gets it any more."""
        if not await self._forget_motd():
            raise OperationError("there is no message of the day", Condition.ITEM_NOT_FOUND)
        return "Deleted."


def _content(text: str, subject: str) -> bytes:
    return (tag("subject", subject) if subject else b"") + tag("body", text)


def _put(connection: Connection, host: str, content: bytes, set_at: int, seen_by: set[Jid]) -> None:
    _remove(connection, host)
    connection.execute(insert(MOTD).values(host=host, content=content, set_at=set_at))
    _note_seen(connection, seen_by)


def _note_seen(connection: Connection, accounts: set[Jid] | list[Jid]) -> None:
    for account in accounts:
        _forget_seen(connection, account)
        connection.execute(insert(SEEN).values(account=str(account)))


def _forget_seen(connection: Connection, account: Jid) -> None:
    connection.execute(delete(SEEN).where(SEEN.c.account == str(account)))


def _remove(connection: Connection, host: str) -> None:
    connection.execute(delete(MOTD).where(MOTD.c.host == host))
    connection.execute(delete(SEEN).where(SEEN.c.account.endswith(f"@{host}", autoescape=True)))
