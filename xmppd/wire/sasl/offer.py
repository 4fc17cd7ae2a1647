"""Which mechanisms a stream is offered, and how that is written as stream features (RFC 6120 section 6.4.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from xmppd.wire import ns
from xmppd.wire.escape import escape_attribute
from xmppd.wire.sasl.outcome import Context, Mechanism
from xmppd.wire.sasl.scram import Scram
from xmppd.wire.sasl.simple import Anonymous, External, Plain

MECHANISMS: dict[str, Callable[[str, Context], Mechanism]] = {
    "EXTERNAL": External,
    "SCRAM-SHA-512-PLUS": Scram,
    "SCRAM-SHA-256-PLUS": Scram,
    "SCRAM-SHA-1-PLUS": Scram,
    "SCRAM-SHA-512": Scram,
    "SCRAM-SHA-256": Scram,
    "SCRAM-SHA-1": Scram,
    "PLAIN": Plain,
    "ANONYMOUS": Anonymous,
}
"""All mechanisms there are, the strongest first."""

BINDINGS = ("tls-exporter", "tls-server-end-point")
"""The types of channel binding a stream may have (RFC 9266; RFC 5929 section 4)."""


def needs_tls(name: str) -> bool:
    """Is this mechanism of use, or safe, only within TLS?"""
    return name in ("PLAIN", "EXTERNAL") or name.endswith("-PLUS")


def offered(
    allowed: Collection[str],
    *,
    secure: bool,
    bindings: Collection[str] = (),
    certificate: bool = False,
    anonymous: bool = False,
    plain_without_tls: bool = False,
) -> tuple[str, ...]:
    """Return the names of the mechanisms to offer, the strongest first.

    `allowed` are the names that the policy of the virtual host permits, in any order. `secure`: the stream is
    protected by TLS. `bindings`: the types of channel binding there are data for. `certificate`: the client has
    shown a certificate that could be verified. `anonymous`: the host takes strangers (XEP-0175), which `allowed`
    alone does not say. `plain_without_tls`: offer PLAIN where passwords can be read on the way.
    """

    def fits(name: str) -> bool:
        if name == "ANONYMOUS":
            return anonymous
        if name not in allowed:
            return False
        if name == "PLAIN":
            return secure or plain_without_tls
        if name == "EXTERNAL":
            return secure and certificate
        return not name.endswith("-PLUS") or (secure and bool(bindings))

    return tuple(name for name in MECHANISMS if fits(name))


def mechanisms_feature(names: Iterable[str]) -> bytes:
    """Return the `<mechanisms/>` stream feature, or nothing for no mechanism."""
    items = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return f"<mechanisms xmlns='{ns.SASL}'>{items}</mechanisms>".encode() if items else b""


def channel_binding_feature(types: Iterable[str]) -> bytes:
    """Return the `<sasl-channel-binding/>` stream feature (XEP-0440), or nothing for no type of binding."""
    items = "".join(f"<channel-binding type='{escape_attribute(type_)}'/>" for type_ in types)
    namespace = ns.SASL_CHANNEL_BINDING
    return f"<sasl-channel-binding xmlns='{namespace}'>{items}</sasl-channel-binding>".encode() if items else b""
