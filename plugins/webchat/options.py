"""The options of the plugin webchat."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import field_validator

from xmppd.api import Field, Jid, JidError, Options

__all__ = ["WebchatOptions"]

# An origin (RFC 6454), or a scheme with a colon, as sources in a Content-Security-Policy.
_SOURCE = re.compile(r"(?:https|wss):(?://[A-Za-z0-9*.\[\]:-]+)?")
_LOCALE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2})?")


class WebchatOptions(Options):
    """Where converse.js is, and how it looks and logs in."""

    files: str = Field(
        "", description="Folder of the npm package `converse.js`, or of its `dist`; see docs/web.md for how to get it."
    )
    authentication: Literal["login", "anonymous"] = Field(
        "login",
        description="Do people log in with their password, or as guests without an account? Guests need `ANONYMOUS` "
        "among the host's `mechanisms`.",
    )
    transport: Literal["any", "websocket", "bosh"] = Field(
        "any", description="How browsers connect. `any`: by WebSocket, and by BOSH where that fails."
    )
    registration: bool = Field(
        False, description="Offer to make an account. The plugin `register` has to allow it as well."
    )
    rooms: tuple[str, ...] = Field((), description="Rooms that everybody enters, such as `lobby@rooms.example.org`.")
    title: str = Field("", description="Title of the page; empty: the host's name.")
    theme: Literal["", "classic", "cyberpunk", "dracula", "nordic"] = Field(
        "", description="Colours; empty: light ones or dark ones, as the browser prefers."
    )
    language: str = Field("", description="Language, such as `de` or `pt_BR`; empty: the browser's.")
    connect: tuple[str, ...] = Field(
        (),
        description="Other origins that the page may fetch from and upload to, such as `https://files.example.net`; "
        "`https:` is all, and lets it decrypt pictures that users of other servers have uploaded there.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Further settings of converse.js, as its documentation calls them."
    )

    @field_validator("rooms")
    @classmethod
    def _are_rooms(cls, rooms: tuple[str, ...]) -> tuple[str, ...]:
        for room in rooms:
            try:
                jid = Jid.parse(room)
            except JidError as error:
                raise ValueError(f"{room!r} is no address: {error}") from None
            if not jid.local or not jid.is_bare:
                raise ValueError(f"{room!r} is not the address of a room, such as lobby@rooms.example.org")
        return rooms

    @field_validator("language")
    @classmethod
    def _is_language(cls, language: str) -> str:
        if language and not _LOCALE.fullmatch(language):
            raise ValueError(f"{language!r} is no language; write de, or pt_BR")
        return language

    @field_validator("connect")
    @classmethod
    def _are_sources(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            if not _SOURCE.fullmatch(source):
                raise ValueError(f"{source!r} is no origin; write https://files.example.net, without a path")
        return sources

    @field_validator("settings")
    @classmethod
    def _are_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(settings, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("they can't be told to a browser: no dates, and no infinite numbers") from None
        return settings
