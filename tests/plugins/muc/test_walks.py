"""Random walks in a room, on bad networks, with a server that is killed: everybody sees the room as it is.

The clients have stream management, and never lose a session; so who is in the room stays in it. Each keeps a book of
who is there by presence alone, and of what was said. In the end all books agree with the room, and each client has what
was said while it was there, exactly once and in the order of the archive.
"""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

from tests.net import test_kills
from tests.plugins.muc.kit import GARDEN, JOIN, USER
from xmppd.testing import ServerTestCase
from xmppd.testing.xml import read
from xmppd.wire.jid import Jid

JIDS = (
    "owner@example.org/a",
    "romeo@example.org/a",
    "romeo@example.org/b",
    "juliet@example.org/a",
    "nurse@example.org/a",
)
NICKS = ("thirdwitch", "hag", "crone", "macbeth")
STEPS = {
    "say": 30, "enter": 14, "leave": 4, "rename": 5, "away": 6, "kick": 3, "affiliate": 4, "configure": 2, "other": 55,
}  # fmt: skip
ADMIN = "http://jabber.org/protocol/muc#admin"


class Visitor(test_kills.Phone):
    """A client that keeps a book of the room."""

    def __init__(self, case: ServerTestCase, jid: str) -> None:
        self.nick: str | None = None
        self.book: dict[str, tuple[str, str, str]] = {}  # by nickname: role, affiliation, what they show
        self.heard: list[str] = []
        self.since: list[str] = []  # what was heard since it entered the last time
        super().__init__(case, jid)

    def take(self) -> None:
        unread = list(self.client._unread)
        super().take()
        for xml in unread:
            if xml.startswith("<presence"):
                self.watch(xml)
            elif xml.startswith("<message"):
                self.hear(xml)
        self.client.received.clear()

    def watch(self, xml: str) -> None:
        presence = read(xml)[0]
        nick = Jid.parse(presence.attributes["from"]).resource
        x = next((e for e in presence.elements if e.uri == USER), None)
        if x is None:
            return
        codes = {e.attributes["code"] for e in x.elements if e.name == "status"}
        item = next(e.attributes for e in x.elements if e.name == "item")
        if presence.attributes.get("type") == "unavailable":
            if "110" in codes:
                self.nick = item["nick"] if "303" in codes else None
                if self.nick is None:
                    self.book.clear()
            self.book.pop(nick, None)
            return
        show = "".join(e.text or "" for e in presence.elements if e.name == "show")
        self.book[nick] = (item["role"], item["affiliation"], show)
        if "110" in codes:
            if self.nick is None:
                self.since = []
            self.nick = nick

    def hear(self, xml: str) -> None:
        id_ = re.search("<stanza-id [^>]*id='([^']*)'", xml)
        if id_ is None or ("urn:xmpp:delay" in xml and f"from='{GARDEN}'" in xml.partition("urn:xmpp:delay")[2]):
            return
        self.heard.append(id_[1])
        self.since.append(id_[1])


