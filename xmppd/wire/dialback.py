"""Server Dialback: keys and elements, without I/O (XEP-0220, and XEP-0185 for the keys)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import escape_attribute, escape_text, tag

__all__ = ["FEATURE", "FEATURES", "Asked", "Maladdressed", "Result", "Verify", "answer", "ask", "fits", "key", "read"]

FEATURES = "urn:xmpp:features:dialback"
#: The stream feature: errors don't end the stream here (section 2.4.2).
FEATURE = tag("dialback", tag("errors"), xmlns=FEATURES)
#: Octets of a key beyond which it is none.
_LONGEST = 1_024


class Maladdressed(ValueError):
    """An element of dialback has no `from` or `to`, or they are no domains."""


@dataclass(frozen=True)
class Asked:
    """An element of dialback.

    :ivar sender: `from`, a domain.
    :ivar target: `to`, a domain.
    :ivar id: the id of the stream that is asked about; "" in a `<db:result/>`, though some servers write it there too.
    :ivar type: "" if something is asked; "valid", "invalid" or "error" if it is an answer.
    :ivar key: what has to be verified.
    :ivar error: of an answer of type "error".
    """

    sender: Jid
    target: Jid
    id: str
    type: str
    key: str
    error: StanzaError | None = None


class Result(Asked):
    """`<db:result/>`: steps 1 and 4."""


class Verify(Asked):
    """`<db:verify/>`: steps 2 and 3."""


_KINDS: dict[str, type[Asked]] = {"result": Result, "verify": Verify}


def key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """Return the key that proves who sends it on that stream (XEP-0185).

    :param receiving: the domain that gets the key.
    :param originating: the domain on whose behalf it is sent.
    :param stream_id: the id in the response header of the stream.
    """
    text = f"{receiving} {originating} {stream_id}".encode()
    return hmac.new(hashlib.sha256(secret).hexdigest().encode(), text, "sha256").hexdigest()


def fits(secret: bytes, asked: Verify) -> bool:
    """Is the key that we are asked about ours? Takes the same time for yes and no."""
    expected = key(secret, asked.sender, asked.target, asked.id)
    return hmac.compare_digest(expected.encode(), asked.key.encode())


def read(nonza: Nonza) -> Asked | None:
    """Read an element of the namespace of dialback; None if it is none of the two there are.

    :raises Maladdressed: see there.
    """
    kind = _KINDS.get(nonza.name)
    if kind is None:
        return None
    attributes = nonza.attributes
    sender, target = (_domain(attributes.get(name)) for name in ("from", "to"))
    type_ = attributes.get("type", "")
    error = None
    if type_ == "error":
        error = next((StanzaError.from_element(e) for e in nonza.elements if e.name == "error"), None)
    stream_id = attributes.get("id", "") if kind is Verify else ""
    return kind(sender, target, stream_id, type_, nonza.text.strip()[:_LONGEST], error)


def _domain(text: str | None) -> Jid:
    try:
        jid = Jid.parse(text or "")
    except JidError as error:
        raise Maladdressed(f"from and to have to be domains: {error}") from None
    if jid.local or jid.resource:
        raise Maladdressed(f"{text} is no domain")
    return jid


def ask(name: str, sender: str, target: str, key: str, stream_id: str | None = None) -> bytes:
    """Return a request: "result" with a key of ours, or "verify" with one that was sent to us.

    :param stream_id: of the stream on which the key was sent, to have it verified.
    """
    return _element(name, sender, target, stream_id, None, escape_text(key).encode())


def answer(asked: Asked, type: str, error: StanzaError | None = None) -> bytes:
    """Return the answer to a request.

    :param type: "valid", "invalid", or "error" with an error.
    """
    name = "verify" if isinstance(asked, Verify) else "result"
    content = b"" if error is None else error.to_bytes()
    return _element(name, asked.target, asked.sender, asked.id or None, type, content)


def _element(name: str, from_: str, to: str, id: str | None, type: str | None, content: bytes) -> bytes:
    """The prefix has to be the one that the stream header declares (section 2)."""
    attributes = {"from": from_, "to": to, "id": id, "type": type}
    text = "".join(f" {k}='{escape_attribute(str(v))}'" for k, v in attributes.items() if v is not None)
    return f"<db:{name}{text}>".encode() + content + f"</db:{name}>".encode()
