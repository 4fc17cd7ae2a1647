"""What servers publish to wake an app: XEP-0357 section 7, in terms of XEP-0060 section 7.1. Pure.

A user's server may say more of a push than the XEP has words for. Understood are the options ``priority`` (``high``,
``normal``, ``low``), ``kind`` (``call``), ``silent``, ``collapse`` and ``time_to_live`` (seconds); ``<priority/>``,
``<jingle/>`` and ``<encrypted/>`` as Tigase and Prosody write them; a call by XEP-0353; and the JSON of XEP-0432, for
notifications that have a title and a text of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from xmppd.api import Condition, Element, Iq, StanzaError, tag
from xmppd.plugins.push_service.roads.contract import Urgency
from xmppd.wire import ns

__all__ = ["ERRORS", "NS", "PUBSUB", "Notice", "Publish", "read", "too_large", "unsupported"]

NS = "urn:xmpp:push:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
ERRORS = f"{PUBSUB}#errors"
_SUMMARY = "urn:xmpp:push:summary"
_PRIORITY = "tigase:push:priority:0"
_JINGLE = (("tigase:push:jingle:0", "jingle"), ("urn:xmpp:jingle-message:0", "propose"))
_JSON = "urn:xmpp:json:0"
_URGENCIES = ("high", "normal", "low")
_TRUE = ("1", "true")
_LONGEST_ID = 256
_DEEPEST = 16  # levels of JSON
#: What is asked of a pubsub service, and the feature that it would be (XEP-0060 section 10).
_FEATURES: Mapping[str, str] = {
    "affiliations": "retrieve-affiliations",
    "configure": "config-node",
    "create": "create-nodes",
    "default": "retrieve-default",
    "delete": "delete-nodes",
    "items": "retrieve-items",
    "options": "subscription-options",
    "purge": "purge-nodes",
    "retract": "retract-items",
    "subscribe": "subscribe",
    "subscriptions": "retrieve-subscriptions",
    "unsubscribe": "subscribe",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told to the app.

    :ivar count: unread messages, if it is known; `pending`: requests to see the user's presence.
    :ivar sender, body: of the last message, or "".
    :ivar json: a notification with a text of its own; None if it is about messages.
    :ivar encrypted: what only the app can read, with the attributes it came with.
    :ivar collapse: stands for others with the same key; None: as all do that are of this kind.
    :ivar ttl: seconds; None if nothing was said.
    """

    count: int | None = None
    pending: int | None = None
    sender: str = ""
    body: str = ""
    json: Mapping[str, Any] | None = None
    encrypted: Mapping[str, str] = field(default_factory=dict)
    urgency: Urgency | None = None
    call: bool = False
    silent: bool = False
    collapse: str | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """A request to publish.

    :ivar item: the id the publisher gave the item, or "".
    """

    node: str
    secret: str
    item: str
    notice: Notice


def unsupported(pubsub: Element | None) -> StanzaError:
    """Return the error for requests of XEP-0060 that a push service has no answer for."""
    name = next((child.name for child in pubsub.elements()), "") if pubsub is not None else ""
    feature = tag("unsupported", xmlns=ERRORS, feature=_FEATURES.get(name, name or "publish"))
    return StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, app=feature)


def too_large(most: int) -> StanzaError:
    """Return the error for more octets than there may be (XEP-0060 section 7.1.3.5)."""
    error = tag("payload-too-big", xmlns=ERRORS)
    return StanzaError(Condition.NOT_ACCEPTABLE, text=f"At most {most} octets are taken.", app=error)


def read(iq: Iq) -> Publish:
    """Read a request of type set with ``<pubsub/>``.

    :raises StanzaError: as XEP-0060 section 7.1.3 has it; bad-request for what can't be understood.
    """
    pubsub = iq.child(PUBSUB, "pubsub")
    publish = None if pubsub is None else next(pubsub.elements(PUBSUB, "publish"), None)
    if pubsub is None or publish is None:
        raise unsupported(pubsub)
    node = publish.getAttribute("node") or ""
    if not node:
        raise _bad("nodeid-required", "A node is needed.")
    items = list(publish.elements(PUBSUB, "item"))
    if not items:
        raise _bad("item-required", "An item is needed.")
    if len(items) > 1:
        too_many = tag("max-items-exceeded", xmlns=ERRORS)
        raise StanzaError(Condition.NOT_ALLOWED, text="One item at a time.", app=too_many)
    children = list(items[0].elements())
    if not children:
        raise _bad("payload-required", "The item is empty.")
    if len(children) > 1 or (children[0].uri, children[0].name) != (NS, "notification"):
        raise _bad("invalid-payload", f"One <notification xmlns='{NS}'/> is expected.")
    item = items[0].getAttribute("id") or ""
    if len(item) > _LONGEST_ID or len(node) > _LONGEST_ID:
        raise StanzaError(Condition.BAD_REQUEST, text="The id is too long.")
    options = _options(pubsub)
    return Publish(node, options.get("secret", ""), item, _notice(children[0], options))


