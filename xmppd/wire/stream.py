"""What a server writes on a stream that is no stanza: header, features, errors, the end (RFC 6120 section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from xmppd.wire import ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.escape import escape_attribute
from xmppd.wire.framing import StreamHeader

__all__ = ["END", "check_header", "features", "header"]

#: The closing tag (RFC 6120 4.4).
END = b"</stream:stream>"
_VERSION = re.compile(r"0*([0-9]{1,9})(?:\.[0-9]+)?\Z", re.ASCII)


def header(
    stream_id: str | None,
    from_: str,
    to: str | None = None,
    lang: str | None = None,
    content: str = ns.CLIENT,
    version: str | None = "1.0",
) -> bytes:
    """Return a stream header (RFC 6120 4.7).

    :param stream_id: None on a stream that we begin.
    :param from_: the host; where the stream ends in an error before it is known, any of ours, or "" (4.9.1.3).
    :param to: the bare address that the initial header said it was from, if it did (4.7.2).
    :param lang: of text meant for people.
    :param content: the content namespace; with that of servers, the prefix of dialback is declared (XEP-0220 2.1.1).
    :param version: None for who speaks none (RFC 6120 4.7.5).
    """
    attributes = {"id": stream_id, "from": from_, "to": to, "version": version, "xml:lang": lang or "en"}
    text = "".join(f" {key}='{escape_attribute(value)}'" for key, value in attributes.items() if value is not None)
    more = f" xmlns:db='{ns.DIALBACK}'" if content == ns.SERVER else ""
    opening = f"<?xml version='1.0'?><stream:stream xmlns='{content}' xmlns:stream='{ns.STREAM}'{more}{text}>"
    return opening.encode()


def features(offered: Iterable[bytes]) -> bytes:
    """Return ``<stream:features/>`` with what is on offer (RFC 6120 4.3.2)."""
    return b"<stream:features>" + b"".join(offered) + b"</stream:features>"


def check_header(opened: StreamHeader, content: str = ns.CLIENT) -> None:
    """Check the header that a peer sent.

    :param content: the content namespace there has to be.
    :raises StreamError: as RFC 6120 4.7.5, 4.8 and 4.9.3 name it.
    """
    if opened.content != content:
        raise StreamError(StreamCondition.INVALID_NAMESPACE, f"the content namespace is {content}")
    version = _VERSION.match(opened.version or "0.9")
    if version is None or int(version[1]) < 1:
        raise StreamError(StreamCondition.UNSUPPORTED_VERSION, "this server speaks version 1.0")
