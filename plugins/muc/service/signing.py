"""Errors that answer presence and messages say which room they are from: `by` (RFC 6120 section 8.3.2, XEP-0045)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from xmppd.api import Message, Presence, StanzaError

__all__ = ["signed"]

_Service = TypeVar("_Service")
_Stanza = TypeVar("_Stanza", Message, Presence)
_Act = Callable[[_Service, _Stanza], Awaitable[None] | None]


def signed(act: _Act[_Service, _Stanza]) -> _Act[_Service, _Stanza]:
    """Return a method that takes a stanza to a room, and whose StanzaErrors say that they are the room's."""

    @wraps(act)
    def signing(service: _Service, stanza: _Stanza) -> Awaitable[None] | None:
        try:
            pending = act(service, stanza)
        except StanzaError as error:
            raise _by(error, stanza) from None
        return None if pending is None else _later(pending, stanza)

    return signing


async def _later(pending: Awaitable[None], stanza: Message | Presence) -> None:
    try:
        await pending
    except StanzaError as error:
        raise _by(error, stanza) from None


def _by(error: StanzaError, stanza: Message | Presence) -> StanzaError:
    by = error.by or stanza.recipient.bare
    return StanzaError(error.condition, error.type, error.text, error.app, by, error.address)
