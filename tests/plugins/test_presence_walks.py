"""Random walks: whatever connections with another server take with them, in the end both sides believe what is so.

The other server does what RFC 6121 wants: it answers probes, and takes what it is sent for true. The link loses what is
sent while it is down, and now and then before anybody notices.
"""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

from tests.plugins.managed import SM
from tests.plugins.test_presence_repairs import MUC, RepairTestCase
from xmppd.api import Condition, ServerReachable, ServerUnreachable, StanzaError, Subscription
from xmppd.testing import Client
from xmppd.wire.jid import Jid

NET = Jid.parse("example.net")
ROMEO = Jid.parse("romeo@example.org")
CONTACTS = ("juliet@example.net", "nurse@example.net")
ROOM = "verona@example.net/romeo"
STEPS = {
    "comes": 20, "goes": 12, "log in": 12, "log out": 6, "leave": 4, "away": 10, "enter": 5, "cut": 6, "gone": 6,
    "back": 12, "wait": 10, "restart": 2,
}  # fmt: skip
_PRESENCE = re.compile(r"<presence from='([^']+)' to='([^']+)'(?: type='([^']+)')?")


class Walks(RepairTestCase):
    """The seed is in the test's name."""

    plugins: ClassVar[Any] = ("roster", "presence")
    config: ClassVar[Any] = {
        "presence": {"repair_seconds": 3.0, "answer_seconds": 3.0},
        "limits": {"resources_per_account": 20},
    }

    def walk(self, seed: int, steps: int = 120) -> None:
        self.choice = random.Random(seed)
        for contact in CONTACTS:
            self.put(Jid.parse(contact), Subscription.BOTH)
        self.there: set[str] = set()  # devices of contacts that are available
        self.here: dict[str, Client] = {}
        self.resumed_by: dict[str, str] = {}
        self.shown: dict[str, set[str]] = {}  # what each of our devices has been shown
        self.seen: set[str] = set()  # our devices that the other server takes for available
        self.occupants: set[str] = set()  # our devices that the room takes for there
        self.rooms: set[str] = set()  # our devices that believe to be in the room
        self.link = True  # does what is sent arrive?
        self.known = True  # and is that known?
        self.take()
        for _ in range(steps):
            what = self.choice.choices(list(STEPS), list(STEPS.values()))[0]
            self.step(what)
            self.take()
        self.finish()

    # What happens

    def step(self, what: str) -> None:
        name = f"romeo@example.org/{self.choice.choice('abc')}"
        client = self.here.get(name)
        if what == "comes":
            device = f"{self.choice.choice(CONTACTS)}/{self.choice.choice('xyz')}"
            self.there.add(device)
            self.tell(f"<presence from='{device}' to='romeo@example.org'/>")
        elif what == "goes":
            if self.there:
                device = self.choice.choice(sorted(self.there))
                self.there.discard(device)
                self.tell(f"<presence from='{device}' to='romeo@example.org' type='unavailable'/>")
        elif what in ("cut", "gone", "back", "wait"):
            self.link_step(what)
        elif what == "restart":
            self.start_again()
        elif what == "log in":
            if client is None:
                self.come_online(name)
        elif client is not None:
            self.client_step(what, name, client)

    def come_online(self, name: str) -> None:
        self.shown[name] = set()
        if self.choice.random() < 0.5:
            self.here[name], self.resumed_by[name] = self.enabled(name, presence=False)
        else:
            self.here[name] = self.login(name)
        self.here[name].send("<presence/>")

    def client_step(self, what: str, name: str, client: Client) -> None:
        if what == "away":
            client.send("<presence><show>away</show></presence>")
        elif what == "enter":
            client.send(f"<presence to='{ROOM}'><x xmlns='{MUC}'/></presence>")
            self.rooms.add(name)
        else:
            del self.here[name]
            self.resumed_by.pop(name, None)
            self.rooms.discard(name)
            if what == "leave":
                client.send("<presence type='unavailable'/>")
            client.close()

    def link_step(self, what: str) -> None:
        if what == "cut":  # nobody has noticed yet
            self.link = False
        elif what == "gone" and self.known:
            self.link = self.known = False
            self.host.notify(ServerUnreachable(NET, StanzaError(Condition.REMOTE_SERVER_TIMEOUT)))
        elif what == "back" and not self.link:
            self.link = self.known = True
            self.host.notify(ServerReachable(NET))
        self.let(self.choice.choice((0.0, 0.1, 1.0, 4.0)))

    def let(self, seconds: float) -> None:
        """Let time pass, in which the other server answers."""
        until = self.clock.seconds() + seconds
        self.pump()
        while self.clock.seconds() < until:
            self.pump(0.25, step=0.05)
            self.take()

    def start_again(self) -> None:
        """Stop the server in good order; sessions that can be resumed are, sooner or later."""
        if not self.link:
            return  # of whom it has to take leave again it would not know
        self.let(7)
        before = self.net
        self.restart()
        for xml in before.received:
            self.hear(xml)
        for name, client in list(self.here.items()):
            client.received.clear()
            if name in self.resumed_by:
                h = self.sent(name)
                self.here[name] = self.resuming(name, self.resumed_by[name], h)
            else:
                del self.here[name]
                self.rooms.discard(name)

    # The other server

    def tell(self, xml: str) -> None:
        if self.link:
            self.net.send(xml)

    def take(self) -> None:
        """Have clients and the other server take what has come, until nothing comes any more."""
        while self.net.received:
            came = list(self.net.received)
            self.net.clear()
            for xml in came if self.link else ():
                self.hear(xml)
        for name, client in self.here.items():
            for xml in client.received:
                self.show(name, xml)
            client.received.clear()
            client._unread.clear()
            if name in self.resumed_by and not client.ended:
                client.send(f"<a xmlns='{SM}' h='{self.sent(name)}'/>")

    def hear(self, xml: str) -> None:
        from_, to, type_ = self.parts(xml)
        if type_ == "probe":
            devices = sorted(device for device in self.there if device.startswith(to + "/"))
            for device in devices:
                self.tell(f"<presence from='{device}' to='{from_}'/>")
            if not devices:
                self.tell(f"<presence from='{to}' to='{from_}' type='unavailable'/>")
            return
        where = self.occupants if to == ROOM else self.seen
        (where.discard if type_ == "unavailable" else where.add)(f"{from_} {to}")

    def show(self, name: str, xml: str) -> None:
        if not xml.startswith("<presence"):
            return
        from_, _, type_ = self.parts(xml)
        if from_ == ROOM and type_ == "unavailable":
            self.rooms.discard(name)
        elif from_.partition("/")[0] in CONTACTS:
            (self.shown[name].discard if type_ == "unavailable" else self.shown[name].add)(from_)

    def parts(self, xml: str) -> tuple[str, str, str]:
        match = _PRESENCE.match(xml)
        assert match is not None, xml
        return match[1], match[2], match[3] or ""

    # The end

    def finish(self) -> None:
        """The link is there for long enough."""
        if not self.link:
            self.host.notify(ServerReachable(NET))
        self.link = True
        self.let(15)
        for name in self.here:
            self.assertEqual(self.shown[name], self.there, f"what {name} is shown")
        expected = {f"{name} {contact}" for name in self.here for contact in CONTACTS}
        self.assertEqual(self.seen, expected, "what the other server believes")
        thought = {occupant.split()[0] for occupant in self.occupants}
        self.assertLessEqual(thought, self.rooms, "who seems to be in the room, and knows that he isn't")


for _seed in range(30):
    setattr(Walks, f"test_{_seed}", lambda self, seed=_seed: self.walk(seed))
