"""SCRAM, server side (RFC 5802; with SHA-256 RFC 7677), with and without channel binding.

An account that does not exist is taken through the whole exchange with made-up keys and refused at its end, as a
wrong password is: neither the answers nor the amount of work differ.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from xmppd.wire.jid import Jid
from xmppd.wire.sasl.encoding import decode
from xmppd.wire.sasl.keys import HASHES, ScramKeys, fake_keys
from xmppd.wire.sasl.outcome import (
    Challenge,
    Context,
    Failure,
    Identity,
    LookUp,
    Mechanism,
    Outcome,
    SaslCondition,
    Success,
    claimed_account,
    malformed,
)

# The grammar of section 7, with its names. Every alternative begins differently, so matching takes linear time.
_SASLNAME = r"(?:[^\0=,]|=2[Cc]|=3[Dd])+"
_NONCE = r"[!-+\--~]+"
_EXTENSIONS = r"(?:,(?![mp]=)[A-Za-z]=[^\0,]+)*"
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"

_CLIENT_FIRST = re.compile(
    rf"(?P<gs2_header>(?:(?P<flag>[ny])|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<authzid>{_SASLNAME}))?,)"
    rf"(?P<bare>(?P<mandatory>m=[^\0,]+,)?n=(?P<username>{_SASLNAME}),r=(?P<nonce>{_NONCE}){_EXTENSIONS})\Z"
)
_CLIENT_FINAL = re.compile(
    rf"(?P<without_proof>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_NONCE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})\Z"
)
_ESCAPED = re.compile("=2[Cc]|=3[Dd]")
_NONCE_OCTETS = 18


class Scram(Mechanism):
    """A run of SCRAM-SHA-1, SCRAM-SHA-256 or SCRAM-SHA-512, or of their -PLUS variants.

    `nonce` is the server's part of the nonce, for test vectors; a random one by default.
    """

    def __init__(self, name: str, context: Context, nonce: str | None = None) -> None:
        super().__init__(name, context)
        self._plus = name.endswith("-PLUS")
        self._hash = name.removeprefix("SCRAM-").removesuffix("-PLUS")
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(_NONCE_OCTETS)).decode()
        self._next = self._client_first
        self._account: Jid | None = None
        self._named = False
        self._keys: ScramKeys | None = None
        self._binding = b""
        self._client_first_bare = self._server_first = ""

    def step(self, data: bytes | None) -> Outcome:
        """Take the client's first or final message."""
        if data is None and self._next == self._client_first:
            return Challenge(b"")
        try:
            message = (data or b"").decode()
        except UnicodeDecodeError:
            return malformed("the message is not UTF-8")
        return self._next(message)

    def _client_first(self, message: str) -> Outcome:
        first = _CLIENT_FIRST.match(message)
        if first is None:
            return malformed("no client-first-message")
        if first["mandatory"]:
            return malformed("extensions-not-supported")
        wrong = self._wrong_binding(first["flag"], first["binding"])
        if wrong is not None:
            return malformed(wrong)
        authzid = None if first["authzid"] is None else _unescape(first["authzid"])
        account = claimed_account(_unescape(first["username"]), authzid, self.context.domain)
        if isinstance(account, Failure):
            return account
        self._account, self._named = account, authzid is not None
        self._binding = first["gs2_header"].encode() + self.context.bindings.get(first["binding"], b"")
        self._client_first_bare = first["bare"]
        self._nonce = first["nonce"] + self._nonce
        self._next = self._out_of_turn
        return LookUp(account, self._hash)

    def _wrong_binding(self, flag: str | None, binding: str | None) -> str | None:
        """Say what is wrong with the client's flag of channel binding (section 6), as an error of section 7."""
        if self._plus != (binding is not None):
            return "other-error: -PLUS and the flag of channel binding have to go together"
        if binding is not None and binding not in self.context.bindings:
            return "unsupported-channel-binding-type"
        if flag == "y" and any(name.endswith("-PLUS") for name in self.context.offered):
            # The client believes that no -PLUS was on offer: somebody has taken it from the list.
            return "server-does-support-channel-binding"
        return None

    def credentials(self, found: ScramKeys | None) -> Outcome:
        """Take the keys, or None for an unknown account, and send the server-first-message."""
        if self._account is None or self._keys is not None:
            return super().credentials(found)
        fake = fake_keys(self.context.secret, self._account, self._hash, self.context.iterations)
        keys = fake if found is None else found
        self._keys = keys
        self._server_first = f"r={self._nonce},s={base64.b64encode(keys.salt).decode()},i={keys.iterations}"
        self._next = self._client_final
        return Challenge(self._server_first.encode())

    def _client_final(self, message: str) -> Outcome:
        self._next = self._out_of_turn
        final = _CLIENT_FINAL.match(message)
        if final is None:
            return malformed("no client-final-message")
        binding, proof = decode(final["binding"].encode()), decode(final["proof"].encode())
        if binding is None or proof is None:
            return malformed("invalid-encoding")
        if not hmac.compare_digest(final["nonce"], self._nonce):
            return Failure(SaslCondition.NOT_AUTHORIZED, "other-error: wrong nonce", self._account)
        if not hmac.compare_digest(binding, self._binding):
            return Failure(SaslCondition.NOT_AUTHORIZED, "channel-bindings-dont-match", self._account)
        return self._check_proof(final["without_proof"], proof)

    def _check_proof(self, without_proof: str, proof: bytes) -> Outcome:
        """Section 3: ClientKey is ClientProof xor ClientSignature, and its hash has to be StoredKey."""
        assert self._keys is not None and self._account is not None
        name = HASHES[self._hash]
        auth_message = f"{self._client_first_bare},{self._server_first},{without_proof}".encode()
        signature = hmac.digest(self._keys.stored_key, auth_message, name)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=False))
        genuine = hmac.compare_digest(hashlib.new(name, client_key).digest(), self._keys.stored_key)
        if not genuine or len(proof) != len(signature):
            return Failure(SaslCondition.NOT_AUTHORIZED, None, self._account)
        verifier = base64.b64encode(hmac.digest(self._keys.server_key, auth_message, name))
        return Success(Identity(self._account, self.name, self._named), b"v=" + verifier)

    def _out_of_turn(self, message: str) -> Outcome:
        return malformed("no message was expected")


def _unescape(saslname: str) -> str:
    return _ESCAPED.sub(lambda match: "," if match[0] in ("=2C", "=2c") else "=", saslname)
