"""XEP-0352 Client State Indication.

What can wait is held back while a client says that nobody looks at it, or has lost its connection. Order is kept
(RFC 6120 10.1): whatever can't wait takes everything with it that was held back before. Of what would be replaced
anyway, such as the presence of a contact, only the latest is left by then.
"""

from __future__ import annotations

from xmppd.api import (
    Element,
    Field,
    Handled,
    IDelayedCall,
    ISession,
    IStream,
    Nonza,
    Phase,
    Plugin,
    SessionBound,
    SessionEnded,
    SessionHibernates,
    SessionResumed,
    ToDevice,
    Verdict,
    bind_feature,
    filter,
    nonza,
    observe,
    stream_feature,
)
from xmppd.plugins.csi.rules import key_of

NS = "urn:xmpp:csi:0"
#: Under which name a session remembers that its client is inactive.
STATE = "csi"
_FEATURE = f"<csi xmlns='{NS}'/>".encode()
_HANDLED = Handled()


class Csi(Plugin):
    """Spare phones in pockets: what can wait is held back until somebody looks, and of much of it only the latest."""

    xep = (352, "1.0.0")

    class Options(Plugin.Options):
        """What waits, and for how long."""

        presence: bool = Field(
            True, description="Hold back presence of contacts and rooms; the latest of each is sent."
        )
        chat_states: bool = Field(
            True, description="Hold back who is typing or has stopped to; the latest of each is sent."
        )
        receipts: bool = Field(True, description="Hold back delivery receipts and markers of others.")
        pubsub: bool = Field(
            True, description="Hold back notifications of PEP and other nodes; the latest of each item is sent."
        )
        pubsub_at_once: tuple[str, ...] = Field(
            ("urn:xmpp:mds:displayed:0", "urn:xmpp:bookmarks:1", "storage:bookmarks"),
            description="Nodes whose notifications are sent at once nevertheless.",
        )
        lost: bool = Field(
            True, description="Do the same for a client that has lost its connection, until it resumes its session?"
        )
        max_held: int = Field(1000, ge=1, description="How many stanzas wait for a client; then all are sent.")
        max_seconds: int = Field(
            0,
            ge=0,
            description="After how many seconds all are sent, if the client is connected; 0: not before it asks.",
        )

    async def start(self) -> None:
        # The sessions for which things are held back, and when that is over for those to which max_seconds applies.
        self._quiet: dict[ISession, IDelayedCall | None] = {}
        for session in self.host.all_sessions():
            self._look_at(session)

    async def stop(self) -> None:
        for session in self._quiet:
            session.release()

    # What clients say

    @stream_feature
    def feature(self, stream: IStream) -> bytes | None:
        """Offer it to those who have logged in (section 4.1)."""
        return None if stream.account is None else _FEATURE

    @nonza(NS, "inactive")
    def inactive(self, nonza: Nonza, stream: IStream) -> None:
        """Nobody looks (section 4.2)."""
        if stream.session is not None:
            stream.session.keep(STATE, "inactive")
            self._hush(stream.session)

    @nonza(NS, "active")
    def active(self, nonza: Nonza, stream: IStream) -> None:
        """Somebody does: what was held back comes before anything that the client asks for next (section 5.1)."""
        if stream.session is not None:
            self._send_all(stream.session)

    @bind_feature(NS, "inactive")
    def bound_inactive(self, element: Element, session: ISession) -> None:
        """Nobody looks, from the beginning (XEP-0386 3.2)."""
        session.keep(STATE, "inactive")
        self._hush(session)

    @bind_feature(NS, "active")
    def bound_active(self, element: Element, session: ISession) -> None:
        """Somebody looks, as is taken for granted (section 5.2)."""

    # Sessions

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """A session is back after a restart, and waits to be resumed."""
        if event.restored:
            self._look_at(event.session)

    @observe(SessionHibernates)
    def lost(self, event: SessionHibernates) -> None:
        """Nobody can look."""
        self._look_at(event.session)

    @observe(SessionResumed)
    def resumed(self, event: SessionResumed) -> None:
        """A stream is active until the client says otherwise, a resumed one as well (section 5.2)."""
        self._send_all(event.session)

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> None:
        """Forget it."""
        self._forget(event.session)

    def _look_at(self, session: ISession) -> None:
        if session.held or session.state.get(STATE) or (session.hibernating and self.options.lost):
            self._hush(session)

    def _hush(self, session: ISession) -> None:
        self._quiet.setdefault(session, None)
        self.wake()

    def _forget(self, session: ISession) -> None:
        timer = self._quiet.pop(session, None)
        if timer is not None:
            timer.cancel()

    def _send_all(self, session: ISession) -> None:
        self._forget(session)
        session.keep(STATE, None)
        session.release()

    # What they are sent

    @filter(ToDevice, Phase.DELIVER, dormant=True)
    def to_device(self, event: ToDevice) -> Verdict | None:
        """Hold back what can wait; what can't takes along what did."""
        session = event.session
        if session not in self._quiet:
            return None
        key = key_of(event.stanza, self.options)
        if key is None:
            if session.held:
                self._release(session)
            return None
        session.hold(event.stanza, key or None)
        if session.held >= self.options.max_held:
            self._release(session)
        elif self.options.max_seconds and self._quiet[session] is None:
            self._quiet[session] = self.later(self.options.max_seconds, lambda: self._late(session))
        return _HANDLED

    def _late(self, session: ISession) -> None:
        if session in self._quiet:
            self._quiet[session] = None
            if not session.hibernating:
                session.release()

    def _release(self, session: ISession) -> None:
        timer, self._quiet[session] = self._quiet[session], None
        if timer is not None:
            timer.cancel()
        session.release()
