"""SASL EXTERNAL between servers, both sides of it (RFC 6120 section 6, XEP-0178 section 3)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.wire import ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.sasl.encoding import decode
from xmppd.wire.sasl.outcome import SaslCondition
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.net.s2s.receiving import Receiving

__all__ = ["External", "auth", "failure_of"]

_log = Logger()
#: Failed attempts after which the stream is closed (RFC 6120 6.4.5).
_MOST = 3
_LONGEST = 4_096


def auth(domain: str) -> bytes:
    """Return `<auth/>` of the side that connects; the authorization identity is for older servers (XEP-0178 3)."""
    return tag("auth", base64.b64encode(domain.encode()).decode(), xmlns=ns.SASL, mechanism="EXTERNAL")


def failure_of(nonza: Nonza) -> str:
    """Return what `<failure/>` says, for people."""
    words = [e.name if e.name != "text" else str(e) for e in nonza.elements]
    return ": ".join(words) or "no reason given"


class External:
    """The side that is connected to: attempts of the other server to prove its domain by its certificate."""

    __slots__ = ("_asked", "_failures", "_stream")

    def __init__(self, stream: Receiving) -> None:
        self._stream = stream
        self._asked = False  # is the authorization identity still to come?
        self._failures = 0

    def receive(self, nonza: Nonza) -> None:
        """Take an element of SASL. :raises StreamError: there were too many failures."""
        name = nonza.name
        if name == "abort":
            self._asked = False
            self._fail(SaslCondition.ABORTED, "")
        elif self._stream.authenticated:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "this stream is authenticated already")
        elif name == "auth" and not self._asked:
            self._begin(nonza)
        elif name == "response" and self._asked:
            self._asked = False
            self._decide(nonza.text.strip() or "=")
        else:
            self._fail(SaslCondition.MALFORMED_REQUEST, f"<{name}/> is not expected here")

    def _begin(self, nonza: Nonza) -> None:
        stream = self._stream
        if stream.tls is None:
            self._fail(SaslCondition.ENCRYPTION_REQUIRED, "TLS has to come first")
        elif nonza.attributes.get("mechanism") != "EXTERNAL":
            self._fail(SaslCondition.INVALID_MECHANISM, "servers authenticate with EXTERNAL")
        elif not nonza.text.strip():
            self._asked = True
            stream.write(tag("challenge", xmlns=ns.SASL))
        else:
            self._decide(nonza.text.strip())

    def _decide(self, text: str) -> None:
        """XEP-0178 3, step 11: `from` of the stream header has to be in the certificate."""
        stream = self._stream
        identity = b"" if text == "=" else decode(text.encode()) if len(text) <= _LONGEST else None
        if identity is None:
            self._fail(SaslCondition.INCORRECT_ENCODING, "")
            return
        try:
            named = Jid.parse(identity.decode()) if identity else None
            wanted = stream.remote if named is None else named.domain if named == named.domain else ""
        except (JidError, UnicodeDecodeError):
            wanted = ""
        proof = stream.proof(wanted) if wanted else None
        if not wanted or (stream.remote and wanted != stream.remote) or stream.network.owns(wanted):
            self._fail(SaslCondition.INVALID_AUTHZID, f"the stream is from {stream.remote or 'nobody'}")
        elif proof is None or not proof.proven:
            self._fail(SaslCondition.NOT_AUTHORIZED, proof.reason if proof is not None else "there is no certificate")
        else:
            self._succeed(wanted)

    def _succeed(self, domain: str) -> None:
        stream = self._stream
        stream.authenticated = domain
        stream.write(tag("success", xmlns=ns.SASL))
        stream.restart()

    def _fail(self, condition: SaslCondition, text: str) -> None:
        """XEP-0178 3, step 11: dialback may still follow."""
        stream = self._stream
        self._failures += 1
        stream.network.count(f"EXTERNAL: {condition}")
        _log.info(
            "{remote} ({peer}) failed to authenticate: {condition} {text}",
            remote=stream.who(), peer=stream.peer, condition=str(condition), text=text,
        )  # fmt: skip
        why = tag("text", text, xmlns=ns.SASL, attributes={"xml:lang": "en"}) if text else None
        stream.write(tag("failure", tag(str(condition)), why, xmlns=ns.SASL))
        if self._failures >= _MOST:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to authenticate")
