"""XEP-0045 section 16.6: every status code in its context, with everything that it is in, and who gets it.

102 and 103 are left out: rooms show nobody who isn't there. 332 is in test_restarts.py: rooms outlive the server, so it
is said of those only who don't come back after it.
"""

from __future__ import annotations

import re
from typing import Literal

from tests.plugins.muc.coven import MUC, ROOM, CovenTestCase, joining
from xmppd.testing import Client

Kind = Literal["presence", "message"]
_CODE = re.compile(r"<status[^>]* code='(\d+)'")


def codes(client: Client, kind: Kind = "presence") -> list[list[int]]:
    """Return the codes of each stanza of a kind that came, and forget them."""
    found = [[int(code) for code in _CODE.findall(xml)] for xml in client.received if xml.startswith(f"<{kind}")]
    client.clear()
    return found


class EnteringTests(CovenTestCase):
    """100, 110, 170, 201, 210 and 303."""

    def test_created(self) -> None:
        self.crone.send(joining("firstwitch"))
        self.assertEqual(codes(self.crone), [[201, 110]])

    def test_plain(self) -> None:
        self.create()
        hag = self.hag()
        hag.send(joining("thirdwitch"))
        self.assertEqual(codes(hag), [[], [110]])
        self.assertEqual(codes(self.crone), [[]])

    def test_non_anonymous_and_logged(self) -> None:
        for options, expected in (
            ({"whois": "anyone"}, [100, 110]),
            ({"enablelogging": "1"}, [110, 170]),
            ({"whois": "anyone", "enablelogging": "1"}, [100, 110, 170]),
        ):
            self.create(room := f"cave{len(options)}{len(expected)}{expected[-1]}@conference.example.org", **options)
            hag = self.login("hag66@example.org/pda")
            hag.send(joining("thirdwitch", room=room))
            self.assertEqual([sorted(one) for one in codes(hag)], [[], expected])

    def test_nickname(self) -> None:
        self.create()
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        hag.send(f"<presence to='{ROOM}/oldhag'/>")
        self.assertEqual([sorted(one) for one in codes(hag)], [[110, 303], [110]])
        self.assertEqual(codes(self.crone), [[303], []])

    def test_nickname_given(self) -> None:
        self.create(fixednick="1")
        self.affiliate("hag66", "member", "thirdwitch")
        hag = self.hag()
        hag.send(joining("oldhag"))
        self.assertEqual([sorted(one) for one in codes(hag)], [[], [110, 210]])

    def test_leaving(self) -> None:
        self.create()
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        hag.send(f"<presence type='unavailable' to='{ROOM}/thirdwitch'/>")
        self.assertEqual((codes(hag), codes(self.crone)), ([[110]], [[]]))


class ConfigurationTests(CovenTestCase):
    """104 and 170 to 173: one message for each to everybody, and none about what hasn't changed."""

    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.guest = self.hag()
        self.enter(self.guest, "thirdwitch")

    def test_codes(self) -> None:
        for options, expected in (
            ({"enablelogging": "1"}, {170}),
            ({"enablelogging": "0"}, {171}),
            ({"whois": "anyone"}, {172}),
            ({"whois": "moderators"}, {173}),
            ({"roomname": "A Dark Cave"}, {104}),
            ({"roomname": "A Heath", "whois": "anyone", "enablelogging": "1"}, {104, 172, 170}),
            ({"roomname": "A Heath"}, set()),
        ):
            with self.subTest(options):
                self.configure(**options)
                told = codes(self.guest, "message")
                self.assertEqual({code for one in told for code in one}, expected)
                self.assertEqual(len(told), len(expected))

    def test_type(self) -> None:
        """10.2.1: of type groupchat, and with nothing else in it."""
        self.configure(whois="anyone")
        self.guest.expect(
            f"<message from='{ROOM}' to='{{hag}}' type='groupchat'>"
            f"<x xmlns='{MUC}#user'><status code='172'/></x></message>"
        )


class RemovalTests(CovenTestCase):
    """301, 307, 321, 322 and 333: to who is removed, with 110, and to everybody else."""

    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.guest, self.other = self.hag(), self.wicca()
        self.affiliate("wiccarocks", "admin")
        for client, nick in ((self.guest, "thirdwitch"), (self.other, "secondwitch")):
            self.enter(client, nick)
        self.guest.clear()

    def removed(self, code: int) -> None:
        self.assertEqual([sorted(one) for one in codes(self.guest)], [[110, code]])
        self.assertEqual((codes(self.other), codes(self.crone)), ([[code]], [[code]]))

    def ask_for(self, item: str) -> None:
        self.crone.clear()
        self.crone.send(f"<iq type='set' id='x' to='{ROOM}'><query xmlns='{MUC}#admin'>{item}</query></iq>")

    def test_banned(self) -> None:
        self.ask_for("<item jid='hag66@example.org' affiliation='outcast'/>")
        self.removed(301)

    def test_kicked(self) -> None:
        self.ask_for("<item nick='thirdwitch' role='none'/>")
        self.removed(307)

    def test_membership_revoked(self) -> None:
        self.affiliate("hag66", "member")
        self.configure(membersonly="1")
        for client in (self.guest, self.other):
            client.clear()
        self.ask_for("<item jid='hag66@example.org' affiliation='none'/>")
        self.removed(321)

    def test_made_members_only(self) -> None:
        form = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
        option = "<field var='muc#roomconfig_membersonly'><value>1</value></field>"
        x = f"<x xmlns='jabber:x:data' type='submit'>{form}{option}</x>"
        self.crone.send(f"<iq type='set' id='x' to='{ROOM}'><query xmlns='{MUC}#owner'>{x}</query></iq>")
        self.removed(322)

    def test_unreachable(self) -> None:
        away = self.remote("verona.example")
        away.send(f"<presence from='mab@verona.example/x' to='{ROOM}/mab'><x xmlns='{MUC}'/></presence>")
        for client in (self.guest, self.other, self.crone):
            client.clear()
        away.send(
            f"<message from='mab@verona.example/x' to='{ROOM}/thirdwitch' type='error'><error type='wait'>"
            "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        for client in (self.guest, self.other, self.crone):
            self.assertEqual(codes(client), [[333]])
