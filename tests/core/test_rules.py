"""The rules for stanzas that the kernel keeps (RFC 6120 sections 8 and 10, RFC 6121 sections 4.7.1 and 8.4)."""

from __future__ import annotations

from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def error(kind: str, condition: str, type_: str = "cancel", **attributes: str) -> str:
    """The template of an error reply, whatever else it holds."""
    more = "".join(f" {key.rstrip('_')}='{value}'" for key, value in attributes.items())
    return (
        f"<{kind} type='error'{more}>{{...}}<error type='{type_}'>{{...}}<{condition} xmlns='{_STANZAS}'/>"
        f"</error></{kind}>"
    )


class From(ServerTestCase):
    """RFC 6120 8.1.2.1: the server says who a stanza is from."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")

    def send(self, from_: str) -> None:
        self.romeo.send(f"<message from='{from_}' to='juliet@example.org/balcony'><body>hi</body></message>")

    def test_stamped(self) -> None:
        self.romeo.send("<message to='{juliet}'><body>hi</body></message>")
        self.juliet.expect("<message from='romeo@example.org/orchard'><body>hi</body></message>")

    def test_full(self) -> None:
        self.send("romeo@example.org/orchard")
        self.juliet.expect("<message from='romeo@example.org/orchard'><body>hi</body></message>")

    def test_bare_becomes_full(self) -> None:
        self.send("romeo@example.org")
        self.juliet.expect("<message from='romeo@example.org/orchard'><body>hi</body></message>")

    def test_normalized(self) -> None:
        self.send("ROMEO@Example.ORG/orchard")
        self.juliet.expect("<message from='romeo@example.org/orchard'><body>hi</body></message>")

    def test_empty_counts_as_none(self) -> None:
        self.send("")
        self.juliet.expect("<message from='romeo@example.org/orchard'><body>hi</body></message>")

    def test_of_others(self) -> None:
        for forged in ("juliet@example.org", "romeo@example.org/phone", "example.org", "romeo@example.net/orchard"):
            with self.subTest(forged):
                romeo = self.login("romeo@example.org/orchard")
                romeo.send(f"<message from='{forged}' to='{{juliet}}'><body>hi</body></message>")
                romeo.expect_closed("invalid-from")
                self.juliet.expect_nothing()

    def test_no_address(self) -> None:
        self.send("@example.org")
        self.romeo.expect_closed("invalid-from")
        self.juliet.expect_nothing()

    def test_nothing_after_a_forgery(self) -> None:
        """What comes behind it in the same packet is not looked at."""
        self.romeo.send("<presence from='juliet@example.org'/><message to='{juliet}'><body>2</body></message>")
        self.romeo.expect_closed("invalid-from")
        self.juliet.expect_nothing()

    def test_iq(self) -> None:
        self.romeo.send("<iq type='get' id='1' from='juliet@example.org'><x xmlns='urn:example:x'/></iq>")
        self.romeo.expect_closed("invalid-from")

    def test_forged_and_malformed(self) -> None:
        self.romeo.send("<message from='juliet@example.org' to='@'><body>hi</body></message>")
        self.romeo.expect_closed("invalid-from")

    def test_own_address_and_malformed_to(self) -> None:
        """A `from` that is right, if not normalized, is no forgery."""
        self.romeo.send("<message from='Romeo@example.org' to='@' id='1'><body>hi</body></message>")
        self.romeo.expect(error("message", "jid-malformed", "modify", id="1"))


class Malformed(ServerTestCase):
    """RFC 6120 8.3.3.8."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_every_kind(self) -> None:
        for kind, type_ in (("message", "chat"), ("iq", "get"), ("iq", "set"), ("presence", "subscribe")):
            with self.subTest(kind=kind, type=type_):
                self.romeo.send(f"<{kind} type='{type_}' id='1' to='a@@'><x xmlns='urn:example:x'/></{kind}>")
                self.romeo.expect(error(kind, "jid-malformed", "modify", id="1", to="{romeo}", from_="example.org"))

    def test_not_answered(self) -> None:
        for kind, type_ in (("message", "error"), ("iq", "result"), ("iq", "error"), ("presence", "error")):
            with self.subTest(kind=kind, type=type_):
                self.romeo.send(f"<{kind} type='{type_}' id='1' to='a@@'/>")
                self.romeo.expect_nothing()

    def test_parts_that_are_too_long(self) -> None:
        for to in ("a" * 1024 + "@example.org", "a@" + "b" * 1024, "a@example.org/" + "c" * 1024):
            self.romeo.send(f"<message id='1' to='{to}'/>")
            self.romeo.expect(error("message", "jid-malformed", "modify", id="1"))


