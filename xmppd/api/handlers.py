"""Handlers written for wokkel or tx-xmpp, run inside the server as a component (XEP-0114 without the socket).

A handler of tx-xmpp lives on an ``XmlStream``: it observes stanzas by XPath as domish elements, and sends elements. A
:class:`HandlerComponent` gives its handlers a stand-in for that stream, and tx-xmpp's own ``StreamManager`` as their
parent::

    class Greeter(HandlerComponent):
        \"""Tell its version at greeter.HOST.\"""

        def handlers(self):
            return [VersionHandler("greeter", "1.0"), DiscoHandler()]

What such handlers send is framed and checked like bytes from a client, so a faulty one can't send bytes that break
another stream. Requests are told apart as tx-xmpp has it: who answers an IQ later sets ``iq.handled = True`` at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Iterable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python import log
from twisted.python.failure import Failure
from twisted.words.protocols.jabber.jid import JID
from twisted.words.protocols.jabber.xmlstream import STREAM_AUTHD_EVENT, STREAM_CONNECTED_EVENT, STREAM_END_EVENT
from twisted.words.xish.utility import EventDispatcher
from tx_xmpp.subprotocols import StreamManager

from xmppd.api.interfaces import IClock
from xmppd.api.plugin import Component
from xmppd.api.waiting import settled
from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, Malformed
from xmppd.wire.jid import Jid
from xmppd.wire.rules import fault
from xmppd.wire.stanza import Iq, Message, Presence, Stanza
from xmppd.wire.xml import Element, parse, serialise

__all__ = ["HandlerComponent"]

_HEADER = f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}'>".encode()


class HandlerComponent(Component):
    """A component whose work is done by tx-xmpp handlers. Subclasses say by which: see :meth:`handlers`.

    The handlers see ``connectionMade`` and ``connectionInitialized`` when the plugin starts and ``connectionLost`` when
    it stops; with other options they are made anew. They may send at any time; what they send leaves in that order, as
    soon as the component can be reached by answers. Its `from` must be in the component's domain and is the
    component's address if there is none; anything else is refused, logged, and answered with an error if it is a
    request.
    """

    _stream: _Stream
    _manager: Any
    _framer: Framer

    def handlers(self) -> Iterable[Any]:
        """Return new handlers (``IXMPPHandler``), in the order they are to be connected."""
        raise NotImplementedError(f"plugin {self.name} does not say which handlers it has")

    # Life

    async def start(self) -> None:
        """Connect the handlers. A subclass that overrides this calls it last."""
        self._connect()

    async def stop(self) -> None:
        """Tell the handlers that the connection is lost, and let go of them."""
        self._disconnect()

    async def reconfigured(self, options: Any) -> None:
        """Connect new handlers in place of the old."""
        self._disconnect()
        self._connect()

    def _connect(self) -> None:
        self._outgoing: deque[Stanza] = deque()
        self._sending = True  # nothing is routed before the component's domain is known to the router
        self._unanswered: set[tuple[Jid | None, str | None]] = set()
        self._renew_framer()
        self._stream = _Stream(self, self.clock)
        factory = _Factory()
        self._manager = StreamManager(factory, self.clock)
        try:
            for handler in self.handlers():
                handler.setHandlerParent(self._manager)
            factory.tell(STREAM_CONNECTED_EVENT, self._stream)
            factory.tell(STREAM_AUTHD_EVENT, self._stream)
        except Exception:
            self._disconnect()
            raise
        self.later(0, self._send_all)

    def _disconnect(self) -> None:
        stream, manager = self._stream, self._manager
        if stream.open:
            stream.open = False
            self._outgoing.clear()
            reason = Failure(ConnectionDone())
            manager.factory.tell(STREAM_END_EVENT, reason)
            stream.dispatch(reason, STREAM_END_EVENT)
            for handler in list(manager):
                handler.disownHandlerParent(manager)

    # In

    def message(self, message: Message) -> Awaitable[None] | None:
        """See :class:`~xmppd.api.Component`. A message that no handler observes is refused."""
        return None if self._dispatch(message)[1] else super().message(message)

    def presence(self, presence: Presence) -> Awaitable[None] | None:
        """See :class:`~xmppd.api.Component`."""
        self._dispatch(presence)
        return None

    def iq(self, iq: Iq) -> Awaitable[None] | None:
        """See :class:`~xmppd.api.Component`. A request that no handler takes or has answered is refused."""
        key = (iq.from_, iq.id)
        if iq.answerable:
            self._unanswered.add(key)
        handled = self._dispatch(iq)[0].handled
        if key in self._unanswered:
            self._unanswered.discard(key)
            if not handled:
                return super().iq(iq)
        return None

    def _dispatch(self, stanza: Stanza) -> tuple[Any, bool]:
        """Show a stanza to the observers; return it as they saw it, and whether one was called.

        What an observer raises is logged by the dispatcher, in the name of this plugin.
        """
        element = _element(stanza)
        observed: bool = log.callWithContext({"system": f"plugin {self.name}"}, self._stream.dispatch, element)
        return element, observed

    # Out

    def _take(self, obj: Element | str | bytes) -> None:
        """Send what a handler has sent: an element, or the text of complete elements."""
        frames = self._framer.feed(_to_bytes(obj))
        if self._framer.pending:
            frames.append(StreamError(StreamCondition.BAD_FORMAT, "it is no complete element"))
        for frame in frames:
            self._take_frame(frame, obj)

    def _take_frame(self, frame: Frame, obj: object) -> None:
        if isinstance(frame, Malformed):
            self._refuse(frame.error, obj, frame.stanza)
        elif not isinstance(frame, Stanza):
            self._renew_framer()
            self._refuse(frame, obj)
        else:
            stanza = frame.readdressed(from_=frame.from_ or self.jid)
            wrong = fault(stanza) or self._wrong_address(stanza)
            if wrong is not None:
                self._refuse(wrong, obj, stanza)
            else:
                self._queue(stanza)

    def _wrong_address(self, stanza: Stanza) -> StanzaError | None:
        if stanza.from_ is None or stanza.from_.domain != self.jid.domain:
            return StanzaError(Condition.NOT_ALLOWED, text=f"it is not from {self.jid.domain}")
        return None if stanza.to is not None else StanzaError(Condition.BAD_REQUEST, text="it has no recipient")

    def _refuse(self, reason: object, obj: object, stanza: Stanza | None = None) -> None:
        text = reason.text if isinstance(reason, StanzaError | StreamError) and reason.text else "it is no stanza"
        shown = serialise(obj).decode() if isinstance(obj, Element) else obj
        self.log.warn(
            "plugin {plugin}: a handler sent what can't be passed on ({why}): {stanza}",
            plugin=self.name, why=text, stanza=str(shown)[:500],
        )  # fmt: skip
        if isinstance(stanza, Iq) and stanza.answerable and stanza.id and isinstance(reason, StanzaError):
            self._dispatch(stanza.error(reason))

    def _queue(self, stanza: Stanza) -> None:
        if isinstance(stanza, Iq) and not stanza.answerable:
            self._unanswered.discard((stanza.to, stanza.id))
        self._outgoing.append(stanza)
        if not self._sending:
            self.host.spawn(self._send_all(), f"sending for plugin {self.name}")

    async def _send_all(self) -> None:
        """Route what is waiting, one after the other, so that it arrives in order."""
        self._sending = True
        outgoing = self._outgoing
        while outgoing:
            stanza = outgoing.popleft()
            try:
                await settled(self.host.route(stanza))
            except Exception:
                self.log.failure("plugin {plugin}: {stanza!r} could not be sent", plugin=self.name, stanza=stanza)
        if outgoing is self._outgoing:
            self._sending = False

    def _renew_framer(self) -> None:
        self._framer = Framer()
        self._framer.feed(_HEADER)


class _Stream(EventDispatcher):
    """What handlers take for their XmlStream: it dispatches incoming elements to observers and takes outgoing ones."""

    namespace = ns.CLIENT
    initiating = True

    def __init__(self, component: HandlerComponent, clock: IClock) -> None:
        super().__init__()
        self._component = component
        self._callLater = clock.callLater  # twisted's xmlstream.IQ looks for it
        self.thisEntity = JID(str(component.jid))
        self.otherEntity = JID(str(component.host.jid))
        self.open = True

    def send(self, obj: Element | str | bytes) -> None:
        """Send an element or its text on behalf of the component."""
        if self.open:
            self._component._take(obj)


class _Factory:
    """What StreamManager takes for the factory of its streams: it tells the manager what happens to the one there is.

    Unlike the events of a dispatcher, exceptions come back to who tells.
    """

    def __init__(self) -> None:
        self._bootstraps: list[tuple[str, Any]] = []

    def addBootstrap(self, event: str, function: Any) -> None:
        """See twisted.words.xish.xmlstream.BootstrapMixin."""
        self._bootstraps.append((event, function))

    def tell(self, event: str, subject: object) -> None:
        """Call what was added for the event."""
        for name, function in self._bootstraps:
            if name == event:
                function(subject)


def _element(stanza: Stanza) -> Any:
    """Return a stanza as a new element, which handlers may change."""
    element: Any = Element((ns.CLIENT, stanza.kind), ns.CLIENT)
    given = {"from": stanza.from_, "to": stanza.to, "id": stanza.id, "type": stanza.type, (ns.XML, "lang"): stanza.lang}
    if stanza.type == stanza.default_type:
        del given["type"]
    element.attributes.update({key: str(value) for key, value in given.items() if value is not None})
    element.attributes.update(stanza.extra or {})
    for child in parse(stanza.payload):
        child.parent = element
        element.children.append(child)
    element.handled = False
    return element


def _to_bytes(obj: Element | str | bytes) -> bytes:
    if isinstance(obj, Element):
        # A handler written for a real component may have put its stanzas into that namespace.
        return serialise(obj, ns.COMPONENT if obj.uri == ns.COMPONENT else ns.CLIENT)
    return obj if isinstance(obj, bytes) else obj.encode("utf-8", "replace")
