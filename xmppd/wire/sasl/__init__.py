"""SASL, server side, without I/O: RFC 4422 in the profile of RFC 6120 section 6.

A mechanism is a machine that takes the client's messages and gives an outcome for each: something to send, an
account to look up, a derivation to compute, or the end. `Exchange` puts the XML around it.
"""

from __future__ import annotations

from xmppd.wire.sasl.exchange import Exchange
from xmppd.wire.sasl.keys import (
    HASHES,
    MIN_ITERATIONS,
    PasswordError,
    ScramKeys,
    derive_keys,
    fake_keys,
    new_salt,
    verify_password,
)
from xmppd.wire.sasl.offer import (
    BINDINGS,
    MECHANISMS,
    channel_binding_feature,
    mechanisms_feature,
    offered,
)
from xmppd.wire.sasl.outcome import (
    Challenge,
    Context,
    Derive,
    Failure,
    Identity,
    LookUp,
    Mechanism,
    Outcome,
    SaslCondition,
    Success,
)

__all__ = [
    "BINDINGS",
    "HASHES",
    "MECHANISMS",
    "MIN_ITERATIONS",
    "Challenge",
    "Context",
    "Derive",
    "Exchange",
    "Failure",
    "Identity",
    "LookUp",
    "Mechanism",
    "Outcome",
    "PasswordError",
    "SaslCondition",
    "ScramKeys",
    "Success",
    "channel_binding_feature",
    "derive_keys",
    "fake_keys",
    "mechanisms_feature",
    "new_salt",
    "offered",
    "verify_password",
]
