"""XEP-0357 sections 4 to 6 and 8: enabling and disabling, who may, what is kept."""

from __future__ import annotations

from tests.plugins.push.kit import NS, PUBSUB, SERVICE, PushTestCase
from xmppd.wire.jid import Jid

OPTIONS = (
    "<x xmlns='jabber:x:data' type='submit'>"
    f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>"
    "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"
)
JULIET = Jid.parse("juliet@example.org")


class Registering(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone = self.login("juliet@example.org/phone")

    def nodes(self) -> list[str]:
        return [entry.node for entry in self.plugin("push").registered.of(JULIET)]

    def refused(self, content: str, error: str, to: str = "") -> None:
        addressed = f" to='{to}'" if to else ""
        self.phone.send(f"<iq type='set' id='1'{addressed}>{content}</iq>")
        self.phone.expect(f"<iq type='error' id='1'>{{...}}<error type='{{any}}'>{error}{{...}}</error></iq>")
        self.assertEqual(self.nodes(), [])

    def condition(self, name: str) -> str:
        return f"<{name} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"

    def test_errors(self) -> None:
        bad, malformed = self.condition("bad-request"), self.condition("jid-malformed")
        self.refused(f"<enable xmlns='{NS}' node='n'/>", bad)
        self.refused(f"<enable xmlns='{NS}' jid='' node='n'/>", bad)
        self.refused(f"<enable xmlns='{NS}' jid='a@@b' node='n'/>", malformed)
        self.refused(f"<disable xmlns='{NS}'/>", bad)
        self.refused(f"<disable xmlns='{NS}' jid='@'/>", malformed)
        self.refused(
            f"<enable xmlns='{NS}' jid='{SERVICE}' node='n'><x xmlns='jabber:x:data' type='submit'/></enable>", bad
        )
        other = OPTIONS.replace("#publish-options", "#node_config")
        self.refused(f"<enable xmlns='{NS}' jid='{SERVICE}' node='n'>{other}</enable>", bad)
        self.refused(f"<enable xmlns='{NS}' jid='{SERVICE}' node='n'>{OPTIONS}{OPTIONS}</enable>", bad)

    def test_too_large(self) -> None:
        self.refused(f"<enable xmlns='{NS}' jid='{SERVICE}' node='{9000 * 'n'}'/>", self.condition("policy-violation"))

    def test_of_others(self) -> None:
        """Whether there is such an account can't be told from the answer."""
        self.account("romeo@example.org")
        for other in ("romeo@example.org", "nobody@example.org"):
            for name in ("enable", "disable"):
                self.refused(f"<{name} xmlns='{NS}' jid='{SERVICE}'/>", self.condition("forbidden"), other)

    def test_disabling(self) -> None:
        self.enable(self.phone, "a")
        self.enable(self.phone, "b")
        self.enable(self.phone, "c", service="other.example.com")
        self.phone.send(f"<iq type='set' id='1'><disable xmlns='{NS}' jid='{SERVICE}' node='a'/></iq>")
        self.phone.expect("<iq type='result' id='1'/>")
        self.assertEqual(self.nodes(), ["b", "c"])
        self.phone.send(f"<iq type='set' id='2'><disable xmlns='{NS}' jid='{SERVICE}'/></iq>")
        self.phone.expect("<iq type='result' id='2'/>")
        self.assertEqual(self.nodes(), ["c"])
        self.phone.send(f"<iq type='set' id='3'><disable xmlns='{NS}' jid='nothing.example.com'/></iq>")
        self.phone.expect("<iq type='result' id='3'/>")
        self.restart()
        self.assertEqual(self.nodes(), ["c"])

    def test_the_oldest_goes(self) -> None:
        for number in range(6):
            self.enable(self.phone, f"n{number}")
            self.pump(1)
        self.assertEqual(self.nodes(), ["n1", "n2", "n3", "n4", "n5"])
        self.enable(self.phone, "n1")  # the same again is the newest
        self.enable(self.phone, "n6")
        self.assertEqual(self.nodes(), ["n3", "n4", "n5", "n1", "n6"])
        self.restart()
        self.assertEqual(set(self.nodes()), {"n3", "n4", "n5", "n1", "n6"})

    def test_publish_options_come_back_as_they_came(self) -> None:
        self.enable(self.phone, "n", OPTIONS)
        self.phone.close()
        self.restart()
        self.service = self.remote(SERVICE)
        self.romeo = self.remote("example.net")
        self.say()
        self.pump(5)
        self.service.expect(
            f"<iq type='set' from='example.org' to='{SERVICE}'><pubsub xmlns='{PUBSUB}'><publish node='n'>"
            "<item id='{any}'>{any}</item></publish><publish-options>" + OPTIONS + "</publish-options></pubsub></iq>"
        )

    def test_the_last_request_counts(self) -> None:
        self.enable(self.phone, "n", OPTIONS)
        self.enable(self.phone, "n")
        self.assertEqual((self.nodes(), self.entry.form), (["n"], b""))

    def test_the_service_ends_it(self) -> None:
        """XEP-0357, example 15: it takes nothing more."""
        self.enable(self.phone, "n")
        told = "<message from='{}' to='juliet@example.org'><pubsub xmlns='" + PUBSUB + "' node='n'>"
        told += "<affiliation jid='juliet@example.org' affiliation='none'/></pubsub></message>"
        self.romeo.send(told.format("push.example.net"))  # somebody else
        self.pump()
        self.assertEqual(self.nodes(), ["n"])
        self.service.send(told.format(SERVICE))
        self.pump()
        self.assertEqual(self.nodes(), [])

    def test_deleted_account(self) -> None:
        self.enable(self.phone)
        self.delete_account("juliet@example.org")
        self.assertEqual(self.nodes(), [])

    def test_it_costs_nothing_until_somebody_enables_it(self) -> None:
        handlers = [h.plugin.name for h in self.host.tables.to_account["message"]]
        self.assertNotIn("push", handlers)
        self.enable(self.phone)
        handlers = [h.plugin.name for h in self.host.tables.to_account["message"]]
        self.assertIn("push", handlers)
