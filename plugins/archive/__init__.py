"""XEP-0313 Message Archive Management for users, with XEP-0059, 0359, 0424 (tombstones), 0431 and 0441."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    OWN_ACCOUNT,
    AccountDeleted,
    Condition,
    FromClient,
    Handled,
    Iq,
    IRoster,
    ISession,
    Jid,
    Message,
    OperationError,
    Phase,
    Plugin,
    Replace,
    Result,
    SessionEnded,
    StanzaError,
    ToAccount,
    Undeliverable,
    bound_element,
    filter,
    iq_get,
    iq_set,
    observe,
    operation,
    settled,
    use,
)
from xmppd.api.archive import USED, IArchive
from xmppd.api.archives import HIGHEST_ID, Answer, Archives, Limits, Selection, View, Walk, covers, merged
from xmppd.api.disco import DiscoInfo
from xmppd.api.limits import Window
from xmppd.api.verdicts import Outcome
from xmppd.api.words import plural
from xmppd.plugins.archive import preferences, retraction, store
from xmppd.plugins.archive.options import ArchiveOptions
from xmppd.plugins.archive.preferences import Preferences
from xmppd.plugins.archive.rules import RETRACT, RETRACTS, Rules
from xmppd.wire import mam, rsm, stanza_id
from xmppd.wire.delay import format_datetime, parse_datetime

_HOUSEKEEPING = 600.0  # seconds
_OTHERS = (ACCOUNT, NO_ACCOUNT)


class Archive(Plugin):
    """Keep the messages of users, so that every device can see all of them, and find them again."""

    xep = (
        (59, "1.0"), (313, "1.1.3"), (353, "0.8.0"), (359, "0.7.0"), (424, "0.4.2"), (431, "0.2.0"), (441, "0.2.0"),
        (482, "0.1.0"),
    )  # fmt: skip
    features = (RETRACT,)
    account_features = (
        mam.NS, f"{mam.NS}#extended", f"{mam.NS}#groupchat-field", stanza_id.NS, rsm.NS, RETRACT,
    )  # fmt: skip
    provides = (IArchive,)
    tables = store.TABLES.all
    roster = use(IRoster)

    Options = ArchiveOptions

    async def start(self) -> None:
        self._archives = Archives(
            self.host, self.host.jid, store.TABLES, self._limits, lambda account: bool(self.host.sessions(account))
        )  # fmt: skip
        await self._archives.start()
        self._walks: WeakKeyDictionary[ISession, Walk] = WeakKeyDictionary()
        self._sent: tuple[Message, int] | None = None  # the message archived last for its sender, and its id
        await self.reconfigured(self.options)
        self.every(_HOUSEKEEPING, self._keep_house)

    async def reconfigured(self, options: Any) -> None:
        """Take other options while running."""
        self._rules = Rules(options.kept)
        # Of all accounts that have preferences: nearly none have, and no message has to wait for them.
        stored = await self.db.read(lambda c: store.all_preferences(c, self.host.jid)) if options.preferences else {}
        self._preferences = {account: Preferences.from_text(text) for account, text in stored.items()}
        self._default = Preferences(options.default)
        self._retracting = Window(options.max_retractions, 60.0)
        await self._archives.allow_search(options.search)

    def _limits(self) -> Limits:
        options = self.options
        return Limits(options.page, options.max_page, options.max_page_octets, options.max_words)

    # In

    @filter(FromClient, Phase.STORE, kinds=(Message,))
    def sent(self, event: FromClient) -> Outcome:
        """Archive what a user sends, for the user. What users send to themselves is archived when it arrives."""
        message, account = event.stanza, event.session.account
        if not isinstance(message, Message):
            return None
        verdict = None
        if stanza_id.RAW_NAME in message.raw_names and (honest := stanza_id.without(message, account)) is not message:
            verdict = Replace(message := honest)
        meaning, to = self._rules.of(message), message.to
        if not meaning or to is None or to.bare == account:
            return verdict
        wanted = self._wants(account, to)
        if wanted is True:
            self._sent = (message, self._store(account, to, message, meaning))
        elif wanted is not False:
            return self._sent_if(wanted, message, account, to, meaning)
        return verdict

    async def _sent_if(self, wanted: Awaitable[bool], message: Message, account: Jid, to: Jid, meaning: int) -> Replace:
        if await wanted:
            self._sent = (message, self._store(account, to, message, meaning))
        return Replace(message)

    @filter(ToAccount, Phase.STORE, kinds=(Message,))
    def received(self, event: ToAccount) -> Outcome:
        """Archive what a user gets, and tell the id it has got in the archive (XEP-0313 section 3.5, XEP-0359)."""
        message, account = event.stanza, event.account
        if not isinstance(message, Message) or message.again:
            return None
        verdict = None
        if stanza_id.RAW_NAME in message.raw_names and (honest := stanza_id.without(message, account)) is not message:
            verdict = Replace(message := honest)
        meaning, peer = self._rules.of(message), message.from_
        if not meaning or peer is None or self._fails(message):
            return verdict
        wanted = self._wants(account, peer)
        if wanted is True:
            return Replace(self._store_received(message, account, peer, meaning))
        return verdict if wanted is False else self._received_if(wanted, message, account, peer, meaning)

    async def _received_if(
        self, wanted: Awaitable[bool], message: Message, account: Jid, peer: Jid, meaning: int
    ) -> Replace:
        return Replace(self._store_received(message, account, peer, meaning) if await wanted else message)

    def _fails(self, message: Message) -> bool:
        """Is it for a device that isn't there, and for no other (RFC 6121 8.5.3.2.1)?"""
        to = message.recipient
        return message.type != "chat" and bool(to.resource) and self.host.session(to) is None

    @filter(Undeliverable, Phase.DELIVER, kinds=(Message,), after=("offline",))
    def waits(self, event: Undeliverable) -> Outcome:
        """If nothing else keeps it until somebody comes, it is still here, and so it is not refused."""
        return None if stanza_id.given_by(event.stanza, event.account) is None else Handled()

    def _store_received(self, message: Message, account: Jid, peer: Jid, meaning: int) -> Message:
        text = self._archives.ids.text(self._store(account, peer, message, meaning))
        given = f"<stanza-id xmlns='{stanza_id.NS}' by='{account.xml}' id='{text}'/>"
        return message.adding(given.encode(), stanza_id.RAW_NAME)

    def _store(self, account: Jid, peer: Jid, message: Message, meaning: int) -> int:
        """Archive a message, when all that its handling leaves behind is written; return its id."""
        id_ = self._archives.put(account, peer, message, None, message.sender.bare == account)
        if meaning & RETRACTS and self.options.retraction_reach:
            self._retract(account, message)
        return id_

    def _retract(self, account: Jid, message: Message) -> None:
        """Have a tombstone take the place of the message that this one takes back (XEP-0424 section 5)."""
        now, sender = self.clock.seconds(), message.sender.bare
        retracted = None if self._retracting.full(sender, now) else retraction.read(message, now)
        if retracted is not None:
            self._retracting.add(sender, now)
            archives, reach = self._archives, self.options.retraction_reach
            self.host.store_call(message, lambda c: retracted.apply(c, archives, account, reach))

    def _wants(self, account: Jid, peer: Jid) -> bool | Awaitable[bool]:
        """Does an account want messages from and to an address archived (XEP-0441)?"""
        wants = (self._preferences.get(account) or self._default).wants(peer)
        if wants is not None:
            return wants
        if peer.bare == account or self.roster is None:
            return peer.bare == account
        roster = self.roster.cached(account)
        return peer.bare in roster.items if roster is not None else self._in_roster(self.roster, account, peer)

    async def _in_roster(self, rosters: IRoster, account: Jid, peer: Jid) -> bool:
        return peer.bare in (await rosters.load(account)).items

    # Queries

    @iq_set(mam.NS, "query", to=OWN_ACCOUNT)
    async def query(self, request: Iq) -> Iq:
        """Send what matches, then say that that was it (XEP-0313 section 4)."""
        asked = mam.query(request.request, self.options.search)
        session, account = self.host.session(request.sender), request.sender.bare
        walk = None if session is None else self._walks.get(session)
        answer = await self._archives.answer(account, asked, walk, _view(account))
        if session is not None:
            await self._send(session, answer, asked.id)
        return request.result(mam.fin(answer.page, answer.complete))

    async def _send(self, session: ISession, answer: Answer, query_id: str | None) -> None:
        async def send(payload: bytes) -> bool:
            if self.host.session(session.jid) is not session:
                return False
            await settled(session.send(Message(session.jid, session.account, payload=payload, names=mam.RESULT)))
            return True

        if not await self._archives.send(answer, query_id, send):
            return
        self._walks[session] = answer.walk
        if answer.fetched is not None:
            session.keep(USED, merged(session.state.get(USED, ()), *answer.fetched))

    @iq_get(mam.NS, "query", to=OWN_ACCOUNT)
    def form(self, request: Iq) -> Iq:
        """Say by what one can search (section 4.1.5)."""
        return request.result(mam.form(self.options.search))

    @iq_get(mam.NS, "metadata", to=OWN_ACCOUNT)
    async def metadata(self, request: Iq) -> Iq:
        """Say what are the first and the last message (section 5)."""
        await self._archives.written(request.sender.bare)
        return request.result(await self._archives.metadata(request.sender.bare))

    @bound_element
    async def metadata_when_bound(self, session: ISession) -> bytes:
        """Say so to those who bind a resource with Bind 2 (XEP-0386 section 3.2): as it is now that they are there."""
        await self.host.stored()
        return await self._archives.metadata(session.account)

    @iq_get(mam.NS, "prefs", to=OWN_ACCOUNT)
    def tell_preferences(self, request: Iq) -> Iq:
        """Say what the user wants archived (XEP-0441 section 2.1)."""
        self._check_preferences()
        return request.result((self._preferences.get(request.sender.bare) or self._default).element())

    @iq_set(mam.NS, "prefs", to=OWN_ACCOUNT)
    async def prefer(self, request: Iq) -> Iq:
        """Take what the user wants archived (XEP-0441 section 2.1)."""
        self._check_preferences()
        wanted = preferences.read(request.request, self.options.max_listed)
        account = request.sender.bare
        await self.db.write(lambda c: store.set_preferences(c, self._archives.store, account, wanted.to_text()))
        self._preferences[account] = wanted
        return request.result(wanted.element())

    def _check_preferences(self) -> None:
        if not self.options.preferences:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)

    @iq_set(mam.NS, "query", to=_OTHERS)
    @iq_get(mam.NS, "query", to=_OTHERS)
    @iq_get(mam.NS, "metadata", to=_OTHERS)
    @iq_get(mam.NS, "prefs", to=_OTHERS)
    @iq_set(mam.NS, "prefs", to=_OTHERS)
    def refuse(self, request: Iq) -> Iq:
        """Show nobody the archive of others (XEP-0313 section 8.1), nor whether there is such an account."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        raise StanzaError(Condition.FORBIDDEN)

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Add what depends on options to the features of accounts."""
        if event.entity.local and not event.node:
            if self.options.search:
                event.features.append(mam.FULL_TEXT)
            if self.options.retraction_reach:
                event.features.append(f"{RETRACT}#tombstone")

    # Housekeeping

    @observe(SessionEnded)
    def leave(self, event: SessionEnded) -> None:
        """Forget an owner who is not connected any more."""
        if not self.host.sessions(event.session.account):
            self._archives.owners.drop(event.session.account)

    async def _keep_house(self) -> None:
        most = self.options.max_messages or None
        await self._archives.keep_house(self.options.max_days, lambda account: most)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's archive."""
        self._preferences.pop(event.account, None)
        await self._archives.keeper.remove(event.account)

    # For other plugins and operators

    def archive_id(self, account: Jid, message: Message) -> str | None:
        """See :class:`xmppd.api.archive.IArchive`."""
        if self._sent is not None and self._sent[0] is message and message.sender.bare == account:
            return self._archives.ids.text(self._sent[1])
        return stanza_id.given_by(message, account)

    def take_back(self, account: Jid, message: Message) -> None:
        """See :class:`xmppd.api.archive.IArchive`."""
        given = stanza_id.given_by(message, account)
        id_ = None if given is None else self._archives.ids.number(given)
        if id_ is not None:
            self._archives.take_back(account, message, id_)

    def fetched(self, session: ISession, archive_id: str) -> bool:
        """See :class:`xmppd.api.archive.IArchive`."""
        id_ = self._archives.ids.number(archive_id)
        return id_ is not None and covers(session.state.get(USED, ()), id_)

    @operation("archive count", safe=True, examples=("romeo@example.org",))
    async def count_for(self, account: Jid) -> Result:
        """Say how many messages are in the archive of an account, and from when.

        :param account: bare address of the account.
        """
        owner = await self._check(account)
        count = await self.db.read(lambda c: self._archives.store.count(c, owner))
        ends = await self.db.read(lambda c: self._archives.store.ends(c, owner))
        first, last = ("", "") if ends is None else (format_datetime(id_ / 1e6) for id_ in ends)
        return {"account": str(account), "messages": count, "first": first, "last": last}

    @operation("archive purge", examples=("romeo@example.org", "romeo@example.org --before 2026-01-01T00:00:00Z"))
    async def purge_for(self, account: Jid, *, before: str = "") -> Result:
        """Delete the messages in the archive of an account.

        :param account: bare address of the account.
        :param before: delete those from before that time only.
        """
        owner = await self._check(account)
        try:
            highest = round(parse_datetime(before) * 1e6) - 1 if before else HIGHEST_ID
        except ValueError as error:
            raise OperationError(str(error)) from None
        return f"Deleted {plural(await self._archives.keeper.delete(owner, highest), 'message')}."

    async def _check(self, account: Jid) -> int:
        if not await self.host.accounts.exists(account):
            raise OperationError(f"there is no account {account}", Condition.ITEM_NOT_FOUND)
        return await self.db.read(lambda c: self._archives.store.find_owner(c, account)) or 0


def _view(account: Jid) -> View:
    """Return what users see of their archives: everything, as it is."""

    def narrow(selection: Selection, with_: Jid) -> Selection:
        # Of what the owner has sent to itself nothing is known of resources (section 4.1.1).
        return replace(selection, with_=account if with_.bare == account else with_)

    return View(narrow, lambda stanza: stanza)
