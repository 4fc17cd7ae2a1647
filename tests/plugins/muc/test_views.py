"""XEP-0045 as a whole: whatever happens, each client's view of the room is right, by what it was sent alone.

Clients here know of the room what presence has told them, as sections 7.2 to 7.14 have it; after every step that is
compared with what is so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

from twisted.words.xish.domish import Element

from tests.plugins.muc.coven import MUC, ROOM, USER, CovenTestCase, joining
from xmppd.testing import Client
from xmppd.wire.jid import Jid

NICKS = ("eins", "zwei", "drei", "vier")
SEEDS, STEPS = 8, 80


@dataclass
class View:
    """What a client knows.

    :ivar nick: its own nickname; None while it is not in the room.
    :ivar seen: who is there: affiliation, role and availability by nickname.
    """

    client: Client
    nick: str | None = None
    seen: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def read(self) -> None:
        """Take note of what has come."""
        while self.client._unread:
            element = self.client.take()
            if element.name == "presence" and element.getAttribute("type") != "error":
                self._presence(element)

    def _presence(self, presence: Element) -> None:
        x = next(e for e in presence.elements() if e.uri == USER)
        item = next(e for e in x.elements() if e.name == "item")
        codes = {e["code"] for e in x.elements() if e.name == "status"}
        nick = Jid.parse(presence["from"]).resource
        if presence.getAttribute("type") == "unavailable":
            assert "303" in codes or item["role"] == "none", presence.toXml()
            self.seen.pop(nick, None)
            if "110" in codes:
                self.nick = None
                if "303" not in codes:
                    self.seen.clear()
            return
        show = next((str(e) for e in presence.elements() if e.name == "show"), "")
        if "110" in codes:
            self.nick = nick
        mine = self.nick == nick
        self.seen[nick] = (item["affiliation"], item["role"], show)
        if item.getAttribute("jid") and not mine:
            assert self.nick is None or self.seen[self.nick][1] == "moderator", presence.toXml()


class Views(CovenTestCase):
    config: ClassVar[Any] = {"limits": {"idle_ping_seconds": 100_000}, "muc": {"joins_per_minute": 100_000}}

    def setUp(self) -> None:
        super().setUp()
        self.create(persistentroom="1")
        self.views = [View(self.crone, "firstwitch", {"firstwitch": ("owner", "moderator", "")})]
        for account in ("a", "b", "c"):
            self.views += [View(self.login(f"{account}@example.org/{n}", name=f"{account}{n}")) for n in (1, 2)]

    def test_random_acts(self) -> None:
        for seed in range(SEEDS):
            random = Random(seed)
            for step in range(STEPS):
                what = self.act(random)
                self.compare(f"seed {seed}, step {step}: {what}")
        self.survives()

    def test_disk_takes_its_time(self) -> None:
        """Several things happen before the first of them is on disk, and is told to anybody."""
        for seed in range(SEEDS):
            random = Random(seed)
            for step in range(STEPS // 2):
                self.disk.stopped = True
                what = [self.act(random) for _ in range(random.randrange(1, 5))]
                self.disk.go_on()
                self.pump()
                self.compare(f"seed {seed}, step {step}: {what}")
        self.survives()

    def test_disk_is_full_now_and_then(self) -> None:
        """What can't be stored doesn't happen, to anybody."""
        for seed in range(SEEDS):
            random = Random(seed)
            for step in range(STEPS):
                self.disk.broken = "no space left on device" if random.random() < 0.3 else None
                what = self.act(random)
                self.pump()
                self.disk.broken = None
                self.pump(30)  # it is tried again
                self.compare(f"seed {seed}, step {step}: {what}")
        self.flushLoggedErrors()
        self.survives()

    def test_disk_is_full_for_long(self) -> None:
        """After a while nothing more is taken that would have to be stored; what was taken happens in the end."""
        for seed in range(SEEDS // 2):
            random = Random(seed)
            for step in range(STEPS // 8):
                self.disk.broken = "no space left on device"
                what = []
                for _ in range(random.randrange(1, 8)):
                    what.append(self.act(random))
                    self.pump(random.choice((0, 0, 40, 130)))
                self.disk.broken = None
                self.pump(60)
                self.compare(f"seed {seed}, step {step}: {what}")
        self.flushLoggedErrors()
        self.survives()

    def compare(self, when: str) -> None:
        """Is what everybody believes what is so?"""
        room = self.plugin("muc").rooms.loaded[Jid.parse(ROOM)]
        so = {o.nick: (str(room.affiliation(o.who)), str(o.role)) for o in room.occupants.values()}
        hidden = {o.nick for o in room.occupants.values() if not room.broadcasts(o.role)}
        for view in self.views:
            view.read()
            there = room.devices.get(Jid.parse(view.client.jid))
            self.assertEqual(view.nick, there.nick if there else None, f"{when}: {view.client.name}")
            if there:
                known = {nick: (seen[0], seen[1]) for nick, seen in view.seen.items()}
                visible = {nick: what for nick, what in so.items() if nick not in hidden - {there.nick}}
                self.assertEqual(known, visible, f"{when}: {view.client.name}")
            else:
                self.assertEqual(view.seen, {}, f"{when}: {view.client.name} is not there")
        first = self.views[0].seen
        for view in self.views:
            if view.nick:
                common = {nick: seen for nick, seen in view.seen.items() if nick not in hidden}
                self.assertEqual(common, first, f"{when}: {view.client.name} and the owner")

    def survives(self) -> None:
        """What people are to the room is so as well after the server was killed."""
        room = self.plugin("muc").rooms.loaded[Jid.parse(ROOM)]
        members, config = dict(room.members), room.config
        self.kill()
        again = self.wait(self.plugin("muc").room(Jid.parse(ROOM)))
        self.assertEqual((again.members, again.config), (members, config))

    def act(self, random: Random) -> str:
        """Have somebody do something; return what it was."""
        view = random.choice(self.views[1:])
        nick = random.choice(NICKS)
        kind = random.choice(("join", "join", "leave", "nick", "show", "say", "role", "affiliation", "config", "admin"))
        if kind == "join":
            self.send(view, joining(nick))
        elif kind == "leave":
            self.send(view, f"<presence to='{ROOM}/{view.nick or nick}' type='unavailable'/>")
        elif kind == "nick":
            self.send(view, f"<presence to='{ROOM}/{nick}'/>")
        elif kind == "show":
            show = random.choice(("away", "dnd", "xa"))
            self.send(view, f"<presence to='{ROOM}/{view.nick or nick}'><show>{show}</show></presence>")
        elif kind == "say":
            self.send(view, f"<message to='{ROOM}' type='groupchat'><body>hello</body></message>")
        elif kind == "role":
            role = random.choice(("none", "visitor", "participant", "moderator"))
            return self.request(random, f"<item nick='{nick}' role='{role}'/>")
        elif kind == "affiliation":
            what = random.choice(("outcast", "none", "none", "member", "admin", "owner"))
            return self.request(random, f"<item jid='{random.choice('abc')}@example.org' affiliation='{what}'/>")
        elif kind == "admin":
            one, other = random.sample("abc", 2)
            items = (f"<item jid='{who}@example.org' affiliation='none'/>" for who in (one, other))
            return self.request(random, "".join(items))
        else:
            return self.change(random)
        return f"{view.client.name}: {kind} {nick}"

    def send(self, view: View, xml: str) -> None:
        view.client.send(xml)

    def request(self, random: Random, items: str) -> str:
        """Mostly the owner asks; else somebody who may have no right to."""
        view = random.choice((self.views[0], self.views[0], random.choice(self.views[1:])))
        self.send(view, f"<iq type='set' id='r' to='{ROOM}'><query xmlns='{MUC}#admin'>{items}</query></iq>")
        return f"{view.client.name}: {items}"

    def change(self, random: Random) -> str:
        """The owner configures the room."""
        option = random.choice(("moderatedroom", "moderatedroom", "membersonly", "presencebroadcast"))
        values = [random.choice("001")]
        if option == "presencebroadcast":
            values = ["moderator", *random.choice((["participant"], ["participant", "visitor"], ["visitor"], []))]
        form = (
            f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
            f"<field var='muc#roomconfig_{option}'>{''.join(f'<value>{value}</value>' for value in values)}</field></x>"
        )
        self.send(self.views[0], f"<iq type='set' id='c' to='{ROOM}'><query xmlns='{MUC}#owner'>{form}</query></iq>")
        return f"{option} = {values}"
