"""SASL, server side, without I/O: RFC 4422 in the profiles of RFC 6120 section 6 and of XEP-0388.

A mechanism is a machine that takes the client's messages and gives an outcome for each: something to send, an
account to look up, a derivation to compute, or the end. `Exchange` takes the XML off; `PROFILES` know how it looks.
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
from xmppd.wire.sasl.profiles import PROFILES, authentication_feature, success2

__all__ = [
    "BINDINGS",
    "HASHES",
    "MECHANISMS",
    "MIN_ITERATIONS",
    "PROFILES",
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
    "authentication_feature",
    "channel_binding_feature",
    "derive_keys",
    "fake_keys",
    "mechanisms_feature",
    "new_salt",
    "offered",
    "success2",
    "verify_password",
]
