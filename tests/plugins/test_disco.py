"""XEP-0030 and XEP-0128 by scenarios: the host, its accounts, who may ask, nodes, forms."""

from __future__ import annotations

from collections.abc import Awaitable

from tests.plugins.kit import PluginTestCase
from xmppd.api import Plugin, observe
from xmppd.api.disco import DiscoComponent, DiscoInfo, DiscoItems, Identity, Info, Item
from xmppd.api.roster import Subscription
from xmppd.wire.disco import INFO, ITEMS
from xmppd.wire.xml import parse

FORM = parse(
    b"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
    b"<value>urn:example:form</value></field>"
    b"<field var='ip_version'><value>ipv4</value><value>ipv6</value></field></x>"
)[0]


def info(to: str | None, node: str | None = None, id_: str = "i") -> str:
    return ask(INFO, to, node, id_)


def items(to: str | None, node: str | None = None, id_: str = "i") -> str:
    return ask(ITEMS, to, node, id_)


def ask(namespace: str, to: str | None, node: str | None, id_: str) -> str:
    address = f" to='{to}'" if to else ""
    inside = f" node='{node}'" if node is not None else ""
    return f"<iq type='get' id='{id_}'{address}><query xmlns='{namespace}'{inside}/></iq>"


def refusal(of: str, namespace: str, condition: str, kind: str = "cancel", node: str = "") -> str:
    inside = f" node='{node}'" if node else ""
    return (
        f"<iq type='error' id='i' from='{of}'><query xmlns='{namespace}'{inside}/><error type='{kind}'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )


class Hosts(PluginTestCase):
    plugins = ("disco", "ping")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_information(self) -> None:
        self.romeo.send(info("example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='example.org' to='{{romeo}}'><query xmlns='{INFO}'>
              <identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/><feature var='urn:xmpp:ping'/></query></iq>"""
        )

    def test_features_are_those_of_the_plugins_loaded(self) -> None:
        registry = self.host.registry
        self.wait(registry.disable("ping"))
        self.romeo.send(info("example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i'><query xmlns='{INFO}'><identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )

    def test_unknown_nodes(self) -> None:
        self.romeo.send(info("example.org", "nothing"))
        self.romeo.expect(refusal("example.org", INFO, "item-not-found", node="nothing"))
        self.romeo.send(items("example.org", "nothing"))
        self.romeo.expect(refusal("example.org", ITEMS, "item-not-found", node="nothing"))

    def test_no_items(self) -> None:
        self.romeo.send(items("example.org"))
        self.romeo.expect(f"<iq type='result' id='i' from='example.org'><query xmlns='{ITEMS}'/></iq>")

    def test_sets_are_refused(self) -> None:
        self.romeo.send(f"<iq type='set' id='i' to='example.org'><query xmlns='{INFO}'/></iq>")
        self.romeo.expect(refusal("example.org", INFO, "service-unavailable"))


class Jukebox(Plugin):
    """A plugin with a form of the host, and a node of everything."""

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> Awaitable[None] | None:
        if event.entity == "example.org" and not event.node:
            event.add_form(FORM)
        return self.describe_node(event) if event.node == "music" else None

    async def describe_node(self, event: DiscoInfo) -> None:
        event.add(Info((Identity("hierarchy", "branch", "Music & more"),), ("urn:example:sound",)))

    @observe(DiscoItems)
    def list(self, event: DiscoItems) -> None:
        if not event.node:
            event.items.append(Item(event.entity, "Music & more", "music"))
        event.known = event.node == "music"


class Contributions(PluginTestCase):
    plugins = ("disco", Jukebox)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_form(self) -> None:
        self.romeo.send(info("example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i'><query xmlns='{INFO}'><identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/>
              <x xmlns='jabber:x:data' type='result'>
                <field var='FORM_TYPE' type='hidden'><value>urn:example:form</value></field>
                <field var='ip_version'><value>ipv4</value><value>ipv6</value></field></x></query></iq>"""
        )

    def test_node(self) -> None:
        self.romeo.send(info("example.org", "music"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='example.org'><query xmlns='{INFO}' node='music'>
              <identity category='hierarchy' type='branch' name='Music &amp; more'/>
              <feature var='{INFO}'/><feature var='urn:example:sound'/></query></iq>"""
        )
        self.romeo.send(items("example.org", "music"))
        self.romeo.expect(f"<iq type='result' id='i'><query xmlns='{ITEMS}' node='music'/></iq>")

    def test_items(self) -> None:
        for to in ("example.org", None):
            self.romeo.send(items(to))
            jid = to or "romeo@example.org"
            self.romeo.expect(
                f"""<iq type='result' id='i' from='{jid}'><query xmlns='{ITEMS}'>
                  <item jid='{jid}' name='Music &amp; more' node='music'/></query></iq>"""
            )

    def test_one_form_of_a_type(self) -> None:
        event = DiscoInfo(self.host.jid, "", None)
        event.add_form(FORM)
        self.assertRaises(ValueError, event.add_form, FORM)


class Plays(DiscoComponent):
    """A service."""

    identities = (("conference", "text", "Play-Specific Chatrooms"),)
    features = ("http://jabber.org/protocol/muc",)

    @observe(DiscoItems)
    def list(self, event: DiscoItems) -> None:
        if event.entity == self.jid and not event.node:
            event.items.append(Item(f"balcony@{self.jid}", "A Dark Cave"))


class Services(PluginTestCase):
    plugins = ("disco", Plays)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_host_lists_them(self) -> None:
        self.romeo.send(items("example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='example.org'><query xmlns='{ITEMS}'>
              <item jid='plays.example.org' name='Play-Specific Chatrooms'/></query></iq>"""
        )

    def test_they_describe_themselves(self) -> None:
        self.romeo.send(info("plays.example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='plays.example.org'><query xmlns='{INFO}'>
              <identity category='conference' type='text' name='Play-Specific Chatrooms'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/><feature var='http://jabber.org/protocol/muc'/>
              </query></iq>"""
        )
        self.romeo.send(items("plays.example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='plays.example.org'><query xmlns='{ITEMS}'>
              <item jid='balcony@plays.example.org' name='A Dark Cave'/></query></iq>"""
        )
        for namespace in (INFO, ITEMS):
            self.romeo.send(ask(namespace, "plays.example.org", "nothing", "i"))
            self.romeo.expect(refusal("plays.example.org", namespace, "item-not-found", node="nothing"))

    def test_the_host_is_not_described_by_them(self) -> None:
        self.romeo.send(info("example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i'><query xmlns='{INFO}'><identity category='server' type='im' name='xmppd'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )


class Accounts(PluginTestCase):
    """XEP-0030 section 8: strangers learn nothing of accounts."""

    plugins = ("disco", "roster")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.chamber = self.login("juliet@example.org/chamber", name="chamber")
        for client in (self.juliet, self.chamber):
            client.send("<presence/>")
        self.romeo.clear()
        self.juliet.clear()

    def expect_information(self) -> None:
        self.romeo.expect(
            f"""<iq type='result' id='i' from='juliet@example.org'><query xmlns='{INFO}'>
              <identity category='account' type='registered'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )

    def test_contacts_who_see_the_presence(self) -> None:
        self.show_presence("juliet@example.org", to="romeo@example.org")
        self.romeo.send(info("juliet@example.org"))
        self.expect_information()
        self.romeo.send(items("juliet@example.org"))
        self.romeo.expect(
            f"""<iq type='result' id='i' from='juliet@example.org'><query xmlns='{ITEMS}'>
              <item jid='{{juliet}}'/><item jid='{{chamber}}'/></query></iq>"""
        )
        self.romeo.send(info("juliet@example.org", "nothing"))
        self.romeo.expect(refusal("juliet@example.org", INFO, "item-not-found", node="nothing"))
        self.romeo.send(items("juliet@example.org", "nothing"))
        self.romeo.expect(refusal("juliet@example.org", ITEMS, "item-not-found", node="nothing"))

    def test_those_whose_presence_the_account_sees_are_strangers(self) -> None:
        self.show_presence("romeo@example.org", to="juliet@example.org")
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.TO)
        self.romeo.send(info("juliet@example.org"))
        self.romeo.expect(refusal("juliet@example.org", INFO, "service-unavailable"))

    def test_strangers_can_not_tell_accounts_from_others(self) -> None:
        for account in ("juliet@example.org", "nobody@example.org"):
            self.romeo.send(info(account))
            self.romeo.expect(refusal(account, INFO, "service-unavailable"))
            self.romeo.send(info(account, "node"))
            self.romeo.expect(refusal(account, INFO, "service-unavailable", node="node"))
            self.romeo.send(items(account))
            self.romeo.expect(f"<iq type='result' id='i' from='{account}'><query xmlns='{ITEMS}'/></iq>")
            self.romeo.send(items(account, "node"))
            self.romeo.expect(f"<iq type='result' id='i' from='{account}'><query xmlns='{ITEMS}' node='node'/></iq>")
            self.romeo.send(items(f"{account}/garden"))
            self.romeo.expect(refusal(f"{account}/garden", ITEMS, "service-unavailable"))

    def test_own_account(self) -> None:
        self.juliet.send(info(None))
        self.juliet.expect(
            f"""<iq type='result' id='i' from='juliet@example.org'><query xmlns='{INFO}'>
              <identity category='account' type='registered'/>
              <feature var='{INFO}'/><feature var='{ITEMS}'/></query></iq>"""
        )
        self.chamber.send("<presence type='unavailable'/>")
        self.juliet.clear()
        self.juliet.send(items("juliet@example.org"))
        self.juliet.expect(f"<iq type='result' id='i'><query xmlns='{ITEMS}'><item jid='{{juliet}}'/></query></iq>")

    def test_devices_answer_themselves(self) -> None:
        self.romeo.send(info("juliet@example.org/balcony"))
        self.juliet.expect(f"<iq type='get' id='i' from='{{romeo}}'><query xmlns='{INFO}'/></iq>")
        self.romeo.expect_nothing()
