"""Tests of the server harness for plugin authors."""

from __future__ import annotations

from xmppd.api import Iq, Plugin, iq_get
from xmppd.testing import ServerTestCase


class Greet(Plugin):
    """Greet whoever asks."""

    @iq_get("urn:example:greet", "greet")
    def greet(self, request: Iq) -> Iq:
        return request.result(b"<greeting xmlns='urn:example:greet'>hello</greeting>")


class Broken(Plugin):
    """Fail."""

    @iq_get("urn:example:broken", "broken")
    def fail(self, request: Iq) -> Iq:
        raise ZeroDivisionError("as it should")


class Conversations(ServerTestCase):
    plugins = ("ping", Greet, Broken)

    def test_message(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        romeo.send("<message to='{juliet}' type='chat'><body>hi</body></message>")
        juliet.expect("<message from='{romeo}' type='chat'><body>hi</body></message>")
        juliet.expect_nothing()
        romeo.expect_nothing()

    def test_plugin_of_the_test(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><greet xmlns='urn:example:greet'/></iq>")
        romeo.expect(
            "<iq type='result' id='1' from='example.org'><greeting xmlns='urn:example:greet'>{what}</greeting></iq>"
        )
        self.assertEqual(self.names["what"], "hello")

    def test_ping(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.expect("<iq type='result' id='1'/>")

    def test_restart(self) -> None:
        self.login("romeo@example.org/orchard")
        self.restart()
        romeo = self.connect()
        romeo.open()
        romeo.authenticate("romeo", "secret")

    def test_restart_closes(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.restart()
        romeo.expect_closed("system-shutdown")

    def test_logged_failure_is_seen(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><broken xmlns='urn:example:broken'/></iq>")
        romeo.expect("<iq type='error' id='1'>{any}</iq>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_expect_shows_both(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        error = self.assertRaises(AssertionError, romeo.expect, "<iq type='error' id='1'/>")
        self.assertIn("type is 'result', not 'error'", str(error))


class Encrypted(ServerTestCase):
    tls = True
    plugins = ("ping",)

    def test_starttls(self) -> None:
        romeo = self.login("romeo@example.org/orchard", tls=True)
        romeo.send("<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.expect("<iq type='result' id='1'/>")
        assert romeo.tls is not None
        self.assertEqual(romeo.tls.connection.get_protocol_version_name(), "TLSv1.3")

    def test_direct(self) -> None:
        self.account("romeo@example.org")
        romeo = self.connect(direct_tls=True)
        romeo.open()
        romeo.authenticate("romeo", "secret")
        romeo.bind("orchard")
        self.assertEqual(romeo.jid, "romeo@example.org/orchard")
        romeo.close()
        romeo.expect_closed()
