"""Clients with stream management (XEP-0198), whose sessions outlive their connections and the server."""

from __future__ import annotations

import re

from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

__all__ = ["SM", "ManagedTestCase"]

SM = "urn:xmpp:sm:3"


class ManagedTestCase(ServerTestCase):
    """A server whose clients may resume their sessions."""

    def enabled(self, jid: str, *, presence: bool = True, name: str | None = None) -> tuple[Client, str]:
        """Return a client, and what it can resume its session by."""
        client = self.login(jid, name=name)
        client.send(f"<enable xmlns='{SM}' resume='true'/>")
        client.expect(f"<enabled xmlns='{SM}' id='{{any}}' resume='true' max='{{any}}'/>")
        id_ = re.search(" id='([^']+)'", client.received[-1])
        assert id_ is not None
        if presence:
            client.send("<presence/>")
            client.clear()
        return client, id_[1]

    def sent(self, jid: str) -> int:
        """Return how many stanzas a client was sent, since it has enabled stream management."""
        session = self.host.session(Jid.parse(jid))
        assert session is not None and session.managed is not None
        return session.managed._written

    def resuming(self, jid: str, id_: str, h: int) -> Client:
        """Return a client that has asked to resume a session, and what came before it in `h` stanzas."""
        client = self.connect(name=jid)
        client.open("example.org")
        client.authenticate(jid.partition("@")[0], "secret")
        client.send(f"<resume xmlns='{SM}' previd='{id_}' h='{h}'/>")
        client.jid = jid
        return client

    def resumed(self, jid: str, id_: str, h: int) -> Client:
        """Return a client that has resumed its session."""
        client = self.resuming(jid, id_, h)
        client.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='{{any}}'/>")
        return client
