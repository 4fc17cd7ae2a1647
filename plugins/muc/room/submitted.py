"""Reading the configuration form that an owner has filled in (XEP-0045 sections 10.1.3 and 10.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from tx_xmpp.data_form import Error as FormError
from tx_xmpp.data_form import Form

from xmppd.api import Condition, Element, Jid, StanzaError
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.fields import FIELDS, FLAGS, MANY, ROOMCONFIG, Field, Unacceptable, addresses, roomconfig
from xmppd.plugins.muc.room.state import Limits

__all__ = ["PASSWORD", "PROTECTED", "Submitted", "read", "refuse"]

#: The two fields of the one option `password`.
PROTECTED, PASSWORD = roomconfig("passwordprotectedroom"), roomconfig("roomsecret")


@dataclass(frozen=True, slots=True)
class Submitted:
    """What somebody who has filled in the form wants a room to be.

    :ivar config: its options.
    :ivar admins: all who shall be admins; None, if the form doesn't say.
    :ivar owners: the same of owners.
    """

    config: RoomConfig
    admins: list[Jid] | None = None
    owners: list[Jid] | None = None


def read(x: Element, config: RoomConfig, limits: Limits, forced: Mapping[str, Any]) -> Submitted:
    """Read a form that was submitted. What it doesn't say stays as it is, and unknown fields mean nothing.

    :param x: the ``<x xmlns='jabber:x:data' type='submit'/>``.
    :param config: the options of the room as they are.
    :param forced: those that the operator has decided, by name.
    :raises StanzaError: bad-request, for what is no such form or can't be the value of a field; not-acceptable, for
        what is not allowed. The text names the field.
    """
    texts = _texts(x)
    values: dict[str, Any] = {}
    for field in FIELDS:
        var = next((name for name in (field.var, *field.also) if name in texts), None)
        # A list of which nothing is chosen, and a text that is empty, may come without a value; else it says nothing.
        if var is None or not (texts[var] or field.may_be_empty):
            continue
        if texts[var] == tuple(field.write(getattr(config, field.option))):
            continue  # what is as it was is not asked whether it would be allowed today
        values[field.option] = _checked(var, field, texts[var], limits)
        if values[field.option] != forced.get(field.option, values[field.option]):
            refuse(Condition.NOT_ACCEPTABLE, var, "can't be changed on this service")
    _read_password(texts, config, limits, values)
    lists = [_read_people(texts, roomconfig(name)) for name in ("roomadmins", "roomowners")]
    return Submitted(config.changed(values), *lists)


def _texts(x: Element) -> dict[str, tuple[str, ...]]:
    """Return the values of the fields, by name."""
    try:
        form = Form.fromElement(x)
    except FormError as error:
        raise StanzaError(Condition.BAD_REQUEST, text=str(error)) from None
    texts = {var: tuple(str(value) for value in field.values) for var, field in form.fields.items()}
    # The type of a hidden field may be left out in what is submitted (XEP-0004 section 3.2).
    form_type = form.formNamespace or "".join(texts.get("FORM_TYPE", ()))
    if form.formType != "submit" or form_type != (ROOMCONFIG if texts else form_type):
        raise StanzaError(Condition.BAD_REQUEST, text=f"A form of type submit is needed, with FORM_TYPE {ROOMCONFIG}.")
    return texts


def _checked(var: str, field: Field, texts: Sequence[str], limits: Limits) -> Any:
    if field.kind not in MANY and len(texts) > 1:
        refuse(Condition.BAD_REQUEST, var, "has one value only")
    try:
        return field.read(texts, limits)
    except Unacceptable as error:
        refuse(Condition.NOT_ACCEPTABLE, var, str(error))
    except ValueError as error:
        refuse(Condition.BAD_REQUEST, var, str(error))


def _read_password(
    texts: Mapping[str, Sequence[str]], config: RoomConfig, limits: Limits, values: dict[str, Any]
) -> None:  # fmt: skip
    """Take both fields as one: a password is needed if the one says so, or the other one is all that is said."""
    if PROTECTED not in texts and PASSWORD not in texts:
        return
    for var in (PROTECTED, PASSWORD):
        if len(texts.get(var, ())) > 1:
            refuse(Condition.BAD_REQUEST, var, "has one value only")
    password = "".join(texts[PASSWORD]) if PASSWORD in texts else config.password
    if password != config.password and len(password) > limits.text_characters:
        refuse(Condition.NOT_ACCEPTABLE, PASSWORD, f"has at most {limits.text_characters} characters")
    flag = texts.get(PROTECTED, ())
    if flag and flag[0] not in FLAGS:
        refuse(Condition.BAD_REQUEST, PROTECTED, "is true or false")
    if flag and FLAGS[flag[0]] and not password:
        refuse(Condition.NOT_ACCEPTABLE, PASSWORD, "is missing, but a password shall be needed")
    values["password"] = "" if flag and not FLAGS[flag[0]] else password


def _read_people(texts: Mapping[str, Sequence[str]], var: str) -> list[Jid] | None:
    if var not in texts:
        return None
    try:
        found = addresses(texts[var])
    except ValueError as error:
        refuse(Condition.BAD_REQUEST, var, str(error))
    if not all(jid.local for jid in found):
        refuse(Condition.NOT_ACCEPTABLE, var, "has addresses of people only")
    return found


def refuse(condition: Condition, var: str, text: str) -> NoReturn:
    """Refuse a form because of a field. :raises StanzaError: always."""
    raise StanzaError(condition, text=f"The field {var} {text}.")
