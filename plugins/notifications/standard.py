"""The notification as a message that any client shows, and those that know more understand.

A headline (RFC 6121 section 5.2.2) with subject and body, a link (XEP-0066 section 3), everything once more as JSON
(XEP-0432), requests for a receipt (XEP-0184) and for a mark that it was displayed (XEP-0333), and hints that it is
neither stored nor copied (XEP-0334).
"""

from __future__ import annotations

import json

from xmppd.api import ISession, Jid, Message, tag
from xmppd.api.notifications import Notification, State

__all__ = ["DATATYPE", "MARKERS", "RECEIPTS", "StandardFormat", "confirmed", "payload"]

DATATYPE = "urn:xmppd:notification:0"
JSON_MESSAGE, JSON = "urn:xmpp:json-msg:0", "urn:xmpp:json:0"
OOB = "jabber:x:oob"
RECEIPTS = "urn:xmpp:receipts"
MARKERS = "urn:xmpp:chat-markers:0"
HINTS = "urn:xmpp:hints"
#: What clients say of a message they got, and the state that it means.
_CONFIRMATIONS = (
    (RECEIPTS, "received", State.DELIVERED),
    (MARKERS, "displayed", State.OPENED),
    (MARKERS, "acknowledged", State.OPENED),
    (MARKERS, "received", State.DELIVERED),
)


class StandardFormat:
    """Speaks to all clients that no other format speaks to; an :class:`xmppd.api.notifications.IFormat`."""

    name = "message"

    def __init__(self, sender: Jid) -> None:
        self._sender = sender

    def speaks(self, session: ISession) -> bool:
        """See IFormat."""
        return True

    def stanza(self, notification: Notification, to: Jid) -> Message:
        """See IFormat."""
        return Message(to, self._sender, notification.id, "headline", payload=payload(notification))

    def settling_seconds(self, session: ISession) -> float:
        """See IFormat."""
        return 0.0

    def fenced(self, session: ISession) -> bool:
        """See IFormat."""
        return True


def payload(notification: Notification) -> bytes:
    """Return the content of the message."""
    parts = [tag("subject", notification.title)] if notification.title else []
    parts.append(tag("body", notification.body or notification.title))
    if notification.uri:
        parts.append(tag("x", tag("url", notification.uri), xmlns=OOB))
    parts += [
        tag("payload", tag("json", as_json(notification), xmlns=JSON), xmlns=JSON_MESSAGE, datatype=DATATYPE),
        tag("request", xmlns=RECEIPTS),
        tag("markable", xmlns=MARKERS),
        tag("no-permanent-store", xmlns=HINTS),
        tag("no-copy", xmlns=HINTS),
    ]
    return b"".join(parts)


def as_json(notification: Notification) -> str:
    """Return all there is to say as a JSON object; what is empty is left out."""
    values = {
        "id": notification.id,
        "title": notification.title,
        "body": notification.body,
        "uri": notification.uri,
        "image": notification.image,
        "data": dict(notification.data),
        "priority": notification.priority,
        "collapse": notification.collapse,
        "created_at": round(notification.created_at, 3),
        "expires_at": round(notification.expires_at, 3),
    }
    return json.dumps({key: value for key, value in values.items() if value}, ensure_ascii=False, separators=(",", ":"))


def confirmed(message: Message) -> tuple[str, State] | None:
    """Return the id of the notification that a message confirms, and the state that this means."""
    for namespace, name, state in _CONFIRMATIONS:
        element = message.child(namespace, name)
        if element is not None:
            return element.getAttribute("id", ""), state
    return None
