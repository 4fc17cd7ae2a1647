"""XEP-0092 Software Version."""

from __future__ import annotations

import platform

from xmppd import __version__
from xmppd.api import Field, Iq, Plugin, iq_get, tag

NS = "jabber:iq:version"


class Version(Plugin):
    """Tell which software the server is, and which release."""

    xep = (92, "1.1")
    features = (NS,)

    class Options(Plugin.Options):
        """What is told."""

        show_os: bool = Field(False, description="Tell the operating system as well, which may help attackers.")

    @iq_get(NS, "query")
    def version(self, request: Iq) -> Iq:
        """Answer with name and release, and the system if the options say so (section 2)."""
        os = tag("os", f"{platform.system()} {platform.release()}") if self.options.show_os else None
        return request.result(tag("query", tag("name", "xmppd"), tag("version", __version__), os, xmlns=NS))
