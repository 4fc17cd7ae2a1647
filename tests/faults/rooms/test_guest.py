"""What guests send to rooms, and what they make of what comes."""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ET
from typing import Any

from tests.faults.history import Key, What
from tests.faults.rooms import reading
from tests.faults.rooms.guest import Guest, State

X = f"<x xmlns='{reading.USER}'>"
ROOM = reading.address("room0")


class Guests(unittest.TestCase):
    def setUp(self) -> None:
        self.sent: list[ET.Element] = []
        self.events: list[tuple[What, str]] = []
        self.guest = Guest("u1/d0", ["room0"], self.put, self.record)
        self.seat = self.guest.seats["room0"]
        self.seat.wanted = True

    def put(self, xml: str, token: Key | str) -> None:
        self.sent.append(ET.fromstring(xml))

    def record(self, what: What, *_rest: Any, **more: Any) -> None:
        self.events.append((what, _rest[3] if len(_rest) > 3 else ""))

    def presence(self, nick: str, inside: str = "", more: str = "", type_: str = "") -> None:
        attribute = f" type='{type_}'" if type_ else ""
        x = f"{X}<item role='participant' affiliation='none'{more}/>{inside}</x>"
        status = f"<status>{self.seat.stay}</status>" if not type_ else ""
        self.guest.saw(
            ET.fromstring(f"<presence xmlns='jabber:client' from='{ROOM}/{nick}'{attribute}>{status}{x}</presence>")
        )

    def enter(self) -> None:
        self.guest.ready(1)
        self.presence("u1d0", "<status code='110'/>")

    def message(self, inside: str, attributes: str = "type='groupchat'") -> bool:
        return self.guest.heard(
            ET.fromstring(f"<message xmlns='jabber:client' from='{ROOM}/x' {attributes}>{inside}</message>")
        )

    def test_entering(self) -> None:
        self.guest.ready(1)
        self.assertIs(self.seat.state, State.ENTERING)
        self.assertEqual(self.sent[0].get("to"), f"{ROOM}/u1d0")
        self.assertFalse(self.guest.settled)
        self.presence("u1d0", "<status code='110'/>")
        self.assertIs(self.seat.state, State.IN)
        self.assertEqual(self.seat.book, {"u1d0": ("u1/d0:1", "participant", "none", "")})
        self.assertTrue(self.guest.settled)

    def test_refused(self) -> None:
        self.guest.ready(1)
        error = "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        presence = f"<presence xmlns='jabber:client' type='error' from='{ROOM}/u1d0'>{error}</presence>"
        self.guest.saw(ET.fromstring(presence))
        self.assertIs(self.seat.state, State.OUT)
        self.assertEqual(self.events[-1], (What.OVER, "refused: resource-constraint"))

    def test_leaving(self) -> None:
        self.enter()
        self.seat.wanted = False
        self.guest.tend()
        self.assertEqual(self.sent[-1].get("type"), "unavailable")
        self.presence("u1d0", "<status code='110'/>", type_="unavailable")
        self.assertIs(self.seat.state, State.OUT)
        self.assertEqual([what for what, _ in self.events[-3:]], [What.PARTING, What.SAW, What.LEFT])
        self.assertEqual(self.seat.book, {})

    def test_renaming(self) -> None:
        self.enter()
        self.guest.rename("room0")
        self.assertEqual(self.sent[-1].get("to"), f"{ROOM}/u1d0n1")
        self.presence("u1d0", "<status code='303'/><status code='110'/>", " nick='u1d0n1'", "unavailable")
        self.assertIs(self.seat.state, State.IN)
        self.presence("u1d0n1", "<status code='110'/>")
        self.assertEqual(self.seat.nick, "u1d0n1")
        self.assertEqual(list(self.seat.book), ["u1d0n1"])
        self.assertTrue(self.guest.settled)

    def test_end_of_a_session(self) -> None:
        self.enter()
        self.guest.over("its session is over")
        self.assertEqual(self.events[-1], (What.OVER, "its session is over"))
        self.assertFalse(self.guest.say("room0"))
        self.guest.ready(2)
        self.assertEqual(self.seat.stay, "u1/d0:2")

    def test_talking(self) -> None:
        self.enter()
        self.assertTrue(self.guest.say("room0"))
        key = Key.parse(self.sent[-1].findtext("body") or "")
        self.assertEqual(key, Key("u1/d0", "room0", 1))
        self.guest.say("room0", subject=True)
        self.assertEqual(self.sent[-1].findtext("subject"), Key("u1/d0", "room0", 2).text)
        assert key is not None
        self.assertTrue(self.guest.concerns(key))
        self.assertFalse(self.guest.concerns(Key("u1/d0", "u2", 1)))

    def test_hearing(self) -> None:
        self.enter()
        text = Key("u2/d0", "room0", 1).text
        delay = f"<delay xmlns='urn:xmpp:delay' from='{ROOM}'/>"
        for inside, expected in (
            (f"<body>{text}</body>", (What.HEARD, "live")),
            (f"<body>{text}</body><delay xmlns='urn:xmpp:delay' from='example.test'/>", (What.HEARD, "live")),
            (f"<body>{text}</body>{delay}", (What.HEARD, "past")),
            (f"<subject>{text}</subject>", (What.HEARD, "live")),
            (f"<subject>{text}</subject>{delay}", (What.SUBJECT, text)),
            ("<subject/>", (What.SUBJECT, "")),
            ("<body>changed</body>", (What.GARBLED, "changed")),
        ):
            self.assertTrue(self.message(inside))
            self.assertEqual(self.events[-1], expected, inside)
        number = len(self.events)
        self.assertTrue(self.message(f"{X}<status code='104'/></x>"))
        self.assertEqual(len(self.events), number)

    def test_what_is_not_for_everybody(self) -> None:
        self.assertFalse(self.message("<body>x</body>", "type='error'"))
        self.assertFalse(self.message("<result xmlns='urn:xmpp:mam:2'/>", ""))
        elsewhere = "<message xmlns='jabber:client' from='u2@example.test/d0'><body>x</body></message>"
        self.assertFalse(self.guest.heard(ET.fromstring(elsewhere)))
