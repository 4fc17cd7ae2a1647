"""A client's stream until it has a session (RFC 6120 sections 4 to 7)."""

from __future__ import annotations

import base64

from twisted.internet.defer import Deferred

from xmppd.api import Iq, Plugin, Scope, SessionBound, SessionEnded, iq_get, observe
from xmppd.api.interfaces import IStream
from xmppd.testing import Client, ServerTestCase
from xmppd.testing.xml import read

_HEAD = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"


def plain(user: str, password: str) -> str:
    """A SASL PLAIN request."""
    secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{secret}</auth>"


class Headers(ServerTestCase):
    """RFC 6120 4.7 to 4.9."""

    hosts = ("example.org", "example.net")

    def open(self, header: str) -> Client:
        client = self.connect()
        client.send_raw(header)
        return client

    def test_answer(self) -> None:
        """The header is answered with one of ours, before features or an error."""
        client = self.open(f"<?xml version='1.0'?>{_HEAD} to='example.net' from='romeo@example.net' version='1.0'>")
        assert client.header is not None
        self.assertEqual(client.header["from"], "example.net")
        self.assertEqual(client.header["to"], "romeo@example.net")
        self.assertEqual(client.header["version"], "1.0")
        self.assertTrue(client.header["id"])
        client.expect("<stream:features>{any}</stream:features>")

    def test_another_host_after_logging_in(self) -> None:
        """Whoever has logged in to one host has no account on another."""
        self.account("romeo@example.org")
        client = self.connect()
        client.open("example.org")
        client.send(plain("romeo", "secret"))
        client.clear()
        client.open("example.net")
        client.expect_closed("not-authorized")

    def test_second_host(self) -> None:
        nurse = self.login("nurse@example.net/kitchen")
        self.assertEqual(nurse.jid, "nurse@example.net/kitchen")

    def test_ids_differ(self) -> None:
        ids = set()
        for _ in range(10):
            client = self.connect()
            client.open()
            assert client.header is not None
            ids.add(client.header["id"])
        self.assertEqual(len(ids), 10)

    def test_without_declaration(self) -> None:
        self.open(f"{_HEAD} to='example.org' version='1.0'>").expect("<stream:features>{any}</stream:features>")

    def test_host_is_normalized(self) -> None:
        client = self.open(f"{_HEAD} to='EXAMPLE.org' version='1.0'>")
        client.expect("<stream:features>{any}</stream:features>")
        assert client.header is not None
        self.assertEqual(client.header["from"], "example.org")

    def test_without_to(self) -> None:
        """The first host is meant."""
        self.open(f"{_HEAD} version='1.0'>").expect("<stream:features>{any}</stream:features>")

    def test_newer_version(self) -> None:
        """RFC 6120 4.7.5: the lower one of both is spoken."""
        self.open(f"{_HEAD} to='example.org' version='1.5'>").expect("<stream:features>{any}</stream:features>")
        self.open(f"{_HEAD} to='example.org' version='2.0'>").expect("<stream:features>{any}</stream:features>")

    def test_refused(self) -> None:
        for condition, header in (
            ("host-unknown", f"{_HEAD} to='example.com' version='1.0'>"),
            ("host-unknown", f"{_HEAD} to='x@@' version='1.0'>"),
            ("unsupported-version", f"{_HEAD} to='example.org'>"),
            ("unsupported-version", f"{_HEAD} to='example.org' version='0.9'>"),
            ("unsupported-version", f"{_HEAD} to='example.org' version='one'>"),
            ("invalid-namespace", f"{_HEAD} to='example.org' version='1.0'>".replace("jabber:client", "jabber:server")),
            ("invalid-namespace", f"{_HEAD} to='example.org' version='1.0'>".replace("jabber:client", "x")),
            ("invalid-namespace", f"{_HEAD} to='example.org' version='1.0'>".replace("etherx", "ethery")),
            ("invalid-namespace", "<stream to='example.org' version='1.0'>"),
            ("bad-format", f"{_HEAD} to='example.org' version='1.0'>".replace("stream:stream ", "stream:streams ")),
            ("bad-namespace-prefix", f"{_HEAD} to='example.org' version='1.0'>".replace(":stream=", ":s=")),
            ("not-well-formed", "GET / HTTP/1.1\r\n\r\n"),
            ("not-well-formed", "<stream:stream <>"),
            ("not-well-formed", "\x16\x03\x01\x02>"),
            (
                "unsupported-encoding",
                f"<?xml version='1.0' encoding='ISO-8859-1'?>{_HEAD} to='example.org' version='1.0'>",
            ),
            ("restricted-xml", f"<!DOCTYPE x>{_HEAD} to='example.org' version='1.0'>"),
            ("restricted-xml", f"<!-- x -->{_HEAD} to='example.org' version='1.0'>"),
            ("restricted-xml", f"<?x y?>{_HEAD} to='example.org' version='1.0'>"),
        ):
            with self.subTest(header=header):
                client = self.open(header)
                client.expect_closed(condition)
                self.assertIsNotNone(client.header)

    def test_utf_16(self) -> None:
        client = self.connect()
        client.send_raw(f"{_HEAD} to='example.org' version='1.0'>".encode("utf-16"))
        client.expect_closed("unsupported-encoding")

    def test_slowly(self) -> None:
        """One octet at a time."""
        client = self.connect()
        for octet in f"<?xml version='1.0'?>{_HEAD} to='example.org' version='1.0'>".encode():
            client.send_raw(bytes([octet]))
        client.expect("<stream:features>{any}</stream:features>")

    def test_closed_by_the_client(self) -> None:
        client = self.connect()
        client.open()
        client.send_raw("</stream:stream>")
        client.expect_closed()

    def test_left_without_a_word(self) -> None:
        client = self.connect()
        client.open()
        client.disconnect()
        self.assertEqual(self.host.all_sessions(), ())

    def test_connection_that_the_client_does_not_close(self) -> None:
        """It is cut a few seconds after the farewell."""
        client = self.connect()
        client.open()
        client.stall()
        client.send_raw("</stream:stream>")
        self.assertFalse(client.transport.closed)
        self.pump(10)
        self.assertTrue(client.transport.closed)


