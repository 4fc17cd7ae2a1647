"""XEP-0115, the server's own capabilities. The verification string itself is tested in tests/wire/test_disco.py."""

from __future__ import annotations

from typing import Any, cast

from tests.plugins.kit import PluginTestCase
from xmppd.wire.disco import INFO
from xmppd.wire.jid import Jid
from xmppd.wire.ns import STREAM
from xmppd.wire.xml import parse

NS = "http://jabber.org/protocol/caps"


class Stream:
    """As much of a stream as a stream feature looks at."""

    def __init__(self, account: Jid | None) -> None:
        self.account = account


class ServerCaps(PluginTestCase):
    plugins = ("disco", "caps", "ping")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def feature(self) -> Any:
        offered = self.plugin("caps").capabilities(cast(Any, Stream(Jid.parse("romeo@example.org"))))
        return parse(offered)[0]

    def query(self, node: str) -> None:
        self.romeo.send(f"<iq type='get' id='i' to='example.org'><query xmlns='{INFO}' node='{node}'/></iq>")

    def test_not_before_login(self) -> None:
        self.assertIsNone(self.plugin("caps").capabilities(cast(Any, Stream(None))))

    def test_feature(self) -> None:
        c = self.feature()
        self.assertEqual((c.uri, c.name, c["hash"], c["node"]), (NS, "c", "sha-1", "xmpp:example.org"))
        info = self.plugin("disco").host_info()
        self.assertIn(NS, info.features)
        self.assertEqual(c["ver"], info.verification_string())

    def test_stream_features(self) -> None:
        before, after = self.connect(), self.login("juliet@example.org/balcony")
        before.open()
        self.assertNotIn(NS, before.features)
        [c] = [e for e in parse(after.features.encode(), prefixes={"stream": STREAM})[0].elements() if e.name == "c"]
        self.assertEqual(c.attributes, self.feature().attributes)
        self.assertIsNotNone((after.header or {}).get("from"))  # section 6.3: whom to ask

    def test_node_is_answered(self) -> None:
        c = self.feature()
        node = f"{c['node']}#{c['ver']}"
        self.query(node)
        self.romeo.expect(
            f"""<iq type='result' id='i' from='example.org'><query xmlns='{INFO}' node='{node}'>
              <identity category='server' type='im' name='xmppd'/>
              <feature var='{NS}'/><feature var='{INFO}'/><feature var='http://jabber.org/protocol/disco#items'/>
              <feature var='urn:xmpp:ping'/></query></iq>"""
        )

    def test_it_is_no_item(self) -> None:
        self.romeo.send(
            "<iq type='get' id='i' to='example.org'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        )
        self.romeo.expect("<iq type='result' id='i'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")

    def test_it_changes_with_the_plugins(self) -> None:
        before = self.feature()["ver"]
        self.wait(self.host.registry.disable("ping"))
        self.assertNotEqual(self.feature()["ver"], before)
        self.query(f"xmpp:example.org#{before}")
        self.romeo.expect(
            f"""<iq type='error' id='i'><query xmlns='{INFO}' node='{{any}}'/><error type='cancel'>
              <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"""
        )
