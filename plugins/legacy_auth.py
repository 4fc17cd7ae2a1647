"""XEP-0078 Non-SASL Authentication: how clients logged in before XMPP 1.0, and some phones still do."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, insert, select

from xmppd.api import (
    STREAM,
    UNANSWERED,
    AccountDeleted,
    Condition,
    Field,
    Iq,
    IStream,
    Jid,
    JidError,
    Plugin,
    StanzaError,
    StorageUnavailable,
    StreamCondition,
    StreamError,
    Unanswered,
    iq_get,
    iq_set,
    observe,
    stream_feature,
    tag,
)
from xmppd.api.logins import IPasswordKeeper, LoginRefused, Refusal
from xmppd.wire.codes import refusal
from xmppd.wire.xml import Element

NS = "jabber:iq:auth"
FEATURE = "http://jabber.org/features/iq-auth"

KEPT = Table(
    "legacy_auth_passwords",
    MetaData(),
    Column("account", Text, primary_key=True),
    Column("password", Text, nullable=False),
)
#: What a client is told. 401 (not-authorized) is for wrong passwords alone: there are clients that give their account
#: up when they see it.
_ERRORS = {
    Refusal.WRONG: Condition.NOT_AUTHORIZED,
    Refusal.LOCKED: Condition.FORBIDDEN,
    Refusal.TOO_MANY_FAILURES: Condition.RESOURCE_CONSTRAINT,
    Refusal.CONFLICT: Condition.CONFLICT,
    Refusal.TOO_MANY_SESSIONS: Condition.RESOURCE_CONSTRAINT,
}


class LegacyAuth(Plugin):
    """Let clients in that know no SASL, with `jabber:iq:auth`. They send their password as it is, inside TLS."""

    xep = (78, "2.5")
    default = False
    provides = (IPasswordKeeper,)
    tables = (KEPT,)

    class Options(Plugin.Options):
        """How they may show their password."""

        digest: bool = Field(
            False,
            description="Let clients without TLS show a hash (SHA-1) of their password, where `[tls]` doesn't require"
            " TLS. For that the server needs the passwords themselves: those of all who log in or register through"
            " this plugin are kept, readable, in its database. Switched off, they are deleted.",
        )

    async def start(self) -> None:
        """Forget the passwords if they aren't needed any more."""
        if not self.options.digest:
            await self._forget_all()

    async def reconfigured(self, options: object) -> None:
        """The same."""
        await self.start()

    # What is asked

    @stream_feature
    def offer(self, stream: IStream) -> bytes | None:
        """Section 4."""
        return tag("auth", xmlns=FEATURE) if stream.account is None and self._open(stream) else None

    def _open(self, stream: IStream) -> bool:
        return stream.confidential or bool(self.options.digest)

    def _check(self, stream: IStream) -> None:
        """Refuse whom nobody may ask. :raises StreamError, StanzaError: sections 3.1 and 6."""
        if stream.sasl_failed:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "SASL has failed before")
        if stream.account is not None:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "somebody has logged in here")
        if not self._open(stream):
            raise StanzaError(Condition.NOT_ALLOWED, text="the connection is not encrypted")

    @iq_get(NS, "query", to=STREAM)
    async def ask(self, request: Iq, stream: IStream) -> Iq:
        """Say what a log-in needs. It is the same for all names, so that nobody learns which are in use."""
        try:
            self._check(stream)
            name = _fields(request.request).get("username", "")
            how = "digest" if await self._by_digest(stream, name) else "password"
        except StanzaError as error:
            return refusal(request, error)
        except StorageUnavailable as error:
            return refusal(request, _unavailable(error))
        username = tag("username", name or None)
        return request.result(tag("query", username, tag(how), tag("resource"), xmlns=NS))

    async def _by_digest(self, stream: IStream, name: str) -> bool:
        """Is a digest to be asked for? Where passwords may be sent, only if the account's is known here."""
        if not self.options.digest or stream.secured:
            return False
        if not stream.confidential:
            return True
        try:
            return await self._kept(self._account(name)) is not None
        except StanzaError:
            return False

    # Logging in

    @iq_set(NS, "query", to=STREAM)
    async def log_in(self, request: Iq, stream: IStream) -> Iq | Unanswered:
        """Let a client in. It is told so before anything else is sent to it."""
        try:
            self._check(stream)
            fields = _fields(request.request)
            account, resource = self._account(fields.get("username", "")), _resource(fields)
            password, digest = fields.get("password"), fields.get("digest")
            if digest and self.options.digest:
                password = await self._from_digest(stream, account, digest)
                how = "jabber:iq:auth digest"
            elif password and stream.confidential:
                how = "jabber:iq:auth password"
            else:
                raise StanzaError(Condition.NOT_ACCEPTABLE, text="a password is needed")
            shown = password
            await stream.prove(account, lambda: self.host.accounts.check_password(account, shown), how)
            await self.keep_password(account, password)

            def welcome(jid: Jid) -> Iq:
                return Iq(jid, None, request.id, "result")

            await stream.enter(account, resource, welcome, abrupt=True)
        except StanzaError as error:
            return refusal(request, error)
        except LoginRefused as refused:
            condition = _ERRORS[refused.refusal]
            return refusal(request, StanzaError(condition, text=str(refused)))
        except StorageUnavailable as error:
            return refusal(request, _unavailable(error))
        return UNANSWERED

    def _account(self, name: str) -> Jid:
        """Return the account of that name, in whatever case it is written."""
        name = name.strip()
        if not name:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="a username is needed")
        try:
            return Jid.of(name.removesuffix(f"@{self.host.jid}"), self.host.jid.domain)
        except JidError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None

    async def _from_digest(self, stream: IStream, account: Jid, digest: str) -> str:
        """Return the password of which that is the digest (section 3.1); "" if it is not the one that is known."""
        kept = await self._kept(account) or ""
        wanted = hashlib.sha1(f"{stream.id}{kept}".encode()).hexdigest()
        return kept if hmac.compare_digest(wanted.encode(), digest.strip().lower().encode()) else ""

    # Passwords, if digests are to be checked

    async def keep_password(self, account: Jid, password: str) -> None:
        """See IPasswordKeeper."""
        if self.options.digest and await self._kept(account) != password:
            await self.db.write(lambda c: _keep(c, account, password))

    async def _kept(self, account: Jid) -> str | None:
        wanted = select(KEPT.c.password).where(KEPT.c.account == str(account))
        return await self.db.read(lambda c: c.execute(wanted).scalar())

    async def _forget_all(self) -> None:
        mine = KEPT.c.account.endswith(f"@{self.host.jid}", autoescape=True)
        await self.db.write(lambda c: c.execute(delete(KEPT).where(mine)) and None)

    @observe(AccountDeleted)
    async def deleted(self, event: AccountDeleted) -> None:
        """Forget the password of an account that is gone."""
        await self.db.write(lambda c: c.execute(delete(KEPT).where(KEPT.c.account == str(event.account))) and None)


def _keep(connection: Connection, account: Jid, password: str) -> None:
    connection.execute(delete(KEPT).where(KEPT.c.account == str(account)))
    connection.execute(insert(KEPT).values(account=str(account), password=password))


def _fields(query: Element) -> dict[str, str]:
    return {child.name: str(child) for child in query.elements() if child.uri == NS}


def _resource(fields: dict[str, str]) -> str:
    """Return the resource, prepared. :raises StanzaError: there is none (section 3.1)."""
    text = fields.get("resource", "")
    if not text:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="a resource is needed")
    try:
        return Jid.parse("x@x/" + text).resource
    except JidError as error:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None


def _unavailable(error: StorageUnavailable) -> StanzaError:
    return StanzaError(Condition.RESOURCE_CONSTRAINT, "wait", str(error))
