"""Clients that use both their archive (XEP-0313) and the messages that waited (XEP-0160): nothing comes twice."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase
from tests.plugins.managed import ManagedTestCase
from xmppd.wire.jid import Jid

MAM = "urn:xmpp:mam:2"
_BODY = re.compile("<body>(.*?)</body>")
_STANZA_ID = re.compile("<stanza-id [^>]*id='([^']+)'")
_RESULT_ID = re.compile("<result [^>]*?\\bid='([^']+)'")


class ArchiveCase(PluginTestCase):
    plugins = ("disco", "archive", "offline", "roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")

    def say(self, *texts: str, hint: str = "") -> None:
        for text in texts:
            inside = f"<{hint} xmlns='urn:xmpp:hints'/>" if hint else ""
            self.romeo.send(f"<message to='juliet@example.org' type='chat'><body>{text}</body>{inside}</message>")

    def query(self, client: Any, inside: str = "") -> list[str]:
        """Ask the archive; return the messages as XML."""
        client.clear()
        client.send(f"<iq type='set' id='q'><query xmlns='{MAM}'>{inside}</query></iq>")
        self.pump()
        self.assertIn("<fin", client.received[-1])
        results = [xml for xml in client.received if "<result" in xml]
        client.clear()
        return results

    def bodies(self, messages: list[str]) -> list[str]:
        return [body[1] for xml in messages if (body := _BODY.search(xml))]

    def flood(self, client: Any, presence: str = "<presence/>") -> list[str]:
        """Become available; return the messages that came for it as XML."""
        client.clear()
        client.send(presence)
        self.pump()
        return [xml for xml in client.received if xml.startswith("<message")]

    def waiting(self) -> int:
        count: int = self.plugin("offline").count(Jid.parse("juliet@example.org"))
        return count


class NoRoom(ArchiveCase):
    config: ClassVar[Any] = {"offline": {"max_messages": 1}}

    def test_what_is_refused_is_not_archived(self) -> None:
        """XEP-0313 section 6.1; and the sender sees nothing of the archive (section 3.5)."""
        self.say("1", "2")
        self.romeo.expect(
            "<message type='error' from='juliet@example.org'><body>2</body><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        self.romeo.expect_nothing()
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.bodies(self.query(juliet)), ["1"])
        self.assertEqual(self.bodies(self.query(self.romeo)), ["1", "2"])
        juliet.send("<presence/>")
        self.say("3")
        self.assertEqual(self.bodies(self.query(juliet)), ["1", "3"])


class ArchiveFirst(ArchiveCase):
    def test_everything(self) -> None:
        self.say("1", "2")
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.bodies(self.query(juliet)), ["1", "2"])
        self.assertEqual(self.flood(juliet), [])
        self.assertEqual(self.waiting(), 0)
        self.restart()
        self.assertEqual(self.flood(self.login("juliet@example.org/chamber")), [])

    def test_what_is_not_archived(self) -> None:
        self.say("1")
        self.say("2", hint="no-permanent-store")
        self.say("3")
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.bodies(self.query(juliet)), ["1", "3"])
        self.assertEqual(self.bodies(self.flood(juliet)), ["2"])

    def test_what_came_between_archive_and_presence(self) -> None:
        self.say("1")
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.bodies(self.query(juliet)), ["1"])
        self.say("2")
        self.assertEqual(self.bodies(self.flood(juliet)), ["2"])

    def test_one_page(self) -> None:
        """What was not given to it yet comes; if it pages on, it knows it by its id."""
        self.say("1", "2")
        juliet = self.login("juliet@example.org/balcony")
        page = "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>"
        self.assertEqual(self.bodies(self.query(juliet, page)), ["1"])
        self.assertEqual(self.bodies(self.flood(juliet)), ["2"])

    def test_search(self) -> None:
        """Who looks for something has not read everything."""
        self.say("1", "2")
        juliet = self.login("juliet@example.org/balcony")
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            f"<value>{MAM}</value></field><field var='with'><value>romeo@example.org</value></field></x>"
        )
        self.assertEqual(self.bodies(self.query(juliet, form)), ["1", "2"])
        self.assertEqual(self.bodies(self.flood(juliet)), ["1", "2"])

    def test_while_it_was_away(self) -> None:
        """What came since it has asked is not known to it."""
        self.say("1")
        juliet = self.login("juliet@example.org/balcony")
        self.query(juliet)
        self.assertEqual(self.flood(juliet), [])
        juliet.send("<presence type='unavailable'/>")
        self.say("2")
        self.assertEqual(self.bodies(self.flood(juliet)), ["2"])

    def test_another_device(self) -> None:
        """It has read nothing."""
        self.say("1")
        self.query(self.login("juliet@example.org/balcony", name="balcony"))
        self.assertEqual(self.bodies(self.flood(self.login("juliet@example.org/chamber"))), ["1"])


class PresenceFirst(ArchiveCase):
    def test_ids(self) -> None:
        """It knows by their ids what it has got already."""
        self.say("1", "2")
        juliet = self.login("juliet@example.org/balcony")
        messages = self.flood(juliet)
        self.assertEqual(self.bodies(messages), ["1", "2"])
        known = [found[1] for xml in messages if (found := _STANZA_ID.search(xml))]
        results = [found[1] for xml in self.query(juliet) if (found := _RESULT_ID.search(xml))]
        self.assertEqual(len(known), 2)
        self.assertEqual(known, results)


class Killed(ArchiveCase, ManagedTestCase):
    def test_before_presence(self) -> None:
        """What a session was given is known as long as it lives."""
        self.say("1")
        juliet, id_ = self.enabled("juliet@example.org/balcony", presence=False)
        self.query(juliet)
        self.kill()
        juliet = self.resuming("juliet@example.org/balcony", id_, 0)
        self.assertEqual(self.flood(juliet), [])
        self.assertEqual(self.waiting(), 0)

    def test_lost(self) -> None:
        """What a lost device has not acknowledged waits for the next, and is archived once."""
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.say("1")
        self.pump()
        juliet.disconnect()
        self.pump(3700)
        self.assertEqual(self.waiting(), 1)
        chamber = self.login("juliet@example.org/chamber", name="chamber")
        self.assertEqual(self.bodies(self.query(chamber)), ["1"])
        self.assertEqual(self.flood(chamber), [])
