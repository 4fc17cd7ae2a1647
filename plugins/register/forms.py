"""Reading and writing ``<query xmlns='jabber:iq:register'/>`` with its data forms (XEP-0077 sections 3, 4, 12.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tx_xmpp.data_form import Error as FormError
from tx_xmpp.data_form import Field, Form

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.wire import ns
from xmppd.wire.xml import serialise

__all__ = [
    "CANCEL", "CHANGE", "NS", "Submitted", "cancel_form", "change_form", "read", "redirect", "registered",
    "registration_fields",
]  # fmt: skip

NS = "jabber:iq:register"
CANCEL = f"{NS}:cancel"
CHANGE = f"{NS}:changepassword"
_OOB = "jabber:x:oob"


@dataclass(frozen=True)
class Submitted:
    """What an entity wants.

    :ivar kind: "remove" it, or "data": register or change the password, which looks the same.
    :ivar form: the FORM_TYPE if it came as a data form, else None.
    :ivar values: by field, with "" for empty ones.
    """

    kind: Literal["remove", "data"]
    form: str | None
    values: Mapping[str, str]


def read(query: Element) -> Submitted:
    """Read the query of an IQ of type set.

    :raises StanzaError: bad-request, if it isn't one: the old fields and a data form at once (section 4, rule 5),
        ``<remove/>`` with something else (section 3.2), or a form that isn't filled in.
    """
    children = list(query.elements())
    legacy = {child.name: str(child) for child in children if child.uri == NS}
    form = next((child for child in children if (child.uri, child.name) == (ns.DATA_FORMS, "x")), None)
    if "remove" in legacy:
        if len(children) != 1:
            raise StanzaError(Condition.BAD_REQUEST, text="<remove/> has to be alone")
        return Submitted("remove", None, {})
    if form is None:
        return Submitted("data", None, legacy)
    if legacy:
        raise StanzaError(Condition.BAD_REQUEST, text="either the fields or the form, not both")
    return _read_form(form)


def _read_form(element: Element) -> Submitted:
    try:
        form = Form.fromElement(element)
    except FormError as error:
        raise StanzaError(Condition.BAD_REQUEST, text=str(error)) from None
    values = {name: str(field.values[0]) if field.values else "" for name, field in form.fields.items()}
    # The type of a hidden field may be left out in what is submitted (XEP-0004 section 3.2).
    form_type = form.formNamespace or values.get("FORM_TYPE") or NS
    if form.formType != "submit" or form_type not in (NS, CANCEL, CHANGE):
        raise StanzaError(Condition.BAD_REQUEST, text="this is not our form, filled in")
    return Submitted("remove" if form_type == CANCEL else "data", form_type, values)


def registration_fields(instructions: str) -> bytes:
    """Return the query that says what is needed: as a form, and as fields for those who know no forms."""
    form = _form(
        NS,
        "Account Registration",
        instructions,
        Field("text-single", "username", label="Username", required=True),
        Field("text-private", "password", label="Password", required=True),
    )
    return tag("query", tag("instructions", instructions), tag("username"), tag("password"), form, xmlns=NS)


def registered(username: str) -> bytes:
    """Return the query for who is registered already. The password is not known to us."""
    instructions = "You have an account here. To change its password, send another one."
    return tag(
        "query",
        tag("registered"),
        tag("instructions", instructions),
        tag("username", username),
        tag("password"),
        xmlns=NS,
    )


def redirect(instructions: str, url: str) -> bytes:
    """Return the query that sends people elsewhere (section 5)."""
    return tag("query", tag("instructions", instructions), tag("x", tag("url", url), xmlns=_OOB), xmlns=NS)


def cancel_form() -> bytes:
    """Return the query that asks for the password before an account is deleted (section 3.2)."""
    form = _form(
        CANCEL,
        "Cancel Registration",
        "Use this form to cancel your registration.",
        Field("text-single", "username", label="Username", required=True),
        Field("text-private", "password", label="Password", required=True),
    )
    return tag("query", form, xmlns=NS)


def change_form() -> bytes:
    """Return the query that asks for the old password before it is changed (section 3.3)."""
    form = _form(
        CHANGE,
        "Password Change",
        "Use this form to change your password.",
        Field("text-single", "username", label="Username", required=True),
        Field("text-private", "old_password", label="Old Password", required=True),
        Field("text-private", "password", label="New Password", required=True),
    )
    return tag("query", form, xmlns=NS)


def _form(form_type: str, title: str, instructions: str, *fields: Field) -> bytes:
    return serialise(Form("form", title, [instructions], form_type, list(fields)).toElement())
