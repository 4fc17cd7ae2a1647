"""What vendors get to see of a notification, and how soon it has to be there. Pure.

Vendors, and whoever reads along there, learn as little as possible: that there is something. The app is woken, and asks
its own server. Apple's devices show nothing without words, so these get some.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from xmppd.plugins.push_service.publishing import Notice
from xmppd.plugins.push_service.roads.contract import Kind, Parcel, Urgency
from xmppd.plugins.push_service.roads.sizes import fitted

__all__ = ["Content", "Words", "build", "deadline", "dump", "load", "parcel", "wake_only"]

Shown = Literal["count", "sender", "body"]
_TOPIC_LETTERS = 32
_MESSAGES, _CALLS = "messages", "calls"


@dataclass(frozen=True, slots=True)
class Words:
    """What is shown where there is nothing else to show; "" for nothing."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent, without where to and how long; see :class:`Parcel`."""

    id: str
    payload: Mapping[str, Any]
    urgency: Urgency
    topic: str
    kind: Kind


def build(id: str, node: str, road: str, notice: Notice, shown: Shown, words: Words) -> Content:
    """Return what is sent to an app.

    :param id: of the parcel.
    :param node: which the app knows itself by: it may have several accounts, on one device.
    """
    kind = _kind(notice)
    payload: dict[str, Any] = {"node": node}
    if notice.count is not None:
        payload["count"] = notice.count
    if notice.pending:
        payload["pending"] = notice.pending
    if notice.json is not None:
        payload |= {name: value for name, value in notice.json.items() if name != "node"}
    elif notice.encrypted:
        payload |= {name: value for name, value in notice.encrypted.items() if name != "node"}
    else:
        if notice.sender and shown in ("sender", "body"):
            payload["sender"] = notice.sender
        if notice.body and shown == "body":
            payload["body"] = notice.body
    return Content(
        id, _with_words(payload, kind, road, words), _urgency(notice, kind), _topic(node, notice, kind), kind
    )


def _kind(notice: Notice) -> Kind:
    if notice.call:
        return "call"
    tells = notice.body or notice.sender or notice.count or notice.encrypted or notice.json
    return "alert" if tells and not notice.silent else "background"


def _urgency(notice: Notice, kind: Kind) -> Urgency:
    """As the publisher says; else as other push services guess: a message that has a text is worth waking up for."""
    if notice.urgency is not None:
        return notice.urgency
    urgent = kind == "call" or bool(notice.body or notice.encrypted)
    return "high" if urgent else "normal"


def _topic(node: str, notice: Notice, kind: Kind) -> str:
    """Return a name for what the newest may stand for, or "".

    Summaries of messages do. What has a text of its own does only if its sender says so.
    """
    key = notice.collapse
    if key is None:
        if notice.json is not None:
            collapse = notice.json.get("collapse")
            key = collapse if isinstance(collapse, str) else ""
        elif notice.encrypted:
            key = ""
        else:
            key = _CALLS if kind == "call" else _MESSAGES
    if not key:
        return ""
    # Two accounts in one app share a token, and must not stand for each other.
    return urlsafe_b64encode(hashlib.sha256(f"{node}\n{key}".encode()).digest())[:_TOPIC_LETTERS].decode()


def _with_words(payload: dict[str, Any], kind: Kind, road: str, words: Words) -> dict[str, Any]:
    if road != "apns" or kind != "alert":
        return payload
    shown = {"title": words.title, "body": words.body}
    return {name: text for name, text in shown.items() if text} | payload


def wake_only(content: Content, road: str, words: Words) -> Content:
    """Return what is left of content that was too large for a vendor: it wakes the app, no more."""
    kept = {name: content.payload[name] for name in ("node", "count") if name in content.payload}
    return replace(content, payload=_with_words(kept, content.kind, road, words))


def deadline(notice: Notice, now: float, ttl: int, call: int) -> float:
    """Return until when it is of use, in seconds since the epoch. A notification may say so itself."""
    most = call if notice.call else ttl
    end = now + (most if notice.ttl is None else min(most, notice.ttl))
    stated = (notice.json or {}).get("expires_at")
    return min(end, max(now, stated)) if isinstance(stated, int | float) else end


def parcel(content: Content, target: Mapping[str, str], seconds_left: float, road: str) -> Parcel:
    """Return what a road is handed, with texts cut to what it takes."""
    ttl = max(0, int(seconds_left))
    whole = Parcel(content.id, target, content.payload, ttl, content.urgency, content.topic, content.kind)
    return fitted(whole, road)


def dump(content: Content) -> str:
    """Return it as text for the database."""
    values = {name: getattr(content, name) for name in Content.__slots__}
    return json.dumps(values, separators=(",", ":"))


def load(text: str) -> Content:
    """Return what :func:`dump` has written."""
    return Content(**json.loads(text))
