"""The examples of XEP-0030 that need services beneath the host, and nodes: here of plugins made for the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmppd.api import ACCOUNT, Iq, Jid, Plugin, iq_get, observe, tag
from xmppd.api.disco import DiscoComponent, DiscoItems, Item
from xmppd.testing import ServerTestCase

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
TUNE = "http://jabber.org/protocol/tune"
ROOM = (INFO, "http://jabber.org/protocol/muc", "muc_passwordprotected", "muc_hidden", "muc_temporary")
#: What the catalog has: by node, the nodes beneath it and their names.
CATALOG: Mapping[str, Sequence[tuple[str, str]]] = {
    "": (
        ("books", "Books by and about Shakespeare"),
        ("clothing", "Wear your literary taste with pride"),
        ("music", "Music from the time of Shakespeare"),
    ),
    "music": (("music/A", ""), ("music/B", ""), ("music/C", ""), ("music/D", "")),
    "music/D": (
        ("music/D/dowland-firstbooke", "John Dowland - First Booke of Songes or Ayres"),
        ("music/D/dowland-solace", "John Dowland - A Pilgrimes Solace"),
    ),
}


class Plays(DiscoComponent):
    """Rooms, each of which describes itself."""

    identities = (("conference", "text", "Play-Specific Chatrooms"),)

    @iq_get(INFO, "query", to=ACCOUNT)
    def room(self, request: Iq) -> Iq:
        features = (tag("feature", var=feature) for feature in ROOM)
        identity = tag("identity", category="conference", name="A Dark Cave", type="text")
        return request.result(tag("query", identity, *features, xmlns=INFO))


class Catalog(DiscoComponent):
    """A shop, all nodes."""

    identities = (("store", "catalog", "Buy Shakespeare Stuff!"),)

    @observe(DiscoItems)
    def list(self, event: DiscoItems) -> None:
        if event.entity == self.jid and event.node in CATALOG:
            event.items += [Item(self.jid, name, node) for node, name in CATALOG[event.node]]


class Tunes(Plugin):
    """Nodes of a user, kept elsewhere."""

    @observe(DiscoItems)
    def list(self, event: DiscoItems) -> None:
        if event.entity == "romeo@shakespeare.lit" and event.node == TUNE:
            event.items += [
                Item(Jid.parse("pubsub.shakespeare.lit"), "Romeo's CD player", "s623nms9s3bfh8js"),
                Item(Jid.parse("pubsub.montague.net"), "", "music/R/Romeo/iPod"),
            ]


class ExampleTests(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("disco", Plays, Catalog, Tunes)
    hosts = ("shakespeare.lit",)

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@shakespeare.lit")
        self.juliet = self.login("juliet@shakespeare.lit/balcony")

    def expect_items(self, to: str, node: str, *items: str) -> None:
        named = f" node='{node}'" if node else ""
        self.juliet.send(f"<iq type='get' id='items2' to='{to}'><query xmlns='{ITEMS}'{named}/></iq>")
        self.juliet.expect(
            f"<iq type='result' from='{to}' id='items2'><query xmlns='{ITEMS}'{named}>{''.join(items)}</query></iq>"
        )

    def test_room(self) -> None:
        """XEP-0030, example 7."""
        to = "balconyscene@plays.shakespeare.lit"
        self.juliet.send(f"<iq type='get' id='info3' to='{to}'><query xmlns='{INFO}'/></iq>")
        features = "".join(f"<feature var='{feature}'/>" for feature in ROOM)
        self.juliet.expect(
            f"<iq type='result' from='{to}' id='info3'><query xmlns='{INFO}'>"
            f"<identity category='conference' name='A Dark Cave' type='text'/>{features}</query></iq>"
        )

    def test_services(self) -> None:
        """XEP-0030, examples 11 and 12."""
        self.expect_items(
            "shakespeare.lit",
            "",
            "<item jid='catalog.shakespeare.lit' name='Buy Shakespeare Stuff!'/>",
            "<item jid='plays.shakespeare.lit' name='Play-Specific Chatrooms'/>",
        )

    def test_nodes(self) -> None:
        """XEP-0030, examples 16 to 21."""
        for node, beneath in CATALOG.items():
            names = (f" name='{name}'" if name else "" for _, name in beneath)
            nodes = (f" node='{child}'" for child, _ in beneath)
            items = (f"<item jid='catalog.shakespeare.lit'{n}{m}/>" for n, m in zip(nodes, names, strict=True))
            self.expect_items("catalog.shakespeare.lit", node, *items)

    def test_nodes_of_a_user(self) -> None:
        """XEP-0030, examples 22 and 23. The asker needn't see Romeo's presence for that (section 8)."""
        self.expect_items(
            "romeo@shakespeare.lit",
            TUNE,
            "<item jid='pubsub.shakespeare.lit' name='Romeo&apos;s CD player' node='s623nms9s3bfh8js'/>",
            "<item jid='pubsub.montague.net' node='music/R/Romeo/iPod'/>",
        )
