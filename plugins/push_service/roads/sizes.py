"""Parcels that are cut to what a vendor takes: first the text, then the title. What else there is has to fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from xmppd.plugins.push_service.roads import apns, encryption, fcm, webpush
from xmppd.plugins.push_service.roads.contract import Parcel

__all__ = ["cut", "fits", "fitted"]

_MEASURES: Mapping[str, tuple[Callable[[Parcel], int], int]] = {
    "webpush": (webpush.measure, encryption.MOST),
    "fcm": (fcm.measure, fcm.MOST),
    "apns": (apns.measure, apns.MOST),
}
_CUT = ("body", "sender", "title")  # what goes first
_MORE = "…"


def fits(parcel: Parcel, road: str) -> bool:
    """Does a vendor take a parcel of that size?

    :param road: its name.
    """
    measure, most = _MEASURES[road]
    return measure(parcel) <= most


def fitted(parcel: Parcel, road: str) -> Parcel:
    """Return a parcel with its texts cut as far as need be, never within a character; itself if it fits, or never will.

    :param road: the name of that it goes by.
    """
    if fits(parcel, road) or isinstance(parcel.payload, bytes):
        return parcel
    payload = parcel.payload
    for name in _CUT:
        if isinstance(payload.get(name), str):
            payload = _cut_to_fit(parcel, payload, name, road)
            smaller = replace(parcel, payload=payload)
            if fits(smaller, road):
                return smaller
    return parcel


def _cut_to_fit(parcel: Parcel, payload: Mapping[str, Any], name: str, road: str) -> Mapping[str, Any]:
    """Return a payload with as much of a text as fits; with none of it, if nothing does."""
    text = payload[name]
    least, most = 0, len(text.encode())  # the longest that fits is in between
    best = _with(payload, name, "")
    while least < most:
        middle = (least + most + 1) // 2
        tried = _with(payload, name, cut(text, middle))
        if fits(replace(parcel, payload=tried), road):
            least, best = middle, tried
        else:
            most = middle - 1
    return best


def _with(payload: Mapping[str, Any], name: str, text: str) -> Mapping[str, Any]:
    others = {key: value for key, value in payload.items() if key != name}
    return others | ({name: text} if text else {})


def cut(text: str, octets: int) -> str:
    """Return a text that has so many octets in UTF-8 at most; what was cut off ends in an ellipsis."""
    encoded = text.encode()
    if len(encoded) <= octets:
        return text
    kept = encoded[: max(0, octets - len(_MORE.encode()))].decode("utf-8", "ignore").rstrip()
    return f"{kept}{_MORE}" if kept else ""