class Walks(test_kills.Walks):
    """The seed is in the test's name."""

    plugins: ClassVar[Any] = ("muc", "presence", "roster")
    config: ClassVar[Any] = {"muc": {"presence_per_minute": 10_000, "joins_per_minute": 10_000}}

    def walk(self, seed: int, steps: int = 160) -> None:
        choice = random.Random(seed)
        phones = [Visitor(self, jid) for jid in JIDS]
        owner = phones[0]
        owner.send(f"<presence to='{GARDEN}/owner'>{JOIN}</presence>")
        owner.send(
            f"<iq type='set' to='{GARDEN}' id='c'><query xmlns='http://jabber.org/protocol/muc#owner'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
            "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query></iq>"
        )
        self.number = 0
        for _ in range(steps):
            what = choice.choices(list(STEPS), list(STEPS.values()))[0]
            if what == "other":
                table = test_kills.DISTURBANCES
                what = choice.choices(list(table), list(table.values()))[0]
                self.disturb(choice, what, choice.choice(phones), phones)
            else:
                self.act(choice, what, phones)
        self.come_home(phones)
        self.compare(phones)

    def act(self, choice: random.Random, what: str, phones: list[Visitor]) -> None:
        phone = choice.choice(phones if what == "say" else phones[1:])
        self.number += 1
        nick = choice.choice(NICKS)
        if what == "say":
            phone.send(
                f"<message to='{GARDEN}' type='groupchat' id='{self.number}'><body>{self.number}</body></message>"
            )
        elif what in ("enter", "rename"):
            phone.send(f"<presence to='{GARDEN}/{nick}'>{JOIN if what == 'enter' else ''}</presence>")
        elif what == "leave":
            phone.send(f"<presence to='{GARDEN}/{phone.nick or nick}' type='unavailable'/>")
        elif what == "away" and phone.nick:
            show = choice.choice(("", "<show>away</show>", "<show>dnd</show>"))
            phone.send(f"<presence to='{GARDEN}/{phone.nick}'>{show}</presence>")
        elif what == "kick":
            self.administer(phones[0], f"<item nick='{nick}' role='none'/>")
        elif what == "affiliate":
            affiliation = choice.choice(("none", "member", "admin", "none", "outcast"))
            self.administer(phones[0], f"<item jid='{Jid.parse(phone.jid).bare}' affiliation='{affiliation}'/>")
        elif what == "configure":
            value = choice.choice("01")
            phones[0].send(
                f"<iq type='set' to='{GARDEN}' id='c{self.number}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
                f"<field var='muc#roomconfig_moderatedroom'><value>{value}</value></field></x></query></iq>"
            )

    def administer(self, owner: Visitor, item: str) -> None:
        owner.send(f"<iq type='set' to='{GARDEN}' id='a{self.number}'><query xmlns='{ADMIN}'>{item}</query></iq>")

    def come_home(self, phones: list[Visitor]) -> None:
        self.disk.go_on()
        for phone in phones:
            phone.cut()
            phone.resume()
        for _ in range(6):
            self.pump(1, step=0.02)
            for phone in phones:
                phone.take()
                phone.client.send(f"<r xmlns='{test_kills.SM}'/>")

    def compare(self, phones: list[Visitor]) -> None:
        muc = self.plugin("muc")
        room = muc.rooms.loaded.get(Jid.parse(GARDEN)) or self.wait(muc.room(Jid.parse(GARDEN)))
        there = {}
        for nick, occupant in room.occupants.items():
            shown = re.search(b"<show>(.*?)</show>", occupant.shown)
            affiliation = room.affiliation(occupant.who)
            there[nick] = (str(occupant.role), str(affiliation), shown[1].decode() if shown else "")
        archive = self.archived()
        self.assertEqual(len(archive), len(set(archive)))
        for phone in phones:
            occupant = room.devices.get(Jid.parse(phone.jid))
            self.assertEqual(list(phone.queue), [], phone.jid)
            self.assertEqual(phone.nick, occupant and occupant.nick, phone.jid)
            self.assertEqual(phone.book, there if occupant else {}, phone.jid)
            self.assertEqual([id_ for id_ in archive if id_ in set(phone.heard)], phone.heard, phone.jid)
            if occupant and phone.since:
                self.assertEqual(archive[archive.index(phone.since[0]) :], phone.since, phone.jid)

    def archived(self) -> list[str]:
        """Return the ids in the archive, in order."""
        muc = self.plugin("muc")
        room = muc.rooms.loaded[Jid.parse(GARDEN)]
        past = self.wait(muc.archive.latest(room, 100_000, 1 << 30))
        ids = [re.search(rb"<stanza-id [^>]*id='([^']*)'", one.message.payload) for one in past]
        return [match[1].decode() for match in ids if match]


def _test(seed: int) -> object:
    return lambda self: self.walk(seed)


for _seed in range(12):
    setattr(Walks, f"test_{_seed}", _test(_seed))