def _bad(condition: str, text: str) -> StanzaError:
    return StanzaError(Condition.BAD_REQUEST, text=text, app=tag(condition, xmlns=ERRORS))


def _options(pubsub: Element) -> dict[str, str]:
    """Return the publish options. (XEP-0357 shows them beside ``<pubsub/>``, but an IQ has one child.)"""
    found: dict[str, str] = {}
    for place in pubsub.elements(PUBSUB, "publish-options"):
        for form in place.elements(ns.DATA_FORMS, "x"):
            found |= _fields(form)
    return found


def _fields(form: Element) -> dict[str, str]:
    found = {}
    for element in form.elements(ns.DATA_FORMS, "field"):
        name, value = element.getAttribute("var"), next(element.elements(ns.DATA_FORMS, "value"), None)
        if name and value is not None:
            found[name] = str(value)
    return found


def _notice(notification: Element, options: Mapping[str, str]) -> Notice:
    forms = (_fields(form) for form in notification.elements(ns.DATA_FORMS, "x"))
    summary = next((form for form in forms if form.get("FORM_TYPE") == _SUMMARY), {})
    children = {(child.uri, child.name) for child in notification.elements()}
    stated = next((str(e) for e in notification.elements(_PRIORITY, "priority")), None)
    encrypted = _encrypted(notification)
    call = options.get("kind") == "call" or encrypted.get("type") == "voip" or any(name in children for name in _JINGLE)
    return Notice(
        count=_number(summary, "message-count"),
        pending=_number(summary, "pending-subscription-count"),
        sender=summary.get("last-message-sender", ""),
        body=summary.get("last-message-body", ""),
        json=_json(notification),
        encrypted=encrypted,
        urgency=_urgency(options.get("priority", stated)),
        call=call,
        silent=options.get("silent", "") in _TRUE,
        collapse=options.get("collapse"),
        ttl=_number(options, "time_to_live"),
    )


def _number(fields: Mapping[str, str], name: str) -> int | None:
    """Return a number of a form. :raises StanzaError: bad-request, if it is none."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise StanzaError(Condition.BAD_REQUEST, text=f"{name} is a number.")
    return int(text)


def _urgency(priority: str | None) -> Urgency | None:
    """Others' words for a priority are no reason to lose the push."""
    return cast(Urgency, priority) if priority in _URGENCIES else None


def _encrypted(notification: Element) -> dict[str, str]:
    element = next((child for child in notification.elements() if child.name == "encrypted"), None)
    if element is None:
        return {}
    attributes = {name: str(value) for name, value in element.attributes.items() if isinstance(name, str)}
    return attributes | {"encrypted": str(element).strip(), "encrypted-ns": element.uri or ""}


def _json(notification: Element) -> dict[str, Any] | None:
    """Return the JSON of XEP-0432, wherever it is in the notification."""
    waiting = list(notification.elements())
    while waiting:
        element = waiting.pop()
        if (element.uri, element.name) == (_JSON, "json"):
            try:
                value = json.loads(str(element), parse_constant=_refuse)
                # What vendors are sent is UTF-8 (RFC 8259 section 8): no half of a character, no 1e999 made infinite.
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, dict) or _is_deep(value, _DEEPEST):
                raise StanzaError(Condition.BAD_REQUEST, text="The JSON has to be an object, and not a deep one.")
            return value
        waiting += element.elements()
    return None


def _refuse(constant: str) -> Any:
    """NaN and its kin are no JSON (RFC 8259 section 6), and vendors would say so."""
    raise ValueError(constant)


def _is_deep(value: Any, most: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most < 0 or any(_is_deep(one, most - 1) for one in inner)
