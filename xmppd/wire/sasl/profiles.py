"""How SASL is written in XML: as in RFC 6120 section 6.4, and as in XEP-0388 (SASL2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from xmppd.wire import ns
from xmppd.wire.jid import Jid
from xmppd.wire.sasl.outcome import Challenge, Failure, Success, malformed
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

__all__ = ["PROFILES", "Profile", "authentication_feature", "success2"]

_SPACE = re.compile("[ \t\r\n]+")


class Profile(Protocol):
    """One way to carry SASL over a stream."""

    @property
    def begins(self) -> str:
        """The name of the element that begins an attempt."""

    def text(self, element: Nonza) -> bytes | Failure | None:
        """Return what a client sends, still encoded; None for an absent initial response."""

    def challenge(self, outcome: Challenge) -> bytes:
        """Return the element that carries a challenge."""

    def failure(self, outcome: Failure) -> bytes:
        """Return the element that ends an attempt in failure."""


class _Rfc6120:
    """Section 6.4: `<auth/>`, and "=" for a message of no octets."""

    begins = "auth"

    def text(self, element: Nonza) -> bytes | Failure | None:
        if element.names:
            return malformed(f"{element.name!r} has a child element")
        text = element.payload
        if b"<" in text or b"&" in text:  # a CDATA section, a reference
            text = element.text.encode()
        if not text:
            return None if element.name == "auth" else b""
        return b"" if text == b"=" else text

    def challenge(self, outcome: Challenge) -> bytes:
        return outcome.to_bytes()

    def failure(self, outcome: Failure) -> bytes:
        return outcome.to_bytes()


class _Sasl2:
    """XEP-0388: `<authenticate/>`, whose initial response is an element; one that is empty is a message of no octets.

    The encoded data is an xs:base64Binary, so there may be whitespace around it, as there is in the XEP's examples.
    """

    begins = "authenticate"

    def text(self, element: Nonza) -> bytes | Failure | None:
        if element.name == "response":
            return malformed("'response' has a child element") if element.names else _squeezed(element.text)
        found = [e for e in element.elements if (e.uri, e.name) == (ns.SASL2, "initial-response")]
        if not found:
            return None
        if len(found) > 1 or any(found[0].elements()):
            return malformed("the initial response is one element, with text only")
        return _squeezed(str(found[0]))

    def challenge(self, outcome: Challenge) -> bytes:
        return tag("challenge", base64.b64encode(outcome.data), xmlns=ns.SASL2)

    def failure(self, outcome: Failure) -> bytes:
        text = None if outcome.text is None else tag("text", outcome.text)
        return tag("failure", tag(outcome.condition.value, xmlns=ns.SASL), text, xmlns=ns.SASL2)


def _squeezed(text: str) -> bytes:
    return _SPACE.sub("", text).encode()


PROFILES: Mapping[str, Profile] = {ns.SASL: _Rfc6120(), ns.SASL2: _Sasl2()}
"""By the namespace of their elements."""


def success2(success: Success, identifier: Jid, results: Iterable[bytes] = ()) -> bytes:
    """Return the `<success/>` element of XEP-0388.

    :param identifier: the full JID if a resource was bound, else the bare one.
    :param results: elements that tell what has come of what was asked for inline.
    """
    data = None if success.data is None else tag("additional-data", base64.b64encode(success.data))
    return tag("success", data, tag("authorization-identifier", identifier), *results, xmlns=ns.SASL2)


def authentication_feature(mechanisms: Iterable[str], inline: Iterable[bytes]) -> bytes:
    """Return the `<authentication/>` stream feature of XEP-0388, or nothing for no mechanism.

    :param inline: features that can be asked for together with it.
    """
    names = [tag("mechanism", name) for name in mechanisms]
    return tag("authentication", *names, tag("inline", *inline), xmlns=ns.SASL2) if names else b""
