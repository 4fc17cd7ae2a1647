"""XEP-0199 XMPP Ping."""

from __future__ import annotations

from xmppd.api import ACCOUNT, HOST, Iq, Plugin, iq_get

NS = "urn:xmpp:ping"


class Ping(Plugin):
    """Answer pings to the server and, on behalf of users, to their accounts."""

    xep = (199, "2.0.1")
    features = (NS,)

    @iq_get(NS, "ping", to=(HOST, ACCOUNT))
    def ping(self, request: Iq) -> Iq:
        """Answer with an empty result (sections 4.2 and 4.3)."""
        return request.result()
