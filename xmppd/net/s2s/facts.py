"""What streams with other servers tell of themselves, for `s2s list` and `s2s show`."""

from __future__ import annotations

from collections.abc import Mapping

from xmppd.core.federation.contract import Pair, StreamFacts
from xmppd.net.s2s.initiating import Initiating
from xmppd.net.s2s.stream import ServerStream
from xmppd.wire.delay import format_datetime

__all__ = ["facts_of"]


def facts_of(stream: ServerStream) -> StreamFacts:
    """Return what there is to say of a stream."""
    opened = isinstance(stream, Initiating)
    takes = [Pair(local, remote) for remote, local in sorted(stream.proven)]
    return StreamFacts(
        local=stream.local,
        remote=stream.remote,
        incoming=stream.incoming,
        state=_state(stream),
        address=stream.peer,
        takes=takes,
        sends=sorted(stream.sending),
        proven_by=_proven_by(stream),
        we_proved=stream.proved_by if isinstance(stream, Initiating) else "",
        encryption=f"{stream.tls.version}, {stream.tls.cipher}" if stream.tls is not None else "",
        certificate=_certificate(stream, stream.remote),
        since=stream.begun_at,
        quiet_since=stream.clock.seconds() if stream.active else stream.idle_since,
        received=stream.received,
        sent=stream.sent,
        unacknowledged=None if stream.acknowledged is None else len(stream.acknowledged),
        bidi=stream.bidi and (bool(stream.sending) or not opened),
    )


def _state(stream: ServerStream) -> str:
    if stream.closing:
        return "closing"
    return "open" if stream.proven or stream.sending else "negotiating"


def _proven_by(stream: ServerStream) -> Mapping[str, str]:
    """Who has connected has to prove who he is; whom we have found, by his certificate or by being found."""
    if isinstance(stream, Initiating):
        return {stream.remote: "certificate" if stream.trusted else "DNS"}
    return dict(stream.proof_of)


def _certificate(stream: ServerStream, domain: str) -> Mapping[str, str]:
    proof = stream.proof(domain) if domain and stream.tls is not None else None
    if proof is None:
        return {}
    found = {"verdict": proof.reason}
    if proof.certificate is not None:
        one = proof.certificate
        found |= {
            "subject": one.subject,
            "names": ", ".join(one.names),
            "issuer": one.issuer,
            "valid from": format_datetime(one.start.timestamp()),
            "valid until": format_datetime(one.end.timestamp()),
            "SHA-256": one.fingerprint,
        }
    return found
