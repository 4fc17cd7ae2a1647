"""Phones on a bad network, and a server that is killed at every moment there is: nothing is lost, doubled or overtaken.

What the disk has done is chosen by the test, write by write. tests/faults does the same with a real server.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Awaitable, Sequence

from twisted.internet.defer import Deferred

from xmppd.api import FromClient, Message, Plugin, StanzaEvent, ToAccount, filter
from xmppd.core.durable.ledger import Ledger
from xmppd.testing import ServerTestCase
from xmppd.testing.xml import read

SM = "urn:xmpp:sm:3"
#: What happens besides what clients do, and how often.
DISTURBANCES = {"take": 20, "cut": 4, "resume": 8, "ask": 10, "kill": 2, "stop": 5, "let": 15, "go on": 3}


class Phone:
    """A client with stream management by the book: it counts, acknowledges, resumes, and sends again what it has to."""

    def __init__(self, case: ServerTestCase, jid: str) -> None:
        self.case = case
        self.jid = jid
        self.h = 0
        self.sent = 0  # acknowledged by the server
        self.queue: deque[str] = deque()
        self.got: list[tuple[str, int]] = []  # senders and numbers
        self.client = case.login(jid)
        self.client.send(f"<enable xmlns='{SM}' resume='true'/>")
        case.disk.go_on()
        case.pump()
        id_ = re.search(" id='([^']+)'", self.client.received[-1])
        assert id_ is not None
        self.id = id_[1]
        self.client.clear()
        self.resumed = True
        self.send("<presence/>")

    def send(self, xml: str) -> None:
        self.queue.append(xml)
        if self.resumed:
            self.client.send(xml)

    def cut(self) -> None:
        self.client.disconnect()
        self.resumed = False

    def resume(self) -> None:
        self.client = self.case.connect(name=self.jid)
        self.client.open("example.org")
        self.client.authenticate(self.jid.partition("@")[0], "secret")
        self.client.send(f"<resume xmlns='{SM}' previd='{self.id}' h='{self.h}'/>")
        self.resumed = False

    def take(self) -> None:
        """Read what has come."""
        self.case.pump()
        unread, self.client._unread = self.client._unread, []
        for xml in unread:
            node = read(xml)[0]
            if xml.startswith(("<message", "<presence", "<iq")):
                self.h += 1
                body = re.search("<body>(.*?):(.*?)</body>", xml)
                if body is not None:
                    self.got.append((body[1], int(body[2])))
            elif xml.startswith("<resumed"):
                self.acknowledged(int(node.attributes["h"]))
                self.resumed = True
                for again in list(self.queue):
                    self.client.send(again)
            elif xml.startswith("<a "):
                self.acknowledged(int(node.attributes["h"]))
            elif xml.startswith("<r "):
                self.client.send(f"<a xmlns='{SM}' h='{self.h}'/>")
            elif xml.startswith("<failed"):
                raise AssertionError(f"{self.jid} could not resume: {xml}")

    def acknowledged(self, h: int) -> None:
        assert self.sent <= h <= self.sent + len(self.queue), f"{self.jid}: {h} acknowledged, {self.sent} before"
        while self.sent < h:
            self.queue.popleft()
            self.sent += 1


class Dawdling(Plugin):
    """Some messages take their time, on their way from a client and on their way to an account."""

    @filter(FromClient, kinds=(Message,))
    def sent(self, event: FromClient) -> Awaitable[None] | None:
        return self.wait(event, 3)

    @filter(ToAccount, kinds=(Message,))
    def received(self, event: ToAccount) -> Awaitable[None] | None:
        return self.wait(event, 4)

    def wait(self, event: StanzaEvent, every: int) -> Awaitable[None] | None:
        if len(event.stanza.payload) % every:
            return None
        done: Deferred[None] = Deferred()
        self.clock.callLater(0.01, done.callback, None)
        return done


class Walks(ServerTestCase):
    """Random walks; the seed is in the test's name."""

    def phones(self, jids: Sequence[str]) -> Sequence[Phone]:
        """Return clients that are logged in."""
        return [Phone(self, jid) for jid in jids]

    def walk(self, seed: int, steps: int = 80) -> None:
        choice = random.Random(seed)
        phones = self.phones(("romeo@example.org/a", "juliet@example.org/b", "juliet@example.org/c"))
        numbers = {phone.jid: 0 for phone in phones}
        for _ in range(steps):
            self.step(choice, phones, numbers)
        self.disk.go_on()
        for phone in phones:
            phone.cut()
            phone.resume()
        for _ in range(4):
            self.pump(1, step=0.01)
            for phone in phones:
                phone.take()
                phone.client.send(f"<r xmlns='{SM}'/>")
        for phone in phones:
            self.check(phone, numbers)

    def step(self, choice: random.Random, phones: Sequence[Phone], numbers: dict[str, int]) -> None:
        phone = choice.choice(phones)
        what = choice.choices(("send", *DISTURBANCES), (40, *DISTURBANCES.values()))[0]
        if what == "send":
            to = "juliet@example.org" if phone is phones[0] else "romeo@example.org/a"
            numbers[phone.jid] += 1
            phone.send(f"<message to='{to}' type='chat'><body>{phone.jid}:{numbers[phone.jid]}</body></message>")
        else:
            self.disturb(choice, what, phone, phones)

    def disturb(self, choice: random.Random, what: str, phone: Phone, phones: Sequence[Phone]) -> None:
        """Let time pass, or something happen to a connection, the disk or the server."""
        if what == "take":
            self.pump(choice.choice((0.0, 0.004, 0.011)), step=0.003)
            phone.take()
        elif what == "cut":
            phone.cut()
        elif what == "resume" and not phone.resumed:
            self.disk.go_on()  # logging in needs the disk
            phone.resume()
        elif what == "ask" and phone.resumed:
            phone.client.send(f"<r xmlns='{SM}'/>")
        elif what == "kill":
            self.kill()
            for one in phones:
                one.resumed = False
        elif what == "stop":
            self.disk.stopped = True
        elif what == "let" and self.disk.waiting:
            self.disk.let(1)
            self.pump()
        elif what == "go on":
            self.disk.go_on()

    def check(self, phone: Phone, numbers: dict[str, int]) -> None:
        senders = [jid for jid in numbers if (jid[:5] == "romeo") is not (phone.jid[:5] == "romeo")]
        for sender in senders:
            got = [number for who, number in phone.got if who == sender]
            self.assertEqual(got, list(range(1, numbers[sender] + 1)), f"{phone.jid} from {sender}")
        self.assertEqual(list(phone.queue), [], phone.jid)


def _test(seed: int) -> object:
    return lambda self: self.walk(seed)


class Kills(Walks):
    """With handlers that don't wait for anything."""

    plugins = ("roster", "presence", "offline")


class SlowKills(Walks):
    """With handlers that do, so that stanzas queue."""

    plugins = ("roster", "presence", "offline", Dawdling)


class ShortJournal(Walks):
    """With a journal that has to be shortened all the time."""

    plugins = ("roster", "presence", "offline")

    def _start(self) -> None:
        self.server.server.ledger = Ledger(self.server.db, self.clock, journal_octets=2_000)
        super()._start()


for _seed in range(50):
    setattr(Kills, f"test_{_seed}", _test(_seed))
    setattr(SlowKills, f"test_{_seed}", _test(_seed))
    setattr(ShortJournal, f"test_{_seed}", _test(_seed))
