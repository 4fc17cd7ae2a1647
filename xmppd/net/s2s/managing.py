"""The elements of stream management between servers (XEP-0198 sections 3 and 5), on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.core.federation.contract import Pair
from xmppd.net.s2s.management import NS, Acknowledged, Acknowledging, count_of, failed, wants_resumption
from xmppd.net.s2s.refusals import Refused, Superseded
from xmppd.net.s2s.resumption import Session, new_id
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.net.s2s.initiating import Initiating
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["manage", "receive"]

#: Seconds within which the other side resumes a stream if it said that it is about to.
_DECIDED_WITHIN = 5.0
#: How often it is asked, in case that comes to nothing.
_TIMES = 3


def receive(stream: ServerStream, nonza: Nonza) -> None:
    """Take an element of stream management. :raises StreamError: it makes no sense."""
    name = nonza.name
    if name == "r" and stream.acknowledging is not None:
        stream.acknowledging.requested()
    elif name == "a" and stream.acknowledged is not None:
        stream.acknowledged.receive(nonza)
    elif name in ("enable", "resume") and stream.incoming:
        if not stream.proven or stream.acknowledging is not None:
            stream.write(failed(Condition.UNEXPECTED_REQUEST))
        elif name == "enable":
            _enable(stream, nonza)
        else:
            _resume(stream, nonza)
    elif name in ("r", "a", "resume"):
        stream.write(failed(Condition.UNEXPECTED_REQUEST))
    elif name in ("enabled", "resumed", "failed"):
        stream.management_answered(nonza)
    else:
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{name}/> is not expected here")


# The side that is asked


def _enable(stream: ServerStream, nonza: Nonza) -> None:
    """Section 3. Who begins anew has nothing to resume.

    What can be resumed is known by the domains of the stream's header, which by itself proves nothing.
    """
    network = stream.network
    held = network.sessions.held(Pair(stream.local, stream.remote))
    if held is not None and not held.going_on and held.fits(stream):
        network.sessions.end(held)
    stream.acknowledging = Acknowledging(stream)
    stream.acknowledged = Acknowledged(stream)
    seconds = int(network.settings.resume_seconds)
    if wants_resumption(nonza) and seconds and (stream.remote, stream.local) in stream.proven:
        session = Session(new_id(), stream, stream.acknowledging, stream.acknowledged)
        stream.session = session
        network.sessions.add(session)
        stream.write(tag("enabled", xmlns=NS, id=session.id, resume="true", max=seconds))
    else:
        stream.write(tag("enabled", xmlns=NS))
    stream.postponed.release()


def _resume(stream: ServerStream, nonza: Nonza) -> None:
    """Section 5."""
    h = count_of(nonza)
    session = stream.network.sessions.get(Pair(stream.local, stream.remote), nonza.attributes.get("previd", ""))
    if session is None or not session.fits(stream):
        stream.write(failed(Condition.ITEM_NOT_FOUND))
        stream.postponed.release()
    elif session.going_on or (session.asking and session.ours):
        # Both sides ask at the same time, each on its own connection: who has made the last one goes on.
        stream.write(failed(Condition.CONFLICT))
    else:
        stream.network.sessions.claim(session)
        stream.network.server.spawn(_go_on(stream, session, h), f"resuming a stream of {stream.remote}")


async def _go_on(stream: ServerStream, session: Session, h: int) -> None:
    sessions = stream.network.sessions
    old, session.stream = session.stream, stream
    if old is not None:
        old.close(StreamError(StreamCondition.CONFLICT, "the stream was resumed on another connection"))
    handled = await session.acknowledging.settled()
    if session.stream is not stream:
        return  # it has been resumed once more, meanwhile
    if stream.closing:
        sessions.lost(session)
        return
    try:
        session.acknowledged.take(h)
    except StreamError as error:
        stream.close(error)
        sessions.end(session)
        return
    sessions.take(session, stream)
    stream.write(tag("resumed", xmlns=NS, previd=session.id, h=handled))
    _restore(stream, session)
    stream.postponed.release()


def _restore(stream: ServerStream, session: Session) -> None:
    """Send again what was lost, and go on with all pairs of domains."""
    session.acknowledged.send_again()
    network = stream.network  # its settings may have changed meanwhile
    for remote, local in session.proven:
        if network.admits(Pair(local, remote)):
            stream.accept(remote, local, "resumption")
    for pair in filter(network.admits, session.sending):
        stream.carry(pair)
        network.federation.up(pair, stream.conduit)


# The side that asks


async def manage(stream: Initiating) -> None:
    """Resume the session that carried the same domains, or else begin one.

    :raises Refused: the connection was lost meanwhile.
    :raises Superseded: the other side was faster, on another connection. This one isn't needed.
    """
    network = stream.network
    session = network.sessions.held(Pair(stream.local, stream.remote))
    if session is not None and session.fits(stream):
        for _ in range(_TIMES):
            if not session.going_on and await _resumed(stream, session):
                return
            if session.going_on or session.expiry is not None:
                await session.decided(_DECIDED_WITHIN, stream.clock)
            if stream.closing:
                raise Refused("the connection was lost before a stream could be resumed on it")
            if session.stream is not None:
                raise Superseded("the other side has resumed a stream on a connection of its own")
            if session.expiry is None:
                break  # the other side does not know it
        network.sessions.end(session)
    resume = "true" if network.settings.resume_seconds else None
    stream.write(tag("enable", xmlns=NS, resume=resume))
    stream.acknowledged = Acknowledged(stream)


async def _resumed(stream: Initiating, session: Session) -> bool:
    sessions = stream.network.sessions
    session.asking = True
    try:
        handled = await session.acknowledging.settled()
        if session.stream is not None:
            return False
        stream.write(tag("resume", xmlns=NS, previd=session.id, h=handled))
        answer = await stream.management_answer()
    finally:
        session.asking = False
    if session.stream is not None:
        return False  # the other side was faster
    if answer.name == "resumed":
        _count(stream, session, answer)
        sessions.take(session, stream)
        stream.steps.append("the stream goes on where its connection was lost")
        _restore(stream, session)
        return True
    if "conflict" not in {element.name for element in answer.elements}:
        if "h" in answer.attributes:
            _count(stream, session, answer)
        sessions.end(session)
    return False


def _count(stream: Initiating, session: Session, answer: Nonza) -> None:
    """Take the `h` of an answer. :raises Refused: it makes no sense, and the stream is closed."""
    try:
        session.acknowledged.take(count_of(answer))
    except StreamError as error:
        stream.network.sessions.end(session)
        stream.close(error)
        raise Refused(f"its answer to <resume/> makes no sense: {error}") from None


def enabled(stream: ServerStream, nonza: Nonza) -> None:
    """Take the answer to `<enable/>`."""
    if stream.acknowledged is None or stream.acknowledging is not None:
        return
    if nonza.name == "failed":
        acknowledged, stream.acknowledged = stream.acknowledged, None
        acknowledged.refused()
        return
    stream.acknowledging = Acknowledging(stream)
    id_ = nonza.attributes.get("id", "")
    if id_ and wants_resumption(nonza) and stream.network.settings.resume_seconds:
        stream.session = Session(id_, stream, stream.acknowledging, stream.acknowledged)
        stream.network.sessions.add(stream.session)
