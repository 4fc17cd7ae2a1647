"""Decorators that declare what a plugin's methods are for. They only mark; the registry reads the marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, TypeVar

from xmppd.wire.stanza import Iq, Message, Presence, Stanza

__all__ = [
    "UNANSWERED", "BindFeatureMark", "BoundMark", "FilterMark", "HttpMark", "IqMark", "Mark", "NonzaMark",
    "ObserveMark", "Phase", "Scope", "StreamFeatureMark", "Unanswered", "bind_feature", "bound_element", "filter",
    "iq_get", "iq_set", "mark", "marks", "nonza", "observe", "stream_feature",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__xmppd_marks__"


class Phase(IntEnum):
    """When a filter runs. Phases say what kind of thing a filter does; order inside a phase is by name."""

    #: May this pass at all? (blocking, rate limits, permissions)
    POLICY = 0
    #: What should it look like? (stamps, ids, clean-up)
    REWRITE = 1
    #: Keep it. (archive, history)
    STORE = 2
    #: Act on it. (protocols that consume the stanza, copies, notifications)
    DELIVER = 3


class Scope(Enum):
    """Whom an IQ must be addressed to for a handler to get it."""

    #: The address of a served domain: ``to='example.org'``.
    HOST = "host"
    #: The bare address of an account, whoever asks; RFC 6121 8.5.1 has the server answer.
    ACCOUNT = "account"
    #: The asker's own account: its bare address, or no `to` at all. Tried before ACCOUNT.
    OWN_ACCOUNT = "own account"
    #: An address of a user who does not exist, bare or full. For those whose answers mustn't tell accounts from others;
    #: without a handler it is service-unavailable.
    NO_ACCOUNT = "no account"
    #: A stream that has not bound a resource yet. The handler gets (request, stream).
    STREAM = "stream"


class Unanswered(Enum):
    """The type of :data:`UNANSWERED`."""

    UNANSWERED = "unanswered"


#: What a handler of IQs returns in place of a reply if there is to be none. It can't be forgotten, as a reply can.
UNANSWERED = Unanswered.UNANSWERED


@dataclass(frozen=True)
class IqMark:
    """Answers IQs of that type (``get`` or ``set``) whose child has that namespace and name."""

    type: str
    namespace: str
    name: str
    scope: Scope


@dataclass(frozen=True)
class FilterMark:
    """Decides about stanzas of those kinds at that event; see :func:`filter`."""

    event: type
    phase: Phase
    kinds: tuple[type[Stanza], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    dormant: bool = False


@dataclass(frozen=True)
class ObserveMark:
    """Is told of that event."""

    event: type
    dormant: bool = False


@dataclass(frozen=True)
class NonzaMark:
    """Takes the nonzas of that namespace and name."""

    namespace: str
    name: str


@dataclass(frozen=True)
class StreamFeatureMark:
    """Offers a stream feature."""


@dataclass(frozen=True)
class BindFeatureMark:
    """Turns something on for a session when its resource is bound by Bind 2 (XEP-0386)."""

    namespace: str
    name: str


@dataclass(frozen=True)
class BoundMark:
    """Adds to the answer of Bind 2."""


@dataclass(frozen=True)
class HttpMark:
    """Answers HTTP requests of that method and path; see :mod:`xmppd.api.http`.

    :ivar cors: may pages of other origins ask, from within browsers?
    :ivar streamed: does it take the body while it comes?
    """

    method: str
    path: str
    cors: bool = False
    streamed: bool = False


Mark = IqMark | FilterMark | ObserveMark | NonzaMark | StreamFeatureMark | BindFeatureMark | BoundMark | HttpMark


def _marked(function: F, *new: Mark) -> F:
    setattr(function, _ATTRIBUTE, (*marks(function), *new))
    return function


def mark(new: Mark) -> Callable[[F], F]:
    """Return a decorator that leaves a mark."""
    return lambda function: _marked(function, new)


def marks(function: object) -> tuple[Mark, ...]:
    """Return what a function was declared for."""
    found: tuple[Mark, ...] = getattr(function, _ATTRIBUTE, ())
    return found


def iq_get(namespace: str, name: str, to: Scope | tuple[Scope, ...] = Scope.HOST) -> Callable[[F], F]:
    """Answer IQs of type get whose child is `name` in `namespace`.

    The method takes the :class:`~xmppd.wire.stanza.Iq` and returns the reply (``request.result(...)``), or raises
    :class:`~xmppd.wire.errors.StanzaError`; it may be ``async``. With :attr:`Scope.STREAM` it takes the stream as well.
    :data:`UNANSWERED` instead of a reply means that none is sent: there are protocols older than RFC 6120 whose clients
    expect none.

    :param to: whom the request is addressed to; several scopes may be given.
    """
    return _iq("get", namespace, name, to)


def iq_set(namespace: str, name: str, to: Scope | tuple[Scope, ...] = Scope.HOST) -> Callable[[F], F]:
    """Answer IQs of type set; otherwise as :func:`iq_get`."""
    return _iq("set", namespace, name, to)


def _iq(type_: str, namespace: str, name: str, to: Scope | tuple[Scope, ...]) -> Callable[[F], F]:
    scopes = (to,) if isinstance(to, Scope) else to
    return lambda function: _marked(function, *(IqMark(type_, namespace, name, scope) for scope in scopes))


def filter(
    event: type,
    phase: Phase = Phase.DELIVER,
    kinds: tuple[type[Stanza], ...] = (Message, Presence, Iq),
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    dormant: bool = False,
) -> Callable[[F], F]:
    """Decide about stanzas: the method takes the event and returns a verdict or None; it may be ``async``.

    :param event: one of :mod:`xmppd.api.events.stanzas`.
    :param kinds: the kinds of stanza it wants; leaving out what it doesn't need keeps those stanzas fast.
    :param before: plugins whose filter in the same phase must run after this one.
    :param after: plugins whose filter in the same phase must run before this one.
    :param dormant: it costs nothing until the plugin calls ``self.wake()``, once it has something to filter for.
    """
    return lambda function: _marked(function, FilterMark(event, phase, kinds, before, after, dormant))


def observe(event: type, dormant: bool = False) -> Callable[[F], F]:
    """Be told of an event; the method takes it, and its result is awaited but not looked at.

    :param dormant: nobody observes it until the plugin calls ``self.wake()``; for events that cost something to make.
    """
    return lambda function: _marked(function, ObserveMark(event, dormant))


def nonza(namespace: str, name: str) -> Callable[[F], F]:
    """Handle a first-level element that is no stanza: the method takes (nonza, stream) and returns bytes or None."""
    return lambda function: _marked(function, NonzaMark(namespace, name))


def stream_feature(function: F) -> F:
    """Offer something in ``<stream:features/>``: the method takes the stream and returns bytes or None.

    It is asked each time features are sent, so it looks at ``stream.secured`` and ``stream.account`` (RFC 6120 4.3.2).
    """
    return _marked(function, StreamFeatureMark())


def bind_feature(namespace: str, name: str) -> Callable[[F], F]:
    """Turn on a feature of a session for a client that asks for it while it binds its resource (Bind 2, XEP-0386).

    The namespace is offered to clients as a feature of ``<bind/>``. The method takes (element, session), the element
    being the one in ``<bind/>``, before anybody knows of the session: before SessionBound, and before anything is sent
    to it. It returns bytes for ``<bound/>`` or None, at once; what the client is to have asked for lives in
    :meth:`~xmppd.api.ISession.keep`.
    """
    return lambda function: _marked(function, BindFeatureMark(namespace, name))


def bound_element(function: F) -> F:
    """Tell a client something in ``<bound/>``, the answer of Bind 2 (XEP-0386).

    The method takes the session, which is in place by then: whatever is sent to it goes out behind the answer. It
    returns bytes or None; it may be ``async``.
    """
    return _marked(function, BoundMark())
