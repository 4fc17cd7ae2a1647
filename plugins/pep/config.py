"""How a node is configured (XEP-0060 16.4.4), with the defaults of PEP (XEP-0163 section 5). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.plugins.pep.errors import bad_request, not_acceptable, pubsub_error
from xmppd.wire import ns

__all__ = ["DEFAULTS", "NODE_CONFIG", "PUBLISH_OPTIONS", "Config", "changes", "preconditions", "submitted"]

NODE_CONFIG = "http://jabber.org/protocol/pubsub#node_config"
PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
PREFIX = "pubsub#"

Values = Mapping[str, tuple[str, ...]]
Kind = Literal["boolean", "list-single", "list-multi", "text-single"]
_BOOLEANS = {"1": "true", "true": "true", "0": "false", "false": "false"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the form. With `allowed` nothing else can be chosen; one of them alone is a fact, not a choice."""

    label: str
    kind: Kind
    default: tuple[str, ...]
    allowed: tuple[str, ...] = ()


def _flag(label: str, default: str) -> Setting:
    return Setting(label, "boolean", (default,))


def _fact(label: str, kind: Kind, value: str) -> Setting:
    return Setting(label, kind, (value,), (value,))


SETTINGS: Mapping[str, Setting] = {
    "title": Setting("A name for people", "text-single", ()),
    "type": Setting("What its payloads are: a namespace", "text-single", ()),
    "access_model": Setting(
        "Who may see it", "list-single", ("presence",), ("open", "presence", "roster", "whitelist")
    ),
    "roster_groups_allowed": Setting("Groups of the roster that may see it (access model roster)", "list-multi", ()),
    "persist_items": _flag("Keep items", "true"),
    "max_items": Setting("How many items are kept; max: as many as the server allows", "text-single", ("1",)),
    "send_last_published_item": Setting(
        "When to send the last item unasked",
        "list-single",
        ("on_sub_and_presence",),
        ("never", "on_sub", "on_sub_and_presence"),
    ),
    "deliver_notifications": _flag("Notify of items", "true"),
    "deliver_payloads": _flag("Notify of items with their payload", "true"),
    "notify_retract": _flag("Notify of every item that is retracted", "false"),
    "notify_delete": _flag("Notify when the node is deleted", "true"),
    "notify_config": _fact("Notify when this configuration changes", "boolean", "false"),
    "notify_sub": _fact("Notify of subscribers", "boolean", "false"),
    "notification_type": _fact("Type of notifications", "list-single", "headline"),
    "node_type": _fact("Type of the node", "list-single", "leaf"),
    "publish_model": _fact("Who may publish", "list-single", "publishers"),
    "presence_based_delivery": _fact("Notify those who are available only", "boolean", "true"),
    "purge_offline": _fact("Purge when the publisher leaves", "boolean", "false"),
    "item_expire": _fact("When items expire", "text-single", "max"),
}


class Config:
    """The configuration of one node."""

    __slots__ = ("values",)

    def __init__(self, values: Values) -> None:
        #: What is set, by name; all settings.
        self.values: Values = {name: values.get(name, setting.default) for name, setting in SETTINGS.items()}

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Read what :meth:`to_json` wrote."""
        return cls({name: tuple(values) for name, values in json.loads(text).items()})

    def to_json(self) -> str:
        """Write what differs from the defaults of section 5 or could be chosen otherwise."""
        chosen = {name: values for name, values in self.values.items() if len(SETTINGS[name].allowed) != 1}
        return json.dumps(chosen, separators=(",", ":"))

    def changed(self, values: Values) -> Config:
        """Return the same with other values."""
        return Config({**self.values, **values})

    def _one(self, name: str) -> str:
        return next(iter(self.values[name]), "")

    def flag(self, name: str) -> bool:
        """Return a setting of kind boolean."""
        return self._one(name) == "true"

    @property
    def title(self) -> str:
        """A name for people, or ""."""
        return self._one("title")

    @property
    def access_model(self) -> str:
        """Who may see it (section 4.5)."""
        return self._one("access_model")

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of the roster that may see it, with the access model ``roster``."""
        return self.values["roster_groups_allowed"]

    @property
    def sends_last(self) -> str:
        """When the last item is sent."""
        return self._one("send_last_published_item")

    def kept(self, most: int) -> int:
        """Return how many items are kept; 0 if the node doesn't persist any.

        :param most: what ``max`` means.
        """
        if not self.flag("persist_items"):
            return 0
        wanted = self._one("max_items")
        return most if wanted == "max" else min(int(wanted), most)

    def form(self, type_: str, form_type: str = NODE_CONFIG) -> bytes:
        """Return the form to fill in (type ``form``), or what is set (``result``)."""
        fields = (_field(name, setting, self.values[name], type_) for name, setting in SETTINGS.items())
        hidden = tag("field", tag("value", form_type), var="FORM_TYPE", type="hidden")
        return tag("x", hidden, *fields, xmlns=ns.DATA_FORMS, type=type_)


