"""XEP-0156 Discovering Alternative XMPP Connection Methods, and XEP-0487 Host Meta 2."""

from __future__ import annotations

from xmppd.api import OperationError, Plugin, Result, operation
from xmppd.api.http import Headers, HttpError, Request, Response, http_get
from xmppd.plugins.host_meta.document import jrd, links_of, xrd
from xmppd.plugins.host_meta.options import HostMetaOptions

PATH = "/.well-known/host-meta"


class HostMeta(Plugin):
    """Tell where the server is reached, by a document at a well-known place, for those who can't ask the DNS."""

    xep = ((156, "1.4.0"), (487, "0.1.0"))

    Options = HostMetaOptions

    @http_get(PATH, cors=True)
    def in_xml(self, request: Request) -> Response:
        """Answer with the XRD (XEP-0156 section 2)."""
        return self._answer(self._xrd(), "application/xrd+xml")

    @http_get(f"{PATH}.json", cors=True)
    def in_json(self, request: Request) -> Response:
        """Answer with the JRD (XEP-0156 section 2, XEP-0487 section 2)."""
        return self._answer(self._jrd(), "application/json")

    def _answer(self, document: bytes | None, type_: str) -> Response:
        if document is None:
            raise HttpError(404)
        fresh = Headers({"Cache-Control": f"public, max-age={self.options.ttl_seconds}"})
        return Response(200, document, type_, fresh)

    def _xrd(self) -> bytes | None:
        return xrd(links_of(self.host.jid.domain, self.options, self.host.web, self.host.listening))

    def _jrd(self) -> bytes | None:
        return jrd(links_of(self.host.jid.domain, self.options, self.host.web, self.host.listening), self.options)

    @operation("host-meta show", safe=True, examples=("example.org", "example.org --xml"))
    async def show(self, host: str, *, xml: bool = False) -> Result:
        """Print what is to be at https://HOST/.well-known/host-meta.json, for a web server that can't pass it on.

        :param host: the domain.
        :param xml: what is to be at https://HOST/.well-known/host-meta.
        """
        document = self._xrd() if xml else self._jrd()
        if document is None:
            raise OperationError(f"there is nothing to say of {host}: it is not reached by HTTPS")
        return document.decode().rstrip("\n")