class Iqs(ServerTestCase):
    """RFC 6120 8.2.3."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")

    def test_bad_requests(self) -> None:
        child = "<x xmlns='urn:example:x'/>"
        for attributes, content in (
            ("type='get'", child),
            ("type='get' id=''", child),
            ("type='get' id='1'", ""),
            ("type='set' id='1'", child * 2),
            ("type='set' id='1'", "only text"),
            ("id='1'", child),
            ("type='' id='1'", child),
            ("type='GET' id='1'", child),
            ("type='query' id='1'", child),
        ):
            for to in ("", " to='example.org'", " to='{juliet}'", " to='romeo@example.org'"):
                with self.subTest(attributes=attributes, to=to):
                    self.romeo.send(f"<iq {attributes}{to}>{content}</iq>")
                    self.romeo.expect(error("iq", "bad-request", "modify"))
                    self.juliet.expect_nothing()

    def test_bad_answers_are_dropped(self) -> None:
        for iq in (
            "<iq type='result' to='{juliet}'/>",
            "<iq type='error' to='{juliet}'/>",
            "<iq type='result' id='1' to='{juliet}'><x xmlns='urn:example:x'/><y xmlns='urn:example:x'/></iq>",
        ):
            self.romeo.send(iq)
            self.romeo.expect_nothing()
            self.juliet.expect_nothing()

    def test_from_device_to_device(self) -> None:
        self.romeo.send("<iq type='get' id='1' to='{juliet}'><x xmlns='urn:example:x'/></iq>")
        self.juliet.expect("<iq type='get' id='1' from='{romeo}'><x xmlns='urn:example:x'/></iq>")
        self.juliet.send("<iq type='result' id='1' to='{romeo}'><y xmlns='urn:example:x'/></iq>")
        self.romeo.expect("<iq type='result' id='1' from='{juliet}'><y xmlns='urn:example:x'/></iq>")

    def test_errors_pass_from_device_to_device(self) -> None:
        self.romeo.send("<iq type='get' id='1' to='{juliet}'><x xmlns='urn:example:x'/></iq>")
        self.juliet.clear()
        bounced = (
            "<iq type='error' id='1' to='{romeo}'><x xmlns='urn:example:x'/>"
            f"<error type='cancel'><feature-not-implemented xmlns='{_STANZAS}'/></error></iq>"
        )
        self.juliet.send(bounced)
        self.romeo.expect(bounced)

    def test_nobody_answers(self) -> None:
        for to in (
            "example.org",
            "romeo@example.org",
            "juliet@example.org",
            "nobody@example.org",
            "juliet@example.org/x",
        ):
            self.romeo.send(f"<iq type='get' id='1' to='{to}'><x xmlns='urn:example:x'/></iq>")
            self.romeo.expect(error("iq", "service-unavailable", id="1", from_=to))

    def test_to_oneself_without_to(self) -> None:
        self.romeo.send("<iq type='set' id='1'><x xmlns='urn:example:x'/></iq>")
        self.romeo.expect(error("iq", "service-unavailable", id="1"))

    def test_answers_nobody_waits_for(self) -> None:
        for to in ("", " to='example.org'", " to='romeo@example.org'", " to='juliet@example.org'"):
            self.romeo.send(f"<iq type='result' id='1'{to}/><iq type='error' id='1'{to}/>")
            self.romeo.expect_nothing()
            self.juliet.expect_nothing()

    def test_binding_again(self) -> None:
        """RFC 6120 7.1 has one resource a stream."""
        self.romeo.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        self.romeo.expect("<iq type='error' id='1'>{any}</iq>")
        self.romeo.expect_open()


class Presences(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def test_unknown_type(self) -> None:
        for to in ("", " to='{juliet}'", " to='example.org'"):
            self.romeo.send(f"<presence type='here' id='1'{to}/>")
            self.romeo.expect(error("presence", "bad-request", "modify", id="1"))
            self.juliet.expect_nothing()

    def test_types_that_need_a_recipient(self) -> None:
        for type_ in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"):
            self.romeo.send(f"<presence type='{type_}' id='1'/>")
            self.romeo.expect(error("presence", "bad-request", "modify", id="1", from_="example.org"))

    def test_error_to_nobody(self) -> None:
        self.romeo.send("<presence type='error' id='1'/>")
        self.romeo.expect_nothing()

    def test_priorities_that_are_none(self) -> None:
        """RFC 6121 4.7.2.3: a whole number between -128 and +127, 0 if there is none."""
        for text, counts_as in (("abc", 0), ("", 0), ("128", 0), ("-129", 0), ("127", 127), ("-128", -128), (" 5 ", 5)):
            self.romeo.send(f"<presence><priority>{text}</priority></presence>")
            session = self.host.session(Jid.parse("romeo@example.org/orchard"))
            assert session is not None
            self.assertEqual(session.priority, counts_as, text)

    def test_to_the_host(self) -> None:
        self.romeo.send("<presence to='example.org'/><presence to='example.org' type='unavailable'/>")
        self.romeo.expect_nothing()


class Addresses(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_message_to_the_host(self) -> None:
        self.romeo.send("<message to='example.org' id='1'><body>hi</body></message>")
        self.romeo.expect(error("message", "service-unavailable", id="1", from_="example.org"))
        self.romeo.send("<message to='example.org/x' id='2'><body>hi</body></message>")
        self.romeo.expect(error("message", "service-unavailable", id="2", from_="example.org/x"))
        self.romeo.send("<message to='example.org' id='3' type='error'><body>hi</body></message>")
        self.romeo.expect_nothing()

    def test_other_servers(self) -> None:
        """RFC 6120 10.4: there is no way to them."""
        self.romeo.send("<iq type='get' id='1' to='example.com'><x xmlns='urn:example:x'/></iq>")
        self.romeo.expect(error("iq", "remote-server-not-found", id="1", from_="example.com"))
        self.romeo.send("<message id='2' to='a@example.com/b'><body>hi</body></message>")
        self.romeo.expect(error("message", "remote-server-not-found", id="2", from_="a@example.com/b"))
        self.romeo.send("<presence id='3' type='subscribe' to='a@example.com'/>")
        self.romeo.expect(error("presence", "remote-server-not-found", id="3"))

    def test_other_servers_and_no_answer(self) -> None:
        for stanza in (
            "<iq type='result' id='1' to='example.com'/>",
            "<iq type='error' id='1' to='example.com'/>",
            "<message type='error' id='1' to='a@example.com'/>",
            "<presence type='error' to='a@example.com'/>",
            "<presence to='a@example.com'/>",
            "<presence type='unavailable' to='a@example.com'/>",
        ):
            self.romeo.send(stanza)
            self.romeo.expect_nothing()

    def test_subdomain_is_not_ours(self) -> None:
        self.romeo.send("<message id='1' to='sub.example.org'/>")
        self.romeo.expect(error("message", "remote-server-not-found", id="1"))

    def test_language_of_the_stream(self) -> None:
        """RFC 6120 8.1.5: a stanza without a language has that of its stream."""
        juliet = self.login("juliet@example.org/balcony")
        client = self.connect()
        client.open(**{"xml:lang": "it"})
        client.authenticate("romeo", "secret")
        client.bind("phone")
        client.send("<message to='{juliet}'><body>ciao</body></message>")
        juliet.expect("<message xml:lang='it'><body>ciao</body></message>")
        client.send("<message to='{juliet}' xml:lang='en'><body>hi</body></message>")
        juliet.expect("<message xml:lang='en'><body>hi</body></message>")

    def test_unknown_first_level_element(self) -> None:
        """RFC 6120 4.9.3.24."""
        self.romeo.send("<x xmlns='urn:example:x'/>")
        self.romeo.expect_closed("unsupported-stanza-type")

    def test_stanza_of_another_namespace(self) -> None:
        self.romeo.send("<message xmlns='jabber:server' to='example.org'/>")
        self.romeo.expect_closed("unsupported-stanza-type")


class ErrorReplies(ServerTestCase):
    """RFC 6120 8.3.1."""

    def test_echo(self) -> None:
        """Same id, addresses turned round, the sender's content in front."""
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<message to='nobody@example.org/x' id='&lt;1&gt;' type='chat'><body>a &amp; b</body></message>")
        romeo.expect(
            "<message from='nobody@example.org/x' to='{romeo}' id='&lt;1&gt;' type='error'><body>a &amp; b</body>"
            f"<error type='cancel'><service-unavailable xmlns='{_STANZAS}'/></error></message>"
        )

    def test_error_from_a_client_is_delivered_not_answered(self) -> None:
        romeo, juliet = self.two()
        romeo.send("<message type='error' to='{juliet}' id='1'><body>x</body></message>")
        juliet.expect("<message type='error' from='{romeo}' id='1'><body>x</body></message>")
        romeo.send("<message type='error' to='juliet@example.org/gone' id='1'/>")
        romeo.expect_nothing()

    def two(self) -> tuple[Client, Client]:
        return self.login("romeo@example.org/orchard"), self.login("juliet@example.org/balcony")
