"""Another domain in a test, as the router sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.trial.unittest import FailTest

from xmppd.testing.mailbox import Mailbox
from xmppd.testing.xml import fill_in
from xmppd.wire.framing import Framer
from xmppd.wire.stanza import Stanza

if TYPE_CHECKING:
    from xmppd.testing.case import ServerTestCase

__all__ = ["Remote"]

_HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"


class Remote(Mailbox):
    """Another server, or a component, as the router sees it: it gets what is for its domain."""

    federates = True

    def __init__(self, case: ServerTestCase, domain: str) -> None:
        super().__init__(case.names, domain)
        self._case = case

    def receive(self, stanza: Stanza) -> None:
        """Take what is routed to the domain."""
        self._arrived(stanza.to_bytes().decode())

    def send(self, xml: str) -> None:
        """Route a stanza to the server; it has to have `from` and `to`."""
        frames = Framer().feed(_HEADER + fill_in(xml, self._known).encode())
        for frame in frames[1:]:
            if not isinstance(frame, Stanza) or frame.from_ is None or frame.to is None:
                raise FailTest(f"this is no stanza with from and to: {xml}")
            pending = self._case.server.server.from_elsewhere(frame)
            if pending is not None:
                self._case.spawn(pending)
        self._settle()

    def _settle(self) -> None:
        self._case.pump()