class BeforeTheSession(ServerTestCase):
    """What a client may do before it has bound a resource."""

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        self.client = self.connect()
        self.client.open()

    def test_features(self) -> None:
        mechanisms = read(self.client.features)[0].elements[0]
        self.assertEqual((mechanisms.uri, mechanisms.name), (_SASL, "mechanisms"))
        self.assertIn("PLAIN", [m.text for m in mechanisms.elements])
        self.assertNotIn("EXTERNAL", [m.text for m in mechanisms.elements])
        self.client.authenticate("romeo", "secret")
        self.assertEqual([e.name for e in read(self.client.features)[0].elements], ["bind", "sm", "limits"])

    def test_stanza_before_logging_in(self) -> None:
        for stanza in (
            "<message to='romeo@example.org'><body>hi</body></message>",
            "<presence/>",
            "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
            f"<iq type='set' id='1'><bind xmlns='{_BIND}'/></iq>",
            "<message to='@'/>",
            "<iq type='result' id='1'/>",
        ):
            with self.subTest(stanza):
                client = self.connect()
                client.open()
                client.send(stanza)
                client.expect_closed("not-authorized")

    def test_stanza_before_binding(self) -> None:
        for stanza in ("<message to='romeo@example.org'/>", "<presence/>", "<iq type='result' id='1'/>"):
            with self.subTest(stanza):
                client = self.connect()
                client.open()
                client.authenticate("romeo", "secret")
                client.send(stanza)
                client.expect_closed("not-authorized")

    def test_iq_without_children(self) -> None:
        self.client.send("<iq type='get' id='1'/>")
        self.client.expect("<iq type='error' id='1'>{any}</iq>")
        self.client.expect_open()

    def test_unknown_element(self) -> None:
        self.client.send("<x xmlns='urn:example:x'/>")
        self.client.expect_closed("not-authorized")

    def test_logging_in_twice(self) -> None:
        self.client.authenticate("romeo", "secret")
        self.client.send(plain("romeo", "secret"))
        self.client.expect_closed("not-authorized")

    def test_another_host_after_logging_in(self) -> None:
        self.client.send(plain("romeo", "secret"))
        self.client.clear()
        self.client.open("example.com")
        self.client.expect_closed("host-unknown")

    def test_no_new_header_after_logging_in(self) -> None:
        self.client.send(plain("romeo", "secret"))
        self.client.clear()
        self.client.restarted()
        self.client.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'/></iq>")
        self.client.expect_closed("invalid-namespace")

    def test_what_comes_behind_the_login_is_not_believed(self) -> None:
        """RFC 6120 6.4.6: a new stream begins, and what was sent before it belongs to none."""
        bind = f"<iq type='set' id='1'><bind xmlns='{_BIND}'/></iq>"
        self.client.send(plain("romeo", "secret") + bind)
        self.client.expect(f"<success xmlns='{_SASL}'/>")
        self.client.expect_nothing()
        self.assertEqual(self.host.all_sessions(), ())

    def test_starttls_without_tls(self) -> None:
        self.client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.client.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.client.expect_closed()

    def test_too_slow(self) -> None:
        """Whoever takes longer than `negotiation_seconds` is disconnected."""
        silent, logged_in, ready = self.connect(), self.client, self.login("romeo@example.org/x")
        self.pump(40)
        logged_in.authenticate("romeo", "secret")
        self.pump(15)
        silent.expect_nothing()
        self.pump(10)
        silent.expect_closed("connection-timeout")
        logged_in.expect_closed("connection-timeout")
        ready.expect_open()


