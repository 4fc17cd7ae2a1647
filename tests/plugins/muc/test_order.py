"""XEP-0045, 7.1: the order of events, also while the disk takes its time and when much happens at once."""

from __future__ import annotations

import re

from tests.plugins.muc.coven import MUC, ROOM, USER, CovenTestCase, joining
from xmppd.testing import Client

COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


class Order(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create(changesubject="1")
        self.witch = self.wicca()
        self.enter(self.witch, "secondwitch")
        self.say(self.crone, "old")
        self.crone.send(f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")
        self.reader = self.hag()
        self.crone.clear()
        self.witch.clear()

    def say(self, client: Client, body: str) -> None:
        client.send(f"<message to='{ROOM}' type='groupchat'><body>{body}</body></message>")

    def kinds(self, client: Client) -> list[str]:
        """Return what came, in a word each: a nickname for presence, a body, the subject, "state"."""
        found = []
        for xml in client.received:
            body = re.search("<body>(.*?)</body>", xml)
            nick = re.search(f"^<presence [^>]*from='{ROOM}/([^']*)'", xml)
            word = "subject" if "<subject" in xml else "state" if "<composing" in xml else "?"
            found.append(nick[1] if nick else body[1] if body else word)
        return found

    def test_as_it_is(self) -> None:
        self.reader.clear()
        self.reader.send(joining("thirdwitch"))
        self.say(self.crone, "new")
        self.assertEqual(self.kinds(self.reader), ["firstwitch", "secondwitch", "thirdwitch", "old", "subject", "new"])

    def test_disk_takes_its_time(self) -> None:
        """What needs no disk doesn't overtake what waits for it: neither live messages nor presence of others."""
        self.reader.clear()
        self.disk.stopped = True
        self.reader.send(joining("thirdwitch"))
        self.crone.send(f"<message to='{ROOM}' type='groupchat'>{COMPOSING}</message>")
        self.say(self.crone, "new")
        self.witch.send(f"<presence to='{ROOM}/secondwitch'><show>away</show></presence>")
        self.witch.send(f"<message to='{ROOM}/thirdwitch' type='chat'>{COMPOSING}<x xmlns='{USER}'/></message>")
        self.disk.go_on()
        self.pump(1)
        came = self.kinds(self.reader)
        self.assertEqual(came[:5], ["firstwitch", "secondwitch", "thirdwitch", "old", "subject"], came)
        self.assertEqual(sorted(came[5:]), ["new", "secondwitch", "state", "state"])

    def test_what_one_does_is_seen_in_order(self) -> None:
        """RFC 6120, 10.1: what somebody says before leaving comes before they leave."""
        self.disk.stopped = True
        self.say(self.witch, "one")
        self.witch.send(f"<message to='{ROOM}' type='groupchat'>{COMPOSING}</message>")
        self.witch.send(f"<presence to='{ROOM}/secondwitch'><show>away</show></presence>")
        self.say(self.witch, "two")
        self.witch.send(f"<presence to='{ROOM}/secondwitch' type='unavailable'/>")
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(self.kinds(self.crone), ["one", "state", "secondwitch", "two", "secondwitch"])

    def test_all_see_the_same(self) -> None:
        """Messages of several people come to everybody in the same order."""
        self.enter(self.reader, "thirdwitch")
        clients = (self.crone, self.witch, self.reader)
        for client in clients:
            client.clear()
        self.disk.stopped = True
        for number in range(9):
            self.say(clients[number % 3], str(number))
            if number % 2:
                self.disk.let()
        self.disk.go_on()
        self.pump(1)
        for client in clients:
            self.assertEqual(self.kinds(client), [str(number) for number in range(9)], client.name)

    def test_crowd(self) -> None:
        """Everybody who comes at the same time as others sees all who are there, and sees each come once."""
        crowd = [self.login(f"guest{number}@example.org/pda") for number in range(5)]
        for client in crowd:
            client.clear()
        self.disk.stopped = True
        for number, client in enumerate(crowd):
            client.send(f"<presence to='{ROOM}/{number}'><x xmlns='{MUC}'/></presence>")
        self.disk.go_on()
        self.pump(1)
        for number, client in enumerate(crowd):
            before = ["firstwitch", "secondwitch", *map(str, range(number))]
            after = [str(other) for other in range(number + 1, 5)]
            self.assertEqual(self.kinds(client), [*before, str(number), "old", "subject", *after])
