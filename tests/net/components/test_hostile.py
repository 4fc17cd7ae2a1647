"""What a hostile or broken component can try, and what becomes of it: it harms nobody but itself."""

from __future__ import annotations

from xmppd.testing import ServerTestCase
from xmppd.wire import ns

IRC = "irc.example.org"
HEADER = f"<stream:stream xmlns='{ns.COMPONENT}' xmlns:stream='{ns.STREAM}' to='{IRC}'>"
BEFORE: dict[str, tuple[str, str]] = {
    "no XML": ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    "another encoding": ("\ufeff".encode("utf-16").decode("latin-1") + "<", "unsupported-encoding"),
    "a document type": ("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]>" + HEADER, "restricted-xml"),
    "a long header": (HEADER.replace("to=", f"x='{'y' * 5000}' to="), "policy-violation"),
    "too much before the handshake": (f"{HEADER}<handshake>{'0' * 20_000}</handshake>", "policy-violation"),
    "a stanza": (f"{HEADER}<presence from='{IRC}' to='juliet@example.org'/>", "not-authorized"),
    "SASL": (f"{HEADER}<auth xmlns='{ns.SASL}' mechanism='PLAIN'>AGEAYg==</auth>", "not-authorized"),
    "a handshake in another namespace": (f"{HEADER}<handshake xmlns='jabber:client'>0</handshake>", "not-authorized"),
    "a second header": (HEADER + HEADER, "bad-format"),
    "a malformed stanza": (f"{HEADER}<message from='@' to='@'/>", "not-authorized"),
}
AFTER: dict[str, tuple[str, str]] = {
    "a comment": ("<!-- hi -->", "restricted-xml"),
    "an entity": (f"<message from='{IRC}' to='a@{IRC}'><body>&x;</body></message>", "restricted-xml"),
    "tags that don't fit": (f"<message from='{IRC}' to='a@{IRC}'></presence>", "not-well-formed"),
    "a prefix of nobody": (f"<message from='{IRC}' to='a@{IRC}'><x:y/></message>", "bad-namespace-prefix"),
    "text between stanzas": ("hello<x/>", "bad-format"),
    "deep nesting": (f"<message from='{IRC}' to='a@{IRC}'>" + "<a>" * 100, "policy-violation"),
    "many children": (f"<message from='{IRC}' to='a@{IRC}'>" + "<a/>" * 2000 + "</message>", "policy-violation"),
    "a stanza of clients": (f"<message xmlns='jabber:client' from='{IRC}' to='a@{IRC}'/>", "unsupported-stanza-type"),
    "a stanza of servers": (f"<message xmlns='jabber:server' from='{IRC}' to='a@{IRC}'/>", "unsupported-stanza-type"),
    "dialback": (
        f"<db:result xmlns:db='jabber:server:dialback' from='example.org' to='{IRC}'>x</db:result>",
        "unsupported-stanza-type",
    ),
    "stream management": ("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
    "TLS after the handshake": (f"<starttls xmlns='{ns.TLS}'/>", "unsupported-stanza-type"),
    "a new stream": (HEADER, "bad-format"),
    "somebody else's presence": ("<presence from='juliet@example.org/balcony' to='a@b.c'/>", "invalid-from"),
    "the host's message": ("<message from='example.org' to='juliet@example.org'/>", "invalid-from"),
    "a look-alike": (f"<message from='{IRC}.evil.example' to='juliet@example.org'/>", "invalid-from"),
    "a domain in the local part": (f"<message from='{IRC}@evil.example' to='juliet@example.org'/>", "invalid-from"),
    "a domain in the resource": (f"<message from='evil.example/{IRC}' to='juliet@example.org'/>", "invalid-from"),
}


class HostileTests(ServerTestCase):
    plugins = ("roster", "presence", "disco", "privileged", "delegation")
    tls = True
    components = {IRC: {}, "calm.example.org": {}}

    def setUp(self) -> None:
        super().setUp()
        self.calm = self.component("calm.example.org")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def all_is_well(self) -> None:
        """Somebody else notices nothing."""
        self.juliet.send("<message to='calm.example.org' id='1'/>")
        self.calm.expect("<message from='{juliet}' id='1'/>")
        self.calm.send("<message from='calm.example.org' to='{juliet}' id='2'/>")
        self.juliet.expect("<message from='calm.example.org' id='2'/>")

    def test_before_the_handshake(self) -> None:
        for name, (data, error) in BEFORE.items():
            with self.subTest(name):
                irc = self.component(IRC, enter=False)
                irc.send_raw(data.encode("latin-1" if "encoding" in name else "utf-8"))
                irc.expect_closed(error)
                self.all_is_well()

    def test_after_the_handshake(self) -> None:
        for name, (data, error) in AFTER.items():
            with self.subTest(name):
                irc = self.component(IRC)
                irc.send_raw(data)
                irc.expect_closed(error)
                self.all_is_well()

    def test_in_pieces(self) -> None:
        """Byte by byte, and in the middle of a character."""
        irc = self.component(IRC)
        for (
            octet
        ) in f"<message from='{IRC}' to='juliet@example.org/balcony'><body>ü\U0001f600</body></message>".encode():
            irc.send_raw(bytes([octet]))
        self.juliet.expect("<message><body>ü\U0001f600</body></message>")

    def test_behind_the_end(self) -> None:
        irc = self.component(IRC)
        irc.send_raw("</stream:stream><message from='example.org' to='juliet@example.org'/>")
        irc.expect_closed()
        self.juliet.expect_nothing()

    def test_behind_an_error(self) -> None:
        irc = self.component(IRC)
        irc.send_raw(f"<oops/><message from='{IRC}' to='juliet@example.org/balcony'/>")
        irc.expect_closed("unsupported-stanza-type")
        self.juliet.expect_nothing()

    def test_an_answer_to_nothing(self) -> None:
        """Results that nobody has asked for."""
        irc = self.component(IRC)
        for to in ("example.org", "juliet@example.org", "calm.example.org", IRC):
            irc.send(f"<iq from='{IRC}' to='{to}' type='result' id='1'/>")
        irc.expect(f"<iq from='{IRC}' to='{IRC}' type='result' id='1'/>")
        self.calm.clear()
        irc.expect_open()
        self.all_is_well()

    def test_errors_that_answer_errors(self) -> None:
        irc = self.component(IRC)
        irc.send(f"<message from='{IRC}' to='nobody@example.org' type='error'/>")
        irc.send(f"<iq from='{IRC}' to='nobody@example.org' type='error' id='1'/>")
        irc.send(f"<presence from='{IRC}' to='nobody@example.org' type='error'/>")
        irc.expect_nothing()
