"""Binding a resource to a client's stream: RFC 6120 section 7, and Bind 2 (XEP-0386) with what it turns on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.interfaces import USER_AGENT
from xmppd.core.plugins.dispatch import error_for
from xmppd.core.sessions import Output, Session
from xmppd.net.c2s import management
from xmppd.net.c2s.gate import Gate
from xmppd.wire import ns
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.inline import BindRequest, UserAgent
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import SEPARATOR, Element, tag

if TYPE_CHECKING:
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["Bound", "bind", "bind2", "check_account", "resource_for", "wanted_resource"]

_log = Logger()
_RESOURCE_OCTETS = 9


async def check_account(stream: ClientStream) -> None:
    """Locking or deleting an account ends its sessions; a stream without one must not get one later.

    :raises StreamError: the account may not be used any more. :raises StorageUnavailable: it can't be looked up.
    """
    if not stream.resumable:  # it has logged in without an account
        return
    assert stream.account is not None
    account = await stream.listener.accounts.get(stream.account)
    if account is None or account.locked is not None:
        gone = "deleted" if account is None else "locked"
        raise StreamError(StreamCondition.NOT_AUTHORIZED, f"The account is {gone}.")


def wanted_resource(iq: Iq) -> str | None:
    """Return the resource a client asks for, prepared; None if it leaves that to us.

    :raises JidError: if it can't be a resource.
    """
    for element in iq.request.elements():
        if element.name == "resource" and element.uri == ns.BIND and str(element):
            return Jid.parse("x@x/" + str(element)).resource
    return None


async def bind(
    stream: ClientStream,
    resource: str | None,
    bound: Callable[[Session], object],
    output: Output | None = None,
    replace: bool = False,
) -> Session:
    """Bind a resource (RFC 6120 7.6, 7.7).

    :param resource: what the client asks for; None lets the server choose.
    :param bound: called before anything can be sent to the session.
    :param output: what the session writes to, if it isn't the stream.
    :param replace: end a session that has the resource, whatever the settings say.
    :raises BindRefused: it is in use, or there are too many. :raises StorageUnavailable: the database can't work.
    :raises StreamError: the account may not be used any more.
    """
    server = stream.listener.server
    assert stream.host is not None and stream.account is not None
    await check_account(stream)
    session = await server.bind(stream.host, stream.account, resource, output or stream, bound, replace)
    try:
        await check_account(stream)  # an older session may have taken long to end
    except Exception:
        await server.unbind(session)
        raise
    return session


@dataclass(frozen=True, slots=True)
class Bound:
    """A session, the element that tells its client so, and what holds back all else until that is sent."""

    session: Session
    answer: bytes
    gate: Gate


async def bind2(stream: ClientStream, request: BindRequest, agent: UserAgent) -> Bound:
    """Bind a resource and turn on what is asked for, in one step (XEP-0386 3.2).

    Raises what :func:`bind` does.
    """
    server, account = stream.listener.server, stream.account
    assert account is not None
    resource = resource_for(stream.listener.secret, account, request.tag, agent.id)
    gate = Gate(stream)
    answers: list[bytes] = []

    def bound(session: Session) -> None:
        session.keep(USER_AGENT, agent.described() or None)
        answers.extend(_turn_on(stream, session, request.wishes))

    await _end_earlier(stream, agent)
    session = await bind(stream, resource, bound, gate, replace=True)
    answers += await _told(session)
    if session.managed is not None:
        await server.ledger.settled()  # before the client is told that it can resume the session
    return Bound(session, tag("bound", *answers, xmlns=ns.BIND2), gate)


def resource_for(secret: bytes, account: Jid, name: str | None, agent: str | None) -> str:
    """Return the resource for a client (XEP-0386 3.2.1): always the same one for the same tag and the same client.

    :param secret: of the server; without it nobody can guess the resource, or learn the client's id from it.
    :param name: the tag, which comes first unless it can't be in a resource.
    :param agent: what the client is known by; None: the resource is another one each time.
    """
    if agent is None:
        own = secrets.token_urlsafe(_RESOURCE_OCTETS)
    else:
        of_what = "\0".join(("resource", account, name or "", agent)).encode()
        own = base64.urlsafe_b64encode(hmac.digest(secret, of_what, hashlib.sha256)[:_RESOURCE_OCTETS]).decode()
    try:
        return Jid.parse(f"x@x/{name}/{own}").resource if name else own
    except JidError:
        return own


async def _end_earlier(stream: ClientStream, agent: UserAgent) -> None:
    """A client has one session: what is left of its earlier ones ends."""
    server, account = stream.listener.server, stream.account
    if agent.id is None or account is None:
        return
    for session in list(server.directory.of(account).values()):
        if session.state.get(USER_AGENT, {}).get("id") == agent.id:
            session.close(StreamError(StreamCondition.CONFLICT, "the client has begun another session"))
            await server.unbind(session)


def _turn_on(stream: ClientStream, session: Session, wishes: Iterable[Element]) -> list[bytes]:
    """Do what a client asks for; what isn't known is ignored. Return what to tell it.

    Stream management comes last: it writes the session down as it is then.
    """
    answers = []
    wanted = {f"{wish.uri}{SEPARATOR}{wish.name}": wish for wish in wishes}
    enable = wanted.pop(f"{management.NS}{SEPARATOR}enable", None)
    for key, wish in wanted.items():
        handler = session.host.tables.bind_features.get(key)
        if handler is None:
            continue
        try:
            answer = handler(wish, session)
        except Exception as error:
            error_for(error, handler)
        else:
            answers.append(answer or b"")
    if enable is not None:
        answers.append(_manage(stream, session, enable))
    return answers


def _manage(stream: ClientStream, session: Session, enable: Element) -> bytes:
    try:
        return management.enable_now(stream, session, {str(k): str(v) for k, v in enable.attributes.items()})
    except Exception:
        _log.failure("stream management of {jid} could not be enabled", jid=session.jid)
        return management.failed(Condition.INTERNAL_SERVER_ERROR)


async def _told(session: Session) -> list[bytes]:
    """Return what plugins have to tell the client of a new session."""
    answers = []
    for handler in session.host.tables.bound_elements:
        try:
            answer = handler(session)
            if answer is not None and not isinstance(answer, bytes):
                answer = await answer
        except Exception as error:
            error_for(error, handler)
        else:
            answers.append(answer or b"")
    return answers
