"""What a stanza must be like by itself, whoever sent it (RFC 6120 section 8.2.3, RFC 6121 section 4.7.1)."""

from __future__ import annotations

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Iq, Presence, Stanza

__all__ = ["fault", "iq_fault", "presence_fault"]

_IQ_TYPES = frozenset(("get", "set", "result", "error"))
_PRESENCE_TYPES = frozenset(
    ("available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error")
)


def fault(stanza: Stanza) -> StanzaError | None:
    """Return what is wrong with a stanza of any kind, if anything."""
    if isinstance(stanza, Iq):
        return iq_fault(stanza)
    return presence_fault(stanza) if isinstance(stanza, Presence) else None


def iq_fault(iq: Iq) -> StanzaError | None:
    """Return what is wrong with an IQ by the rules of RFC 6120 8.2.3, if anything."""
    if iq.type not in _IQ_TYPES:
        return StanzaError(Condition.BAD_REQUEST, text="the type of an iq is get, set, result or error")
    if not iq.id:
        return StanzaError(Condition.BAD_REQUEST, text="an iq needs an id")
    children = len(iq.raw_names)
    if iq.type in ("get", "set"):
        if children != 1:
            return StanzaError(Condition.BAD_REQUEST, text=f"an iq of type {iq.type} has exactly one child")
    elif iq.type == "result" and children > 1:
        return StanzaError(Condition.BAD_REQUEST, text="an iq of type result has at most one child")
    return None


def presence_fault(presence: Presence) -> StanzaError | None:
    """Return what is wrong with a presence by RFC 6121 4.7.1, if anything."""
    if presence.type not in _PRESENCE_TYPES:
        return StanzaError(Condition.BAD_REQUEST, text=f"there is no presence of type {presence.type}")
    return None
