"""A server whose streams to other servers exist in the test alone, which says when there is one, and when none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from xmppd.api import Message, Plugin, ServerReachable, ServerUnreachable, StanzaError, observe
from xmppd.core.federation.contract import LinkFailure, Pair, StreamFacts
from xmppd.core.federation.federation import Federation
from xmppd.core.federation.route import Route
from xmppd.testing import ServerTestCase
from xmppd.testing.client import Client
from xmppd.wire.errors import Condition, StreamError
from xmppd.wire.stanza import Stanza

HERE, THERE = "example.org", "verona.example"
PAIR = Pair(HERE, THERE)
TIMEOUT = LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, "nothing answers there")
NOT_FOUND = LinkFailure(Condition.REMOTE_SERVER_NOT_FOUND, "there is no such domain", lasting=True)


class Conduit:
    """A stream that keeps what it is sent.

    :ivar managed: is there stream management on it? Then the test says what is delivered.
    """

    peer = "192.0.2.9"
    secured = True
    prompt = True

    def __init__(self, federation: Federation, pair: Pair, managed: bool = False) -> None:
        self.federation = federation
        self.pair = pair
        self.managed = managed
        self.sent: list[Stanza] = []
        self.closed: StreamError | bool = False

    def send(self, stanzas: Sequence[Stanza]) -> None:
        self.sent += stanzas
        if not self.managed:
            self.federation.delivered(stanzas)

    def close(self, error: StreamError | None = None) -> None:
        self.closed = error or True
        self.down(clean=True)

    def down(self, clean: bool = False) -> None:
        self.federation.down(self.pair, self, clean)

    @property
    def texts(self) -> list[str]:
        """The bodies of the messages, and the types of everything else."""
        return [stanza.body or "" if isinstance(stanza, Message) else f"<{stanza.type}>" for stanza in self.sent]


class Connector:
    """Makes the streams that the test says.

    :ivar wanted: the pairs that streams were asked for and that nothing has come of yet.
    :ivar attempts: how many were asked for in all.
    :ivar conduits: the streams there have been.
    :ivar streams: what is said of streams.
    """

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.wanted: list[Pair] = []
        self.attempts = 0
        self.conduits: list[Conduit] = []
        self.streams: list[StreamFacts] = []

    def connect(self, pair: Pair) -> None:
        assert pair not in self.wanted, f"{pair} is wanted twice"
        self.wanted.append(pair)
        self.attempts += 1

    async def drain(self) -> None:
        self.wanted.clear()

    def facts(self) -> list[StreamFacts]:
        return self.streams

    def close(self, domain: str) -> int:
        closing = [conduit for conduit in self.conduits if conduit.pair.remote == domain and not conduit.closed]
        for conduit in closing:
            conduit.close()
        return len(closing)

    def up(self, pair: Pair = PAIR, managed: bool = False) -> Conduit:
        """There is a stream for a pair that is wanted, or that the other side has opened."""
        if pair in self.wanted:
            self.wanted.remove(pair)
        conduit = Conduit(self.federation, pair, managed)
        self.conduits.append(conduit)
        self.federation.up(pair, conduit)
        return conduit

    def fail(self, failure: LinkFailure = TIMEOUT, pair: Pair = PAIR) -> None:
        """There is none."""
        self.wanted.remove(pair)
        self.federation.failed(pair, failure)


class Watching(Plugin):
    """Keeps what it is told of other servers."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[str] = []

    @observe(ServerReachable)
    def reachable(self, event: ServerReachable) -> None:
        self.told.append(f"{event.domain} reachable")

    @observe(ServerUnreachable)
    def unreachable(self, event: ServerUnreachable) -> None:
        self.told.append(f"{event.domain} {event.error.condition}")


class FederationTestCase(ServerTestCase):
    """A server with such streams.

    :ivar connector: makes them.
    """

    plugins: ClassVar[Any] = (Watching,)
    connector: Connector

    def open_network(self) -> None:
        self.connector = Connector(self.federation)
        self.federation.connector = self.connector

    @property
    def federation(self) -> Federation:
        return self.server.server.federation

    @property
    def route(self) -> Route:
        """The one to the other server."""
        route = self.federation.remotes.route(PAIR)
        assert route is not None
        return route

    def heard(self) -> list[str]:
        """Return what plugins were told of late."""
        plugin: Watching = self.plugin("watching")
        told, plugin.told = plugin.told, []
        return told

    def romeo(self, managed: bool = False) -> Client:
        """Return a client; with stream management, it is told by acknowledgements what the server has."""
        romeo = self.login("romeo@example.org/orchard")
        if managed:
            romeo.send("<enable xmlns='urn:xmpp:sm:3'/>")
            self.pump(0.1)
            romeo.clear()
        return romeo

    def say(self, client: Client, *texts: str, to: str = "juliet@verona.example") -> None:
        for text in texts:
            client.send(f"<message to='{to}' id='{text}'><body>{text}</body></message>")

    def expect_error(self, client: Client, text: str, error: StanzaError, by: str = "juliet@verona.example") -> None:
        """The next that a client gets is an error to its message of that text."""
        shown = error.to_bytes().decode()
        client.expect(f"<message type='error' from='{by}' id='{text}'><body>{text}</body>{shown}</message>")
