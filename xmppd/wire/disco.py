"""What service discovery answers with (XEP-0030), forms (XEP-0128) and the verification string (XEP-0115) included."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from xmppd.wire import ns
from xmppd.wire.xml import Element, tag

__all__ = ["INFO", "ITEMS", "Identity", "Info", "Item", "form_type", "items_query"]

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"


class Identity(NamedTuple):
    """What an entity is (XEP-0030 section 3.1); `name` is for people, `lang` the language it is in."""

    category: str
    type: str
    name: str = ""
    lang: str = ""


class Item(NamedTuple):
    """Something that belongs to an entity (XEP-0030 section 4); `jid` is an address, `node` is "" if there is none."""

    jid: str
    name: str = ""
    node: str = ""


@dataclass(frozen=True)
class Info:
    """The answer to disco#info: identities, features, and data forms as ``<x xmlns='jabber:x:data'/>`` elements."""

    identities: tuple[Identity, ...]
    features: tuple[str, ...]
    forms: tuple[Element, ...] = ()

    @classmethod
    def read(cls, query: Element) -> Info:
        """Read a ``<query/>``; what is not as it should be is left out."""
        identities, features = [], []
        for child in query.elements():
            get = child.attributes.get
            if child.name == "identity" and child.uri == INFO and get("category") and get("type"):
                identities.append(Identity(get("category"), get("type"), get("name", ""), get((ns.XML, "lang"), "")))
            elif child.name == "feature" and child.uri == INFO and get("var"):
                features.append(get("var"))
        forms = tuple(child for child in query.elements(ns.DATA_FORMS, "x") if form_type(child) is not None)
        return cls(tuple(identities), tuple(features), forms)

    def query(self, node: str = "") -> bytes:
        """Return the ``<query/>``, mirroring the node that was asked for (XEP-0030 section 3.2)."""
        identities = (
            tag(
                "identity",
                category=i.category,
                type=i.type,
                name=i.name or None,
                attributes={"xml:lang": i.lang or None},
            )
            for i in self.identities
        )
        features = (tag("feature", var=feature) for feature in self.features)
        return tag("query", *identities, *features, *self.forms, xmlns=INFO, node=node or None)

    def verification_string(self, hash: str = "sha-1") -> str:
        """Return the `ver` that stands for this information (XEP-0115 section 5.1).

        :param hash: name of the algorithm in IANA's registry; ``sha-1`` is mandatory to implement.
        """
        digest = hashlib.new(hash.replace("-", "", 1), self._verified_text().encode())
        return base64.b64encode(digest.digest()).decode()

    def _verified_text(self) -> str:
        """The string S of section 5.1. Comparing UTF-8 is what "i;octet" means."""
        ordered = sorted(self.identities, key=lambda i: (i.category.encode(), i.type.encode(), i.lang.encode()))
        parts = [f"{i.category}/{i.type}/{i.lang}/{i.name}" for i in ordered]
        parts += sorted(self.features, key=str.encode)
        # A form without a proper FORM_TYPE is ignored by whoever verifies it (section 5.4).
        typed = [(name, form) for form in self.forms if (name := form_type(form)) is not None]
        for name, form in sorted(typed, key=lambda pair: pair[0].encode()):
            parts.append(name)
            for field in sorted(_named_fields(form), key=lambda field: field["var"].encode()):
                if field["var"] != "FORM_TYPE":
                    parts.append(field["var"])
                    parts += sorted(_values(field), key=str.encode)
        return "".join(f"{part}<" for part in parts)


def items_query(items: Iterable[Item], node: str = "") -> bytes:
    """Return the ``<query/>`` that answers disco#items (XEP-0030 section 4)."""
    children = (tag("item", jid=i.jid, name=i.name or None, node=i.node or None) for i in items)
    return tag("query", *children, xmlns=ITEMS, node=node or None)


def form_type(form: Element) -> str | None:
    """Return the value of a form's hidden field FORM_TYPE (XEP-0068), or None if it has none."""
    for field in _named_fields(form):
        if field["var"] == "FORM_TYPE" and field.attributes.get("type") == "hidden":
            return next(iter(_values(field)), None)
    return None


def _named_fields(form: Element) -> list[Element]:
    return [e for e in form.elements(ns.DATA_FORMS, "field") if "var" in e.attributes]


def _values(field: Element) -> list[str]:
    return [str(value) for value in field.elements(ns.DATA_FORMS, "value")]
