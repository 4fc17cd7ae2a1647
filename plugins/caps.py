"""XEP-0115 Entity Capabilities, of the server itself."""

from __future__ import annotations

from xmppd.api import Field, IStream, Plugin, need, observe, stream_feature, tag
from xmppd.api.disco import DiscoInfo, IDisco

NS = "http://jabber.org/protocol/caps"


class Caps(Plugin):
    """Tell clients in one short string what this server can do, so that those who know it needn't ask."""

    xep = (115, "1.6.0")
    features = (NS,)

    disco = need(IDisco)

    class Options(Plugin.Options):
        """How the software is named."""

        node: str = Field("", description="URI of the software; empty: the address of the host, as an xmpp: URI.")

    @property
    def node(self) -> str:
        """The URI that stands for the software (section 4)."""
        return self.options.node or f"xmpp:{self.host.jid}"

    @stream_feature
    def capabilities(self, stream: IStream) -> bytes | None:
        """Offer them to those who have logged in (section 6.3)."""
        if stream.account is None:
            return None
        ver = self.disco.host_info().verification_string()
        return tag("c", xmlns=NS, hash="sha-1", node=self.node, ver=ver)

    @observe(DiscoInfo)
    def answer_node(self, event: DiscoInfo) -> None:
        """Answer disco#info for ``node#ver`` (section 6.2) as long as that is what we are."""
        if event.entity != self.host.jid or not event.node.startswith(f"{self.node}#"):
            return
        info = self.disco.host_info()
        if event.node == f"{self.node}#{info.verification_string()}":
            event.add(info)
