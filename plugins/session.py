"""Session establishment of RFC 3921 section 3, which RFC 6121 has made needless and old clients still ask for."""

from __future__ import annotations

from xmppd.api import HOST, OWN_ACCOUNT, Iq, IStream, Plugin, iq_set, stream_feature, tag

NS = "urn:ietf:params:xml:ns:xmpp-session"


class Session(Plugin):
    """Let clients of before 2011 open a session; newer ones are told that it is optional."""

    @stream_feature
    def offer(self, stream: IStream) -> bytes | None:
        """Offer it, as optional, to those who have logged in."""
        return tag("session", tag("optional"), xmlns=NS) if stream.account is not None else None

    @iq_set(NS, "session", to=(HOST, OWN_ACCOUNT))
    def establish(self, request: Iq) -> Iq:
        """Agree: there is nothing to do."""
        return request.result()
