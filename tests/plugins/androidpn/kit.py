"""What these tests have in common: clients of androidpn in memory, as they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from xmppd.api import Permission, Plugin
from xmppd.testing import Client, ServerTestCase

AUTH = "jabber:iq:auth"
REGISTER = "jabber:iq:register"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
NAME = "0d5c1e3fa2b84c47a3e1f6d2b8c90e9a"
SECRET = "5f0c2a7be1d94a6c8e7b3d1f0a2c4e6d"
RESOURCE = "AndroidpnClient"
JID = f"{NAME}@example.org/{RESOURCE}"
PLUGINS = ("androidpn", "legacy_auth", "notifications", "register", "roster", "presence", "ping")


class AndroidCase(ServerTestCase):
    """A server for androidpn's clients."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = PLUGINS
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def stranger(self, peer: str = "127.0.0.1") -> Client:
        """Return a phone that has opened a stream: to whatever address it was given."""
        client = self.connect(peer)
        client.open("example.org")
        return client

    def registers(self, client: Client, name: str = NAME, password: str = SECRET) -> None:
        """Send what it registers with."""
        inside = f"<password>{password}</password><username>{name}</username>"
        client.send(f"<iq id='reg' type='set'><query xmlns='{REGISTER}'>{inside}</query></iq>")

    def logs_in(self, client: Client, name: str = NAME, password: str = SECRET, resource: str = RESOURCE) -> None:
        """Send what it logs in with."""
        inside = f"<username>{name}</username><password>{password}</password><resource>{resource}</resource>"
        client.send(f"<iq id='auth' type='set'><query xmlns='{AUTH}'>{inside}</query></iq>")

    def phone(self, name: str = NAME, resource: str = RESOURCE, presence: bool = True) -> Client:
        """Return a phone that is logged in, and has sent what Smack sends then."""
        self.account(f"{name}@example.org", SECRET)
        client = self.stranger()
        self.logs_in(client, name, resource=resource)
        client.expect(f"<iq type='result' id='auth' to='{name}@example.org/{resource}'/>")
        client.jid = f"{name}@example.org/{resource}"
        if presence:
            self.comes(client)
        return client

    def comes(self, client: Client) -> None:
        """Ask for the roster and send presence, in one go."""
        roster = "<iq id='roster' type='get'><query xmlns='jabber:iq:roster'></query></iq>"
        client.send(f"{roster}<presence id='p'></presence>")
        client.expect("<iq type='result' id='roster' to='{any}'><query xmlns='jabber:iq:roster' ver='{any}'/></iq>")
        client.clear()

    def told(self, client: Client, name: str, namespace: str, inside: str) -> None:
        """Send one of androidpn's own IQs, with a stray space in it."""
        client.send(f"<iq id='x' type='set'><{name} xmlns='{namespace}'>{inside} </{name}></iq>")

    def operate(self, name: str, **arguments: Any) -> Any:
        """Run an operation of the host, and return what it says."""
        return self.wait(self.host.operations.run(name, arguments, "tester", Permission.ADMIN), 5)
