"""XEP-0114, section 3, after the handshake: what a component may send, and what it is sent."""

from __future__ import annotations

from xmppd.testing import ServerTestCase

IRC = "irc.example.org"
TO_JULIET = "to='juliet@example.org/balcony'"


class StanzaTests(ServerTestCase):
    plugins = ("roster", "presence", "disco", "ping")
    components = {IRC: {"name": "IRC"}}

    def setUp(self) -> None:
        super().setUp()
        self.irc = self.component(IRC)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def test_both_ways(self) -> None:
        self.juliet.send(
            "<message to='#play%irc.net@irc.example.org' type='groupchat' id='1'><body>hi</body></message>"
        )
        self.irc.expect(
            "<message from='{juliet}' to='#play%irc.net@irc.example.org' type='groupchat' id='1'>"
            "<body>hi</body></message>"
        )
        self.irc.send("<message from='#play%irc.net@irc.example.org/nick' to='{juliet}'><body>ho</body></message>")
        self.juliet.expect("<message from='#play%irc.net@irc.example.org/nick' to='{juliet}'><body>ho</body></message>")

    def test_content_keeps_its_namespaces(self) -> None:
        """What comes in jabber:component:accept goes out in jabber:client, prefixes or not."""
        self.irc.send(
            "<c:message xmlns:c='jabber:component:accept' from='irc.example.org' to='{juliet}'>"
            "<c:body>hi</c:body><x xmlns='urn:x' c:a='1'/></c:message>"
        )
        self.juliet.expect(
            "<message from='irc.example.org'><body>hi</body>"
            "<x xmlns='urn:x' c:a='1' xmlns:c='jabber:component:accept'/></message>"
        )

    def test_from_any_user_of_its_own(self) -> None:
        for sender in (IRC, f"a@{IRC}", f"a@{IRC}/b", f"{IRC}/b"):
            self.irc.send(f"<message from='{sender}' {TO_JULIET}/>")
            self.juliet.expect(f"<message from='{sender}'/>")

    def test_from_others(self) -> None:
        for sender in (
            "example.org", "romeo@example.org", "juliet@example.org/balcony", "x.irc.example.org",
            "irc.example.org.evil", "romeo@example.net",
        ):  # fmt: skip
            with self.subTest(sender=sender):
                irc = self.component(IRC)
                irc.send(f"<message from='{sender}' {TO_JULIET}/>")
                irc.expect_closed("invalid-from")
                self.juliet.expect_nothing()

    def test_improper_addressing(self) -> None:
        for addresses in (TO_JULIET, f"from='{IRC}'", "", f"from='' {TO_JULIET}", f"from='{IRC}' to=''",
                          f"from='a b@{IRC}' {TO_JULIET}", f"from='@{IRC}' {TO_JULIET}"):  # fmt: skip
            with self.subTest(addresses=addresses):
                irc = self.component(IRC)
                irc.send(f"<message {addresses}><body>hi</body></message>")
                irc.expect_closed("improper-addressing")
                self.juliet.expect_nothing()

    def test_malformed_recipient(self) -> None:
        """RFC 6120 8.3.3.8: a stanza error, and the stream goes on."""
        self.irc.send(f"<iq from='{IRC}' to='a b@example.org' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.irc.expect(
            "<iq from='example.org' to='irc.example.org' type='error' id='1'><ping xmlns='urn:xmpp:ping'/>"
            "<error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
        )
        self.irc.send(f"<message from='{IRC}' to='@' type='error'/>")
        self.irc.expect_nothing()
        self.irc.expect_open()

    def test_malformed_recipient_from_others(self) -> None:
        self.irc.send("<message from='example.org' to='@'/>")
        self.irc.expect_closed("invalid-from")

    def test_bad_requests(self) -> None:
        for stanza in ("<iq type='get'><x xmlns='urn:x'/></iq>", "<iq type='get' id='1'/>",
                       "<iq type='frob' id='1'/>", "<presence type='frob'/>"):  # fmt: skip
            with self.subTest(stanza=stanza):
                kind = stanza[1:].partition(" ")[0]
                self.irc.send(stanza.replace(f"<{kind}", f"<{kind} from='{IRC}' {TO_JULIET}", 1))
                self.irc.expect(
                    f"<{kind} type='error'>{{...}}<error type='modify'>"
                    "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></" + kind + ">"
                )
        self.juliet.expect_nothing()

    def test_no_stanza(self) -> None:
        self.irc.send("<log/>")
        self.irc.expect_closed("unsupported-stanza-type")

    def test_ping(self) -> None:
        self.irc.send(f"<iq from='{IRC}' to='example.org' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.irc.expect(f"<iq from='example.org' to='{IRC}' type='result' id='1'/>")

    def test_to_itself(self) -> None:
        self.irc.send(f"<message from='a@{IRC}' to='b@{IRC}'><body>hi</body></message>")
        self.irc.expect(f"<message from='a@{IRC}' to='b@{IRC}'><body>hi</body></message>")

    def test_to_another_server(self) -> None:
        remote = self.remote("other.example")
        self.irc.send(f"<message from='a@{IRC}' to='b@other.example'><body>hi</body></message>")
        remote.expect(f"<message from='a@{IRC}' to='b@other.example'><body>hi</body></message>")
        remote.send(f"<message from='b@other.example' to='a@{IRC}'><body>ho</body></message>")
        self.irc.expect(f"<message from='b@other.example' to='a@{IRC}'><body>ho</body></message>")

    def test_listed(self) -> None:
        """XEP-0030: disco#items of the host names it, while it is connected."""
        ask = "<iq to='example.org' type='get' id='{n}'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        self.juliet.send(ask.replace("{n}", "1"))
        self.juliet.expect(
            "<iq type='result' id='1'><query xmlns='http://jabber.org/protocol/disco#items'>"
            f"<item jid='{IRC}' name='IRC'/></query></iq>"
        )
        self.irc.disconnect()
        self.juliet.send(ask.replace("{n}", "2"))
        self.juliet.expect("<iq type='result' id='2'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")

    def test_orderly_end(self) -> None:
        self.irc.close()
        self.assertTrue(self.irc.ended)
        self.assertFalse(self.server.server.components.by_domain[IRC].connected)


class SubscriptionTests(ServerTestCase):
    """RFC 6121, sections 3 and 4: users of a component are contacts as those of other servers are."""

    plugins = ("roster", "presence")
    components = {IRC: {}}

    def setUp(self) -> None:
        super().setUp()
        self.irc = self.component(IRC)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        self.juliet.clear()

    def test_user_subscribes(self) -> None:
        self.juliet.send(f"<presence to='a@{IRC}' type='subscribe' id='s'/>")
        self.irc.expect(f"<presence from='juliet@example.org' to='a@{IRC}' type='subscribe' id='s'/>")
        self.juliet.clear()
        self.irc.send(f"<presence from='a@{IRC}' to='juliet@example.org' type='subscribed'/>")
        self.juliet.expect(
            f"<presence from='a@{IRC}' type='subscribed'/>",
            "<iq type='set'><query xmlns='jabber:iq:roster' ver='{any}'>"
            f"<item jid='a@{IRC}' subscription='to'/></query></iq>",
        )
        self.irc.send(f"<presence from='a@{IRC}/x' to='juliet@example.org'><show>away</show></presence>")
        self.juliet.expect(f"<presence from='a@{IRC}/x'><show>away</show></presence>")
        # The next session asks for the presence of contacts (4.3.1).
        phone = self.login("juliet@example.org/phone")
        phone.send("<presence/>")
        self.irc.expect(f"<presence from='juliet@example.org/phone' to='a@{IRC}' type='probe'/>")

    def test_contact_subscribes(self) -> None:
        self.irc.send(f"<presence from='a@{IRC}' to='juliet@example.org' type='subscribe' id='s'/>")
        self.juliet.expect(f"<presence from='a@{IRC}' type='subscribe' id='s'/>")
        self.juliet.send(f"<presence to='a@{IRC}' type='subscribed'/>")
        self.irc.expect(
            f"<presence from='juliet@example.org' to='a@{IRC}' type='subscribed'/>",
            f"<presence from='{{juliet}}' to='a@{IRC}'/>",
        )
        self.juliet.send("<presence><show>dnd</show></presence>")
        self.irc.expect(f"<presence from='{{juliet}}' to='a@{IRC}'><show>dnd</show></presence>")
        self.irc.send(f"<presence from='a@{IRC}' to='juliet@example.org' type='probe'/>")
        self.irc.expect(f"<presence from='{{juliet}}' to='a@{IRC}'><show>dnd</show></presence>")
        self.juliet.disconnect()
        self.irc.expect(f"<presence from='{{juliet}}' to='a@{IRC}' type='unavailable'/>")

    def test_stranger_probes(self) -> None:
        self.irc.send(f"<presence from='b@{IRC}' to='juliet@example.org' type='probe'/>")
        self.irc.expect(f"<presence from='juliet@example.org' to='b@{IRC}' type='unsubscribed'/>")

    def test_the_component_goes_and_returns(self) -> None:
        """Its users are taken for unavailable after a while; presence is exchanged anew when it is back."""
        self.juliet.send(f"<presence to='a@{IRC}' type='subscribe'/>")
        self.irc.send(f"<presence from='a@{IRC}' to='juliet@example.org' type='subscribed'/>")
        self.irc.send(f"<presence from='a@{IRC}' to='juliet@example.org' type='subscribe'/>")
        self.juliet.send(f"<presence to='a@{IRC}' type='subscribed'/>")
        self.irc.send(f"<presence from='a@{IRC}/x' to='juliet@example.org'/>")
        self.juliet.clear()
        self.irc.disconnect()
        self.pump(29)
        self.juliet.expect_nothing()
        self.pump(2)
        self.juliet.expect(f"<presence from='a@{IRC}/x' type='unavailable'>{{any}}</presence>")
        again = self.component(IRC)
        self.pump(60)
        again.expect_all(
            f"<presence from='{{juliet}}' to='a@{IRC}'/>", f"<presence from='{{any}}' to='a@{IRC}' type='probe'/>"
        )
        again.send(f"<presence from='a@{IRC}/x' to='juliet@example.org'/>")
        self.juliet.expect(f"<presence from='a@{IRC}/x'/>")


class AloneTests(ServerTestCase):
    components = {IRC: {"federate": False}, "open.example.org": {}}

    def test_others_are_not_talked_to(self) -> None:
        """`federate = false`: nobody elsewhere reaches its users, nor they them."""
        federation = self.server.server.federation
        self.assertFalse(federation.serves(IRC))
        self.assertTrue(federation.serves("open.example.org"))
        irc = self.component(IRC)
        irc.send(f"<message from='a@{IRC}' to='b@other.example' id='1'/>")
        irc.expect(f"<message from='b@other.example' to='a@{IRC}' type='error' id='1'>{{...}}</message>")
        juliet = self.login("juliet@example.org/balcony")
        irc.send(f"<message from='a@{IRC}' to='{{juliet}}'/>")
        juliet.expect(f"<message from='a@{IRC}'/>")
