"""Ad-hoc commands of rooms (XEP-0050), of one form each.

A room remembers nothing between the form and the answer: who knows what is in the form may send it at once, as the
examples of XEP-0317 do.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xmppd.api import Condition, Element, Iq, StanzaError, tag
from xmppd.api.commands import NS, bad_payload
from xmppd.plugins.muc.room import forms
from xmppd.plugins.muc.room.elements import child
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.state import Room
from xmppd.wire import ns

__all__ = ["Command", "execute"]

_ONWARD = ("", "execute", "next", "complete")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a room.

    :ivar name: for people.
    :ivar allowed: may somebody, who asks by this request, execute it?
    :ivar form_type: the FORM_TYPE of what is filled in.
    :ivar form: makes the form; None: there is nothing to fill in.
    :ivar act: does it with what is filled in; the reply of the outcome is what is shown. It raises StanzaError.
    """

    name: str
    allowed: Callable[[Room, Iq], bool]
    form_type: str
    form: Callable[[Room], bytes] | None
    act: Callable[[Room, Iq, forms.Values], Outcome]


def execute(room: Room, iq: Iq, commands: Mapping[str, Command]) -> Outcome:
    """Answer a ``<command/>`` (section 2.4).

    :param commands: by node.
    :raises StanzaError: item-not-found for one that there is not; forbidden to those who may not; as section 4.4 says.
    """
    request = iq.request
    node = request.getAttribute("node", "")
    command = commands.get(node)
    if command is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such command.")
    if not command.allowed(room, iq):
        raise StanzaError(Condition.FORBIDDEN, text="You may not do this.")
    action = request.getAttribute("action", "")
    if action == "cancel":
        return Outcome(reply=_answer(room, iq, "canceled"))
    if action not in _ONWARD:
        specific = "bad-action" if action == "prev" else "malformed-action"
        raise StanzaError(Condition.BAD_REQUEST, text=f"There is no {action} here.", app=tag(specific, xmlns=NS))
    x = child(request, ns.DATA_FORMS, "x")
    if command.form is not None and x is None:
        actions = tag("actions", tag("complete"), execute="complete")
        return Outcome(reply=_answer(room, iq, "executing", actions + command.form(room)))
    outcome = command.act(room, iq, {} if command.form is None else _filled(x, command.form_type))
    outcome.reply = _answer(room, iq, "completed", outcome.reply if isinstance(outcome.reply, bytes) else b"")
    return outcome


def _filled(x: Element | None, form_type: str) -> forms.Values:
    try:
        values = forms.filled(x, form_type)
    except StanzaError as error:
        raise bad_payload(error.text or "") from None
    if values is None:
        raise bad_payload("The form was cancelled; an action can be.")
    return values


def _answer(room: Room, iq: Iq, status: str, content: bytes = b"") -> bytes:
    node = iq.request.getAttribute("node", "")
    session = iq.request.getAttribute("sessionid")
    if not session:
        known = f"command\0{room.jid}\0{iq.sender}\0{node}".encode()
        session = hmac.digest(room.service.secret, known, "sha256")[:12].hex()
    return tag("command", content, xmlns=NS, node=node, sessionid=session, status=status)
