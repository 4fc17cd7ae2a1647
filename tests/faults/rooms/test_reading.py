"""What is read from the stanzas of rooms."""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ET

from tests.faults.history import Key, Trait
from tests.faults.rooms import reading
from tests.faults.rooms.party import seat

ROOM = reading.address("room0")


class Reading(unittest.TestCase):
    def test_sight(self) -> None:
        found = reading.sight(
            ET.fromstring(
                f"<presence xmlns='jabber:client' from='{ROOM}/x'><show>away</show><status>u1/d0:3</status>"
                f"<x xmlns='{reading.USER}'><item role='visitor' affiliation='member'/><status code='110'/></x>"
                "</presence>"
            )
        )
        expected = reading.Sight("x", "u1/d0:3", False, "visitor", "member", "away", ("110",), "", True)
        self.assertEqual(found, expected)

    def test_no_sight(self) -> None:
        self.assertIsNone(reading.sight(ET.fromstring(f"<presence xmlns='jabber:client' from='{ROOM}/x'/>")))

    def test_said(self) -> None:
        key = Key("u1/d0", "room0", 4)
        message = ET.fromstring(
            f"<message xmlns='jabber:client' from='{ROOM}/x' type='groupchat'><body>{key.text}</body>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='u2@example.test' id='no'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='yes'/></message>"
        )
        self.assertEqual(reading.said(message, "room0"), reading.Said(key, key.text, "yes", False))

    def test_configuration(self) -> None:
        """A form that is sent can be read."""
        form = ET.fromstring(reading.configuration(roomdesc="7", whois="anyone"))
        self.assertEqual(reading.field(form, "roomdesc"), "7")
        self.assertEqual(reading.field(form, "whois"), "anyone")
        self.assertEqual(reading.field(form, "lang"), "")

    def test_items(self) -> None:
        asked = ET.fromstring(reading.affiliation("m1@example.test", "member"))
        self.assertEqual(reading.items(asked), [{"jid": "m1@example.test", "affiliation": "member"}])

    def test_seats(self) -> None:
        """At least two of our own devices sit in each room, and none of a library that has no rooms."""
        devices = {f"u{number}/d0": Trait(library="own" if number % 2 else "slixmpp") for number in range(6)}
        seated = seat(devices, 2, "7")
        self.assertEqual(seated, seat(devices, 2, "7"))
        for room in ("room0", "room1"):
            self.assertGreaterEqual(sum(room in rooms for rooms in seated.values()), 2)
        self.assertEqual([seated[f"u{number}/d0"] for number in (0, 2, 4)], [(), (), ()])
