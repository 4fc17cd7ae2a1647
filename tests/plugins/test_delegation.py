"""XEP-0355: what is answered by components, what isn't, and what becomes of bad answers."""

from __future__ import annotations

from typing import ClassVar

from xmppd.api import Plugin
from xmppd.core import reload
from xmppd.core.settings import Component
from xmppd.testing import ComponentClient, ServerTestCase

NS = "urn:xmpp:delegation:2"
UNAVAILABLE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
X = "<x xmlns='urn:x'/>"


def around(stanza: str) -> str:
    return f"<delegation xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>{stanza}</forwarded></delegation>"


class Case(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("roster", "presence", "disco", "delegation", "ping")
    hosts = ("example.org", "example.net")
    components = {
        "x.example.org": {"delegations": [{"namespace": "urn:x"}, {"namespace": "urn:y", "attributes": ["a", "b"]}]},
        "ping.example.org": {"delegations": [{"namespace": "urn:xmpp:ping"}]},
    }

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.account("nurse@example.org")

    def managing(self, domain: str = "x.example.org") -> ComponentClient:
        """Return a component that has been told what it answers, and has nothing to say of itself."""
        component = self.component(domain)
        for xml in list(component.received):
            if xml.startswith("<iq"):
                number = xml.partition("id='")[2].partition("'")[0]
                component.send(f"<iq from='{domain}' to='example.org' type='error' id='{number}'/>")
        component.clear()
        return component

    def forwarded(self, component: ComponentClient) -> str:
        """Return the id of the request that a component was forwarded."""
        element = component.take()
        self.assertEqual((element["type"], element["from"]), ("set", "example.org"))
        return str(element["id"])

    def answer(self, component: ComponentClient, number: str, reply: str) -> None:
        component.send(f"<iq from='{component.domain}' to='example.org' type='result' id='{number}'>{reply}</iq>")


class RequestTests(Case):
    def test_who_may_be_asked(self) -> None:
        """4.3: the host, an account by its bare address, or the own one by none."""
        component = self.managing()
        for to in ("example.org", "juliet@example.org", "nurse@example.org", None):
            with self.subTest(to=to):
                address = f" to='{to}'" if to else ""
                self.juliet.send(f"<iq type='get' id='1'{address}>{X}</iq>")
                component.expect(
                    "<iq from='example.org' type='set' id='{any}'>"
                    + around(f"<iq xmlns='jabber:client' from='{{juliet}}' type='get' id='1'{address}>{X}</iq>")
                    + "</iq>"
                )

    def test_not_forwarded(self) -> None:
        component = self.managing()
        for iq in (
            f"<iq type='get' id='1' to='example.net'>{X}</iq>",
            f"<iq type='get' id='1' to='example.org/x'>{X}</iq>",
            f"<iq type='get' id='1' to='nobody@example.org'>{X}</iq>",
            f"<iq type='get' id='1' to='nurse@example.org/x'>{X}</iq>",
            "<iq type='get' id='1' to='example.org'><x xmlns='urn:z'/></iq>",
            "<iq type='get' id='1' to='example.org'><y xmlns='urn:y'/></iq>",
            "<iq type='get' id='1' to='example.org'><y xmlns='urn:y' a='1'/></iq>",
        ):
            with self.subTest(iq=iq):
                self.juliet.send(iq)
                self.juliet.expect("<iq type='error' id='1'>{...}<error type='cancel'>{...}</error></iq>")
                component.expect_nothing()
        self.juliet.send(f"<iq type='result' id='1' to='example.org'>{X}</iq>")
        component.expect_nothing()

    def test_attributes(self) -> None:
        component = self.managing()
        self.juliet.send("<iq type='get' id='1' to='example.org'><y xmlns='urn:y' a='1' b=''/></iq>")
        self.forwarded(component)

    def test_in_place_of_a_plugin(self) -> None:
        ping = "<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
        self.juliet.send(ping)
        self.juliet.expect(f"<iq type='error' id='1'><ping xmlns='urn:xmpp:ping'/>{UNAVAILABLE}</iq>")
        component = self.managing("ping.example.org")
        self.juliet.send(ping)
        number = self.forwarded(component)
        self.answer(component, number, around("<iq xmlns='jabber:client' to='{juliet}' type='result' id='1'/>"))
        self.juliet.expect("<iq from='example.org' to='{juliet}' type='result' id='1'/>")

    def test_from_elsewhere(self) -> None:
        component = self.managing()
        remote = self.remote("other.example")
        remote.send(f"<iq from='a@other.example' to='juliet@example.org' type='get' id='1'>{X}</iq>")
        number = self.forwarded(component)
        reply = (
            f"<iq xmlns='jabber:client' from='juliet@example.org' to='a@other.example' type='result' id='1'>{X}</iq>"
        )
        self.answer(component, number, around(reply))
        remote.expect(f"<iq from='juliet@example.org' to='a@other.example' type='result' id='1'>{X}</iq>")

    def test_from_the_component_itself(self) -> None:
        """4.4: it is handled as if nothing were delegated."""
        component = self.managing("ping.example.org")
        component.send(
            "<iq from='ping.example.org' to='example.org' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
        component.expect("<iq from='example.org' type='result' id='1'/>")

    def test_others_go_on(self) -> None:
        """Section 9: nothing else waits for an answer."""
        component = self.managing()
        self.juliet.send(f"<iq type='get' id='1' to='example.org'>{X}</iq><message to='x.example.org'/>")
        self.forwarded(component)
        component.expect("<message from='{juliet}'/>")


class AnswerTests(Case):
    def asked(self) -> tuple[ComponentClient, str]:
        component = self.managing()
        self.juliet.send(f"<iq type='get' id='1' to='nurse@example.org'>{X}</iq>")
        return component, self.forwarded(component)

    def refused(self) -> None:
        self.juliet.expect(f"<iq from='nurse@example.org' type='error' id='1'>{X}{UNAVAILABLE}</iq>")

    def test_wrong(self) -> None:
        """4.3: whatever is wrong with the answer, it is service-unavailable."""
        right = {"to": "juliet@example.org/balcony", "from": "nurse@example.org", "type": "result", "id": "1"}
        for wrong in (
            {"to": "nurse@example.org"}, {"to": ""}, {"from": "juliet@example.org"}, {"from": "x.example.org"},
            {"type": "error"}, {"type": "set"}, {"id": "2"}, {"id": ""}, {"to": "@"},
        ):  # fmt: skip
            with self.subTest(wrong=wrong):
                component, number = self.asked()
                attributes = "".join(f" {key}='{value}'" for key, value in {**right, **wrong}.items() if value)
                self.answer(component, number, around(f"<iq xmlns='jabber:client'{attributes}/>"))
                self.refused()

    def test_no_reply_in_it(self) -> None:
        for content in ("", f"<delegation xmlns='{NS}'/>", around(""), around("<iq xmlns='urn:x'/>"),
                        around("<message xmlns='jabber:client' to='{juliet}' type='result' id='1'/>")):  # fmt: skip
            with self.subTest(content=content):
                component, number = self.asked()
                self.answer(component, number, content)
                self.refused()

    def test_error(self) -> None:
        component, number = self.asked()
        component.send(
            f"<iq from='x.example.org' to='example.org' type='error' id='{number}'><error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        self.refused()

    def test_none(self) -> None:
        self.asked()
        self.pump(60)
        self.refused()

    def test_it_leaves(self) -> None:
        component, _ = self.asked()
        component.disconnect()
        self.pump(60)
        self.refused()
        self.juliet.send(f"<iq type='get' id='1' to='nurse@example.org'>{X}</iq>")
        self.refused()

    def test_from_others(self) -> None:
        _, number = self.asked()
        other = self.managing("ping.example.org")
        reply = "<iq xmlns='jabber:client' to='{juliet}' from='nurse@example.org' type='result' id='1'/>"
        self.answer(other, number, around(reply))
        self.juliet.expect_nothing()


class FeatureTests(Case):
    def features(self) -> set[str]:
        self.juliet.send("<iq type='get' id='d' to='example.org'>"
                         "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")  # fmt: skip
        (query,) = self.juliet.take().elements()
        return {child["var"] for child in query.elements() if child.name == "feature"}

    def test_ours_are_left_out(self) -> None:
        """7.2: the features of what is delegated are the component's, and nobody's while it isn't there."""
        self.assertNotIn("urn:xmpp:ping", self.features())
        component = self.component("ping.example.org")
        component.take()
        asked = component.take()
        query = next(asked.elements())
        self.assertEqual(query["node"], f"{NS}::urn:xmpp:ping")
        self.assertNotIn("urn:xmpp:ping", self.features())
        component.send(
            f"<iq from='ping.example.org' to='example.org' type='result' id='{asked['id']}'>"
            f"<query xmlns='http://jabber.org/protocol/disco#info' node='{query['node']}'>"
            "<feature var='urn:xmpp:ping'/><feature var='urn:xmpp:ping#twice'/><feature/><identity/>"
            "</query></iq>"
        )
        self.assertLessEqual({"urn:xmpp:ping", "urn:xmpp:ping#twice", NS}, self.features())
        component.disconnect()
        self.assertNotIn("urn:xmpp:ping", self.features())

    def test_change(self) -> None:
        component = self.managing("ping.example.org")
        settings = self.server.server.settings
        changed = {**settings.components, "ping.example.org": Component(secret="secret")}
        self.wait(reload.apply(self.server.server, settings.model_copy(update={"components": changed})))
        component.expect(f"<message from='example.org'><delegation xmlns='{NS}'/></message>")
        self.assertIn("urn:xmpp:ping", self.features())

    def test_client_mode(self) -> None:
        """5 and 8: it is not there; and nobody may have the namespace of delegations itself."""
        for namespace, error in (("urn:x", "feature-not-implemented"), (NS, "forbidden")):
            self.juliet.send(
                f"<iq to='example.org' type='get' id='1'><query xmlns='{NS}' to='juliet@example.org'>"
                f"<delegate namespace='{namespace}'/></query></iq>"
            )
            self.juliet.expect(
                f"<iq type='error' id='1'>{{...}}<error type='{{any}}'>"
                f"<{error} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></iq>"
            )


class DiscoTests(Case):
    components = {"x.example.org": {"delegations": [
        {"namespace": f"{NS}:bare:disco#info:*"}, {"namespace": f"{NS}:bare:disco#items:*"},
    ]}}  # fmt: skip

    def test_what_is_known_here(self) -> None:
        """7.2.4: without a node, and for those who may see nothing, we answer ourselves."""
        component = self.managing()
        self.juliet.send("<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        self.juliet.expect("<iq type='result' id='1'>{any}</iq>")
        self.juliet.send("<iq type='get' id='2' to='nurse@example.org'>"
                         "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/></iq>")  # fmt: skip
        self.juliet.expect(
            f"<iq type='error' id='2'><query xmlns='http://jabber.org/protocol/disco#info' node='n'/>{UNAVAILABLE}</iq>"
        )
        component.expect_nothing()

    def test_nothing_is_asked_of_it(self) -> None:
        component = self.component("x.example.org")
        component.take()
        component.expect_nothing()
