"""Stream management on a client's stream (XEP-0198): the nonzas, and the same within SASL2 and Bind 2 (section 9).

What they do is in :mod:`xmppd.core.durable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xmppd.core.durable.managed import NS
from xmppd.core.durable.management import ResumeFailed
from xmppd.wire import ns
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.core.sessions import Session
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["FEATURE", "NS", "ResumeFailed", "enable", "enable_now", "failed", "receive", "resume"]

FEATURE = tag("sm", xmlns=NS)
_TRUE = ("true", "1")
_FALSE = ("false", "0")
#: The largest value of an xs:unsignedInt.
_LARGEST = (1 << 32) - 1
#: Digits of a number, zeros at its beginning included, beyond which it is not read.
_DIGITS = 40


def receive(stream: ClientStream, session: Session, nonza: Nonza) -> None:
    """Take a nonza of stream management on a stream with a session."""
    managed = session.managed
    if nonza.name == "enable":
        session.receive(nonza)  # counting begins behind the stanzas that came before it
    elif nonza.name == "r" and managed is not None:
        managed.requested()
    elif nonza.name == "a" and managed is not None:
        h = _count(nonza.attributes, "h")
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
    answer = enable_now(stream, session, nonza.attributes)
    if session.managed is None:
        stream.write(answer)
    else:
        session.write_in_turn(answer, stream.listener.server.ledger.gathering())


def enable_now(stream: ClientStream, session: Session, attributes: Mapping[str, str]) -> bytes:
    """Enable stream management, for a session that doesn't have it.

    :param attributes: of ``<enable/>``.
    :returns: ``<enabled/>``, to be sent when what is gathered now is on disk; or ``<failed/>``.
    """
    resume = attributes.get("resume", "false").strip()
    seconds = _number(attributes, "max") if "max" in attributes else None
    if resume not in (*_TRUE, *_FALSE) or ("max" in attributes and not seconds):
        return failed(Condition.BAD_REQUEST)
    return stream.listener.server.management.enable(session, resume in _TRUE and stream.resumable, seconds)


async def resume(stream: ClientStream, attributes: Mapping[str, str]) -> Session:
    """Resume a session on a stream that has none yet (section 5).

    :param attributes: of ``<resume/>``.
    :raises ResumeFailed: it can't be resumed. :raises StreamError: the client acknowledges more than it was sent.
    """
    id_, h = attributes.get("previd"), _count(attributes, "h")
    if not id_ or h is None:
        raise ResumeFailed(Condition.BAD_REQUEST)
    assert stream.account is not None
    return await stream.listener.server.management.resume(stream.account, id_, h, stream)


def failed(condition: Condition, handled: int | None = None) -> bytes:
    """Return ``<failed/>`` (section 6)."""
    return tag("failed", tag(condition.value, xmlns=ns.STANZA_ERRORS), xmlns=NS, h=handled)


def _count(attributes: Mapping[str, str], name: str) -> int | None:
    """Return an attribute that is an xs:unsignedInt, or None if it isn't."""
    number = _number(attributes, name)
    return None if number is None or number > _LARGEST else number


def _number(attributes: Mapping[str, str], name: str) -> int | None:
    """Return an attribute that is a whole number, or None if it isn't."""
    digits = attributes.get(name, "").strip().removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else None
