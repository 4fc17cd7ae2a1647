"""androidpn: notifications to its clients, unmodified, and to those of its forks.

They register by themselves (XEP-0077), log in with the plugin `legacy_auth` (XEP-0078), and are sent IQs in a namespace
of their own. Some confirm, and take names and tags. docs/androidpn.md tells how to move from an androidpn server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping

from twisted.internet.defer import Deferred

from xmppd.api import (
    HOST,
    OWN_ACCOUNT,
    UNANSWERED,
    Condition,
    Iq,
    ISession,
    IStream,
    Plugin,
    SessionBound,
    StanzaError,
    StreamUnreadable,
    Unanswered,
    iq_set,
    need,
    observe,
)
from xmppd.api.figures import Figure
from xmppd.api.limits import Window
from xmppd.api.logins import IPasswordKeeper, IRegistrant
from xmppd.api.notifications import INotifications, NotificationError, State
from xmppd.plugins.androidpn.facade import Facade
from xmppd.plugins.androidpn.options import AndroidpnOptions
from xmppd.plugins.androidpn.protocol import (
    ALIAS,
    CONFIRM,
    CONFIRM_EIS,
    MARK,
    RECEIPT,
    TAG,
    TAGS,
    Format,
    fields,
    tags_in,
)
from xmppd.plugins.androidpn.registering import Registrations

#: To whom clients send what is theirs: they leave the address out, or name the server.
_OURS = (OWN_ACCOUNT, HOST)
_BROKEN_SECONDS = 600.0
#: Characters of the id of a notification that a client may confirm.
_ID = 64


class Androidpn(Facade, Plugin):
    """Serve the clients of androidpn: let them register, and send them notifications as they know them."""

    default = False
    provides = (IRegistrant,)

    class Options(AndroidpnOptions):
        """How clients of androidpn are told apart, and what they get."""

    notifications = need(INotifications)
    keeper = need(IPasswordKeeper)

    async def start(self) -> None:
        """Begin to speak as they do."""
        self._broken_streams = 0
        self._broken = Window(1, _BROKEN_SECONDS)
        self._take_options()

    async def reconfigured(self, options: object) -> None:
        """Speak in another way."""
        self._undo()
        self._take_options()

    async def stop(self) -> None:
        """Speak no more."""
        self._undo()

    def _take_options(self) -> None:
        options: AndroidpnOptions = self.options
        self._broken.set_limits(options.broken_streams, _BROKEN_SECONDS)
        self._registrations = Registrations(self.host, options, self.keeper, self.later)
        self._format = Format(
            self.host.jid, options.resources, options.api_key, options.settling_seconds, options.fence
        )
        self._undo = self.notifications.add_format(self._format)

    def figures(self) -> Iterable[Figure]:
        """See Plugin."""
        text = "Streams of its clients that ended in broken XML."
        yield Figure("broken_streams", text, self._broken_streams, grows=True)

    # Registering; see IRegistrant

    def offers(self, stream: IStream) -> bool:
        """See IRegistrant."""
        return bool(self.options.registration)

    def takes(self, fields: Mapping[str, str]) -> bool:
        """See IRegistrant."""
        return self._registrations.takes(fields)

    async def register(self, stream: IStream, fields: Mapping[str, str]) -> None:
        """See IRegistrant."""
        await self._registrations.register(stream, fields)

    # Sessions

    @observe(SessionBound)
    def came(self, event: SessionBound) -> Awaitable[None] | None:
        """Note what the device is. Whoever sends broken XML each time it comes waits before it is listened to."""
        session = event.session
        if not self._format.speaks(session):
            return None
        self.notifications.describe_device(session, platform="android", app="androidpn")
        delay = self.options.broken_delay_seconds
        if event.restored or not delay or not self._broken.full(session.account, self.clock.seconds()):
            return None
        waited: Deferred[None] = Deferred()
        self.later(delay, lambda: waited.callback(None))
        return waited

    @observe(StreamUnreadable)
    def broke(self, event: StreamUnreadable) -> None:
        """Clients don't escape what they send. With an alias such as ``Romeo & Juliet`` they come again for ever."""
        session = event.session
        if self._format.speaks(session):
            self._broken_streams += 1
            self._broken.add(session.account, self.clock.seconds())
            self.log.info("{jid} has sent broken XML: {reason}", jid=session.jid, reason=str(event.error))

    def _session(self, request: Iq) -> ISession:
        """Return the session that has sent a request. Now it is known to be a client of androidpn's."""
        session = self.host.session(request.sender)
        if session is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        if not self._format.speaks(session):
            session.keep(MARK, True)
            self._undo()
            self._undo = self.notifications.add_format(self._format)  # how it is spoken to is decided anew
            self.notifications.describe_device(session, platform="android", app="androidpn")
        return session

    # What clients tell and set

    @iq_set(CONFIRM, "deliverconfirm", to=_OURS)
    def delivered(self, request: Iq) -> Iq | Unanswered:
        """A notification has arrived."""
        return self._confirm(request, State.DELIVERED)

    @iq_set(CONFIRM_EIS, "notification", to=_OURS)
    def delivered_eis(self, request: Iq) -> Iq | Unanswered:
        """The same, in a derivative."""
        return self._confirm(request, State.DELIVERED)

    @iq_set(RECEIPT, "receipt", to=_OURS)
    def opened(self, request: Iq) -> Iq | Unanswered:
        """A notification was opened."""
        return self._confirm(request, State.OPENED)

    def _confirm(self, request: Iq, state: State) -> Iq | Unanswered:
        session = self._session(request)
        given = fields(request.request)
        notification = given.get("uuid") or given.get("id") or ""
        if not 0 < len(notification) <= _ID:
            raise StanzaError(Condition.BAD_REQUEST, text="which notification?")
        self.notifications.confirm(session, notification, state)
        return self._done(request)

    @iq_set(ALIAS, "setalias", to=_OURS)
    async def set_alias(self, request: Iq) -> Iq | Unanswered:
        """Give the user another name."""
        session = self._session(request)
        given = self._given(request, session)
        return await self._set(request, self.notifications.set_alias(session.account, given.get("alias", "")))

    @iq_set(TAGS, "settags", to=_OURS)
    async def set_tags(self, request: Iq) -> Iq | Unanswered:
        """Give the user tags in place of those there are; none, if there is no list."""
        session = self._session(request)
        tags = tags_in(self._given(request, session).get("tags", ""))
        additive = self.options.additive_tags
        return await self._set(request, self.notifications.set_tags(session.account, tags, additive=additive))

    @iq_set(TAG, "settag", to=_OURS)
    async def set_tag(self, request: Iq) -> Iq | Unanswered:
        """Give the user one tag more."""
        session = self._session(request)
        tag = self._given(request, session).get("tag", "")
        return await self._set(
            request, self.notifications.set_tags(session.account, [tag] if tag else [], additive=True)
        )

    def _given(self, request: Iq, session: ISession) -> Mapping[str, str]:
        """Return what is to be set. It is set for whoever has sent it, whatever name is in it."""
        given = fields(request.request)
        name = given.get("username", "").lower()
        if name and name != session.account.local:
            self.log.info("{account} has tried to set something for {name}", account=session.account, name=name)
        return given

    async def _set(self, request: Iq, work: Awaitable[None]) -> Iq | Unanswered:
        try:
            await work
        except NotificationError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        return self._done(request)

    def _done(self, request: Iq) -> Iq | Unanswered:
        return request.result() if self.options.answers else UNANSWERED
