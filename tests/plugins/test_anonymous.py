"""Users without an account: XEP-0175 section 3."""

from __future__ import annotations

from typing import ClassVar

from xmppd.api import Component, Iq, Plugin, SessionEnded, iq_get
from xmppd.testing import Client, ServerTestCase

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
PRIVATE = "<query xmlns='jabber:iq:private'><x xmlns='x:prefs'>{}</x></query>"


class GuestCase(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("anonymous", "private", "roster", "presence")
    hosts = {"example.org": {"mechanisms": ["PLAIN", "ANONYMOUS"]}}

    def guest(self) -> Client:
        """Return a client without an account."""
        client = self.connect()
        client.open()
        client.send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
        client.expect(f"<success xmlns='{SASL}'/>")
        client.open()
        client.bind()
        return client


class EndTests(GuestCase):
    def test_subscriptions_are_cancelled(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        guest = self.guest()
        account = guest.jid.partition("/")[0]
        guest.send("<presence/><presence to='romeo@example.org' type='subscribe'/>")
        romeo.expect(f"<presence from='{account}' type='subscribe'/>")
        romeo.send(f"<presence to='{account}' type='subscribed'/>")
        romeo.send(f"<presence to='{account}' type='subscribe'/>")
        guest.send("<presence to='romeo@example.org' type='subscribed'/>")
        romeo.clear()
        guest.close()
        romeo.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        romeo.expect(
            f"<iq type='result' id='r'><query xmlns='jabber:iq:roster' ver='{{any}}'><item jid='{account}'"
            " subscription='none'/></query></iq>"
        )

    def test_what_was_stored_is_gone(self) -> None:
        guest = self.guest()
        guest.send(f"<iq type='set' id='p'>{PRIVATE.format('y')}</iq>")
        guest.expect("<iq type='result' id='p'/>")
        self.assertEqual(self.stored(), 1)
        guest.disconnect()
        self.pump()
        self.assertEqual(self.stored(), 0)

    def test_accounts_keep_what_they_stored(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(f"<iq type='set' id='p'>{PRIVATE.format('y')}</iq>")
        romeo.close()
        self.assertEqual(self.stored(), 1)

    def test_an_account_made_meanwhile_keeps_what_it_has(self) -> None:
        guest = self.guest()
        account = guest.jid.partition("/")[0]
        romeo = self.login(f"{account}/orchard")
        romeo.send(f"<iq type='set' id='1'>{PRIVATE.format('mine')}</iq>")
        romeo.expect("<iq type='result' id='1'/>")
        romeo.close()
        guest.close()
        romeo = self.login(f"{account}/orchard")
        romeo.send(f"<iq type='get' id='2'>{PRIVATE.format('')}</iq>")
        romeo.expect(f"<iq type='result' id='2'>{PRIVATE.format('mine')}</iq>")

    def test_a_server_that_ended_without_warning(self) -> None:
        guest = self.guest()
        guest.send(f"<iq type='set' id='p'>{PRIVATE.format('y')}</iq>")
        guest.expect("<iq type='result' id='p'/>")
        # Nobody is told of the end: as if the process had been killed.
        self.host.tables.observers.pop(SessionEnded)
        self.restart()
        self.pump(1)
        self.assertEqual(self.stored(), 0)
        [table] = self.plugin("anonymous").tables
        self.assertEqual(self.wait(self.server.server.db.read(lambda c: c.execute(table.select()).all())), [])

    def stored(self) -> int:
        [table] = self.plugin("private").tables
        return len(self.wait(self.server.server.db.read(lambda c: c.execute(table.select()).all())))

    def test_loaded_while_they_are_there(self) -> None:
        guest = self.guest()
        guest.send(f"<iq type='set' id='p'>{PRIVATE.format('y')}</iq>")
        self.wait(self.host.registry.disable("anonymous"))
        self.wait(self.host.registry.enable("anonymous"))
        guest.close()
        self.assertEqual(self.stored(), 0)


class RemoteTests(GuestCase):
    config = {"anonymous": {"remote": True}}

    def test_other_servers_if_the_option_says_so(self) -> None:
        other, guest = self.remote("other.example"), self.guest()
        guest.send("<message to='romeo@other.example'><body>hi</body></message>")
        other.expect("<message to='romeo@other.example'><body>hi</body></message>")


class Rooms(Component):
    """A service beneath the host."""

    @iq_get("urn:xmpp:ping", "ping")
    def ping(self, request: Iq) -> Iq:
        return request.result()


class ReachTests(GuestCase):
    plugins = (*GuestCase.plugins, Rooms)

    def test_services_of_this_server_are_in_reach(self) -> None:
        guest = self.guest()
        guest.send("<iq type='get' id='p' to='rooms.example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        guest.expect("<iq type='result' id='p' from='rooms.example.org'/>")

    def test_accounts_reach_other_servers(self) -> None:
        other, romeo = self.remote("other.example"), self.login("romeo@example.org/orchard")
        self.guest()
        romeo.send("<message to='juliet@other.example'><body>hi</body></message>")
        other.expect("<message to='juliet@other.example'><body>hi</body></message>")

    def test_users_of_this_server_are_in_reach(self) -> None:
        romeo, guest = self.login("romeo@example.org/orchard", presence=True), self.guest()
        guest.send("<message to='romeo@example.org'><body>hi</body></message>")
        romeo.expect("<message to='romeo@example.org'><body>hi</body></message>")
