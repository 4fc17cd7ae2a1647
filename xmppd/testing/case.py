"""A whole server in a trial test case: in memory, on a fake clock, with clients that expect stanzas.

>>> class Greetings(ServerTestCase):
...     plugins = ("ping",)
...
...     def test_message(self) -> None:
...         romeo = self.login("romeo@example.org/orchard", presence=True)
...         juliet = self.login("juliet@example.org/balcony", presence=True)
...         romeo.send("<message to='{juliet}'><body>hi</body></message>")
...         juliet.expect("<message from='{romeo}'><body>hi</body></message>")
...         romeo.expect_nothing()
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import FailTest, SynchronousTestCase

from xmppd.api.http import Request
from xmppd.api.plugin import Plugin
from xmppd.api.waiting import as_deferred
from xmppd.app.assembly import Assembly, assemble_on
from xmppd.app.web import WebServer
from xmppd.core.hosts import Host
from xmppd.core.plugins.sources import Source
from xmppd.core.readiness import Phase
from xmppd.core.settings import Settings
from xmppd.core.settings_file import from_table
from xmppd.net.c2s.listener import ClientFactory, ClientListener
from xmppd.net.components.listener import ComponentFactory, ComponentListener
from xmppd.net.http.answers import Answer
from xmppd.net.tls.transport import ServerTls
from xmppd.testing.bosh import BoshClient
from xmppd.testing.client import Client
from xmppd.testing.component import ComponentClient
from xmppd.testing.disk import Disk
from xmppd.testing.http import answered
from xmppd.testing.network import MemoryNetwork
from xmppd.testing.remote import Remote
from xmppd.testing.sources import ClassSource, installed_sources
from xmppd.testing.transport import MemoryTransport
from xmppd.testing.websocket import WebSocketClient
from xmppd.wire.jid import Jid

__all__ = ["Over", "ServerTestCase"]

T = TypeVar("T")
Over = Literal["tcp", "websocket", "bosh"]
#: When tests begin: 2026-01-01T12:00:00Z.
_NOON = 1_767_268_800.0
_SECTIONS = frozenset(Settings.model_fields) - {"hosts", "components"}


class ServerTestCase(SynchronousTestCase):
    """A test case with a server of its own. An error that is logged and not expected fails the test.

    :cvar plugins: the plugins to load, by name or class, and no others; None for the default ones.
    :cvar config: tables of the settings: options by plugin name, for every host, and the sections ``server``,
        ``limits``, ``accounts``, ``tls`` by theirs.
    :cvar sources: where plugins come from besides the test and what is installed.
    :cvar tls: does the server offer TLS, with certificates made for the test?
    :cvar components: external components and the settings of each; the secret is "secret" unless they say otherwise.
    :cvar uplinks: the same for uplinks.
    :cvar hosts: domains that are served, or a mapping of them to further tables of each.
    :cvar over: how clients connect unless they say otherwise.
    :ivar clock: the server's time; see :meth:`pump`.
    :ivar names: what ``{name}`` stands for in XML.
    :ivar network: what plugins connect to.
    """

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ()
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    tls: ClassVar[bool] = False
    components: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    uplinks: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    sources: ClassVar[tuple[Source, ...]] = ()
    hosts: ClassVar[tuple[str, ...] | Mapping[str, Mapping[str, Any]]] = ("example.org",)
    over: ClassVar[Over] = "tcp"

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.clock = self.make_clock()
        self.names: dict[str, str] = {}
        self._listener: ClientListener | None = None
        self._component_listener: ComponentListener | None = None
        self._web: WebServer | None = None
        self._clients: list[Client] = []
        self._failures: list[Failure] = []
        classes = [plugin for plugin in self.plugins or () if isinstance(plugin, type)]
        self._sources: list[Source] = [ClassSource(*classes), *self.sources, *installed_sources()]
        self._settings = from_table(self.settings_table(), "the settings of the test", Path(self.mktemp()).absolute())
        self.network = MemoryNetwork(self.clock)
        self.prepare_network(self.network)
        self.server: Assembly = assemble_on(
            self._settings, self.clock, self._sources, database=Disk, network=self.network
        )
        self.addCleanup(self._end)
        self._start()

    def make_clock(self) -> Clock:
        """Return the time of the server, and of all that is connected with it."""
        clock = Clock()
        clock.rightNow = _NOON
        return clock

    def prepare_network(self, network: MemoryNetwork) -> None:
        """Put into the network what plugins connect to when they start; to be overridden."""

    def settings_table(self) -> dict[str, Any]:
        """Return the settings, as a TOML file would hold them; override to change more than `config` can."""
        options = {key: dict(table) for key, table in self.config.items() if key not in _SECTIONS}
        table: dict[str, Any] = {key: dict(self.config[key]) for key in self.config if key in _SECTIONS}
        table["server"] = {"plain_without_tls": True, **table.get("server", {})}
        table["accounts"] = {"hash_iterations": 4096, **table.get("accounts", {})}
        changes: list[str] = []
        if self.plugins is not None:
            changes = ["-*", *(p if isinstance(p, str) else p.name or p.__name__.lower() for p in self.plugins)]
        more = self.hosts if isinstance(self.hosts, Mapping) else {}
        table["hosts"] = {host: {"plugins": changes, **options, **more.get(host, {})} for host in self.hosts}
        table["uplinks"] = {name: {"secret": "secret", **options} for name, options in self.uplinks.items()}
        table["components"] = {name: {"secret": "secret", **options} for name, options in self.components.items()}
        return table

    def _start(self) -> None:
        self._listener = self.wait(self.server.start())
        if self.tls:
            self._listener.tls = ServerTls(self._settings, datetime.fromtimestamp(self.clock.seconds(), UTC))
        self._listener.start()
        self._component_listener = ComponentListener(self.server.server, self._listener.tls)
        self._component_listener.start()
        self.open_network()
        self.wait(self.server.server.federation.start())

    def open_network(self) -> None:
        """Connect the server with others, before what waits for them is sent; to be overridden."""

    def _stop(self) -> None:
        self.disk.go_on()
        if self._web is not None:
            self._web.serve_clients(None)
            self._web = None
        if self._listener is not None:
            listener, self._listener = self._listener, None
            # It takes time if a client doesn't read what it is sent, or a plugin has something to do at the end.
            self.wait(listener.drain(), self._settings.server.drain_seconds)
            self.wait(self.server.server.stop(), 60)

    def _end(self) -> None:
        self._stop()
        for client in self._clients:
            client.transport.hang_up()
        self.server.engines.dispose()
        for failure in self._failures:
            failure.raiseException()
        left = self.clock.getDelayedCalls()
        self.assertEqual(left, [], "the server has stopped, but left calls behind")

    # Time and the server

    def wait(self, coming: Awaitable[T], seconds: float = 0.0) -> T:
        """Return what an awaitable gives.

        :param seconds: how much time may pass until then.
        :raises AssertionError: if it isn't done by then; what it raised itself.
        """
        deferred = as_deferred(coming)
        self.clock.advance(0)
        while seconds > 0 and not deferred.called:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1.0
        result: T = self.successResultOf(deferred) if not deferred.called else _result(deferred)
        return result

    def spawn(self, coming: Awaitable[object]) -> None:
        """Run an awaitable; what it raises fails the test."""
        as_deferred(coming).addErrback(self._failed_later)

    def _failed_later(self, failure: Failure) -> None:
        self._failures.append(failure)

    def pump(self, seconds: float = 0.0, step: float = 1.0) -> None:
        """Let time pass, in steps of at most `step` seconds, so that what is due in between happens in order."""
        self.clock.advance(0)
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
        self.clock.advance(0)

    def restart(self) -> None:
        """Stop the server and start it anew on the same database. All clients lose their connections."""
        engines = self.server.engines
        self._stop()
        self.server = assemble_on(self._settings, self.clock, self._sources, engines, Disk, self.network)
        self._start()

    def kill(self) -> None:
        """End the server as SIGKILL does, without a word or a thought, and start it anew on the same database.

        What was not committed is gone. All clients lose their connections.
        """
        engines, self._listener, self._web = self.server.engines, None, None
        self.disk.stopped = True  # whatever still comes of it
        for client in self._clients:
            client.transport.vanish()
        self.clock.calls.clear()
        self.server = assemble_on(self._settings, self.clock, self._sources, engines, Disk, self.network)
        self._start()

    @property
    def disk(self) -> Disk:
        """The database, which can be told to take its time, or to fail."""
        assert isinstance(self.server.db, Disk)
        return self.server.db

    @property
    def host(self) -> Host:
        """The first host."""
        return next(iter(self.server.server.hosts.values()))

    def plugin(self, name: str) -> Any:
        """Return a running plugin of the first host. :raises AssertionError: if it isn't loaded."""
        plugin = self.host.registry.get(name)
        if plugin is None:
            loaded = ", ".join(p.name for p in self.host.registry.loaded())
            raise FailTest(f"plugin {name} is not loaded; these are: {loaded or 'none'}")
        return plugin

    def ask_http(self, request: Request) -> Answer:
        """Return what a plugin answers to an HTTP request; all of it, if it is a file."""
        return self.put_http(request, [request.body] if request.body else [])

    def put_http(self, request: Request, chunks: Iterable[bytes | Exception]) -> Answer:
        """Return what a plugin answers to a request whose body it reads while it comes.

        :param chunks: of the body; at an exception among them the client goes away.
        """
        return self.wait(answered(request, chunks, self.server.server.hosts, self._settings))

    @property
    def web(self) -> WebServer:
        """The HTTP server."""
        if self._web is None:
            self._web = WebServer(self.server.server, self.clock)
            self._web.readiness.phase = Phase.SERVING
            self._web.serve_clients(self._listener)
        return self._web

    # Clients

    def account(self, jid: str, password: str = "secret") -> None:
        """Make an account unless it is there."""
        address = Jid.parse(jid).bare
        if not self.wait(self.server.accounts.exists(address)):
            self.wait(self.server.server.hosts[address.domain].create_account(address, password))

    def connect(
        self, peer: str = "127.0.0.1", name: str = "the client", direct_tls: bool = False, over: Over | None = None
    ) -> Client:
        """Return a client that is connected and has sent nothing yet.

        :param peer: the network address it comes from.
        :param direct_tls: to a port where TLS comes first (XEP-0368); needs :attr:`tls`.
        :param name: what errors call it.
        :param over: how it connects: "tcp", "websocket" (RFC 7395) or "bosh" (XEP-0206); :attr:`over` unless given.
        """
        assert self._listener is not None
        if (over or self.over) == "bosh":
            bosh = BoshClient(self.clock, self.names, name, peer, dial=self._dial, path=self._settings.http.bosh)
            self._clients.append(bosh)
            return bosh
        if (over or self.over) == "websocket":
            socket = WebSocketClient(self.clock, self.names, name, peer, path=self._settings.http.websocket)
            self.connect_http(socket, direct_tls)
            socket.shake_hands()
            return socket
        client = Client(self.clock, self.names, name, peer)
        self._clients.append(client)
        factory = ClientFactory(self._listener, direct_tls)
        client.transport.connect(factory.buildProtocol(cast(Any, client.transport.getPeer())))
        if direct_tls:
            client.encrypt()
        return client

    def _dial(self, transport: MemoryTransport) -> None:
        transport.connect(self.web.site.buildProtocol(cast(Any, transport.getPeer())))

    def connect_http(self, client: Client, tls: bool = False) -> None:
        """Connect a client with the HTTP server.

        :param tls: as over HTTPS; needs :attr:`tls`.
        """
        assert self._listener is not None
        self._clients.append(client)
        connection = self.web.site.buildProtocol(cast(Any, client.transport.getPeer()))
        certificates = self._listener.tls
        client.transport.connect(certificates.wrap_http(connection) if tls and certificates is not None else connection)
        if tls:
            client.encrypt()

    def login(
        self, jid: str, password: str = "secret", *, presence: bool = False, name: str | None = None,
        peer: str = "127.0.0.1", tls: bool = False, over: Over | None = None,
    ) -> Client:  # fmt: skip
        """Return a client that has bound a resource; its account is made if need be.

        :param jid: without a resource the server chooses one.
        :param presence: send available presence too; presence that comes in answer is forgotten.
        :param name: what ``{name}`` in XML stands for its full address; the local part unless given, or local part and
            resource, ``romeo_phone``, if that is another client's name by now.
        :param peer: the network address it comes from.
        :param tls: with STARTTLS; needs :attr:`tls`.
        :param over: how it connects; see :meth:`connect`.
        """
        address = Jid.parse(jid)
        self.account(jid, password)
        client = self.connect(peer, str(address), over=over)
        client.open(address.domain)
        if tls:
            client.start_tls(address.domain)
        client.authenticate(address.local, password)
        client.bind(address.resource)
        client.name = client.jid
        self.names[name or self._free_name(Jid.parse(client.jid))] = client.jid
        if presence:
            client.send("<presence/>")
            client._unread = [xml for xml in client._unread if not xml.startswith("<presence")]
        return client

    def _free_name(self, jid: Jid) -> str:
        known = self.names.get(jid.local)
        return jid.local if known is None or known == jid else f"{jid.local}_{jid.resource}"

    def component(
        self, domain: str, secret: str | None = None, *, peer: str = "127.0.0.1", enter: bool = True,
        direct_tls: bool = False,
    ) -> ComponentClient:  # fmt: skip
        """Return an external component that is connected and, unless told otherwise, has authenticated.

        :param domain: one of :attr:`components`.
        :param secret: what it authenticates with; the right one unless given.
        :param peer: the network address it comes from.
        :param direct_tls: to a port where TLS comes first; needs :attr:`tls`.
        """
        assert self._component_listener is not None
        if secret is None:
            known = self._settings.components.get(domain)
            secret = known.secret if known is not None else "secret"
        component = ComponentClient(self.clock, self.names, domain, secret, peer)
        self._clients.append(component)
        factory = ComponentFactory(self._component_listener, direct_tls)
        component.transport.connect(factory.buildProtocol(cast(Any, component.transport.getPeer())))
        if direct_tls:
            component.encrypt()
        if enter:
            component.enter()
        return component

    def remote(self, domain: str) -> Remote:
        """Return a stand-in for another server: stanzas to `domain` reach it, and it can send some."""
        remote = Remote(self, domain)
        self.server.server.router.owners[domain] = remote
        return remote


def _result(deferred: Any) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]
