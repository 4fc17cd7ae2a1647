"""The server as a Twisted service: starts and stops everything in order, reloads on SIGHUP, tells systemd.

``twistd xmppd`` and ``twist xmppd`` find :func:`makeService` through ``twisted/plugins/xmppd_tap.py``.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger, globalLogPublisher
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from xmppd.api.storage import StorageUnavailable
from xmppd.app.assembly import Assembly, assemble_live
from xmppd.app.federation import Servers
from xmppd.app.notify import Notifier
from xmppd.app.options import Options
from xmppd.app.web import WebServer
from xmppd.core import reload
from xmppd.core.options import SettingsError
from xmppd.core.plugins.sources import PluginError
from xmppd.core.readiness import Phase
from xmppd.core.settings import Settings, needs_restart
from xmppd.core.settings_writer import SettingsFile
from xmppd.core.storage import DatabaseUrlError, SchemaError
from xmppd.net.admin import AdminService, AdminSocketError, AlreadyRunning, DataLock
from xmppd.net.admission import Admission
from xmppd.net.c2s.listener import ClientFactory, ClientListener
from xmppd.net.components.listener import ComponentFactory, ComponentListener
from xmppd.net.eager import make_eager
from xmppd.net.s2s.network import ServerFactory
from xmppd.net.tls.transport import ServerTls

__all__ = ["Options", "XmppdService", "makeService"]

_log = Logger()
#: What keeps a server from starting and is explained by its text alone; anything else is shown with its traceback.
_EXPLAINED = (
    SettingsError, PluginError, SchemaError, DatabaseUrlError, AlreadyRunning, AdminSocketError,
    CannotListenError, StorageUnavailable,
)  # fmt: skip


class XmppdService(MultiService):
    """One server process.

    :param options: the command line; it loads the settings, again at each reload.
    :param reactor: the reactor that twistd was given.
    """

    def __init__(self, options: Options, reactor: Any) -> None:
        super().__init__()
        self.setName("xmppd")
        self._options = options
        self._reactor = reactor
        self._notifier = Notifier()
        self._assembly: Assembly | None = None
        self._listener: ClientListener | None = None
        self._servers: Servers | None = None
        self._components: ComponentListener | None = None
        self._tls: ServerTls | None = None
        self._web: WebServer | None = None
        self._lock: DataLock | None = None
        self._ports: list[Any] = []
        self._starting: Deferred[None] | None = None
        self._reloading = DeferredLock()
        self._stopping = False
        self._old_hangup: Any = None

    def setServiceParent(self, parent: Any) -> None:
        """Belong to twistd's application, and have it log as the settings say."""
        observer = self._options.log_observer()
        if observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, observer)
        super().setServiceParent(parent)

    # Starting

    def startService(self) -> None:
        """Begin to start; what goes wrong ends the process with an explanation."""
        super().startService()
        # From the first moment to the last: what SIGHUP does otherwise is to end the process at once.
        self._old_hangup = signal.signal(signal.SIGHUP, self._hangup)
        self._starting = ensureDeferred(self._start())
        self._starting.addErrback(self._failed)

    async def _start(self) -> None:
        settings = self._options.load()
        data_dir = settings.server.data_dir
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = DataLock(data_dir)
        self._tls = certificates = ServerTls(settings, datetime.now(UTC))
        for notice in certificates.notices:
            _log.warn("{notice}", notice=notice)
        self._assembly = assembly = assemble_live(settings, self._reactor)
        globalLogPublisher.addObserver(cast(ILogObserver, assembly.server.log))
        assembly.server.history.start()
        assembly.server.certificates = lambda: certificates.ends
        self._web = web = WebServer(assembly.server, self._reactor)
        for what, endpoints, tls in (("HTTP", settings.listen.http, None), ("HTTPS", settings.listen.https, self._tls)):
            for host in await web.listen(self._reactor, endpoints, tls):
                _log.info("listening for {what} on {address}", what=what, address=_address(host))
        self._listener = listener = await assembly.start()
        listener.admission = Admission(self._reactor.callLater, assembly.logins_waiting, settings.limits.logins_at_once)
        listener.tls = web.figures.tls = self._tls
        self._components = web.figures.components = components = ComponentListener(assembly.server, self._tls)
        assembly.server.begin_stop = self._reactor.stop
        assembly.server.reload = self._reload
        assembly.server.settings_file = SettingsFile(self._options.file)
        admin = AdminService(self._reactor, settings.server.admin_socket, assembly.server.operations)
        admin.setServiceParent(self)
        self._servers = servers = await Servers.open(assembly, self._reactor, self._tls)
        if servers is not None:
            web.figures.servers, web.figures.resolver = servers.network, servers.resolver
        await self._listen(settings, listener, components)
        await assembly.server.federation.start()
        listener.start()
        web.serve_clients(listener)
        components.start()
        if self._servers is not None:
            self._servers.network.start()
        web.readiness.phase = Phase.SERVING
        gc.collect()
        gc.freeze()  # what a server is made of stays: that the collector looks through it again only takes time
        _log.info("ready: serving {hosts}", hosts=", ".join(settings.hosts))
        self._notifier.ready()
        self._notifier.watch(self._reactor)

    async def _listen(self, settings: Settings, listener: ClientListener, components: ComponentListener) -> None:
        kinds: list[tuple[str, Sequence[str], Any]] = [
            ("clients", settings.listen.c2s, ClientFactory(listener)),
            ("clients, direct TLS", settings.listen.c2s_tls, ClientFactory(listener, direct_tls=True)),
            ("old clients", settings.listen.c2s_legacy_tls, ClientFactory(listener, legacy=True)),
            ("components", settings.listen.component, ComponentFactory(components)),
            ("components, direct TLS", settings.listen.component_tls, ComponentFactory(components, direct_tls=True)),
        ]
        if self._servers is not None:
            network = self._servers.network
            kinds += [
                ("servers", settings.listen.s2s, ServerFactory(network)),
                ("servers, direct TLS", settings.listen.s2s_tls, ServerFactory(network, direct_tls=True)),
            ]
        for what, endpoints, factory in kinds:
            for description in endpoints:
                port = await serverFromString(self._reactor, description).listen(factory)
                make_eager(port, self._reactor, listener.admission if isinstance(factory, ClientFactory) else None)
                self._ports.append(port)
                _log.info("listening for {what} on {address}", what=what, address=_address(port.getHost()))

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, _EXPLAINED):
            _log.critical("xmppd can't start: {reason}", reason=str(failure.value))
        else:
            _log.failure("xmppd can't start", failure=failure)
        self._notifier.status(f"could not start: {failure.value}")
        # twistd ends with 0 whatever happened; whoever started us (systemd, a script) must see that it did not work.
        atexit.register(_exit_in_failure)
        self._reactor.callWhenRunning(self._reactor.callLater, 0, self._stop_reactor)

    def _stop_reactor(self) -> None:
        if self._reactor.running:
            self._reactor.stop()

    # Reloading

    def _hangup(self, number: int, frame: object) -> None:
        """SIGHUP."""
        self._reactor.callFromThread(lambda: ensureDeferred(self._reload()).addErrback(self._not_reloaded))

    def _not_reloaded(self, failure: Failure) -> None:
        if failure.check(SettingsError) is None:  # those are logged already
            _log.failure("the settings could not be reloaded", failure=failure)

    async def _reload(self) -> Sequence[str]:
        """Read settings and certificates again; one reload at a time.

        :returns: what could not be applied, in plain words.
        :raises SettingsError: if the settings are not valid; then everything stays as it is.
        """
        assembly, listener, tls = self._assembly, self._listener, self._tls
        if assembly is None or listener is None or tls is None or self._stopping:
            reason = "the server is stopping" if self._stopping else "the server is still starting"
            _log.warn("the settings are not reloaded: {reason}", reason=reason)
            return [reason]
        await self._reloading.acquire()
        self._notifier.reloading()
        try:
            settings = self._options.load()
            problems = [f"{name} needs a restart" for name in needs_restart(assembly.server.settings, settings)]
            problems += tls.reload(settings, datetime.now(UTC))
            problems += await reload.apply(assembly.server, settings)
            assembly.accounts.iterations = settings.accounts.hash_iterations
            listener.reconfigure()
            if self._components is not None:
                self._components.reconfigure()
            if self._servers is not None:
                self._servers.reconfigure(settings, tls)
            if self._web is not None:
                self._web.reconfigure()
        except SettingsError as error:
            _log.error("the settings were not reloaded, the old ones stay in force: {error}", error=str(error))
            raise
        finally:
            self._notifier.ready()
            self._reloading.release()
        for problem in problems:
            _log.warn("reload: {problem}", problem=problem)
        _log.info("settings and certificates reloaded")
        return problems

    # Stopping

    def stopService(self) -> Deferred[None]:
        """Drain: no new connections, every stream ends with system-shutdown, everything accepted is on disk."""
        return ensureDeferred(self._stop())

    def _stopping_already(self, number: int, frame: object) -> None:
        """SIGTERM or SIGINT once more."""
        self._reactor.callFromThread(_log.info, "the server is stopping already; it takes some seconds to tell clients")

    async def _stop(self) -> None:
        self._notifier.stopping()
        self._stopping = True
        if self._web is not None:
            self._web.readiness.phase = Phase.STOPPING
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stopping_already)
        for port in self._ports:
            await port.stopListening()
        if self._web is not None:
            self._web.serve_clients(None)
        if self._assembly is not None:
            self._assembly.server.history.stop()
        if self._listener is not None:
            await self._listener.drain()
        if self._assembly is not None:
            await self._assembly.stop()
        if self._servers is not None:
            self._servers.stop()
        if self._web is not None:
            await self._web.stop()
        stopped = super().stopService()
        if stopped is not None:
            await stopped
        if self._lock is not None:
            self._lock.release()
        if self._assembly is not None:
            globalLogPublisher.removeObserver(cast(ILogObserver, self._assembly.server.log))
        signal.signal(signal.SIGHUP, self._old_hangup)
        _log.info("stopped; everything is on disk")


def _exit_in_failure() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _address(host: Any) -> str:
    return f"{host.host} port {host.port}" if hasattr(host, "port") else str(getattr(host, "name", host))


def makeService(options: Options) -> XmppdService:
    """Return the server for twistd to run."""
    from twisted.internet import reactor

    return XmppdService(options, reactor)
