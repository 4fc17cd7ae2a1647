"""RFC 6120 section 4: what the other tests of streams leave open."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred, ensureDeferred

from xmppd.api import HOST, Iq, Plugin, iq_get
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

_HEAD = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"


class Header(ServerTestCase):
    """4.7: the attributes of the response header."""

    def open(self, attributes: str) -> Client:
        client = self.connect()
        client.send_raw(f"{_HEAD} {attributes}>")
        return client

    def answer(self, attributes: str) -> dict[str, str]:
        client = self.open(attributes)
        client.clear()
        assert client.header is not None
        return client.header

    def test_4_7_2_to_is_the_bare_address(self) -> None:
        header = self.answer("to='example.org' from='Romeo@example.org/orchard' version='1.0'")
        self.assertEqual(header["to"], "romeo@example.org")

    def test_4_7_2_no_to_without_from(self) -> None:
        self.assertNotIn("to", self.answer("to='example.org' version='1.0'"))

    def test_4_7_2_no_to_for_what_is_no_address(self) -> None:
        self.assertNotIn("to", self.answer("to='example.org' from='a@@' version='1.0'"))

    def test_4_7_4_language(self) -> None:
        """The client's, or else that of what the server has to say."""
        key = "http://www.w3.org/XML/1998/namespace lang"
        self.assertEqual(self.answer("to='example.org' version='1.0' xml:lang='de'")[key], "de")
        self.assertEqual(self.answer("to='example.org' version='1.0'")[key], "en")

    def test_4_7_5_what_is_no_version(self) -> None:
        for version in ("\u00b2", "\u0661.0", "-1.0", "1.x", "1.", "+1.0", "1.0.0", "", "9" * 30):
            with self.subTest(version):
                self.open(f"to='example.org' version='{version}'").expect_closed("unsupported-version")

    def test_4_7_5_versions_that_are_at_least_ours(self) -> None:
        for version in ("1.0", "1.1", "1.10", "01.0", "2.0", "10.3"):
            with self.subTest(version):
                self.assertEqual(self.answer(f"to='example.org' version='{version}'")["version"], "1.0")

    def test_4_9_1_3_from_when_the_host_is_unknown(self) -> None:
        """Never missing: a name of the server's."""
        self.assertEqual(self.answer("to='example.com' version='1.0'")["from"], "example.org")

    def test_4_9_3_6_to_is_a_domain(self) -> None:
        """An address in a domain that is served is no such domain."""
        for to in ("romeo@example.org", "example.org/orchard", "example.com", "@", " "):
            with self.subTest(to):
                self.open(f"to='{to}' version='1.0'").expect_closed("host-unknown")

    def test_4_9_1_2_header_before_any_error(self) -> None:
        for data in ("<x/>", "hello", f"<!DOCTYPE x>{_HEAD}>", "</stream:stream>"):
            with self.subTest(data):
                client = self.connect()
                client.send_raw(data + ">")
                client.clear()
                assert client.header is not None
                self.assertEqual(client.header["from"], "example.org")
                self.assertEqual(client.header["version"], "1.0")
                self.assertTrue(client.header["id"])
                client.expect_closed()


class Errors(ServerTestCase):
    """4.9.1.1: an error of the client's ends the stream and is not answered by another one."""

    error = f"<stream:error><not-well-formed xmlns='{_ERRORS}'/></stream:error>"

    def test_4_9_1_1_before_logging_in(self) -> None:
        client = self.connect()
        client.open()
        client.send_raw(self.error)
        client.expect_closed()

    def test_4_9_1_1_in_a_session(self) -> None:
        client = self.login("romeo@example.org/orchard")
        client.send_raw(self.error + "</stream:stream>")
        client.expect_closed()
        self.assertIsNone(self.host.session(Jid.parse("romeo@example.org/orchard")))