class Binding(ServerTestCase):
    """RFC 6120 section 7."""

    def logged_in(self) -> Client:
        self.account("romeo@example.org")
        client = self.connect()
        client.open()
        client.authenticate("romeo", "secret")
        return client

    def test_resource_of_the_client(self) -> None:
        client = self.logged_in()
        client.bind("orchard")
        self.assertEqual(client.jid, "romeo@example.org/orchard")

    def test_resource_of_the_server(self) -> None:
        resources = set()
        for _ in range(5):
            client = self.logged_in()
            client.bind()
            resources.add(client.jid.partition("/")[2])
        self.assertEqual(len(resources), 5)
        self.assertTrue(all(len(resource) >= 8 for resource in resources))

    def test_empty_resource(self) -> None:
        client = self.logged_in()
        client.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource/></bind></iq>")
        client.expect(f"<iq type='result' id='1'><bind xmlns='{_BIND}'><jid>{{jid}}</jid></bind></iq>")
        self.assertRegex(self.names["jid"], r"\Aromeo@example.org/.{8,}\Z")

    def test_normalized(self) -> None:
        client = self.logged_in()
        client.bind("e\u0301")
        self.assertEqual(client.jid, "romeo@example.org/\u00e9")

    def test_no_resource_at_all(self) -> None:
        """RFC 6120 7.7.2.1: bad-request, and the client may try again."""
        client = self.logged_in()
        for resource in ("x" * 1024, "\ue000"):
            client.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource>{resource}</resource></bind></iq>")
            client.expect(
                "<iq type='error' id='1'>{...}<error type='modify'>{...}"
                "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
        client.bind("orchard")

    def test_get(self) -> None:
        """Binding is a set."""
        client = self.logged_in()
        client.send(f"<iq type='get' id='1'><bind xmlns='{_BIND}'/></iq>")
        client.expect_closed("not-authorized")

    def test_pipelined(self) -> None:
        """What a client sends behind the request, before the answer, is handled after it."""
        client = self.logged_in()
        client.send(
            f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource>a</resource></bind></iq>"
            "<iq type='get' id='2'><x xmlns='urn:example:x'/></iq>"
        )
        client.expect("<iq type='result' id='1'>{any}</iq>", "<iq type='error' id='2'>{any}</iq>")


class Conflicts(ServerTestCase):
    """RFC 6120 7.7.2.2: the resource is in use."""

    def test_replaced(self) -> None:
        old = self.login("romeo@example.org/orchard", presence=True)
        new = self.login("romeo@example.org/orchard")
        old.expect_closed("conflict")
        new.send("<message to='romeo@example.org/orchard'><body>hi</body></message>")
        new.expect("<message><body>hi</body></message>")
        self.assertEqual(len(self.host.all_sessions()), 1)

    def test_old_one_does_not_take_the_new_one_along(self) -> None:
        old = self.login("romeo@example.org/orchard")
        old.stall()
        new = self.login("romeo@example.org/orchard", presence=True)
        self.pump(10)
        old.disconnect()
        self.assertEqual([str(s.jid) for s in self.host.all_sessions()], ["romeo@example.org/orchard"])
        new.send("<message to='romeo@example.org'><body>hi</body></message>")
        new.expect("<message><body>hi</body></message>")


class ConflictsRefused(ServerTestCase):
    config = {"accounts": {"resource_conflict": "refuse"}}

    def test_refused(self) -> None:
        old = self.login("romeo@example.org/orchard")
        new = self.connect()
        new.open()
        new.authenticate("romeo", "secret")
        new.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource>orchard</resource></bind></iq>")
        new.expect(
            "<iq type='error' id='1'>{...}<error type='modify'>{...}"
            "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        old.expect_open()
        new.bind("phone")


class ConflictsRenamed(ServerTestCase):
    config = {"accounts": {"resource_conflict": "rename"}}

    def test_renamed(self) -> None:
        old = self.login("romeo@example.org/orchard")
        new = self.login("romeo@example.org/orchard")
        old.expect_open()
        self.assertNotEqual(new.jid, old.jid)
        self.assertTrue(new.jid.startswith("romeo@example.org/"))


class WithoutEncryption(ServerTestCase):
    """`plain_without_tls` is for loopback alone."""

    def test_far_away(self) -> None:
        self.account("romeo@example.org")
        client = self.connect(peer="192.0.2.1")
        client.open()
        self.assertEqual(read(client.features)[0].elements, [])
        client.send(plain("romeo", "secret"))
        client.expect(f"<failure xmlns='{_SASL}'><encryption-required/>{{...}}</failure>")

    def test_loopback(self) -> None:
        for peer in ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"):
            client = self.connect(peer=peer)
            client.open()
            self.assertIn("PLAIN", client.features)


class TlsThatIsNotRequired(ServerTestCase):
    tls = True
    config = {"server": {"plain_without_tls": False}, "tls": {"required": False}}

    def test_no_passwords_without(self) -> None:
        """Only mechanisms that don't send it are on offer (RFC 6120 13.8.3), from wherever the client comes."""
        for peer in ("127.0.0.1", "192.0.2.1"):
            client = self.connect(peer=peer)
            client.open()
            self.assertEqual([e.name for e in read(client.features)[0].elements], ["starttls", "mechanisms"])
            self.assertIn("SCRAM-SHA-256<", client.features)
            self.assertNotIn("PLAIN", client.features)
            self.assertNotIn("<required/>", client.features)
            client.send(plain("romeo", "secret"))
            self.pump(2)
            client.expect(f"<failure xmlns='{_SASL}'>{{any}}</failure>")


class Encryption(ServerTestCase):
    """RFC 6120 section 5, with TLS that is required."""

    tls = True
    config = {"server": {"plain_without_tls": False}}

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")

    def test_offer(self) -> None:
        client = self.connect()
        client.open()
        self.assertEqual([e.name for e in read(client.features)[0].elements], ["starttls"])
        self.assertEqual([e.name for e in read(client.features)[0].elements[0].elements], ["required"])
        client.start_tls()
        self.assertNotIn("starttls", client.features)
        self.assertIn("PLAIN", client.features)
        self.assertIn("SCRAM-SHA-256-PLUS", client.features)

    def test_login(self) -> None:
        romeo = self.login("romeo@example.org/orchard", tls=True)
        romeo.send("<message to='{romeo}'><body>hi</body></message>")
        romeo.expect("<message><body>hi</body></message>")

    def test_no_login_without(self) -> None:
        """RFC 6120 6.5.4: encryption-required, whatever the mechanism."""
        for mechanism, secret in (("PLAIN", b"\0romeo\0secret"), ("SCRAM-SHA-1", b"n,,n=romeo,r=abcdefgh")):
            client = self.connect()
            client.open()
            data = base64.b64encode(secret).decode()
            client.send(f"<auth xmlns='{_SASL}' mechanism='{mechanism}'>{data}</auth>")
            client.expect(f"<failure xmlns='{_SASL}'><encryption-required/>{{...}}</failure>")

    def test_twice(self) -> None:
        client = self.connect()
        client.open()
        client.start_tls()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        client.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        client.expect_closed()

    def test_injection(self) -> None:
        """RFC 6120 5.4.3.3: what was sent in the clear behind the request is thrown away."""
        client = self.connect()
        client.open()
        client.send_raw("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + plain("romeo", "secret"))
        client.expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        client.encrypt()
        client.open()
        client.expect_nothing()
        client.authenticate("romeo", "secret")

    def test_direct(self) -> None:
        client = self.connect(direct_tls=True)
        client.open()
        self.assertNotIn("starttls", client.features)
        client.authenticate("romeo", "secret")

    def test_not_tls_at_all(self) -> None:
        client = self.connect()
        client.open()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        client.transport.receive(b"GET / HTTP/1.1\r\n\r\n")
        self.pump(1)
        self.assertTrue(client.transport.disconnecting)


class Form(Plugin):
    """Answer before the log-in."""

    @iq_get("urn:example:form", "form", to=Scope.STREAM)
    async def form(self, request: Iq, stream: IStream) -> Iq:
        return request.result(b"<form xmlns='urn:example:form'/>")

    @iq_get("urn:example:broken", "broken", to=Scope.STREAM)
    def broken(self, request: Iq, stream: IStream) -> Iq:
        raise ZeroDivisionError


class StreamScope(ServerTestCase):
    """IQs that plugins answer on streams without a session."""

    plugins = (Form,)

    def setUp(self) -> None:
        super().setUp()
        self.client = self.connect()
        self.client.open()

    def test_answered(self) -> None:
        self.client.send("<iq type='get' id='1'><form xmlns='urn:example:form'/></iq>")
        self.client.expect("<iq type='result' id='1'><form xmlns='urn:example:form'/></iq>")

    def test_in_order(self) -> None:
        self.client.send("<iq type='get' id='1'><form xmlns='urn:example:form'/></iq>" * 2 + plain("x", "y"))
        self.pump(2)
        self.client.expect(*["<iq type='result' id='1'>{any}</iq>"] * 2)
        self.client.expect(f"<failure xmlns='{_SASL}'>{{any}}</failure>")

    def test_failure(self) -> None:
        self.client.send("<iq type='get' id='1'><broken xmlns='urn:example:broken'/></iq>")
        self.client.expect("<iq type='error' id='1'>{any}</iq>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.client.expect_open()


class Slow(Plugin):
    """Take a second over the beginning and the end of each session."""

    @observe(SessionBound)
    @observe(SessionEnded)
    async def bound(self, event: SessionBound | SessionEnded) -> None:
        waited: Deferred[None] = Deferred()
        self.later(1, lambda: waited.callback(None))
        await waited


class SlowBinding(ServerTestCase):
    """A session that takes a while to begin."""

    plugins = (Slow,)

    def start(self, resource: str) -> Client:
        self.account("romeo@example.org")
        client = self.connect(name=f"romeo@example.org/{resource}")
        client.open()
        client.authenticate("romeo", "secret")
        client.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource>{resource}</resource></bind></iq>")
        return client

    def test_stanzas_wait(self) -> None:
        client = self.start("orchard")
        client.send("<iq type='get' id='2'><x xmlns='urn:example:x'/></iq>")
        client.expect("<iq type='result' id='1'>{any}</iq>")
        client.expect_nothing()
        self.pump(2)
        client.expect("<iq type='error' id='2'>{any}</iq>")

    def test_client_leaves_meanwhile(self) -> None:
        client = self.start("orchard")
        client.disconnect()
        self.pump(2)
        self.assertEqual(self.host.all_sessions(), ())

    def test_forgery_meanwhile(self) -> None:
        client = self.start("orchard")
        client.transport.paused = False  # one packet held it all
        client.send("<message from='juliet@example.org'/><message to='@'/><x xmlns='urn:example:x'/>")
        self.pump(2)
        client.expect("<iq type='result' id='1'>{any}</iq>")
        client.expect_closed("invalid-from")

    def test_two_for_one_resource(self) -> None:
        """However they come together, there is only one session, and one stream that is open."""
        clients = [self.start("orchard") for _ in range(3)]
        self.pump(5)
        self.assertEqual(len(self.host.all_sessions()), 1)
        self.assertEqual(sorted(client.ended for client in clients), [False, True, True])
        for client in clients:
            if client.ended:
                self.assertIn("<conflict", client.received[-1])
            else:
                client.expect("<iq type='result' id='1'>{any}</iq>")
