"""Hats beyond the examples of XEP-0317: who may do what, limits, and what is refused."""

from __future__ import annotations

from dataclasses import replace

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.testing import Client

COMMANDS = "http://jabber.org/protocol/commands"
TYPE = "urn:xmpp:hats:commands"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
HOST, SCRIBE, OTHER = "urn:example:host", "urn:example:scribe", "urn:example:other"


class HatTests(RoomTestCase):
    plugins = ("muc", "presence", "roster", "disco")
    config = {"muc": {"max_hats": 2, "max_hats_worn": 2, "max_hat": 20, "max_hats_each": 2}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.make_room(self.romeo, persistent=True)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def command(self, client: Client, name: str, action: str = "execute", **fields: str) -> str:
        """Execute a command with a form; return the answer, and forget what else came."""
        inside = "".join(f"<field var='hats#{var}'><value>{value}</value></field>" for var, value in fields.items())
        hidden = f"<field var='FORM_TYPE'><value>{TYPE}</value></field>"
        x = f"<x xmlns='jabber:x:data' type='submit'>{hidden}{inside}</x>" if fields else ""
        client.send(
            f"<iq type='set' id='c' to='{GARDEN}'>"
            f"<command xmlns='{COMMANDS}' node='{TYPE}:{name}' action='{action}'>{x}</command></iq>"
        )
        answer = next(xml for xml in client.received if xml.startswith("<iq"))
        self.romeo.clear()
        self.juliet.clear()
        return answer.replace('"', "'")

    def done(self, name: str, **fields: str) -> None:
        self.assertIn("completed", self.command(self.romeo, name, **fields))

    def refused(self, condition: str, client: Client, name: str, action: str = "execute", **fields: str) -> None:
        answer = self.command(client, name, action, **fields)
        self.assertIn("type='error'", answer)
        self.assertIn(f"<{condition} ", answer)

    def shown(self, nick: str = "Juliet") -> str:
        """Return how somebody looks to who enters."""
        benvolio = self.login("benvolio@example.org/street")
        benvolio.send(f"<presence to='{GARDEN}/Benvolio'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        shown = next(xml for xml in benvolio.received if f"/{nick}" in xml)
        benvolio.send(f"<presence to='{GARDEN}/Benvolio' type='unavailable'/>")
        benvolio.clear()
        self.romeo.clear()
        return shown.replace('"', "'")

    def test_entering(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("create", title="Scribe", uri=SCRIBE)
        for uri in (HOST, SCRIBE):
            self.done("assign", jid="juliet@example.org", uri=uri)
        self.assertRegex(self.shown(), "<hats.*title='Host'.*title='Scribe'.*</hats>")
        self.assertNotIn("<hats", self.shown("Romeo"))

    def test_by_nickname(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("assign", jid=f"{GARDEN}/Juliet", uri=HOST)
        self.assertIn("title='Host'", self.shown())
        self.refused("item-not-found", self.romeo, "assign", jid=f"{GARDEN}/Nobody", uri=HOST)

    def test_changed_and_destroyed(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("assign", jid="juliet@example.org", uri=HOST)
        self.done("create", title="Hostess", uri=HOST, hue="10")
        self.assertRegex(self.shown(), "title='Hostess' uri='urn:example:host' hue='10'")
        self.done("destroy", uri=HOST)
        self.assertNotIn("<hats", self.shown())
        self.assertNotIn("<item>", self.command(self.romeo, "list-assigned"))

    def test_stay(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("assign", jid="juliet@example.org", uri=HOST)
        self.restart()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.enter(self.juliet, "Juliet")
        self.assertIn("title='Host'", self.shown())

    def test_who_may(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.refused("forbidden", self.juliet, "create", title="x", uri=OTHER)
        self.refused("forbidden", self.juliet, "assign", jid="juliet@example.org", uri=HOST)
        self.refused("forbidden", self.juliet, "unassign", jid="juliet@example.org", uri=HOST)
        self.refused("forbidden", self.juliet, "destroy", uri=HOST)
        self.refused("forbidden", self.juliet, "list-assigned")
        self.assertIn("completed", self.command(self.juliet, "list"))
        benvolio = self.login("benvolio@example.org/street")
        benvolio.clear()
        self.refused("forbidden", benvolio, "list")
        self.room().config = self.room().config.changed({"anonymous": False})
        self.assertIn("completed", self.command(self.juliet, "list-assigned"))

    def test_max_hats(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("create", title="Scribe", uri=SCRIBE)
        self.refused("resource-constraint", self.romeo, "create", title="x", uri=OTHER)
        self.done("create", title="Another", uri=SCRIBE)

    def test_max_hats_worn(self) -> None:
        self.done("create", title="Host", uri=HOST)
        self.done("assign", jid="a@example.org", uri=HOST)
        self.done("assign", jid="b@example.org", uri=HOST)
        self.done("assign", jid="b@example.org", uri=HOST)  # once more
        self.refused("resource-constraint", self.romeo, "assign", jid="c@example.org", uri=HOST)
        self.done("unassign", jid="a@example.org", uri=HOST)
        self.done("assign", jid="c@example.org", uri=HOST)

    def test_max_hats_each(self) -> None:
        self.plugin("muc").service.limits = replace(self.plugin("muc").service.limits, hats=9, hats_worn=9)
        for uri in (HOST, SCRIBE, OTHER):
            self.done("create", title="x", uri=uri)
        for uri in (HOST, SCRIBE):
            self.done("assign", jid="juliet@example.org", uri=uri)
        self.refused("resource-constraint", self.romeo, "assign", jid="juliet@example.org", uri=OTHER)
        self.done("assign", jid="romeo@example.org", uri=OTHER)

    def test_malformed(self) -> None:
        create = self.refused
        create("bad-payload", self.romeo, "create", title="Host", uri="host")
        create("bad-payload", self.romeo, "create", title="Host", uri="")
        create("bad-payload", self.romeo, "create", title="", uri=HOST)
        create("bad-payload", self.romeo, "create", title="x" * 21, uri=HOST)
        for hue in ("x", "-1", "361", "nan", f"1.{20 * '0'}"):
            create("bad-payload", self.romeo, "create", title="Host", uri=HOST, hue=hue)
        self.done("create", title="Host", uri=HOST)
        self.refused("bad-payload", self.romeo, "assign", jid="@", uri=HOST)
        self.refused("item-not-found", self.romeo, "assign", jid="juliet@example.org", uri=OTHER)
        self.refused("item-not-found", self.romeo, "unassign", jid="juliet@example.org", uri=HOST)
        self.refused("item-not-found", self.romeo, "destroy", uri=OTHER)
        self.refused("item-not-found", self.romeo, "polish")

    def test_actions(self) -> None:
        self.assertIn("canceled", self.command(self.romeo, "create", "cancel"))
        self.refused("bad-action", self.romeo, "create", "prev")
        self.refused("malformed-action", self.romeo, "create", "dance")

    def test_listed(self) -> None:
        """The commands somebody may execute are listed (XEP-0050 section 2.2), and described."""
        items = "http://jabber.org/protocol/disco#items"
        for client, count in ((self.romeo, 6), (self.juliet, 1)):
            client.send(f"<iq type='get' id='l' to='{GARDEN}'><query xmlns='{items}' node='{COMMANDS}'/></iq>")
            self.assertEqual(client.received[-1].count("<item "), count)
            client.clear()
        info = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{TYPE}:create'/>"
        self.romeo.send(f"<iq type='get' id='i' to='{GARDEN}'>{info}</iq>")
        self.assertIn("command-node", self.romeo.received[-1])
        self.juliet.send(f"<iq type='get' id='i' to='{GARDEN}'>{info}</iq>")
        self.assertIn("item-not-found", self.juliet.received[-1])
