"""What is published: XEP-0357 section 7, and two elements of Tigase's that apps for iOS read.

An app that has given a key gets sender and text inside ``<encrypted xmlns='tigase:push:encrypt:0'/>``: JSON, encrypted
with AES-128-GCM, so that neither the push service nor the vendor's can read it.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xmppd.api import Message, tag
from xmppd.plugins.push.rules import CALLS, HINTS, Importance, is_call

__all__ = [
    "ENCRYPT",
    "NOTHING",
    "NS",
    "PRIORITY",
    "Last",
    "encrypted",
    "notification",
    "of_message",
    "priority_of",
    "publication",
]

NS = "urn:xmpp:push:0"
SUMMARY = "urn:xmpp:push:summary"
PUBSUB = "http://jabber.org/protocol/pubsub"
ENCRYPT = "tigase:push:encrypt:0"
PRIORITY = "tigase:push:priority:0"
_LONGEST_CALL, _MOST_MEDIA, _LONGEST_MEDIUM = 256, 4, 32  # what is told of a call: a service takes no more than so much
_IV = 12  # octets; NIST SP 800-38D section 5.2.1.1


class Last(NamedTuple):
    """The last message that an app is told of.

    :ivar sender: full address of who sent it; "": not to be told.
    :ivar body: its text; "": there is none, or it is not to be told.
    :ivar type: ``chat``, ``groupchat`` or ``call``.
    :ivar call: the id of the call, for a call; `media`: what it is made with, such as ``audio``.
    """

    sender: str = ""
    body: str = ""
    type: str = "chat"
    call: str = ""
    media: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return it as it is stored."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Last:
        """Read it back; what can't be read is nothing."""
        try:
            sender, body, type_, call, media = json.loads(text)
        except ValueError:
            return cls()
        return cls(sender, body, type_, call, tuple(media))


#: Nothing is told.
NOTHING = Last()


def of_message(message: Message, characters: int) -> Last:
    """Return what can be told of a message.

    :param characters: of the text at most. Of one that must not be stored (XEP-0334 4.2) it is never told.
    """
    sender = str(message.from_ or "")
    if is_call(message):
        propose = message.child(CALLS, "propose")
        assert propose is not None
        media = [e.getAttribute("media", "") for e in propose.elements() if e.name == "description"]
        told = tuple(medium for medium in media[:_MOST_MEDIA] if len(medium) <= _LONGEST_MEDIUM)
        call: str = propose.getAttribute("id", "")
        return Last(sender, "", "call", call if len(call) <= _LONGEST_CALL else "", told)
    body = "" if message.has(HINTS, "no-store") else (message.body or "")[:characters]
    return Last(sender, body, "groupchat" if message.type == "groupchat" else "chat")


def priority_of(what: Importance) -> str:
    """Return how urgent it is for the device: ``high`` shows something, and may wake the device at once."""
    return "high" if what >= Importance.MESSAGE else "low"


def notification(count: int | None, sender: str, body: str, *others: bytes) -> bytes:
    """Return the item's payload with the summary (section 7); what is empty or None is left out of it.

    :param others: elements beside it.
    """
    fields = [("FORM_TYPE", SUMMARY), ("message-count", "" if count is None else str(count))]
    fields += [("last-message-sender", sender), ("last-message-body", body)]
    form = tag(
        "x", *(tag("field", tag("value", value), var=name) for name, value in fields if value),
        xmlns="jabber:x:data", type="submit",
    )  # fmt: skip
    return tag("notification", form, *others, xmlns=NS)


def publication(node: str, item: str, payload: bytes, form: bytes) -> bytes:
    """Return the request to the push service, without the IQ around it.

    :param form: publish-options as the app gave them, or b"".
    """
    publish = tag("publish", tag("item", payload, id=item), node=node or None)
    options = tag("publish-options", form) if form else b""
    return tag("pubsub", publish, options, xmlns=PUBSUB)


def encrypted(key: bytes, count: int, last: Last, iv: bytes | None = None) -> bytes:
    """Return the element with everything in it that only the app can read.

    :param key: 16 octets. :param iv: 12 octets that were never used with this key; None: random ones.
    """
    sender, _, nick = last.sender.partition("/")
    told: dict[str, Any] = {"unread": count, "sender": sender, "type": last.type}
    if last.type == "call":
        told.update(sender=last.sender, sid=last.call, media=list(last.media))
    elif last.type == "groupchat":
        told["nickname"] = nick
    if last.body:
        told["message"] = last.body
    iv = secrets.token_bytes(_IV) if iv is None else iv
    hidden = AESGCM(key).encrypt(iv, json.dumps(told, ensure_ascii=False).encode(), None)
    kind = "voip" if last.type == "call" else None
    return tag("encrypted", b64encode(hidden).decode(), xmlns=ENCRYPT, type=kind, iv=b64encode(iv).decode())
