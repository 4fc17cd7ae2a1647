"""Services of ours that are components of other servers (XEP-0114), as the settings under `[uplinks]` say.

The plugin of such a service knows nothing of it: what it sends goes to our own hosts as ever, and to everybody else
over the other server; what comes from there goes to the plugin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.core.components.line import Line
from xmppd.core.durable.turn import send_to
from xmppd.core.routing import Owner
from xmppd.core.settings.components import Uplink as UplinkSettings
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Uplink", "Uplinks"]

_log = Logger()


class Uplink(Line):
    """The way from one domain of ours to a server that has it as a component."""

    settings: UplinkSettings

    def __init__(self, server: Server, jid: Jid, settings: UplinkSettings) -> None:
        super().__init__(server, jid, settings, "the server beyond")

    def wrong(self, stanza: Stanza) -> StreamError | None:
        """Return why a stanza that came can't be taken, if it can't: nobody there speaks for our own domains."""
        from_, to = stanza.from_, stanza.to
        if from_ is None or to is None:
            return StreamError(StreamCondition.IMPROPER_ADDRESSING, "a stanza has no 'from' or no 'to'")
        if to.domain != self.jid.domain:
            return StreamError(StreamCondition.IMPROPER_ADDRESSING, f"{to} is not at {self.jid}")
        if from_.domain in self.server.router.owners:
            return StreamError(StreamCondition.INVALID_FROM, f"{from_.domain} is served here")
        return None


class Uplinks:
    """All uplinks. The owner of all domains that are not ours, in place of `beyond`, while there are any.

    :param beyond: takes what goes over none of them.
    """

    federates = True

    def __init__(self, server: Server, beyond: Owner) -> None:
        self._server = server
        self._beyond = beyond
        self._started = False
        self.by_domain: dict[str, Uplink] = {}

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.core.routing.Owner`."""
        uplink = self.by_domain.get(stanza.sender.domain)
        if uplink is None:
            return self._beyond.receive(stanza)
        send_to(uplink, stanza)
        return None

    def configure(self, wanted: Mapping[str, UplinkSettings]) -> None:
        """Have those uplinks that the settings name, and no others any more; those that have changed are made anew."""
        for domain, uplink in list(self.by_domain.items()):
            if wanted.get(domain) != uplink.settings:
                del self.by_domain[domain]
                self._end(uplink, StreamCondition.RESET)
        for domain, settings in wanted.items():
            if domain not in self.by_domain:
                uplink = self.by_domain[domain] = Uplink(self._server, Jid.parse(domain), settings)
                if self._started:
                    uplink.wait()
        self._server.router.elsewhere = self if self.by_domain else self._beyond

    def start(self) -> None:
        """Give the other servers time to be reached."""
        self._started = True
        for domain, uplink in self.by_domain.items():
            uplink.wait()
            if domain not in self._server.router.owners:
                _log.warn("there is an uplink for {domain}, but no plugin that has this domain", domain=domain)

    def stop(self) -> None:
        """End them all."""
        for uplink in self.by_domain.values():
            self._end(uplink, StreamCondition.SYSTEM_SHUTDOWN)

    def _end(self, uplink: Uplink, condition: StreamCondition) -> None:
        for link in list(uplink.links):
            link.stream.close(StreamError(condition))
        uplink.stop()
