"""Reading ``<command/>`` and writing the answers: XEP-0050 sections 3.4 and 4, without state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tx_xmpp.data_form import Error as FormError
from tx_xmpp.data_form import Form

from xmppd.api import Condition, Element, Iq, StanzaError, tag
from xmppd.api.commands import NS, Ask, Done, Filled, bad_payload
from xmppd.wire import ns
from xmppd.wire.xml import to_payload

__all__ = ["Action", "Request", "ask", "cancelled", "done", "read", "refuse", "resolve"]

LANG = "en"  # the language of all our texts


class Action(StrEnum):
    """What the requester wants (section 4.1)."""

    EXECUTE = "execute"
    CANCEL = "cancel"
    PREV = "prev"
    NEXT = "next"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Request:
    """A ``<command/>`` that was sent to us.

    :ivar lang: the language that is asked for, or None.
    :ivar filled: the form that came with it, or None.
    """

    iq: Iq
    node: str
    action: Action
    session: str | None
    lang: str | None
    filled: Filled | None


def read(iq: Iq) -> Request:
    """Read a request. Raises StanzaError for what is none."""
    command = iq.request
    node = command.getAttribute("node")
    if not node:
        raise StanzaError(Condition.BAD_REQUEST, text="a command is named by its node")
    try:
        action = Action(command.getAttribute("action") or Action.EXECUTE)
    except ValueError:
        raise refuse("malformed-action", f"there is no action {command.getAttribute('action')!r}") from None
    session = command.getAttribute("sessionid")
    if session == "":
        raise refuse("bad-sessionid", "a sessionid can't be empty")
    lang = iq.lang or command.getAttribute((ns.XML, "lang"))
    form = next((child for child in command.elements() if (child.uri, child.name) == (ns.DATA_FORMS, "x")), None)
    return Request(iq, node, action, session, lang, None if form is None else _values(form))


def _values(form: Element) -> Filled:
    """Return what is filled in. A form of type cancel is taken for a submitted one (section 3.5.1)."""
    if form.getAttribute("type") not in ("submit", "cancel"):
        raise bad_payload("the form is not of type submit")
    try:
        fields = Form.fromElement(form).fields
    except FormError as error:
        raise bad_payload(str(error)) from None
    return {name: tuple(str(value) for value in field.values) for name, field in fields.items()}


def refuse(specific: str, text: str) -> StanzaError:
    """Return bad-request with a specific condition of section 4.4."""
    return StanzaError(Condition.BAD_REQUEST, text=text, app=tag(specific, xmlns=NS))


def resolve(action: Action, stage: int, last: bool) -> Action:
    """Return what an action means at a form (section 3.4): prev, next, complete or cancel.

    :param stage: the number of the form that is to be filled in, the first is 0.
    :param last: the command can be completed with it.
    :raises StanzaError: bad-action, if it isn't among those on offer.
    """
    onward = Action.COMPLETE if last else Action.NEXT
    if action is Action.EXECUTE:
        return onward
    if action in (onward, Action.CANCEL) or (action is Action.PREV and stage):
        return action
    raise refuse("bad-action", f"{action} is not possible here")


def ask(request: Request, session: str, stage: int, ask: Ask) -> Iq:
    """Return the answer with a form to fill in and the actions that are possible (section 4.2)."""
    onward = Action.COMPLETE if ask.last else Action.NEXT
    actions = tag("actions", tag("prev") if stage else None, tag(onward.value), execute=onward)
    return _answer(request, session, "executing", actions + to_payload(ask.form))


def done(request: Request, session: str, done: Done) -> Iq:
    """Return the answer that ends a command."""
    notes = b"".join(tag("note", note.text, type=note.severity) for note in done.notes)
    return _answer(request, session, "completed", notes + to_payload(done.payload))


def cancelled(request: Request, session: str) -> Iq:
    """Return the answer to a cancellation."""
    return _answer(request, session, "canceled", b"")


def _answer(request: Request, session: str, status: str, content: bytes) -> Iq:
    command = tag("command", content, xmlns=NS, sessionid=session, node=request.node, status=status)
    return Iq(request.iq.from_, request.iq.to, request.iq.id, "result", LANG, command)
