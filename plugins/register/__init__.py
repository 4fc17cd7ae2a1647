"""XEP-0077 In-Band Registration: making an account, changing its password, deleting it, all by XMPP."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from twisted.internet.defer import DeferredLock

from xmppd.api import (
    HOST,
    OWN_ACCOUNT,
    STREAM,
    Condition,
    Field,
    Iq,
    IStream,
    Jid,
    JidError,
    Plugin,
    StanzaError,
    StreamCondition,
    StreamError,
    iq_get,
    iq_set,
    stream_feature,
    tag,
    use,
)
from xmppd.api.accounts import AccountExists
from xmppd.api.limits import Window, network_of
from xmppd.api.logins import IRegistrant
from xmppd.plugins.register import forms
from xmppd.plugins.register.forms import NS, Submitted
from xmppd.wire.codes import refusal
from xmppd.wire.sasl import PasswordError

FEATURE = "http://jabber.org/features/iq-register"
FORBIDDEN = (
    "abuse", "admin", "administrator", "hostmaster", "info", "mail", "moderator", "noc", "noreply", "operator",
    "owner", "postmaster", "register", "root", "security", "server", "service", "support", "sysadmin", "system",
    "webmaster", "xmpp",
)  # fmt: skip
_STREAMS = 10_000  # streams remembered on which an account was made


class Refused(Exception):
    """The answer is an error, perhaps with a form to fill in."""

    def __init__(self, error: StanzaError, query: bytes = b"") -> None:
        super().__init__(str(error))
        self.error = error
        self.query = query


class Register(Plugin):
    """Let users change their password and delete their account, and, if the option says so, anybody make one."""

    xep = (77, "2.4")
    features = (NS,)

    class Options(Plugin.Options):
        """Who may register, and how often."""

        registration: bool = Field(False, description="May strangers make accounts?")
        instructions: str = Field(
            "Choose a username and password for use with this service.", description="Shown to who registers."
        )
        redirect_url: str = Field(
            "", description="Where accounts are made instead (a web page), shown while registration is off."
        )
        accounts_per_address: int = Field(
            3, ge=1, description="Accounts made from one address (IPv6: one /64) within the period."
        )
        attempts_per_address: int = Field(
            30, ge=1, description="Attempts from one address within the period, successful or not."
        )
        accounts_in_total: int = Field(100, ge=1, description="Accounts made by everybody within the period.")
        period_seconds: float = Field(3600.0, gt=0, description="The period that these limits are for.")
        username_min_length: int = Field(1, ge=1, description="Characters a new username has at least.")
        username_max_length: int = Field(64, ge=1, le=1023, description="Characters a new username has at most.")
        forbidden_names: tuple[str, ...] = Field(FORBIDDEN, description="Usernames that can't be had by registering.")
        password_min_length: int = Field(8, ge=1, description="Characters a new password has at least.")
        self_service: bool = Field(
            True, description="May users change their password and delete their account by themselves?"
        )
        confirm_with_password: bool = Field(
            False, description="Ask for the old password before it is changed or the account deleted."
        )

    #: Who makes the accounts of clients of another kind.
    registrant = use(IRegistrant)

    async def start(self) -> None:
        """Begin to count."""
        self._set_limits()
        self._used: OrderedDict[str, None] = OrderedDict()
        self._making = DeferredLock()

    async def reconfigured(self, options: object) -> None:
        """Count anew, with other limits."""
        self._set_limits()

    def _set_limits(self) -> None:
        options, seconds = self.options, self.options.period_seconds
        self._attempts = Window(options.attempts_per_address, seconds)
        self._made = Window(options.accounts_per_address, seconds)
        self._made_in_total = Window(options.accounts_in_total, seconds)

    # Strangers, on streams that nobody has logged in on yet, and users who have not bound a resource

    @stream_feature
    def offer(self, stream: IStream) -> bytes | None:
        """Section 7."""
        strangers = self.options.registration or (self.registrant is not None and self.registrant.offers(stream))
        offered = strangers and stream.account is None and stream.confidential
        return tag("register", xmlns=FEATURE) if offered else None

    @iq_get(NS, "query", to=STREAM)
    def ask_on_stream(self, request: Iq, stream: IStream) -> Iq:
        """Answer a stranger with the form, and a user who has logged in with what is registered (section 3.1)."""
        if stream.account is not None:
            return request.result(forms.registered(stream.account.local))
        options = self.options
        if options.registration or (self.registrant is not None and self.registrant.offers(stream)):
            if not stream.confidential:
                return refusal(request, _insecure())
            return request.result(forms.registration_fields(options.instructions))
        if options.redirect_url:
            instructions = f"To register, visit {options.redirect_url}"
            return request.result(forms.redirect(instructions, options.redirect_url))
        return refusal(request, StanzaError(Condition.SERVICE_UNAVAILABLE))

    @iq_set(NS, "query", to=STREAM)
    async def submit_on_stream(self, request: Iq, stream: IStream) -> Iq:
        """Make an account for a stranger; change or cancel that of a user who has not bound a resource."""
        account = stream.account
        if account is None:
            return await self._answering(request, self._stranger(request, stream))

        def before_closing() -> None:
            stream.write(request.result().to_bytes())
            stream.close(StreamError(StreamCondition.NOT_AUTHORIZED, "The account was deleted."))

        return await self._answering(request, self._user(request, account, stream.confidential, before_closing))

    # Users, in their sessions

    @iq_get(NS, "query", to=(HOST, OWN_ACCOUNT))
    def ask(self, request: Iq) -> Iq:
        """Answer a user in a session with what is registered (section 3.1)."""
        asker = request.sender
        if self.host.session(asker) is None or asker.domain != self.host.jid:
            return refusal(request, StanzaError(Condition.SERVICE_UNAVAILABLE))
        return request.result(forms.registered(asker.local))

    @iq_set(NS, "query", to=(HOST, OWN_ACCOUNT))
    async def submit(self, request: Iq) -> Iq:
        """Change a user's password, or cancel the registration (sections 3.2 and 3.3)."""
        asker = request.sender
        session = self.host.session(asker)
        if session is None or asker.domain != self.host.jid:
            return await self._answering(request, self._from_elsewhere(request))

        def before_closing() -> None:
            session.send(request.result())

        return await self._answering(request, self._user(request, asker.bare, session.confidential, before_closing))

    async def _answering(self, request: Iq, work: Awaitable[None]) -> Iq:
        """Do it and answer; what is refused is answered without what was sent."""
        try:
            await work
        except Refused as refused:
            return refusal(request, refused.error, refused.query)
        except StanzaError as error:
            return refusal(request, error)
        return request.result()

    async def _from_elsewhere(self, request: Iq) -> None:
        """Users of other servers can't have an account here by asking from there."""
        if forms.read(request.request).kind == "remove":
            raise StanzaError(Condition.REGISTRATION_REQUIRED)
        raise StanzaError(Condition.NOT_ALLOWED)

    # Registering (section 3.1)

    async def _stranger(self, request: Iq, stream: IStream) -> None:
        submitted = forms.read(request.request)
        if submitted.kind == "remove" or submitted.form == forms.CHANGE:
            raise StanzaError(Condition.UNEXPECTED_REQUEST, text="log in first")
        registrant = self.registrant
        theirs = registrant is not None and submitted.form is None and registrant.takes(submitted.values)
        if not self.options.registration and not theirs:
            raise StanzaError(Condition.NOT_ALLOWED, text="accounts can't be made this way here")
        if not stream.confidential:
            raise _insecure()
        if registrant is not None and theirs:
            await registrant.register(stream, submitted.values)
            return
        self._throttle(stream)
        account = self._new_address(submitted)
        password = self._new_password(submitted)
        # One after the other: an account is counted when it is made, which takes a while.
        await self._making.acquire()
        try:
            self._check_made(network_of(stream.peer))
            await self.host.create_account(account, password)
            self._note_made(stream)
        except AccountExists:
            raise StanzaError(Condition.CONFLICT) from None
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        finally:
            self._making.release()
        self.log.info("{account} was registered from {address}", account=account, address=stream.peer)

    def _throttle(self, stream: IStream) -> None:
        """Count an attempt. Raises not-acceptable if there were too many (section 3.1.1)."""
        now, address = self.clock.seconds(), network_of(stream.peer)
        if stream.id in self._used:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="you have registered; log in now")
        full = self._attempts.full(address, now)
        self._attempts.add(address, now)
        if full:
            raise _too_many()
        self._check_made(address)

    def _check_made(self, address: str) -> None:
        now = self.clock.seconds()
        if self._made.full(address, now) or self._made_in_total.full("", now):
            raise _too_many()

    def _note_made(self, stream: IStream) -> None:
        now = self.clock.seconds()
        self._made.add(network_of(stream.peer), now)
        self._made_in_total.add("", now)
        self._used[stream.id] = None
        if len(self._used) > _STREAMS:
            self._used.popitem(last=False)

    def _new_address(self, submitted: Submitted) -> Jid:
        account = self._address(submitted)
        if account is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="a username is needed")
        options, name = self.options, account.local
        # An administrator's account is made by the operator, not by whoever is first to ask for the name.
        if name in options.forbidden_names or account in self.host.admins:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"{name} can't be had")
        if not options.username_min_length <= len(name) <= options.username_max_length:
            allowed = f"{options.username_min_length} to {options.username_max_length}"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"a username has {allowed} characters")
        return account

    def _address(self, submitted: Submitted) -> Jid | None:
        """Return the account that is named, by its username or its address; None if none is."""
        name = submitted.values.get("username", "").strip()
        if not name:
            return None
        try:
            return Jid.of(name.removesuffix(f"@{self.host.jid}"), self.host.jid.domain)
        except JidError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None

    def _new_password(self, submitted: Submitted) -> str:
        password = submitted.values.get("password", "")
        if len(password) < self.options.password_min_length:
            text = f"a password has at least {self.options.password_min_length} characters"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text if password else "a password is needed")
        return password

    # Changing and cancelling (sections 3.2 and 3.3)

    async def _user(self, request: Iq, account: Jid, confidential: bool, before_closing: Callable[[], object]) -> None:
        submitted = forms.read(request.request)
        if not self.options.self_service:
            raise StanzaError(Condition.NOT_ALLOWED)
        if submitted.kind == "remove":
            await self._cancel(submitted, account, before_closing)
        else:
            await self._change_password(submitted, account, confidential)

    async def _cancel(self, submitted: Submitted, account: Jid, before_closing: Callable[[], object]) -> None:
        if self.options.confirm_with_password:
            if submitted.form is None:
                raise Refused(StanzaError(Condition.NOT_ALLOWED), forms.cancel_form())
            await self._confirm(submitted, account, "password", StanzaError(Condition.FORBIDDEN, "cancel"))
        if not await self.host.delete_account(account, before_closing):
            raise StanzaError(Condition.REGISTRATION_REQUIRED)
        self.log.info("{account} has cancelled its registration", account=account)

    async def _change_password(self, submitted: Submitted, account: Jid, confidential: bool) -> None:
        if not confidential:
            raise _insecure()
        if self.options.confirm_with_password and submitted.form != forms.CHANGE:
            raise Refused(StanzaError(Condition.NOT_AUTHORIZED, "modify"), forms.change_form())
        named = self._address(submitted)
        if named is None or not submitted.values.get("password"):
            raise StanzaError(Condition.BAD_REQUEST, text="the username and the new password are needed")
        if named != account:
            raise StanzaError(Condition.NOT_ALLOWED, text="this is not your username")
        password = self._new_password(submitted)
        if self.options.confirm_with_password:
            await self._confirm(submitted, account, "old_password", StanzaError(Condition.NOT_AUTHORIZED, "modify"))
        try:
            await self.host.accounts.set_password(account, password)
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        self.log.info("{account} has changed its password", account=account)

    async def _confirm(self, submitted: Submitted, account: Jid, field: str, error: StanzaError) -> None:
        """Raise `error` unless the username is the account's and the password right."""
        if self._address(submitted) != account:
            raise error
        if not await self.host.accounts.check_password(account, submitted.values.get(field, "")):
            raise error


def _too_many() -> StanzaError:
    return StanzaError(Condition.NOT_ACCEPTABLE, "wait", "there were too many registrations; try again later")


def _insecure() -> StanzaError:
    return StanzaError(Condition.NOT_AUTHORIZED, "modify", "the connection is not encrypted")
