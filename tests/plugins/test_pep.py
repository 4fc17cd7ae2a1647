"""XEP-0163 and the part of XEP-0060 that it needs: nodes and items, their errors and limits."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase
from xmppd.api import Subscription
from xmppd.testing import Client

NS = "http://jabber.org/protocol/pubsub"
OWNER = f"{NS}#owner"
PUBSUB_ERRORS = f"{NS}#errors"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TUNE = "http://jabber.org/protocol/tune"
EVENT = f"{NS}#event"


def tune(title: str) -> str:
    return f"<tune xmlns='{TUNE}'><title>{title}</title></tune>"


def form(kind: str, fields: dict[str, str], type_: str = "submit") -> str:
    inside = "".join(f"<field var='pubsub#{n}'><value>{v}</value></field>" for n, v in fields.items())
    return (
        f"<x xmlns='jabber:x:data' type='{type_}'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{NS}#{kind}</value></field>{inside}</x>"
    )


def item(id_: str, payload: str = "") -> str:
    return f"<item id='{id_}'>{payload}</item>"


def publish(content: str, node: str = "tune", options: dict[str, str] | None = None) -> str:
    given = "" if options is None else f"<publish-options>{form('publish-options', options)}</publish-options>"
    return f"<publish node='{node}'>{content}</publish>{given}"


def error(type_: str, condition: str, app: str = "", more: str = "") -> str:
    inner = f"<{app} xmlns='{PUBSUB_ERRORS}'{more}/>" if app else ""
    wrong = f"<error type='{type_}'><{condition} xmlns='{ERRORS}'/>{inner}{{...}}</error>"
    return f"<iq type='error' id='1'>{{...}}{wrong}</iq>"


class PepTestCase(PluginTestCase):
    plugins: ClassVar[tuple[Any, ...]] = ("pep", "roster", "presence", "disco")

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony")

    def request(self, content: str, type_: str = "set", ns: str = NS, by: Client | None = None, to: str = "") -> None:
        address = f" to='{to}'" if to else ""
        (by or self.juliet).send(f"<iq type='{type_}' id='1'{address}><pubsub xmlns='{ns}'>{content}</pubsub></iq>")

    def do(self, content: str, ns: str = NS) -> None:
        self.request(content, ns=ns)
        self.juliet.expect("<iq type='result' id='1'/>")

    def fail_to(self, content: str, expected: str, **more: Any) -> None:
        self.request(content, **more)
        (more.get("by") or self.juliet).expect(expected)

    def has(self, *items: str, node: str = "tune", ask: str = "", by: Client | None = None, to: str = "") -> None:
        self.request(ask or f"<items node='{node}'/>", "get", by=by, to=to)
        inside = f"<items node='{node}'>{''.join(items)}</items>"
        (by or self.juliet).expect(f"<iq type='result' id='1'><pubsub xmlns='{NS}'>{inside}</pubsub></iq>")


class Publishing(PepTestCase):
    def test_publish_and_retrieve(self) -> None:
        self.do(publish(item("current", tune("Introduction"))))
        self.has(item("current", tune("Introduction")))
        self.juliet.expect_nothing()

    def test_generated_id(self) -> None:
        self.request(publish(f"<item>{tune('one')}</item>"))
        made = "<publish node='tune'><item id='{made}'/></publish>"
        self.juliet.expect(f"<iq type='result' id='1'><pubsub xmlns='{NS}'>{made}</pubsub></iq>")
        self.has(item("{made}", tune("one")))

    def test_by_default_one_item_is_kept(self) -> None:
        self.do(publish(item("1", tune("one"))))
        self.do(publish(item("2", tune("two"))))
        self.has(item("2", tune("two")))

    def test_same_id_replaces_and_is_the_newest(self) -> None:
        for id_, title in (("1", "a"), ("2", "b"), ("1", "c")):
            self.do(
                publish(item(id_, tune(title)), options={"max_items": "2"} if id_ == "1" and title == "a" else None)
            )
        self.has(item("2", tune("b")), item("1", tune("c")))
        self.do(publish(item("3", tune("d"))))
        self.has(item("1", tune("c")), item("3", tune("d")))

    def test_durable(self) -> None:
        self.do(publish(item("1", tune("one")), options={"max_items": "max"}))
        self.restart()
        self.juliet = self.login("juliet@example.org/balcony")
        self.do(publish(item("2", tune("two"))))
        self.has(item("1", tune("one")), item("2", tune("two")))

    def test_some_items(self) -> None:
        for n in "123":
            self.do(publish(item(n, tune(n)), options={"max_items": "max"}))
        self.has(item("3", tune("3")), ask="<items node='tune' max_items='1'/>")
        wanted = "<items node='tune'><item id='3'/><item id='1'/><item id='9'/></items>"
        self.has(item("1", tune("1")), item("3", tune("3")), ask=wanted)
        many = "".join(item(str(n)) for n in range(2, 700))
        self.has(item("2", tune("2")), item("3", tune("3")), ask=f"<items node='tune'>{many}</items>")
        self.has(ask="<items node='tune'><item id='9'/></items>")

    def test_payload_is_kept_as_it_is(self) -> None:
        payload = "<x xmlns='a:b' y='&lt;&apos;'>t &amp; u<z xmlns='c:d' xml:lang='de'/></x>"
        self.do(publish(item("&lt;'".replace("'", "&apos;"), payload)))
        self.has(item("&lt;&apos;", payload))

    def test_accounts_are_apart(self) -> None:
        self.do(publish(item("1", tune("one"))))
        romeo = self.login("romeo@example.org/orchard")
        self.fail_to("<items node='tune'/>", error("cancel", "item-not-found"), type_="get", by=romeo)

    def test_errors(self) -> None:
        bad, two = "<publish node='tune'>{}</publish>", tune("a") + tune("b")
        for request, expected in (
            (bad.format(""), error("modify", "bad-request", "item-required")),
            (bad.format("<item id='1'/>"), error("modify", "bad-request", "payload-required")),
            (bad.format(f"<item id='1'>{two}</item>"), error("modify", "bad-request", "invalid-payload")),
            (bad.format(f"<item>{two}</item><item/>"), error("modify", "bad-request")),
            (f"<publish>{item('1', tune('a'))}</publish>", error("modify", "bad-request", "nodeid-required")),
            ("", error("modify", "bad-request")),
            ("<nonsense/>", error("modify", "bad-request")),
        ):
            with self.subTest(request=request):
                self.fail_to(request, expected)
        self.fail_to("<items node='tune'/>", error("cancel", "item-not-found"), type_="get")
        self.fail_to("<items/>", error("modify", "bad-request", "nodeid-required"), type_="get")
        self.do(publish(item("1", tune("a"))))
        for wrong in ("0", "-1", "x"):
            self.fail_to(f"<items node='tune' max_items='{wrong}'/>", error("modify", "bad-request"), type_="get")

    def test_transient_nodes(self) -> None:
        self.do(publish(item("1", tune("a")), options={"persist_items": "0"}))
        lacking = error("cancel", "feature-not-implemented", "unsupported", " feature='persistent-items'")
        self.fail_to("<items node='tune'/>", lacking, type_="get")
        self.fail_to("<retract node='tune'><item id='1'/></retract>", lacking)
        self.fail_to("<purge node='tune'/>", lacking, ns=OWNER)
        self.fail_to("<publish node='tune'/>", error("modify", "bad-request", "payload-required"))
        self.do(f"<configure node='tune'>{form('node_config', {'deliver_payloads': 'false'})}</configure>", ns=OWNER)
        self.do("<publish node='tune'/>")
        self.fail_to(publish(item("1", tune("a"))), error("modify", "bad-request", "item-forbidden"))

    def test_what_is_not_here(self) -> None:
        for ns, type_, content, feature in (
            (NS, "set", "<subscribe node='tune' jid='juliet@example.org'/>", "subscribe"),
            (NS, "set", "<unsubscribe node='tune' jid='juliet@example.org'/>", "subscribe"),
            (NS, "set", "<options node='tune'/>", "subscription-options"),
            (NS, "get", "<default/>", "retrieve-default-sub"),
            (NS, "get", "<subscriptions/>", "retrieve-subscriptions"),
            (NS, "get", "<affiliations/>", "retrieve-affiliations"),
            (OWNER, "get", "<subscriptions node='tune'/>", "manage-subscriptions"),
            (OWNER, "set", "<affiliations node='tune'/>", "modify-affiliations"),
        ):
            with self.subTest(feature=feature):
                expected = error("cancel", "feature-not-implemented", "unsupported", f" feature='{feature}'")
                self.fail_to(content, expected, ns=ns, type_=type_)


class Options(PepTestCase):
    def test_node_is_made_as_they_say(self) -> None:
        self.do(publish(item("1", tune("a")), options={"access_model": "whitelist", "max_items": "2"}))
        self.do(publish(item("2", tune("b")), options={"access_model": "whitelist", "persist_items": "true"}))
        self.has(item("1", tune("a")), item("2", tune("b")))

    def test_preconditions(self) -> None:
        self.do(publish(item("1", tune("a")), options={"max_items": "2"}))
        unmet = error("cancel", "conflict", "precondition-not-met")
        for name, value in (("access_model", "open"), ("max_items", "3"), ("max_items", "x"), ("unknown", "1")):
            with self.subTest(name=name, value=value):
                self.fail_to(publish(item("2", tune("b")), options={name: value}), unmet)
        self.do(publish(item("3", tune("c")), options={"access_model": "presence", "persist_items": "1"}))
        self.has(item("1", tune("a")), item("3", tune("c")))

    def test_what_a_node_can_not_be(self) -> None:
        for options, condition in (
            ({"access_model": "authorize"}, "unsupported-access-model"),
            ({"max_items": "5001"}, ""),
            ({"max_items": "0"}, ""),
            ({"persist_items": "perhaps"}, ""),
            ({"publish_model": "open"}, ""),
            ({"unknown": "1"}, ""),
        ):
            with self.subTest(options=options):
                expected = error("modify", "not-acceptable", condition)
                self.fail_to(publish(item("1", tune("a")), options=options), expected)
        self.fail_to("<items node='tune'/>", error("cancel", "item-not-found"), type_="get")

    def test_bad_forms(self) -> None:
        wrong = form("node_config", {})
        for options in (wrong, form("publish-options", {}, "cancel"), form("publish-options", {}, "result")):
            content = publish(item("1", tune("a"))) + f"<publish-options>{options}</publish-options>"
            self.fail_to(content, error("modify", "bad-request"))


class Retracting(PepTestCase):
    def setUp(self) -> None:
        super().setUp()
        for n in "12":
            self.do(publish(item(n, tune(n)), options={"max_items": "max"}))

    def test_retract(self) -> None:
        self.do("<retract node='tune'><item id='1'/></retract>")
        self.has(item("2", tune("2")))
        self.fail_to("<retract node='tune'><item id='1'/></retract>", error("cancel", "item-not-found"))

    def test_errors(self) -> None:
        for request, expected in (
            ("<retract node='x'><item id='1'/></retract>", error("cancel", "item-not-found")),
            ("<retract><item id='1'/></retract>", error("modify", "bad-request", "nodeid-required")),
            ("<retract node='tune'/>", error("modify", "bad-request", "item-required")),
            ("<retract node='tune'><item/></retract>", error("modify", "bad-request", "item-required")),
            ("<retract node='tune'><item id='1'/><item id='2'/></retract>", error("modify", "bad-request")),
        ):
            with self.subTest(request=request):
                self.fail_to(request, expected)
        self.has(item("1", tune("1")), item("2", tune("2")))

    def test_purge(self) -> None:
        self.do("<purge node='tune'/>", ns=OWNER)
        self.has()
        self.fail_to("<purge node='x'/>", error("cancel", "item-not-found"), ns=OWNER)
        self.fail_to("<purge/>", error("modify", "bad-request", "nodeid-required"), ns=OWNER)

    def test_delete(self) -> None:
        self.do("<delete node='tune'/>", ns=OWNER)
        self.fail_to("<items node='tune'/>", error("cancel", "item-not-found"), type_="get")
        self.fail_to("<delete node='tune'/>", error("cancel", "item-not-found"), ns=OWNER)
        self.fail_to("<delete/>", error("modify", "bad-request", "nodeid-required"), ns=OWNER)
        self.do(publish(item("3", tune("3"))))
        self.has(item("3", tune("3")))

    def test_deleted_account(self) -> None:
        self.delete_account("juliet@example.org")
        self.fail_to("<items node='tune'/>", error("cancel", "item-not-found"), type_="get")


class Configuring(PepTestCase):
    def configure(self, **fields: str) -> str:
        return f"<configure node='tune'>{form('node_config', fields)}</configure>"

    def values(self, content: str) -> str:
        self.request(content, "get", ns=OWNER)
        answer: str = self.juliet.take().toXml()
        return answer

    def test_create(self) -> None:
        self.do("<create node='tune'/>")
        self.has()
        self.fail_to("<create node='tune'/>", error("cancel", "conflict"))

    def test_instant_node(self) -> None:
        self.request("<create/>")
        self.juliet.expect(f"<iq type='result' id='1'><pubsub xmlns='{NS}'><create node='{{made}}'/></pubsub></iq>")
        self.has(node="{made}")

    def test_create_and_configure(self) -> None:
        self.do(f"<create node='tune'/><configure>{form('node_config', {'max_items': '2'})}</configure>")
        for n in "123":
            self.do(publish(item(n, tune(n))))
        self.has(item("2", tune("2")), item("3", tune("3")))
        authorize = f"<configure>{form('node_config', {'access_model': 'authorize'})}</configure>"
        expected = error("modify", "not-acceptable", "unsupported-access-model")
        self.fail_to("<create node='x'/>" + authorize, expected)
        self.fail_to("<create node='x'/><configure node='x'/>", error("modify", "bad-request"))
        cancelled = f"<configure>{form('node_config', {}, 'cancel')}</configure>"
        self.fail_to("<create node='x'/>" + cancelled, error("modify", "bad-request"))

    def test_configure(self) -> None:
        for n in "123":
            self.do(publish(item(n, tune(n)), options={"max_items": "3"}))
        self.do(self.configure(max_items="2", title="Tunes"), ns=OWNER)
        self.has(item("2", tune("2")), item("3", tune("3")))
        answer = self.values("<configure node='tune'/>")
        self.assertIn("Tunes", answer)
        self.assertIn("FORM_TYPE", answer)
        self.do(f"<configure node='tune'>{form('node_config', {}, 'cancel')}</configure>", ns=OWNER)
        self.fail_to(self.configure(max_items="none"), error("modify", "not-acceptable"), ns=OWNER)
        self.do(self.configure(persist_items="false"), ns=OWNER)
        self.do(self.configure(persist_items="true"), ns=OWNER)
        self.has()

    def test_errors(self) -> None:
        for type_ in ("get", "set"):
            self.fail_to("<configure node='x'/>", error("cancel", "item-not-found"), ns=OWNER, type_=type_)
            missing = error("modify", "bad-request", "nodeid-required")
            self.fail_to("<configure/>", missing, ns=OWNER, type_=type_)

    def test_default(self) -> None:
        answer = self.values("<default/>")
        self.assertIn("on_sub_and_presence", answer)
        self.assertIn("jabber:x:data", answer)

    def test_what_we_send_can_be_sent_back(self) -> None:
        self.do("<create node='tune'/>")
        answer = self.values("<configure node='tune'/>")
        sent = answer[answer.index("<x ") : answer.index("</configure>")].replace("type='form'", "type='submit'")
        self.do(f"<configure node='tune'>{sent}</configure>", ns=OWNER)


class Access(PepTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.owner = "juliet@example.org"

    def node(self, access: str, **more: str) -> None:
        self.do(publish(item("1", tune("a")), options={"access_model": access, **more}))

    def refused(self, expected: str) -> None:
        self.fail_to("<items node='tune'/>", expected, type_="get", by=self.romeo, to=self.owner)

    def seen(self) -> None:
        self.has(item("1", tune("a")), by=self.romeo, to=self.owner)

    def test_open(self) -> None:
        self.node("open")
        self.seen()

    def test_presence(self) -> None:
        self.node("presence")
        self.refused(error("auth", "not-authorized", "presence-subscription-required"))
        self.show_presence(self.owner, "romeo@example.org", Subscription.TO)
        self.refused(error("auth", "not-authorized", "presence-subscription-required"))
        self.show_presence(self.owner, "romeo@example.org", Subscription.FROM)
        self.seen()

    def test_roster(self) -> None:
        self.node("roster", roster_groups_allowed="Friends")
        self.show_presence(self.owner, "romeo@example.org")
        self.refused(error("auth", "not-authorized", "not-in-roster-group"))
        set_ = "<item jid='romeo@example.org'><group>Friends</group></item>"
        self.juliet.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>{set_}</query></iq>")
        self.seen()

    def test_whitelist(self) -> None:
        self.node("whitelist")
        self.show_presence(self.owner, "romeo@example.org")
        self.refused(error("cancel", "not-allowed", "closed-node"))

    def test_only_owners_change(self) -> None:
        self.node("open")
        for ns, content in (
            (NS, publish(item("1", tune("b")))),
            (NS, "<retract node='tune'><item id='1'/></retract>"),
            (NS, "<create node='x'/>"),
            (OWNER, "<configure node='tune'/>"),
            (OWNER, "<delete node='tune'/>"),
            (OWNER, "<purge node='tune'/>"),
        ):
            for to in (self.owner, "nobody@example.org"):
                self.fail_to(content, error("auth", "forbidden"), ns=ns, by=self.romeo, to=to)
        self.fail_to("<default/>", error("auth", "forbidden"), ns=OWNER, type_="get", by=self.romeo, to=self.owner)
        self.seen()

    def test_nobody_is_as_somebody_without_nodes(self) -> None:
        for to in (self.owner, "nobody@example.org"):
            missing = error("cancel", "item-not-found")
            self.fail_to("<items node='x'/>", missing, type_="get", by=self.romeo, to=to)
        for to in ("juliet@example.org/none", "nobody@example.org/none"):
            expected = error("cancel", "service-unavailable")
            self.fail_to("<items node='x'/>", expected, type_="get", by=self.romeo, to=to)

    def test_discovery(self) -> None:
        items = "http://jabber.org/protocol/disco#items"
        self.node("open", title="Tunes")
        self.do(publish(item("1", tune("b")), node="mine", options={"access_model": "whitelist"}))
        ask = f"<iq type='get' id='1' to='{self.owner}'><query xmlns='{items}'/></iq>"
        self.romeo.send(ask)
        public = f"<item jid='{self.owner}' node='tune' name='Tunes'/>"
        self.romeo.expect(f"<iq type='result'><query xmlns='{items}'>{public}</query></iq>")
        self.juliet.send(ask)
        mine = f"<item jid='{self.owner}' node='mine'/>"
        self.juliet.expect(f"<iq type='result'><query xmlns='{items}'>{mine}{public}</query></iq>")
        self.juliet.send(f"<iq type='get' id='1'><query xmlns='{items}' node='mine'/></iq>")
        found = f"<query xmlns='{items}' node='mine'><item jid='{self.owner}' name='1'/></query>"
        self.juliet.expect(f"<iq type='result'>{found}</iq>")

    def test_node_information(self) -> None:
        info = "http://jabber.org/protocol/disco#info"
        self.node("whitelist", title="Tunes")
        ask = f"<iq type='get' id='1' to='{self.owner}'><query xmlns='{info}' node='tune'/></iq>"
        self.juliet.send(ask)
        leaf = f"<identity category='pubsub' type='leaf' name='Tunes'/><feature var='{NS}'/>{{...}}"
        self.juliet.expect(f"<iq type='result'><query xmlns='{info}' node='tune'>{leaf}</query></iq>")
        self.show_presence(self.owner, "romeo@example.org")
        self.romeo.send(ask)
        self.romeo.expect(error("cancel", "not-allowed", "closed-node"))


class Limits(PepTestCase):
    config: ClassVar[dict[str, Any]] = {
        "pep": {"nodes": 2, "items": 3, "item_octets": 300, "octets": 700, "answer_octets": 250}
    }

    def test_nodes(self) -> None:
        for node in "ab":
            self.do(publish(item("1", tune("x")), node=node))
        full = error("modify", "policy-violation")
        self.fail_to(publish(item("1", tune("x")), node="c"), full)
        self.fail_to("<create node='c'/>", full)
        self.do("<delete node='a'/>", ns=OWNER)
        self.do(publish(item("1", tune("x")), node="c"))

    def test_items(self) -> None:
        for n in "1234":
            self.do(publish(item(n, tune(n)), options={"max_items": "max"}))
        self.has(*(item(n, tune(n)) for n in "234"))
        more = error("modify", "not-acceptable")
        self.fail_to(publish(item("1", tune("1")), node="x", options={"max_items": "4"}), more)

    def test_octets_of_an_answer(self) -> None:
        """XEP-0060 6.5.4; what is left out can be asked for by name, and is named by service discovery."""
        for n in "123":
            self.do(publish(item(n, tune(n * 40)), options={"max_items": "max"}))
        self.request("<items node='tune'/>", "get")
        shown = f"<items node='tune'>{item('2', tune('2' * 40))}{item('3', tune('3' * 40))}</items>"
        part = "<set xmlns='http://jabber.org/protocol/rsm'><first>2</first><last>3</last><count>3</count></set>"
        self.juliet.expect(f"<iq type='result'><pubsub xmlns='{NS}'>{shown}{part}</pubsub></iq>")
        self.has(item("1", tune("1" * 40)), ask="<items node='tune'><item id='1'/></items>")

    def test_octets_of_an_item(self) -> None:
        too_big = error("modify", "not-acceptable", "payload-too-big")
        self.fail_to(publish(item("1", tune("x" * 300))), too_big)
        self.fail_to(publish(item("1" * 300, tune("x"))), too_big)
        self.fail_to(f"<create node='{'x' * 300}'/>", error("modify", "not-acceptable"))

    def test_octets_of_an_account(self) -> None:
        for n in "12":
            self.do(publish(item(n, tune(n * 180)), options={"max_items": "max"}))
        too_big = error("modify", "not-acceptable", "payload-too-big")
        self.fail_to(publish(item("3", tune("3" * 180))), too_big)
        self.has(item("2", tune("2" * 180)), ask="<items node='tune' max_items='1'/>")
        self.do("<retract node='tune'><item id='1'/></retract>")
        self.do(publish(item("3", tune("3" * 180))))