#: Section 5 of XEP-0163.
DEFAULTS = Config({})


def _field(name: str, setting: Setting, values: Sequence[str], type_: str) -> bytes:
    content = [tag("value", value) for value in values]
    if type_ == "form" and setting.kind == "list-single":
        content += [tag("option", tag("value", choice)) for choice in setting.allowed]
    return tag("field", *content, var=PREFIX + name, type=setting.kind, label=setting.label)


def submitted(parent: Element | None, form_type: str) -> dict[str, tuple[str, ...]] | None:
    """Return the fields of the form in an element, without the prefix ``pubsub#``; None if it is cancelled.

    :raises StanzaError: bad-request for anything that is no such form.
    """
    if parent is None:
        return {}
    form = next(parent.elements(ns.DATA_FORMS, "x"), None)
    if form is None:
        return {}
    if form.getAttribute("type") == "cancel":
        return None
    fields = {
        field.getAttribute("var", ""): tuple(str(value) for value in field.elements(ns.DATA_FORMS, "value"))
        for field in form.elements(ns.DATA_FORMS, "field")
    }
    if form.getAttribute("type") != "submit" or fields.pop("FORM_TYPE", ()) != (form_type,):
        raise StanzaError(Condition.BAD_REQUEST, text=f"a form of type submit with FORM_TYPE {form_type} is needed")
    return {var.removeprefix(PREFIX): values for var, values in fields.items()}


def changes(fields: Values, most: int) -> Values:
    """Return what a form asks for, checked.

    :param most: how many items a node may have.
    :raises StanzaError: not-acceptable for what can't be set here (sections 8.1.2, 8.2.5.2).
    """
    return dict(_checked(fields, most))


def _checked(fields: Values, most: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, values in fields.items():
        setting = SETTINGS.get(name)
        if setting is None:
            raise not_acceptable(f"{PREFIX}{name} can't be set")
        yield name, _values(name, setting, values, most)


def _values(name: str, setting: Setting, values: tuple[str, ...], most: int) -> tuple[str, ...]:
    if setting.kind == "list-multi":
        return tuple(sorted(set(values)))
    if len(values) > 1:
        raise not_acceptable(f"{PREFIX}{name} has one value")
    if setting.default and not values:
        return setting.default
    value = next(iter(values), "")
    if setting.kind == "boolean":
        value = _BOOLEANS.get(value, value)
        if value not in ("true", "false"):
            raise not_acceptable(f"{PREFIX}{name} is true or false")
    if setting.allowed and value not in setting.allowed:
        condition = "unsupported-access-model" if name == "access_model" else None
        raise not_acceptable(f"{PREFIX}{name} may be: {', '.join(setting.allowed)}", condition)
    if name == "max_items":
        return (_number_of_items(value, most),)
    return (value,) if value else ()


def _number_of_items(text: str, most: int) -> str:
    if text == "max":
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise not_acceptable(f"{PREFIX}max_items is a number between 1 and {most}, or max")
    return str(int(text))


def preconditions(fields: Values, config: Config, most: int) -> None:
    """Check the options of a publication against the node that is there (section 7.1.5).

    :raises StanzaError: conflict, with precondition-not-met.
    """
    for name, values in fields.items():
        setting = SETTINGS.get(name)
        try:
            wanted = None if setting is None else _values(name, setting, values, most)
        except StanzaError:
            wanted = None
        if wanted is None or wanted != config.values[name]:
            text = f"{PREFIX}{name} is {' '.join(config.values.get(name, ())) or 'not set'}"
            raise pubsub_error(Condition.CONFLICT, "precondition-not-met", text)


def node_of(element: Element) -> str:
    """Return the attribute ``node``.

    :raises StanzaError: bad-request with nodeid-required.
    """
    node: str | None = element.getAttribute("node")
    if not node:
        raise bad_request("nodeid-required")
    return node
