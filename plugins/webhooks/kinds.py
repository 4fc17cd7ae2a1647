"""What webhooks tell of: the names of events, and what is said of each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from xmppd.wire.delay import format_datetime

__all__ = ["KINDS", "chosen", "event", "wants"]

KINDS: Mapping[str, str] = {
    "account.created": "an account was made",
    "account.deleted": "an account is gone, with everything that was kept for it",
    "notification.changed": "a notification has got further with a device",
    "push.disabled": "an app is not pushed to any more",
    "room.created": "a room was made",
    "room.destroyed": "a room is gone",
    "server.reachable": "another server, or a component, can be reached again",
    "server.unreachable": "another server, or a component, can't be reached any more",
    "session.ended": "a session has ended",
    "session.started": "a client has logged in",
    "test": "somebody wanted to see whether it works",
}
#: What is sent although nobody has asked for it.
_UNASKED = frozenset(("test",))


def chosen(text: str) -> tuple[str, ...]:
    """Return what is meant by names separated by commas, such as ``account.*, room.created``.

    :raises ValueError: there is no such event; the text says which there are.
    """
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    there = sorted(KINDS.keys() - _UNASKED)
    for name in found:
        if not any(wants((name,), kind) for kind in there):
            raise ValueError(
                f"there is no event {name!r}; there are {', '.join(there)}, and `account.*` or `*` for several"
            )
    if not found:
        raise ValueError(f"none is named; there are {', '.join(there)}")
    return found


def wants(names: Collection[str], kind: str) -> bool:
    """Is an event among those that are named?"""
    if kind in _UNASKED:
        return False
    return kind in names or f"{kind.partition('.')[0]}.*" in names or "*" in names


def event(kind: str, host: str, now: float, data: Mapping[str, Any]) -> str:
    """Return an event as it is sent, in JSON.

    :param now: when it happened, in seconds since the epoch.
    """
    said = {"id": f"evt_{secrets.token_hex(12)}", "type": kind, "timestamp": format_datetime(now), "host": host}
    return json.dumps({**said, "data": dict(data)}, default=str, ensure_ascii=False)
