"""Data forms, as rooms read and write them (XEP-0004, XEP-0068)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.plugins.muc.room.elements import children, text_of
from xmppd.wire import ns

__all__ = ["Values", "boolean", "field", "filled", "form", "form_type", "hidden", "one"]

#: What a form says, by variable.
Values = Mapping[str, tuple[str, ...]]

_FORM_TYPE = "FORM_TYPE"
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


def form_type(x: Element) -> str:
    """Return the FORM_TYPE of a form, or ""."""
    return one(_values(x), _FORM_TYPE)


def filled(x: Element | None, type_: str) -> Values | None:
    """Return what a form says that somebody has filled in, without its FORM_TYPE; None if they have cancelled it.

    :param x: ``<x xmlns='jabber:x:data'/>``, or None if there is no such element.
    :param type_: the FORM_TYPE that it has to have.
    :raises StanzaError: bad-request for anything else than such a form.
    """
    if x is not None and x.getAttribute("type") == "cancel":
        return None
    values = {} if x is None else _values(x)
    if x is None or x.getAttribute("type") != "submit" or values.pop(_FORM_TYPE, ()) != (type_,):
        raise StanzaError(Condition.BAD_REQUEST, text=f"A form of type submit is needed, with the FORM_TYPE {type_}.")
    return values


def _values(x: Element) -> dict[str, tuple[str, ...]]:
    return {
        element.getAttribute("var", ""): tuple(text_of(value) for value in children(element, ns.DATA_FORMS, "value"))
        for element in children(x, ns.DATA_FORMS, "field")
    }


def one(values: Values, var: str) -> str:
    """Return the value of a field that has one; "" if it is not there."""
    return next(iter(values.get(var, ())), "").strip()


def boolean(values: Values, var: str) -> bool:
    """Return the value of a field that is true or false, and false if it is not there.

    :raises StanzaError: bad-request for anything else.
    """
    text = one(values, var)
    if text and text not in _BOOLEANS:
        raise StanzaError(Condition.BAD_REQUEST, text=f"{var} is true or false.")
    return bool(text) and _BOOLEANS[text]


def field(
    var: str, kind: str, label: str, values: Iterable[str] = (), *, required: bool = False,
    options: Mapping[str, str] | None = None,
) -> bytes:  # fmt: skip
    """Return one field.

    :param kind: its type, such as ``text-single``.
    :param options: for ``list-single``: values, each with what people are shown.
    """
    choices = (tag("option", tag("value", value), label=shown) for value, shown in (options or {}).items())
    return tag(
        "field", *(tag("value", value) for value in values), *choices, tag("required") if required else None,
        var=var, type=kind, label=label,
    )  # fmt: skip


def hidden(type_: str) -> bytes:
    """Return the field that says which form it is."""
    return tag("field", tag("value", type_), var=_FORM_TYPE, type="hidden")


def form(type_: str, title: str, instructions: str, *fields: bytes) -> bytes:
    """Return a form to be filled in, with that FORM_TYPE."""
    return tag(
        "x", tag("title", title), tag("instructions", instructions), hidden(type_), *fields,
        xmlns=ns.DATA_FORMS, type="form",
    )  # fmt: skip
