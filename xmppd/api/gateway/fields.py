"""What users fill in to register with a gateway, in ``jabber:iq:register`` (XEP-0077 sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.xml import Element, tag

__all__ = ["NS", "RegistrationField", "Submitted", "checked", "read", "registration_query"]

NS = "jabber:iq:register"
_CANCEL = f"{NS}:cancel"
#: The fields that are known without a data form (XEP-0077 section 14.1).
_LEGACY = frozenset({
    "username", "nick", "password", "name", "first", "last", "email", "address", "city", "state", "zip", "phone",
    "url", "date",
})  # fmt: skip
_TRUE = frozenset({"1", "true"})
_LONGEST = 1000  # characters of a value


@dataclass(frozen=True)
class RegistrationField:
    """One thing that users have to tell a gateway.

    :ivar name: its name; those of XEP-0077 (``username``, ``password``, ``phone``, ``email`` and so on) are also shown
        to clients that know no data forms.
    :ivar label: what people read beside it.
    :ivar required: must it be filled in?
    :ivar secret: it is typed unseen, and never shown again. Who edits a registration may leave it empty, to keep it.
    :ivar unique: no two users may register the same.
    :ivar choices: (value, label) of each, if one has to be chosen.
    :ivar switch: it is on or off, ``true`` or ``false``.
    :ivar default: what it is filled in with.
    """

    name: str
    label: str
    required: bool = True
    secret: bool = False
    unique: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    switch: bool = False
    default: str = ""

    @property
    def type(self) -> str:
        """The type in a data form (XEP-0004 section 3.3)."""
        if self.choices:
            return "list-single"
        return "boolean" if self.switch else "text-private" if self.secret else "text-single"


@dataclass(frozen=True)
class Submitted:
    """What a user wants.

    :ivar kind: ``remove`` the registration, or register with ``data``.
    :ivar values: by field; none of them is empty.
    """

    kind: Literal["remove", "data"]
    values: Mapping[str, str]


def read(query: Element) -> Submitted:
    """Read the query of an IQ of type set.

    :raises StanzaError: bad-request, if it isn't one: old fields and a data form at once (section 4, rule 5),
        ``<remove/>`` with something else (section 3.2), or a form of another type.
    """
    children = list(query.elements())
    legacy = {child.name: str(child) for child in children if child.uri == NS}
    form = next((child for child in children if (child.uri, child.name) == (ns.DATA_FORMS, "x")), None)
    if "remove" in legacy:
        if len(children) != 1:
            raise StanzaError(Condition.BAD_REQUEST, text="<remove/> has to be alone")
        return Submitted("remove", {})
    if form is None:
        return Submitted("data", _filled_in(legacy))
    if legacy:
        raise StanzaError(Condition.BAD_REQUEST, text="either the fields or the form, not both")
    values = _values(form)
    form_type = values.pop("FORM_TYPE", NS)  # it may be left out in what is submitted (XEP-0004 section 3.2)
    if form.getAttribute("type") != "submit" or form_type not in (NS, _CANCEL):
        raise StanzaError(Condition.BAD_REQUEST, text="this is not our form, filled in")
    return Submitted("remove", {}) if form_type == _CANCEL else Submitted("data", _filled_in(values))


def _values(form: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in form.elements():
        if (field.uri, field.name) == (ns.DATA_FORMS, "field") and field.getAttribute("var"):
            values = [str(e) for e in field.elements() if (e.uri, e.name) == (ns.DATA_FORMS, "value")]
            found[field["var"]] = values[0] if values else ""
    return found


def _filled_in(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value.strip()}


def checked(fields: Sequence[RegistrationField], given: Mapping[str, str], old: Mapping[str, str]) -> dict[str, str]:
    """Return the values of all fields, without whitespace around; "" for those that are empty.

    What isn't asked for is left out.

    :param old: the values registered so far.
    :raises StanzaError: not-acceptable, if a required one is missing or none of the choices (section 3.1), or one is
        too long: they are all kept in memory.
    """
    values: dict[str, str] = {}
    for field in fields:
        value = given.get(field.name, "")
        value = value or old.get(field.name, "") if field.secret else value.strip()
        if field.switch:
            value = "true" if value in _TRUE else "false"
        if len(value) > _LONGEST:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"{field.label}: this is too long")
        if field.required and not value:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"{field.label} is needed")
        if field.choices and value and value not in dict(field.choices):
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"{field.label}: this is none of the choices")
        values[field.name] = value
    return values


def registration_query(
    title: str, instructions: str, fields: Sequence[RegistrationField], values: Mapping[str, str] | None
) -> bytes:
    """Return the query that says what is needed: as a data form, and as fields if those of XEP-0077 are enough.

    :param values: what the user has registered, or None.
    """
    filled = {} if values is None else {f.name: values.get(f.name, "") for f in fields if not f.secret}
    children = [tag("registered")] if values is not None else []
    children.append(tag("instructions", instructions))
    if all(field.name in _LEGACY for field in fields if field.required):
        children += [tag(f.name, filled.get(f.name, f.default) or None) for f in fields if f.name in _LEGACY]
    form = [tag("title", title), tag("instructions", instructions)]
    form.append(tag("field", tag("value", NS), type="hidden", var="FORM_TYPE"))
    form += [_form_field(field, filled.get(field.name, field.default), values is not None) for field in fields]
    return tag("query", *children, tag("x", *form, xmlns=ns.DATA_FORMS, type="form"), xmlns=NS)


def _form_field(field: RegistrationField, value: str, editing: bool) -> bytes:
    content = [tag("required")] if field.required and not (editing and field.secret) else []
    content += [tag("option", tag("value", chosen), label=label) for chosen, label in field.choices]
    if value:
        content.append(tag("value", value))
    return tag("field", *content, type=field.type, label=field.label, var=field.name)
