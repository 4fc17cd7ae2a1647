"""Errors of XEP-0060, with its own conditions (sections 6 to 8, and the schema of section 18.4)."""

from __future__ import annotations

from xmppd.api import Condition, StanzaError, tag

__all__ = ["bad_request", "not_acceptable", "pubsub_error", "unsupported"]

NS = "http://jabber.org/protocol/pubsub#errors"


def pubsub_error(condition: Condition, name: str, text: str | None = None, type: str | None = None) -> StanzaError:
    """Return an error with a condition of XEP-0060 beside the one of RFC 6120."""
    return StanzaError(condition, type=type, text=text, app=tag(name, xmlns=NS))


def bad_request(name: str, text: str | None = None) -> StanzaError:
    """Return the error for a request that lacks something, such as ``nodeid-required``."""
    return pubsub_error(Condition.BAD_REQUEST, name, text)


def not_acceptable(text: str, name: str | None = None) -> StanzaError:
    """Return the error for what is understood, but not to be had here."""
    return StanzaError(Condition.NOT_ACCEPTABLE, text=text, app=None if name is None else tag(name, xmlns=NS))


def unsupported(feature: str) -> StanzaError:
    """Return the error for a part of XEP-0060 that is not here; `feature` is its name in section 10."""
    return StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, app=tag("unsupported", xmlns=NS, feature=feature))
