"""XEP-0157 Contact Addresses for XMPP Services."""

from __future__ import annotations

import re

from pydantic import field_validator
from tx_xmpp.data_form import Field as FormField
from tx_xmpp.data_form import Form

from xmppd.api import Element, Field, Plugin, observe
from xmppd.api.disco import DiscoInfo

FORM_TYPE = "http://jabber.org/network/serverinfo"
# RFC 3986 section 3: a scheme and something after it, without spaces.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def _addresses(purpose: str) -> list[str]:
    """An option for addresses."""
    text = f'URIs for {purpose}, such as "mailto:xmpp@example.org" or "xmpp:help@example.org".'
    return Field(default_factory=list, description=text)


class Contact(Plugin):
    """Tell whom to write to about this server, for each kind of question; says nothing until options name somebody."""

    xep = (157, "1.1.1")

    class Options(Plugin.Options):
        """Addresses, as URIs."""

        abuse: list[str] = _addresses("reports of abuse")
        admin: list[str] = _addresses("the administrators")
        feedback: list[str] = _addresses("feedback")
        sales: list[str] = _addresses("sales")
        security: list[str] = _addresses("security concerns")
        status: list[str] = _addresses("the state of the service")
        support: list[str] = _addresses("support")

        @field_validator("*")
        @classmethod
        def _are_uris(cls, addresses: list[str]) -> list[str]:
            for address in addresses:
                if not _URI.fullmatch(address):
                    raise ValueError(f"{address!r} is no URI; put mailto:, xmpp: or https: before it")
            return addresses

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Add the addresses to what the host tells of itself."""
        if event.entity == self.host.jid and not event.node:
            form = self._form()
            if form is not None:
                event.add_form(form)

    def _form(self) -> Element | None:
        form = Form("result", formNamespace=FORM_TYPE)
        for purpose, addresses in self.options.model_dump().items():
            if addresses:
                form.addField(FormField("list-multi", f"{purpose}-addresses", values=addresses))
        return form.toElement() if len(form) else None
