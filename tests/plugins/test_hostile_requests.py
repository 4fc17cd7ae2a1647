"""Whatever a client asks, it gets one answer, and never because a handler has failed."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xmppd.core.plugins.sources import PackageSource
from xmppd.testing import Client, ServerTestCase
from xmppd.testing.xml import Node, read
from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.xml import SEPARATOR


def _any(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


_WORDS = _any(
    "item query x field value name jid node var type id group subscription sessionid action password username remove"
    " max first last with start end method none set get result submit 1 -1 99999999999999999999999 both to @ always"
    " a@example.org example.org 2026-01-01T00:00:00Z not-a-date {user}@example.org {user}@example.org/orchard never"
) | st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=6)
_NAMES = _any(
    "item query x field value name jid node group set max before after list block unblock prefs always never default"
    " required retract publish items password username remove body vCard PHOTO BINVAL TYPE storage command"
    " create configure delete purge publish-options"
)
_SPACES = st.sampled_from(["", "", "", "jabber:x:data", "urn:xmpp:mam:2", "http://jabber.org/protocol/rsm", "urn:x"])
_ATTRIBUTES = st.dictionaries(
    _any("jid node var type id name action sessionid subscription ask approved ver stamp from to hash"),
    _WORDS,
    max_size=3,
)


def _element(name: str, namespace: str, attributes: dict[str, str], children: list[str]) -> str:
    shown = "".join(f" {key}='{escape_attribute(value)}'" for key, value in attributes.items())
    declared = f" xmlns='{escape_attribute(namespace)}'" if namespace else ""
    return f"<{name}{declared}{shown}>{''.join(children)}</{name}>"


_TEXT = _WORDS.map(escape_text)
_CHILDREN: Any = st.recursive(
    st.builds(_element, _NAMES, _SPACES, _ATTRIBUTES, st.lists(_TEXT, max_size=1)),
    lambda inner: st.builds(_element, _NAMES, _SPACES, _ATTRIBUTES, st.lists(inner | _TEXT, max_size=3)),
    max_leaves=5,
)


class Hostile(ServerTestCase):
    plugins = tuple(PackageSource("xmppd.plugins").names())
    hosts = {"example.org": {"admins": ["admin@example.org"]}}

    def begin(self) -> None:
        """Note what can be asked."""
        tables = [self.host.tables]
        tables += [owner.tables for owner in self.server.server.router.owners.values() if hasattr(owner, "tables")]
        self.known = sorted({key for table in tables for scope in table.iq.values() for key in scope})
        domains = [str(jid) for jid in self.host.components()]
        self.addresses = ["", "example.org", "{user}@example.org", "juliet@example.org", "nobody@example.org", *domains]
        self.addresses += [f"room@{domain}{resource}" for domain in domains for resource in ("", "/nick")]
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def anew(self) -> None:
        """Begin again with a new server: examples don't depend on each other."""
        self._end()
        super().setUp()
        self.begin()

    def user(self, data: st.DataObject) -> str:
        """Somebody, or the administrator."""
        return "romeo" if data.draw(st.integers(0, 3), "admin") else "admin"

    def send(self, client: Client, text: str) -> None:
        """Send something; no handler may fail over it."""
        client.clear()
        client.send_raw(text)
        self.pump(1)
        failures = self.flushLoggedErrors()
        self.assertEqual([failure.getTraceback() for failure in failures], [], text)
        self.assertNotIn("<internal-server-error", "".join(client.received), text)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_answered(self, data: st.DataObject) -> None:
        self.anew()
        user = self.user(data)
        client = self.login(f"{user}@example.org/orchard", presence=True)
        for id_ in range(data.draw(st.integers(1, 12), "how many")):
            key = data.draw(st.sampled_from(self.known), "request")
            type_ = key[:3]
            namespace, _, name = key[3:].partition(SEPARATOR)
            children = data.draw(st.lists(_CHILDREN | _TEXT, max_size=3), "children")
            request = _element(name, namespace, data.draw(_ATTRIBUTES, "attributes"), children)
            to = data.draw(st.sampled_from(self.addresses), "to")
            address = f" to='{to}'" if to else ""
            text = f"<iq type='{type_}' id='fuzz{id_}'{address}>{request}</iq>".replace("{user}", user)
            self.check(client, text, f"fuzz{id_}")
            if client.ended:
                return
        client.disconnect()

    def check(self, client: Client, text: str, id_: str) -> None:
        self.send(client, text)
        answers = [node for node in map(_read, client.received) if node.attributes.get("id") == id_]
        if client.ended and not answers:
            return
        self.assertEqual([a.attributes["type"] in ("result", "error") for a in answers], [True], text)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_messages_and_presence(self, data: st.DataObject) -> None:
        """The stream goes on, and others don't get what is not well-formed."""
        self.anew()
        user = self.user(data)
        client = self.login(f"{user}@example.org/orchard", presence=True)
        namespaces = st.sampled_from([*self.host.features(), *self.host.account_features(), "", "urn:x"])
        payload = st.lists(
            _CHILDREN | _TEXT | st.builds(_element, _NAMES, namespaces, _ATTRIBUTES, st.just([])), max_size=3
        )
        for _ in range(data.draw(st.integers(1, 12), "how many")):
            kind, types = data.draw(st.sampled_from(sorted(_TYPES.items())), "kind")
            type_ = data.draw(_any(types), "type")
            to = data.draw(st.sampled_from([*self.addresses, "juliet@example.org/balcony"]), "to")
            content = "".join(data.draw(payload, "content"))
            address = f" to='{to}'" if to else ""
            self.send(client, f"<{kind} type='{type_}'{address}>{content}</{kind}>".replace("{user}", user))
            client.expect_open()
            self.juliet.expect_open()
        self.juliet.clear()
        client.disconnect()


_TYPES = {
    "message": "normal chat groupchat headline error unheard-of",
    "presence": "available unavailable subscribe subscribed unsubscribe unsubscribed probe error unheard-of",
}


def _read(xml: str) -> Node:
    return read(xml)[0]
