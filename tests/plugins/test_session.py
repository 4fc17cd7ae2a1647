"""RFC 3921 section 3, for clients that don't know RFC 6121."""

from __future__ import annotations

from xmppd.testing import ServerTestCase


class SessionTests(ServerTestCase):
    plugins = ("session",)

    def test_a_session_is_granted_to_those_who_ask(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        session = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"
        romeo.send(f"<iq type='set' id='s1' to='example.org'>{session}</iq>")
        romeo.expect("<iq type='result' id='s1' from='example.org' to='{romeo}'/>")
        romeo.send(f"<iq type='set' id='s2'>{session}</iq>")
        romeo.expect("<iq type='result' id='s2' from='romeo@example.org' to='{romeo}'/>")

    def test_it_is_offered_as_optional_and_only_after_login(self) -> None:
        before = self.connect()
        self.assertNotIn("xmpp-session", before.features)
        romeo = self.login("romeo@example.org/orchard")
        self.assertIn("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>", romeo.features)
