"""The Jabber Component Protocol, without I/O (XEP-0114 section 3): headers and the handshake, for both sides."""

from __future__ import annotations

import hashlib
import hmac

from xmppd.wire import ns, stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import StreamHeader
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import escape_attribute, tag

__all__ = ["ACCEPTED", "check_header", "fits", "handshake", "header", "is_handshake", "opening", "speaks_version"]

#: The server's answer to a handshake that it takes.
ACCEPTED = b"<handshake/>"


def opening(domain: str) -> bytes:
    """Return the stream header of a component."""
    names = f"xmlns='{ns.COMPONENT}' xmlns:stream='{ns.STREAM}'"
    return f"<?xml version='1.0'?><stream:stream {names} to='{escape_attribute(domain)}'>".encode()


def header(stream_id: str, domain: str, version: bool) -> bytes:
    """Return the server's stream header.

    :param domain: of the component; whatever it asked for, if that is not served.
    :param version: has the component said that it speaks XMPP 1.0? Then features follow, which older ones don't expect.
    """
    return stream.header(stream_id, domain, content=ns.COMPONENT, version="1.0" if version else None)


def speaks_version(opened: StreamHeader) -> bool:
    """Has the other side said that it speaks XMPP 1.0 (RFC 6120 4.7.5)?"""
    return opened.version is not None and not opened.version.startswith("0")


def check_header(opened: StreamHeader) -> None:
    """Check the header of a component.

    :raises StreamError: invalid-namespace if it begins another protocol.
    """
    if opened.content != ns.COMPONENT:
        raise StreamError(StreamCondition.INVALID_NAMESPACE, f"the content namespace is {ns.COMPONENT}")


def _digest(stream_id: str, secret: str) -> str:
    return hashlib.sha1((stream_id + secret).encode(), usedforsecurity=False).hexdigest()


def handshake(stream_id: str, secret: str) -> bytes:
    """Return the element by which a component proves that it knows the secret."""
    return tag("handshake", _digest(stream_id, secret))


def is_handshake(nonza: Nonza) -> bool:
    """Is this the element for a handshake, or the answer to one?"""
    return (nonza.namespace, nonza.name) == (ns.COMPONENT, "handshake")


def fits(nonza: Nonza, stream_id: str, secret: str) -> bool:
    """Does a handshake prove that its sender knows the secret? Takes as long for one that is nearly right."""
    return hmac.compare_digest(nonza.text.strip().encode(), _digest(stream_id, secret).encode())
