"""The forms of XEP-0133, all of the FORM_TYPE http://jabber.org/protocol/admin."""

from __future__ import annotations

from collections.abc import Iterable

from tx_xmpp.data_form import Field, Form, Option

from xmppd.api import Jid, JidError
from xmppd.api.commands import Filled, bad_payload
from xmppd.wire import ns
from xmppd.wire.xml import Element, tag

__all__ = ["NS", "empty_form", "jids", "max_items", "options_field", "required", "result_form", "single", "text"]

NS = "http://jabber.org/protocol/admin"
_COUNTS = ("25", "50", "75", "100", "150", "200")


def empty_form(title: str, instructions: str, fields: Iterable[Field]) -> Element:
    """Return a form to fill in."""
    return Form("form", title, [instructions], NS, list(fields)).toElement()


def required(kind: str, var: str, label: str) -> Field:
    """Return a field that has to be filled in."""
    return Field(kind, var, label=label, required=True)


def options_field(var: str, label: str, options: Iterable[tuple[str, str]], value: str | None = None) -> Field:
    """Return a field with a choice of (value, label)."""
    return Field("list-single", var, value, options=[Option(*option) for option in options], label=label)


def max_items() -> Field:
    """Return the field for the length of a list."""
    counts = [(count, count) for count in _COUNTS]
    return options_field("max_items", "Maximum number of items to show", [*counts, ("none", "None")])


def result_form(*fields: tuple[str, str | None, Iterable[str]], more: bytes = b"") -> bytes:
    """Return a form of type result.

    :param fields: (var, label, values) of each.
    :param more: elements behind the fields.
    """
    hidden = tag("field", tag("value", NS), type="hidden", var="FORM_TYPE")
    shown = (tag("field", *(tag("value", v) for v in values), var=var, label=label) for var, label, values in fields)
    return tag("x", hidden, *shown, more, xmlns=ns.DATA_FORMS, type="result")


def single(filled: Filled, var: str) -> str | None:
    """Return the value of a field; None if it is empty. Raises bad-payload if it has several."""
    values = filled.get(var, ())
    if len(values) > 1:
        raise bad_payload(f"{var} has more than one value")
    return values[0] if values and values[0] else None


def text(filled: Filled, var: str) -> str:
    """Return the lines of a field that has to be filled in. Raises bad-payload."""
    found = "\n".join(filled.get(var, ()))
    if not found.strip():
        raise bad_payload(f"{var} is missing")
    return found


def jids(filled: Filled, var: str) -> list[Jid]:
    """Return the addresses in a field that has to be filled in, each once. Raises bad-payload."""
    found = []
    for value in filled.get(var, ()):
        try:
            found.append(Jid.parse(value.strip()))
        except JidError as error:
            raise bad_payload(f"{var}: {value!r}: {error}") from None
    if not found:
        raise bad_payload(f"{var} is missing")
    return list(dict.fromkeys(found))
