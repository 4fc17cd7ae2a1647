"""Server Dialback on one stream (XEP-0220): asking, being asked, and answers that nobody asked for.

The roles: who asks to send stanzas for a pair of domains is the initiating server; who is asked is the receiving one;
it has the key verified by the authoritative server of the domain, which is found by DNS. On a stream that may be used
in both directions (XEP-0288), either end may ask.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.core.federation.contract import LinkFailure, Pair
from xmppd.wire import dialback
from xmppd.wire.dialback import Asked, Maladdressed, Result, Verify
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.stanza import Nonza

if TYPE_CHECKING:
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["Dialback"]

_log = Logger()
#: What somebody is told whose domain could not be proven, by what went wrong at its authoritative server.
_NOT_VERIFIED = {
    Condition.REMOTE_SERVER_NOT_FOUND: Condition.REMOTE_SERVER_NOT_FOUND,
    Condition.REMOTE_SERVER_TIMEOUT: Condition.REMOTE_SERVER_TIMEOUT,
    Condition.RESOURCE_CONSTRAINT: Condition.RESOURCE_CONSTRAINT,
}
#: Keys of one stream that may be on their way to be verified at a time.
_AT_ONCE = 16
_Question = tuple[type[Asked], str, str, str]


class Dialback:
    """What is asked on a stream, in both directions."""

    __slots__ = ("_in_vain", "_questions", "_stream", "_unasked", "_verifying")

    def __init__(self, stream: ServerStream) -> None:
        self._stream = stream
        self._questions: dict[_Question, Deferred[Asked]] = {}
        self._verifying: set[tuple[str, str]] = set()
        self._in_vain = 0  # how often a domain was not proven
        self._unasked = False  # did answers come that nobody had asked for?

    def stop(self, why: str) -> None:
        """The stream has ended: no answers will come."""
        questions, self._questions = self._questions, {}
        for waiting in questions.values():
            waiting.errback(LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, f"{why} before dialback was answered"))

    @property
    def busy(self) -> bool:
        """Are answers waited for?"""
        return bool(self._questions)

    # Asking

    async def prove(self, pair: Pair) -> None:
        """Ask to send stanzas for a pair of domains (section 2.1.1).

        :raises LinkFailure: it was refused, or not answered in time.
        """
        stream = self._stream
        key = dialback.key(stream.network.secret, pair.remote, pair.local, stream.id)
        stream.write(dialback.ask("result", pair.local, pair.remote, key))
        answer = await self._answer(Result, pair, "")
        if answer.type == "valid":
            return
        if answer.type == "invalid":
            text = f"{pair.remote} says that our dialback key is not valid: it asked another server for {pair.local}"
            raise LinkFailure(Condition.INTERNAL_SERVER_ERROR, text)
        error = answer.error or StanzaError(Condition.UNDEFINED_CONDITION)
        text = f"{pair.remote} refused dialback from {pair.local} with {error.condition}"
        said = f": {error.text}" if error.text else ""
        raise LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, text + said)

    async def verify(self, pair: Pair, stream_id: str, key: str) -> bool:
        """Ask whether a key is the one of `pair.remote` for a stream of ours (section 2.1.2).

        :raises LinkFailure: an error came, or no answer.
        """
        self._stream.write(dialback.ask("verify", pair.local, pair.remote, key, stream_id))
        answer = await self._answer(Verify, pair, stream_id)
        if answer.type != "error":
            return answer.type == "valid"
        error = answer.error or StanzaError(Condition.UNDEFINED_CONDITION)
        # "If an error is encountered in Step 3, the Receiving Server MUST send a <remote-server-not-found/>"
        raise LinkFailure(Condition.REMOTE_SERVER_NOT_FOUND, f"{pair.remote} can't tell: {error.condition}")

    async def _answer(self, kind: type[Asked], pair: Pair, stream_id: str) -> Asked:
        question = (kind, pair.remote, pair.local, stream_id)
        if question in self._questions:
            raise LinkFailure(Condition.RESOURCE_CONSTRAINT, "the same was asked before, and is not answered yet")
        waiting = self._questions[question] = Deferred()
        network = self._stream.network
        seconds = network.settings.negotiation_seconds
        late = network.clock.callLater(seconds, self._late, question)
        try:
            return await waiting
        finally:
            if late.active():
                late.cancel()

    def _late(self, question: _Question) -> None:
        waiting = self._questions.pop(question, None)
        if waiting is not None:
            text = f"{question[1]} did not answer dialback in time"
            waiting.errback(LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, text))

    # Being asked, and answers

    def receive(self, nonza: Nonza) -> None:
        """Take an element of dialback. :raises StreamError: it is none."""
        try:
            asked = dialback.read(nonza)
        except Maladdressed as error:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, str(error)) from None
        if asked is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"dialback has no <{nonza.name}/>")
        if asked.type:
            self._answered(asked)
        elif isinstance(asked, Verify):
            self._verify(asked)
        else:
            self._prove(asked)

    def _answered(self, asked: Asked) -> None:
        """Section 5: an answer has to belong to a question that was asked on the same stream."""
        waiting = self._questions.pop((type(asked), asked.sender, asked.target, asked.id), None)
        if waiting is not None:
            waiting.callback(asked)
            return
        stream = self._stream
        stream.network.count("unsolicited dialback")
        if not self._unasked:  # else anybody could fill the log
            _log.warn(
                "{peer} sent an answer of dialback from {sender} that nobody had asked for; it is ignored, as are more",
                peer=stream.peer, sender=asked.sender,
            )  # fmt: skip
        self._unasked = True

    def _verify(self, asked: Verify) -> None:
        """We are the authoritative server (section 2.2.2)."""
        stream, network = self._stream, self._stream.network
        if not network.federation.serves(asked.target):
            self._error(asked, Condition.ITEM_NOT_FOUND, f"{asked.target} is not served here")
        elif stream.tls is None and network.needs_tls(asked.sender, stream.peer):
            self._error(asked, Condition.POLICY_VIOLATION, "TLS is required here")
        elif not asked.id:
            self._error(asked, Condition.BAD_REQUEST, "the id of the stream is missing")
        else:
            stream.write(dialback.answer(asked, "valid" if dialback.fits(network.secret, asked) else "invalid"))

    def _prove(self, asked: Asked) -> None:
        """We are the receiving server (section 2.2.1)."""
        stream = self._stream
        pair = (str(asked.sender), str(asked.target))
        if pair in stream.proven:
            stream.write(dialback.answer(asked, "valid"))
            return
        refused = self._refusal(asked)
        if refused is not None:
            self._error(asked, *refused)
            return
        proof = stream.proof(asked.sender)
        if proof is not None and proof.proven:
            self._proven(asked, "certificate")  # "MAY use any method to determine the validity"
        elif stream.network.policy(asked.sender).certificate_only:
            self._in_vain += 1
            reason = proof.reason if proof is not None else "there is no TLS"
            self._error(asked, Condition.NOT_AUTHORIZED, f"a certificate for {asked.sender} is required, but {reason}")
        elif not asked.key or pair in self._verifying or len(self._verifying) >= _AT_ONCE:
            condition = Condition.RESOURCE_CONSTRAINT if asked.key else Condition.BAD_REQUEST
            self._error(asked, condition, "one key at a time" if asked.key else "there is no key")
        else:
            self._verifying.add(pair)
            stream.network.server.spawn(self._have_verified(asked, pair), f"dialback from {asked.sender}")

    def _refusal(self, asked: Asked) -> tuple[Condition, str] | None:
        """Why a domain may not be proven here, if so. :raises StreamError: it is one of ours."""
        stream, network = self._stream, self._stream.network
        if not (stream.incoming or stream.bidi):
            return Condition.NOT_ALLOWED, "this stream is for the other direction"
        if network.owns(asked.sender):
            raise StreamError(StreamCondition.INVALID_FROM, f"{asked.sender} is served here")
        if not network.federation.serves(asked.target):
            return Condition.ITEM_NOT_FOUND, f"{asked.target} is not served here"
        if network.policy(asked.sender).blocked:
            return Condition.FORBIDDEN, f"{asked.sender} is not talked to here"
        if stream.tls is None and network.needs_tls(asked.sender, stream.peer):
            return Condition.POLICY_VIOLATION, "TLS is required here"
        if len(stream.proven) + self._in_vain >= network.settings.domains_per_stream:
            return Condition.RESOURCE_CONSTRAINT, "this stream has proven as many domains as it may, or failed to"
        return None

    async def _have_verified(self, asked: Asked, pair: tuple[str, str]) -> None:
        stream, network = self._stream, self._stream.network
        stream_id = stream.id
        try:
            valid = await network.verify(Pair(asked.target, asked.sender), stream_id, asked.key, stream)
        except LinkFailure as failure:
            self._in_vain += 1
            condition = _NOT_VERIFIED.get(failure.condition, Condition.REMOTE_SERVER_TIMEOUT)
            # Not why: the domain's DNS may name any machine and port, and what we find there is for nobody outside.
            self._error(asked, condition, f"{asked.sender} could not be asked")
            _log.info(
                "{sender} ({peer}) is not verified: {why}", sender=asked.sender, peer=stream.peer, why=failure.text
            )
            return
        finally:
            self._verifying.discard(pair)
        if stream.closing or stream.id != stream_id:
            return  # "If no inbound connection is found [...], the verification result SHOULD be dropped"
        if valid and network.admits(Pair(asked.target, asked.sender)):
            self._proven(asked, "dialback")
            return
        self._in_vain += 1
        if valid:
            self._error(asked, Condition.FORBIDDEN, "that was possible when the key came; the settings have changed")
            return
        network.count("invalid dialback key")
        _log.warn("{peer} says it is {sender}, but {sender} does not know it", peer=stream.peer, sender=asked.sender)
        if stream.proven:
            self._error(asked, Condition.FORBIDDEN, f"{asked.sender} says that the key is not valid")
        else:
            stream.write(dialback.answer(asked, "invalid"))
            stream.close()

    def _proven(self, asked: Asked, by: str) -> None:
        self._stream.write(dialback.answer(asked, "valid"))
        self._stream.accept(asked.sender, asked.target, by)

    def _error(self, asked: Asked, condition: Condition, text: str) -> None:
        """Section 2.4.2: an error leaves the stream as it is."""
        self._stream.write(dialback.answer(asked, "error", StanzaError(condition, text=text)))


def stream_id() -> str:
    """Return an id for a stream, which nobody can guess (RFC 6120 4.7.3)."""
    return secrets.token_urlsafe(18)