class Closing(ServerTestCase):
    """4.4: whoever closes its stream first waits for the other, and then the connection ends."""

    plugins = ("roster",)
    tls = True

    def clients(self) -> Iterator[Client]:
        for number, tls in enumerate((False, True)):
            with self.subTest(tls=tls):
                client = self.login(f"romeo@example.org/{number}", tls=tls)
                client.transport.stays = True
                yield client

    def test_4_4_server_waits_for_the_client(self) -> None:
        for client in self.clients():
            client.send("<x xmlns='urn:example:x'/>")
            client.expect_closed("unsupported-stanza-type")
            self.pump(2)
            self.assertFalse(client.transport.closed)
            client.send_raw("</stream:stream>")
            self.assertTrue(client.transport.closed)
            self.assertFalse(client.transport.aborted)

    def test_4_4_but_not_for_ever(self) -> None:
        for client in self.clients():
            client.send("<x xmlns='urn:example:x'/>")
            client.expect_closed("unsupported-stanza-type")
            self.pump(10)
            self.assertTrue(client.transport.closed)

    def test_4_4_what_comes_behind_an_error_does_nothing(self) -> None:
        for client in self.clients():
            client.send("<x xmlns='urn:example:x'/><message to='{romeo}'><body>hi</body></message>")
            client.expect_closed("unsupported-stanza-type")
            client.send("<message to='{romeo}'><body>hi</body></message>not even <XML")
            client.expect_nothing()
            self.assertFalse(client.transport.closed)

    def test_4_4_both_in_one_packet(self) -> None:
        for client in self.clients():
            client.send("<x xmlns='urn:example:x'/></stream:stream>")
            client.expect_closed("unsupported-stanza-type")
            self.assertTrue(client.transport.closed)

    def test_4_4_client_closes_first(self) -> None:
        for client in self.clients():
            client.send_raw("</stream:stream>")
            client.expect_closed()
            self.assertTrue(client.transport.closed)

    def test_4_4_client_hears_what_it_has_asked_for(self) -> None:
        for client in self.clients():
            client.send(
                "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='a@example.net'/></query></iq>"
                "<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq></stream:stream>"
            )
            client.expect("<iq type='result' id='1'/>", "<iq type='result' id='2'>{any}</iq>")
            client.expect_closed()

    def test_4_4_nothing_is_read_meanwhile(self) -> None:
        """A stream that was paused when it was closed hears the client's end all the same."""
        client = self.login("romeo@example.org/orchard")
        client.transport.stays = True
        session = self.host.session(Jid.parse("romeo@example.org/orchard"))
        assert session is not None and session.stream is not None
        session.stream.pause()
        session.close()
        client.expect_closed()
        client.send_raw("</stream:stream>")
        self.assertTrue(client.transport.closed)


class Stuck(Plugin):
    """Never come to an end."""

    @iq_get("urn:example:stuck", "stuck", to=HOST)
    async def stuck(self, request: Iq) -> Iq:
        await Deferred()
        return request.result()


class ClosingMeanwhile(ServerTestCase):
    plugins = (Stuck,)

    def test_4_4_what_takes_too_long_is_not_waited_for(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><stuck xmlns='urn:example:stuck'/></iq></stream:stream>")
        self.pump(3)
        romeo.expect_open()
        self.pump(3)
        romeo.expect_closed()

    def test_4_4_connection_lost_meanwhile(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><stuck xmlns='urn:example:stuck'/></iq></stream:stream>")
        romeo.disconnect()
        self.pump(10)
        self.assertTrue(romeo.transport.closed)


class SecondHeader(ServerTestCase):
    """4.9.3.1: a stream has one header."""

    def test_4_9_3_1_before_logging_in(self) -> None:
        client = self.connect()
        client.open()
        client.send_raw(f"{_HEAD} to='example.org' version='1.0'>")
        client.expect_closed("bad-format")

    def test_4_9_3_1_in_a_session(self) -> None:
        client = self.login("romeo@example.org/orchard")
        client.send_raw(f"{_HEAD} to='example.org' version='1.0'>")
        client.expect_closed("bad-format")


class Stopping(ServerTestCase):
    """4.9.3.20: the server stops, and is not kept from it by a client that doesn't close its side."""

    tls = True

    def test_4_9_3_20_client_that_stays(self) -> None:
        for number, tls in enumerate((False, True)):
            client = self.login(f"romeo@example.org/{number}", tls=tls)
            client.transport.stays = True
            assert self._listener is not None
            drained = ensureDeferred(self._listener.drain())
            client.expect_closed("system-shutdown")
            self.assertFalse(client.transport.closed)
            self.pump(1)
            self.assertTrue(client.transport.closed)
            self.assertFalse(client.transport.aborted)
            self.successResultOf(drained)
