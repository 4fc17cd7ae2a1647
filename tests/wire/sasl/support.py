"""What the tests of SASL share: a user with a known password, and a server's view of a stream."""

from __future__ import annotations

import functools
from typing import Any

from xmppd.wire import ns
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import Context, Derive, LookUp, Mechanism, Outcome, ScramKeys, derive_keys
from xmppd.wire.stanza import Nonza

DOMAIN = "example.org"
USER = Jid.parse("juliet@example.org")
PASSWORD = "r0m30myr0m30"
ITERATIONS = 4096
BINDINGS = {"tls-exporter": b"exported keying material", "tls-server-end-point": b"hash of a certificate"}
PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS")
PLAIN_SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")


@functools.cache
def keys(hash: str, password: str = PASSWORD) -> ScramKeys:
    """The keys of USER."""
    return derive_keys(password, hash, b"salt of 16 bytes", ITERATIONS)


def context(**changes: Any) -> Context:
    """A stream within TLS on which everything is on offer."""
    given: dict[str, Any] = {
        "domain": DOMAIN,
        "secret": b"the server's own",
        "iterations": ITERATIONS,
        "offered": (*PLUS, *PLAIN_SCRAM, "PLAIN", "EXTERNAL", "ANONYMOUS"),
        "secure": True,
        "bindings": BINDINGS,
    }
    return Context(**given | changes)


def answer(mechanism: Mechanism, outcome: Outcome) -> Outcome:
    """Answer look-ups (only USER exists) and derivations until there is something for the client."""
    while True:
        if isinstance(outcome, LookUp):
            outcome = mechanism.credentials(keys(outcome.hash) if outcome.account == USER else None)
        elif isinstance(outcome, Derive):
            outcome = mechanism.derived(outcome.run())
        else:
            return outcome


def element(name: str, payload: bytes = b"", **attributes: str) -> Nonza:
    """An element of the SASL namespace, as the framing of a stream would give it."""
    return Nonza(ns.SASL, name, attributes, payload, ())
