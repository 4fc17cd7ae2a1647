"""Stream management on a client's stream (XEP-0198): the nonzas; what they do is in :mod:`xmppd.core.durable`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.core.durable.managed import NS
from xmppd.core.durable.management import ResumeFailed
from xmppd.wire import ns
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.core.sessions import Session
    from xmppd.net.c2s import ClientStream

__all__ = ["FEATURE", "NS", "enable", "failed", "receive", "resume"]

FEATURE = tag("sm", xmlns=NS)
_TRUE = ("true", "1")
_FALSE = ("false", "0")
#: The largest value of an xs:unsignedInt.
_LARGEST = (1 << 32) - 1


def receive(stream: ClientStream, session: Session, nonza: Nonza) -> None:
    """Take a nonza of stream management on a stream with a session."""
    managed = session.managed
    if nonza.name == "enable":
        session.receive(nonza)  # counting begins behind the stanzas that came before it
    elif nonza.name == "r" and managed is not None:
        managed.requested()
    elif nonza.name == "a" and managed is not None:
        h = _count(nonza, "h")
        if h is None:
            stream.close(StreamError(StreamCondition.INVALID_XML, "<a/> needs an attribute h, a number"))
            return
        try:
            managed.take(h)
        except StreamError as error:
            stream.close(error)
    elif nonza.name in ("r", "a", "resume"):
        stream.write(failed(Condition.UNEXPECTED_REQUEST))
    else:
        stream.close(StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{nonza.name}/> is not expected here"))


def enable(stream: ClientStream, session: Session, nonza: Nonza) -> None:
    """Enable stream management (section 3); in turn with the stanzas of the client."""
    if session.managed is not None:
        # "A client SHALL only make at most one attempt": the answer of the example, then what the text asks for.
        stream.write(failed(Condition.UNEXPECTED_REQUEST))
        stream.close(StreamError(StreamCondition.POLICY_VIOLATION, "stream management is enabled already"))
        return
    resume = nonza.attributes.get("resume", "false").strip()
    seconds = _count(nonza, "max") if "max" in nonza.attributes else None
    if resume not in (*_TRUE, *_FALSE) or ("max" in nonza.attributes and not seconds):
        stream.write(failed(Condition.BAD_REQUEST))
        return
    session.write_in_turn(
        stream.listener.server.management.enable(session, resume in _TRUE and stream.resumable, seconds),
        stream.listener.server.ledger.gathering(),
    )


async def resume(stream: ClientStream, nonza: Nonza) -> Session | None:
    """Resume a session on a stream that has none yet (section 5).

    :returns: the session; None if it can't be resumed, which the client has been told.
    :raises StreamError: the client acknowledges more than it was sent.
    """
    id_, h = nonza.attributes.get("previd"), _count(nonza, "h")
    if not id_ or h is None:
        stream.write(failed(Condition.BAD_REQUEST))
        return None
    assert stream.account is not None
    try:
        return await stream.listener.server.management.resume(stream.account, id_, h, stream)
    except ResumeFailed as error:
        stream.write(failed(error.condition, error.handled))
        return None


def failed(condition: Condition, handled: int | None = None) -> bytes:
    """Return ``<failed/>`` (section 6)."""
    return tag("failed", tag(condition.value, xmlns=ns.STANZA_ERRORS), xmlns=NS, h=handled)


def _count(nonza: Nonza, attribute: str) -> int | None:
    """Return an attribute that is an xs:unsignedInt, or None if it isn't."""
    text = nonza.attributes.get(attribute, "").strip()
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20) or int(digits) > _LARGEST:
        return None
    return int(digits)
