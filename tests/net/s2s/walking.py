"""Two of our servers in memory with people on both, who can be let walk at random: see test_walks.py."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.internet import Cable
from xmppd.testing.xml import read

SM = "urn:xmpp:sm:3"
UNKNOWN = "it may have it or not"


class Letter(NamedTuple):
    """A message: who wrote it to whom, and its number between these two."""

    sender: str
    to: str
    number: int

    @property
    def text(self) -> str:
        return f"{self.sender}:{self.to}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Letter:
        sender, to, number = text.split(":")
        return cls(sender, to, int(number))


class Phone:
    """A client with stream management by the book, that does nothing else than what it is told, and reads at once.

    :ivar got: letters that came, in order. :ivar back: those that came back, with the text of the error.
    :ivar seen: devices of contacts that are available, with their status.
    :ivar answers: ids of requests that were answered.
    """

    def __init__(self, case: FederatedTestCase, jid: str) -> None:
        self.case = case
        self.jid = jid
        self.bare = jid.partition("/")[0]
        self.h = self.sent = 0
        self.queue: deque[str] = deque()
        self.got: list[Letter] = []
        self.back: list[tuple[Letter, str]] = []
        self.seen: dict[str, str] = {}
        self.answers: list[str] = []
        self.status = ""
        self.client = case.login(jid)
        self.client.send(f"<enable xmlns='{SM}' resume='true'/>")
        case.pump()
        id_ = re.search(" id='([^']+)'", self.client.received[-1])
        assert id_ is not None
        self.id = id_[1]
        self.client.clear()
        self.resumed = True

    def send(self, xml: str) -> None:
        self.queue.append(xml)
        if self.resumed:
            self.client._write(xml.encode())

    def show(self, status: str) -> None:
        """Be available with that status, or not if it is empty."""
        self.status = status
        self.send(f"<presence><status>{status}</status></presence>" if status else "<presence type='unavailable'/>")

    def ask(self) -> None:
        if self.resumed:
            self.client._write(f"<r xmlns='{SM}'/>".encode())

    def cut(self) -> None:
        self.client.transport.cut()
        self.resumed = False

    def resume(self) -> None:
        self.client = self.case.connect(name=self.jid)
        self.client.open(self.bare.partition("@")[2])
        self.client.authenticate(self.bare.partition("@")[0], "secret")
        self.client.send(f"<resume xmlns='{SM}' previd='{self.id}' h='{self.h}'/>")
        self.take()

    def take(self) -> None:
        """Read what has come."""
        unread, self.client._unread = self.client._unread, []
        for xml in unread:
            node = read(xml)[0]
            if xml.startswith(("<message", "<presence", "<iq")):
                self.h += 1
                self.stanza(xml, node.attributes)
            elif xml.startswith("<resumed"):
                self.acknowledged(int(node.attributes["h"]))
                self.resumed = True
                for again in list(self.queue):
                    self.client._write(again.encode())
            elif xml.startswith("<a "):
                self.acknowledged(int(node.attributes["h"]))
            elif xml.startswith("<r "):
                self.client._write(f"<a xmlns='{SM}' h='{self.h}'/>".encode())
            elif xml.startswith("<failed"):
                raise AssertionError(f"{self.jid} could not resume: {xml}")

    def stanza(self, xml: str, attributes: Any) -> None:
        type_, from_ = attributes.get("type", ""), attributes.get("from", "")
        body = re.search("<body>(.*?)</body>", xml)
        if xml.startswith("<iq"):
            if type_ in ("result", "error"):
                self.answers.append(attributes["id"])
            elif "urn:xmpp:ping" in xml:
                self.send(f"<iq type='result' id='{attributes['id']}' to='{from_}'/>")
        elif xml.startswith("<presence"):
            if type_ == "unavailable":
                self.seen.pop(from_, None)
            elif not type_:
                self.seen[from_] = "".join(re.findall("<status>(.*?)</status>", xml))
        elif body is not None and type_ == "error":
            self.back.append((Letter.parse(body[1]), xml.rpartition("<text")[2]))
        elif body is not None:
            self.got.append(Letter.parse(body[1]))

    def acknowledged(self, h: int) -> None:
        assert self.sent <= h <= self.sent + len(self.queue), f"{self.jid}: {h} acknowledged, {self.sent} before"
        while self.sent < h:
            self.queue.popleft()
            self.sent += 1


#: What may happen, and how often compared with each other.
STEPS = {
    "write": 40, "steps": 40, "time": 12, "cut": 4, "inside": 4, "freeze": 2, "show": 4, "ping": 3, "ask": 8,
    "phone cut": 2, "phone resumes": 6, "die": 2, "revive": 4, "stop": 4, "let": 8, "let unseen": 1, "go on": 5,
    "restart": 1,
}  # fmt: skip


class WalkingTestCase(FederatedTestCase):
    """Two servers, two people on each; all four see the presence of those on the other side.

    :ivar ended: letters that the server of their sender had when it was killed or stopped: while it does not know that
        they have arrived, it sends them again when it is started.
    """

    plugins = ("roster", "presence", "offline", "ping")
    address = "127.0.0.1"
    encrypted = False
    config = {
        "s2s": {"queue_seconds": 20, "retry_seconds": 2, "retry_at_most_seconds": 10, "resume_seconds": 30},
        "presence": {"retry_seconds": 20, "retry_at_most_seconds": 60},
    }

    def setUp(self) -> None:
        super().setUp()
        other = self.neighbour("verona.example", encrypted=self.encrypted, address="127.0.0.2", trusted=self.trusted)
        self.servers_ = (self, other)
        self.alive = [True, True]
        people = ("romeo@example.org/a", "benvolio@example.org/b", "juliet@verona.example/c", "nurse@verona.example/d")
        self.phones = [Phone(self.servers_["verona" in jid], jid) for jid in people]
        self.numbers: dict[tuple[str, str], int] = {}
        self.letters: list[Letter] = []
        self.ended: set[Letter] = set()
        self.befriend()

    def side(self, phone: Phone) -> int:
        return self.phones.index(phone) // 2

    def befriend(self) -> None:
        for phone in self.phones:
            phone.show("here")
        self.settle()
        for type_ in ("subscribe", "subscribed"):
            for one in self.phones:
                for other in self.phones:
                    if self.side(one) != self.side(other):
                        one.send(f"<presence to='{other.bare}' type='{type_}'/>")
                        self.settle()
        self.settle(60)
        self.check_presence()

    def settle(self, seconds: float = 0.1, step: float = 0.5) -> None:
        while True:
            self.pump(min(step, seconds))
            for phone in self.phones:
                phone.take()
            seconds -= step
            if seconds <= 0:
                self.pump()
                return

    # The walk

    def walk(self, seed: int, steps: int = 120) -> None:
        choice = random.Random(seed)
        for _ in range(steps):
            what = choice.choices(list(STEPS), list(STEPS.values()))[0]
            getattr(self, f"on_{what.replace(' ', '_')}")(choice)
            for phone in self.phones:
                phone.take()
        self.mend()
        self.check()

    def write(self, sender: Phone, to: Phone) -> None:
        """Some write to the full address; who is not available gets what is for the bare one when he is."""
        full = sender in self.phones[::2]
        pair = (sender.bare, to.bare)
        self.numbers[pair] = self.numbers.get(pair, 0) + 1
        letter = Letter(*pair, self.numbers[pair])
        self.letters.append(letter)
        address = to.jid if full else to.bare
        sender.send(f"<message to='{address}' type='chat' id='{letter.text}'><body>{letter.text}</body></message>")

    def couple(self, choice: random.Random) -> tuple[Phone, Phone]:
        pair = choice.choice(self.phones[:2]), choice.choice(self.phones[2:])
        return pair if choice.random() < 0.5 else (pair[1], pair[0])

    def on_write(self, choice: random.Random) -> None:
        one, other = self.couple(choice)
        for _ in range(choice.randint(1, 3)):
            self.write(one, other)

    def on_ping(self, choice: random.Random) -> None:
        one, other = self.couple(choice)
        one.send(f"<iq type='get' id='p' to='{other.jid}'><ping xmlns='urn:xmpp:ping'/></iq>")

    def on_show(self, choice: random.Random) -> None:
        phone = choice.choice(self.phones)
        away = phone.status and choice.random() < 0.2
        phone.show("" if away else f"s{choice.randrange(1000)}")

    def on_steps(self, choice: random.Random) -> None:
        """Let so many things happen that are due, one after the other, and not the rest."""
        clock = self.internet.clock
        for _ in range(choice.choice((0, 1, 1, 2, 3, 5, 8, 13, 30))):
            if not clock.calls or clock.calls[0].getTime() > clock.rightNow + 0.01:
                return
            call = clock.calls.pop(0)
            clock.rightNow = max(clock.rightNow, call.getTime())
            call.called = 1
            call.func(*call.args, **call.kw)
            for phone in self.phones:
                phone.take()

    def on_time(self, choice: random.Random) -> None:
        self.settle(choice.choice((0.01, 0.3, 1.1, 5.0, 12.0, 40.0)))

    def cables(self) -> list[Cable]:
        return [cable for cable in self.internet.cables if not (cable.ours.closed and cable.theirs.closed)]

    def on_cut(self, choice: random.Random) -> None:
        for cable in self.cables():
            cable.lose()

    def on_inside(self, choice: random.Random) -> None:
        for cable in self.cables():
            cable.left = choice.randrange(1, 1500)

    def on_freeze(self, choice: random.Random) -> None:
        for cable in self.cables()[-choice.randint(1, 2) :]:
            cable.frozen = True

    def on_ask(self, choice: random.Random) -> None:
        choice.choice(self.phones).ask()

    def on_phone_cut(self, choice: random.Random) -> None:
        choice.choice(self.phones).cut()

    def on_phone_resumes(self, choice: random.Random) -> None:
        phone = choice.choice(self.phones)
        if not phone.resumed and self.alive[self.side(phone)]:
            phone.case.disk.go_on()  # logging in needs the disk
            phone.resume()

    def on_die(self, choice: random.Random) -> None:
        side = choice.randrange(2)
        if self.alive[side]:
            self.kill_side(side)

    def kill_side(self, side: int) -> None:
        self.servers_[side].die()
        self.alive[side] = False
        self.gone(side)

    def gone(self, side: int) -> None:
        mine = {phone.bare for phone in self.phones if self.side(phone) == side}
        self.ended |= {letter for letter in self.letters if letter.sender in mine}
        for phone in self.phones:
            if self.side(phone) == side:
                phone.resumed = False

    def on_revive(self, choice: random.Random) -> None:
        for side in (0, 1):
            if not self.alive[side]:
                self.servers_[side].revive()
                self.alive[side] = True

    def on_restart(self, choice: random.Random) -> None:
        side = choice.randrange(2)
        if self.alive[side]:
            self.servers_[side].restart()
            for phone in self.phones:
                phone.take()
            self.gone(side)

    def on_stop(self, choice: random.Random) -> None:
        side = choice.randrange(2)
        if self.alive[side]:
            self.servers_[side].disk.stopped = True

    def on_let(self, choice: random.Random) -> None:
        disk = self.servers_[choice.randrange(2)].disk
        if disk.waiting:
            disk.let(1)

    def on_let_unseen(self, choice: random.Random) -> None:
        """A batch is on disk, but the server is killed before it hears of it."""
        side = choice.randrange(2)
        disk = self.servers_[side].disk
        if disk.waiting and self.alive[side]:
            disk.let_unseen()
            self.kill_side(side)

    def on_go_on(self, choice: random.Random) -> None:
        side = choice.randrange(2)
        if self.alive[side]:
            self.servers_[side].disk.go_on()

    # The end

    def mend(self) -> None:
        """All works again; wait until nothing moves."""
        self.on_revive(random.Random())
        for server in self.servers_:
            server.disk.go_on()
        for cable in self.cables():
            if cable.frozen:
                cable.lose()
            cable.left = None
        self.settle(5)
        for phone in self.phones:
            if phone.resumed:
                phone.cut()
            phone.resume()
        self.settle(200)
        for phone in self.phones:
            phone.show(phone.status or "back")
        self.settle(5)
        for phone in self.phones:
            phone.ask()
        self.settle(1)

    def check(self) -> None:
        self.check_letters()
        self.check_presence()
        self.check_alive()
        for server in self.servers_:
            federation = server.server.server.federation
            self.assertEqual((federation.waiting_octets, len(federation.store)), (0, 0), "something is left")

    def check_letters(self) -> None:
        got = {phone.bare: phone.got for phone in self.phones}
        back: dict[Letter, list[str]] = {}
        for phone in self.phones:
            self.assertEqual(list(phone.queue), [], f"{phone.jid}: not acknowledged")
            for letter, text in phone.back:
                self.assertEqual(letter.sender, phone.bare, "an error to somebody else")
                back.setdefault(letter, []).append(text)
        counts = {letter: got[letter.to].count(letter) for letter in self.letters}
        self.none("lost", lambda letter: not counts[letter] and letter not in back)
        self.none("twice", lambda letter: counts[letter] > 1 and letter not in self.ended)
        self.none("back twice", lambda letter: len(back.get(letter, ())) > 1 and letter not in self.ended)
        self.none(
            "come, and come back", lambda letter: bool(counts[letter]) and letter in back
            and letter not in self.ended and not all(UNKNOWN in text for text in back[letter]),
        )  # fmt: skip
        for bare, letters in got.items():
            for sender in {letter.sender for letter in letters}:
                numbers = [letter.number for letter in dict.fromkeys(letters) if letter.sender == sender]
                self.assertEqual(numbers, sorted(numbers), f"{bare} from {sender}: overtaken")

    def none(self, what: str, wrong: Callable[[Letter], bool]) -> None:
        self.assertEqual([letter.text for letter in self.letters if wrong(letter)], [], what)

    def check_presence(self) -> None:
        for phone in self.phones:
            others = [other for other in self.phones if self.side(other) != self.side(phone)]
            wanted = {other.jid: other.status for other in others if other.status}
            seen = {jid: status for jid, status in phone.seen.items() if jid in {other.jid for other in others}}
            self.assertEqual(seen, wanted, f"what {phone.jid} sees")

    def check_alive(self) -> None:
        for one in self.phones:
            for other in self.phones:
                if self.side(one) != self.side(other):
                    one.send(f"<iq type='get' id='z{other.bare}' to='{other.jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.settle(2)
        for one in self.phones:
            answered = {id for id in one.answers if id.startswith("z")}
            wanted = {f"z{other.bare}" for other in self.phones if self.side(other) != self.side(one)}
            self.assertEqual(answered, wanted, f"answers to {one.jid}")
