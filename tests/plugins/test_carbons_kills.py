"""Carbons and client state on a bad network, with a server that is killed: each device gets each message exactly once.

Be it itself, or as a copy of what another device of the user got or sent. Presence may be skipped, but never goes back.
"""

from __future__ import annotations

import random
import re

from tests.net import test_kills
from tests.net.test_kills import Dawdling
from xmppd.wire.jid import Jid

CARBONS = "urn:xmpp:carbons:2"
CSI = "urn:xmpp:csi:0"
JIDS = tuple(f"{name}@example.org/{resource}" for name in ("romeo", "juliet") for resource in "ab")


class Phone(test_kills.Phone):
    """One that has enabled carbons, and watches presence."""

    shown: dict[str, list[int]]  # by the device it is of
    last = 0  # the last it has sent

    def take(self) -> None:
        super().take()
        for xml in self.client.received:
            self.watch(xml)
        self.client.received.clear()

    def watch(self, xml: str) -> None:
        status = re.match("<presence .*<status>(.*?):(.*?)</status>", xml)
        if status is not None:
            self.shown.setdefault(status[1], []).append(int(status[2]))


class Walks(test_kills.Walks):
    """Random walks of two users with two devices each."""

    def walk(self, seed: int, steps: int = 100) -> None:
        choice = random.Random(seed)
        phones = [Phone(self, jid) for jid in JIDS]
        for phone in phones:
            phone.shown = {}
            phone.send(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>")
            phone.take()
        numbers = dict.fromkeys(JIDS, 0)
        for _ in range(steps):
            self.step(choice, phones, numbers)
        self.disk.go_on()
        lost = choice.choice([None, *phones])  # one never comes back
        for phone in phones:
            phone.cut()
            if phone is not lost:
                phone.resume()
        for seconds in (1, 1, 1, 1, *[1.0] * 2):
            self.settle(phones, lost, seconds)
        if lost is not None:
            self.pump(10, step=0.01)
            self.server.server.end(self.server.server.directory.by_jid[Jid.parse(lost.jid)])
            self.settle(phones, lost, 1)
        for phone in phones:
            if phone is not lost:
                self.check(phone, numbers, lost)
                other = next(one for one in phones if one is not phone and one.jid[:5] == phone.jid[:5])
                if other is not lost and other.last:
                    self.assertEqual(phone.shown[other.jid][-1], other.last)

    def settle(self, phones: list[Phone], lost: Phone | None, seconds: float) -> None:
        self.pump(seconds, step=0.01)
        for phone in phones:
            if phone is not lost:
                phone.take()
                phone.client.send("<r xmlns='urn:xmpp:sm:3'/>")
                if phone.resumed:
                    phone.client.send(f"<active xmlns='{CSI}'/>")

    def step(self, choice: random.Random, phones: list[Phone], numbers: dict[str, int]) -> None:  # type: ignore[override]
        what = choice.choices(("other", "message", "presence", "state"), (60, 30, 20, 6))[0]
        phone = choice.choice(phones)
        if what == "other":
            table = test_kills.DISTURBANCES
            self.disturb(choice, choice.choices(list(table), list(table.values()))[0], phone, phones)
            return
        numbers[phone.jid] += 1
        text = f"{phone.jid}:{numbers[phone.jid]}"
        other = "juliet" if phone.jid.startswith("romeo") else "romeo"
        if what == "state":
            numbers[phone.jid] -= 1
            if phone.resumed:
                phone.client.send(choice.choice((f"<active xmlns='{CSI}'/>", f"<inactive xmlns='{CSI}'/>")))
        elif what == "presence":
            numbers[phone.jid] -= 1
            phone.last = len(phone.queue) + phone.sent
            phone.send(f"<presence><status>{phone.jid}:{phone.last}</status></presence>")
        else:
            to = choice.choice((f"{other}@example.org", f"{other}@example.org/a", f"{other}@example.org/b"))
            phone.send(f"<message to='{to}' type='chat'><body>{text}</body></message>")

    def check(self, phone: Phone, numbers: dict[str, int], lost: Phone | None = None) -> None:  # type: ignore[override]
        self.assertEqual(list(phone.queue), [], phone.jid)
        for sender, last in numbers.items():
            if sender == phone.jid:
                continue
            got = [number for who, number in phone.got if who == sender]
            if lost is not None and sender == lost.jid:
                unknown = sum("<message" in xml for xml in lost.queue)  # the server may have handled them, or not
                last = max(last - unknown, min(last, len(got)))
            self.assertEqual(got, list(range(1, last + 1)), f"{phone.jid} from {sender}")
            shown = phone.shown.get(sender, [])
            self.assertEqual(shown, sorted(set(shown)), f"presence of {sender} to {phone.jid}")


class Kills(Walks):
    """With handlers that don't wait for anything."""

    plugins = ("roster", "presence", "offline", "carbons", "csi")


class SlowKills(Walks):
    """With handlers that do."""

    plugins = ("roster", "presence", "offline", "carbons", "csi", Dawdling)


class ArchivedKills(Walks):
    """With archives: these hold each message once, too."""

    plugins = ("roster", "presence", "offline", "carbons", "csi", "archive")

    def check(self, phone: Phone, numbers: dict[str, int], lost: Phone | None = None) -> None:  # type: ignore[override]
        super().check(phone, numbers, lost)
        phone.client.clear()
        phone.client.send(
            "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set "
            "xmlns='http://jabber.org/protocol/rsm'><max>250</max></set></query></iq>"
        )
        self.pump(1, step=0.01)
        archived = re.findall("<body>(.*?):(.*?)</body>", "".join(phone.client.received))
        known = {*phone.got, *((phone.jid, number) for number in range(1, numbers[phone.jid] + 1))}
        self.assertEqual(len(archived), len(known))
        self.assertEqual({(who, int(number)) for who, number in archived}, known)


for _seed in range(30):
    setattr(ArchivedKills, f"test_{_seed}", test_kills._test(_seed))
    setattr(Kills, f"test_{_seed}", test_kills._test(_seed))
    setattr(SlowKills, f"test_{_seed}", test_kills._test(_seed))
