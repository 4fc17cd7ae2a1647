"""XEP-0313 on rooms: what is archived, what is found, and that it outlives the server."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred, gatherResults

from tests.plugins.muc.kit import GARDEN, JOIN
from tests.plugins.muc.reading import MAM, OWNERS, SEARCH, ReadingTestCase, body, field
from xmppd.api.archives import archives
from xmppd.plugins.muc.service import archive
from xmppd.wire.delay import format_datetime
from xmppd.wire.xml import parse


def stanza_id(xml: str) -> str:
    """Return the id that the room has given to a message."""
    (message,) = parse(xml.encode())
    (found,) = [e for e in message.elements() if e.name == "stanza-id" and e["by"] == GARDEN]
    return str(found["id"])


class Storing(ReadingTestCase):
    def test_once_whoever_gets_it(self) -> None:
        for name in ("juliet", "nurse", "mercutio"):
            self.enter(self.login(f"{name}@example.org/x", name=name, presence=True), name.title())
        self.say(self.romeo, "one", "two")
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.texts(self.romeo), ["one", "two"])

    def test_everybody_is_told_the_same_id(self) -> None:
        juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(juliet, "Juliet")
        self.romeo.clear()
        forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{GARDEN}' id='forged'/>"
        juliet.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>hi</body>{forged}</message>")
        (mine,), (theirs,) = self.romeo.received, juliet.received
        self.assertEqual(stanza_id(mine), stanza_id(theirs))
        ((result,), _) = self.ask(self.romeo)
        self.assertEqual(result["id"], stanza_id(mine))
        self.assertNotIn("stanza-id", result.toXml())

    def test_how_it_is_shown(self) -> None:
        """From the occupant, to nobody; from the room to who asks."""
        self.say(self.romeo, "one")
        self.romeo.send(f"<iq type='set' id='q' to='{GARDEN}'><query xmlns='{MAM}' queryid='x'/></iq>")
        self.romeo.expect(
            f"<message from='{GARDEN}' to='romeo@example.org/orchard'><result xmlns='{MAM}' queryid='x' id='{{any}}'>"
            "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='{any}'/>"
            f"<message xmlns='jabber:client' from='{GARDEN}/Romeo' type='groupchat' id='one'><body>one</body>"
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{any}'/>"
            "<x xmlns='http://jabber.org/protocol/muc#user'>"
            "<item affiliation='owner' jid='romeo@example.org/orchard' role='moderator'/></x></message>"
            "</forwarded></result></message>",
            f"<iq from='{GARDEN}' type='result' id='q'><fin xmlns='{MAM}' complete='true'>"
            "<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>{any}</first><last>{any}</last>"
            "<count>1</count></set></fin></iq>",
        )

    def test_what_is_archived(self) -> None:
        """Bodies and subjects, and what tells all clients about them; no private messages, nor what was rejected."""
        juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(juliet, "Juliet")
        for to, type_, inside in (
            (GARDEN, "groupchat", "<subject>Roses</subject>"),
            (GARDEN, "groupchat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
            (GARDEN, "groupchat", "<body>secret</body><no-store xmlns='urn:xmpp:hints'/>"),
            (GARDEN, "groupchat", "<reactions xmlns='urn:xmpp:reactions:0' id='x'/>"),
            (f"{GARDEN}/Juliet", "chat", "<body>private</body>"),
        ):
            self.romeo.send(f"<message to='{to}' type='{type_}'>{inside}</message>")
        juliet.send(f"<message to='{GARDEN}' type='groupchat'><subject>Thorns</subject></message>")
        self.assertEqual(self.texts(self.romeo), ["Roses", "reactions"])

    def test_what_clients_claim_is_taken_out(self) -> None:
        """Section 6.1.2: an x that an occupant has sent must not be taken for the room's."""
        juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(juliet, "Juliet")
        x = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='nurse@example.org'/></x>"
        juliet.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>hi</body>{x}</message>")
        for client in (self.romeo, juliet):
            ((result,), _) = self.ask(client)
            self.assertNotIn("nurse@", result.toXml())

    def test_kill(self) -> None:
        self.say(self.romeo, "one", "two")
        self.kill()
        self.pump(6)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.say(self.romeo, "lost")  # not in the room any more
        self.assertEqual(self.texts(self.romeo), ["one", "two"])

    def test_ids_go_on_after_a_restart(self) -> None:
        self.say(self.romeo, "one")
        self.kill()
        self.clock.rightNow -= 1000  # the clock was set back
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.enter(self.romeo, "Romeo")
        self.say(self.romeo, "two")
        self.assertEqual(self.texts(self.romeo), ["one", "two"])


class Queries(ReadingTestCase):
    config: ClassVar[Any] = {"muc": {"archive_page": 4, "archive_max_page": 6, "archive_words": 2}}

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(self.juliet, "Juliet")
        self.times = []
        for number in range(5):
            self.times.append(self.clock.seconds())
            self.say(self.romeo, f"r{number}")
            self.clock.advance(1)
            self.say(self.juliet, f"j{number}")
            self.clock.advance(1)

    def test_pages(self) -> None:
        """All of it, forwards; the number is counted once, and places follow."""
        said: list[str] = []
        page, reply = "", None
        while reply is None or "complete='true'" not in reply.toXml():
            results, reply = self.ask(self.juliet, page=page)
            self.assertIn(f"<first index='{len(said)}'>", reply.toXml())
            self.assertIn("<count>10</count>", reply.toXml())
            said += [body(result) for result in results]
            page = f"<after>{results[-1]['id']}</after>"
        self.assertEqual(said, [f"{who}{number}" for number in range(5) for who in "rj"])

    def test_last_page_and_flipped(self) -> None:
        self.assertEqual(self.texts(self.juliet, page="<max>2</max><before/>"), ["r4", "j4"])
        self.assertEqual(self.texts(self.juliet, page="<max>2</max><before/>", more="<flip-page/>"), ["j4", "r4"])
        self.assertEqual(len(self.texts(self.juliet, page="<max>100</max>")), 6)

    def test_ids(self) -> None:
        results, _ = self.ask(self.juliet)
        first, last = results[0]["id"], results[3]["id"]
        between = field("after-id", first) + field("before-id", last)
        self.assertEqual(self.texts(self.juliet, between), ["j0", "r1"])
        self.assertEqual(self.texts(self.juliet, field("ids", last, first)), ["r0", "j1"])
        _, reply = self.ask(self.juliet, field("ids", "nonsense"))
        self.assertIn("item-not-found", reply.toXml())

    def test_times(self) -> None:
        start = field("start", archive_time(self.times[3]))
        self.assertEqual(self.texts(self.juliet, start), ["r3", "j3", "r4", "j4"])
        end = field("end", archive_time(self.times[0] + 1))
        self.assertEqual(self.texts(self.juliet, end), ["r0", "j0"])

    def test_with_an_occupant(self) -> None:
        self.assertEqual(self.texts(self.juliet, field("with", f"{GARDEN}/Romeo")), ["r0", "r1", "r2", "r3"])
        self.assertEqual(self.texts(self.juliet, field("with", f"{GARDEN}/Nobody")), [])
        self.assertEqual(self.texts(self.juliet, field("with", GARDEN)), ["r0", "j0", "r1", "j1"])

    def test_occupants_with_the_same_number(self) -> None:
        """The index holds numbers for nicknames; who shares one is not mistaken for another."""
        self.patch(archive, "brief", lambda text: 7)
        self.say(self.romeo, "r5")
        self.say(self.juliet, "j5")
        self.assertEqual(self.texts(self.juliet, field("with", f"{GARDEN}/Romeo")), ["r5"])

    def test_with_an_address(self) -> None:
        """Those who may see addresses find by them; others learn nothing but what they know of themselves."""
        for with_ in ("juliet@example.org", "juliet@example.org/x"):
            self.assertEqual(self.texts(self.romeo, field("with", with_)), ["j0", "j1", "j2", "j3"])
            self.assertEqual(self.texts(self.juliet, field("with", with_)), ["j0", "j1", "j2", "j3"])
        self.assertEqual(self.texts(self.romeo, field("with", "juliet@example.org/y")), [])
        self.assertEqual(self.texts(self.juliet, field("with", "romeo@example.org")), [])
        _, reply = self.ask(self.juliet, field("with", "romeo@example.org"))
        self.assertIn("<count>0</count>", reply.toXml())

    def test_words(self) -> None:
        self.say(self.juliet, "What is in a name? That which we call a rose")
        self.assertEqual(len(self.texts(self.romeo, field(SEARCH, "ROSE name"))), 1)
        self.assertEqual(self.texts(self.romeo, field(SEARCH, "rose thorn")), [])
        self.assertEqual(self.texts(self.romeo, field(SEARCH, "r3") + field("with", f"{GARDEN}/Juliet")), [])
        _, reply = self.ask(self.romeo, field(SEARCH, "a b c"))
        self.assertIn("not-acceptable", reply.toXml())

    def test_search_is_an_option(self) -> None:
        muc = self.plugin("muc")
        self.wait(self.host.registry.reconfigure("muc", muc.Options(archive_search=False)))
        _, reply = self.ask(self.romeo, field(SEARCH, "r3"))
        self.assertIn("feature-not-implemented", reply.toXml())

    def test_metadata_and_form(self) -> None:
        results, _ = self.ask(self.juliet, page="<max>6</max>")
        self.juliet.send(f"<iq type='get' id='m' to='{GARDEN}'><metadata xmlns='{MAM}'/></iq>")
        (reply,) = self.juliet.received
        self.assertIn(f"<start id='{results[0]['id']}'", reply)
        self.juliet.clear()
        self.juliet.send(f"<iq type='get' id='f' to='{GARDEN}'><query xmlns='{MAM}'/></iq>")
        for name in ("with", "start", "end", "before-id", "after-id", "ids", SEARCH):
            self.assertIn(f"var='{name}'", self.juliet.received[0])

    def test_octets(self) -> None:
        muc = self.plugin("muc")
        self.wait(self.host.registry.reconfigure("muc", muc.Options(archive_page_octets=300)))
        self.assertEqual(len(self.texts(self.juliet)), 1)

    def test_no_more_walks_than_so_many(self) -> None:
        self.patch(archive, "_WALKS", 1)
        for client in (self.romeo, self.juliet, self.romeo):
            self.ask(client)
        self.assertEqual([asker for _, asker in self.plugin("muc").archive._walks], [self.romeo.jid])

    def test_who_is_replaced_in_the_middle(self) -> None:
        """Another device that has the same address from then on has not asked."""
        self.patch(archives, "_BURST", 2)
        self.juliet.clear()
        self.juliet._write(f"<iq type='set' id='q' to='{GARDEN}'><query xmlns='{MAM}'/></iq>".encode())
        self.assertEqual(len(self.juliet.received), 2)
        self.patch(self.plugin("muc").archive._host, "session", lambda jid: object())
        self.pump(1)
        self.assertEqual([xml for xml in self.juliet.received[2:] if "<result" in xml], [])

    def test_other_rooms_ids(self) -> None:
        self.make_room(self.romeo, room="other@conference.example.org", persistent=True)
        self.say(self.romeo, "elsewhere", room="other@conference.example.org")
        ((theirs,), _) = self.ask(self.romeo, room="other@conference.example.org")
        _, reply = self.ask(self.romeo, field("after-id", theirs["id"]))
        self.assertIn("item-not-found", reply.toXml())


def archive_time(seconds: float) -> str:
    """Return a time as queries have it."""
    return format_datetime(seconds, 6)


class OtherServers(ReadingTestCase):
    def test_somebody_there(self) -> None:
        self.say(self.romeo, "one", "two")
        remote = self.remote("example.com")
        remote.send(f"<iq from='nurse@example.com/x' to='{GARDEN}' type='set' id='q'><query xmlns='{MAM}'/></iq>")
        self.pump(1)
        names = [parse(xml.encode())[0].name for xml in remote.received]
        self.assertEqual(names, ["message", "message", "iq"])


class History(ReadingTestCase):
    """What is told to those who enter comes from the archive, if it isn't in memory."""

    def past(self, client: Any) -> list[str]:
        client.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.pump(1)
        found = [parse(xml.encode())[0] for xml in client.received if xml.startswith("<message")]
        client.clear()
        messages = [e for e in found if any(c.name == "delay" for c in e.elements())]
        return ["".join(str(c) or c.name for c in e.elements() if c.name in ("body", "retracted")) for e in messages]

    def test_after_a_restart(self) -> None:
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><subject>Roses</subject></message>")
        self.say(self.romeo, *(str(number) for number in range(5)))
        self.kill()
        self.pump(6)
        juliet = self.login("juliet@example.org/x", presence=True)
        juliet.clear()
        juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        said = [xml for xml in juliet.received if "<body>" in xml]
        self.assertEqual(len(said), 5)
        (first,) = parse(said[0].encode())
        self.assertEqual((first["from"], first["id"], first["type"]), (f"{GARDEN}/Romeo", "0", "groupchat"))
        self.assertEqual(stanza_id(said[0]), self.ask(juliet)[0][1]["id"])  # behind the subject

    def test_said_before_it_was_read(self) -> None:
        """Sessions that went on can speak before anybody enters, and what they say comes once."""
        self.romeo.close()
        romeo, id_ = self.enabled("romeo@example.org/balcony")
        self.enter(romeo, "Romeo")
        self.say(romeo, "one")
        self.kill()
        romeo = self.resumed("romeo@example.org/balcony", id_, self.sent("romeo@example.org/balcony"))
        self.pump(6)
        self.say(romeo, "two")
        juliet = self.login("juliet@example.org/x", presence=True)
        self.assertEqual(self.past(juliet), ["one", "two"])

    def test_loaded_twice_at_a_time(self) -> None:
        self.say(self.romeo, "one")
        room = self.room()
        for _ in range(2):
            room.history.load(self.wait(self.plugin("muc").archive.latest(room, 20, 10_000)), 20)
        self.assertEqual(len(room.history), 1)
        room.history.forget()
        for _ in range(2):
            room.history.load(self.wait(self.plugin("muc").archive.latest(room, 20, 10_000)), 20)
        self.assertEqual(len(room.history), 1)

    def test_read_once(self) -> None:
        """However many enter at a time, as after a restart."""
        self.say(self.romeo, "one")
        room, kept = self.room(), self.plugin("muc").archive
        room.history.forget()
        read: list[Any] = []
        latest = kept.latest

        def reading(*arguments: Any) -> Any:
            read.append(arguments)
            return latest(*arguments)

        self.patch(kept, "latest", reading)
        self.wait(gatherResults([Deferred.fromCoroutine(kept.fill(room)) for _ in range(5)]), 1)
        self.assertEqual((len(read), len(room.history)), (1, 1))

    def test_how_much(self) -> None:
        self.say(self.romeo, *(str(number) for number in range(5)))
        latest = self.plugin("muc").archive.latest
        self.assertEqual([past.message.body for past in self.wait(latest(self.room(), 2, 10_000))], ["3", "4"])
        self.assertEqual([past.message.body for past in self.wait(latest(self.room(), 5, 1))], ["4"])

    def test_tombstones_stay(self) -> None:
        self.say(self.romeo, "one", "two")
        results, _ = self.ask(self.romeo)
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{results[0]['id']}'/>"
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat' id='r'>{retract}</message>")
        self.kill()
        self.pump(6)
        juliet = self.login("juliet@example.org/x", presence=True)
        self.assertEqual(self.past(juliet)[:2], ["retracted", "two"])


class SameName(ReadingTestCase):
    def destroy(self, client: Any) -> None:
        client.send(
            f"<iq type='set' id='d' to='{GARDEN}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
            "<destroy/></query></iq>"
        )
        self.assertIn("type='result'", "".join(client.received))

    def test_another_room(self) -> None:
        """Who makes a room where there was one finds nothing of it, whenever that is."""
        self.say(self.romeo, "old")
        (old,) = self.ask(self.romeo)[0]
        self.destroy(self.romeo)
        juliet = self.login("juliet@example.org/x", presence=True)
        self.make_room(juliet, "Juliet", persistent=True)
        self.assertEqual(self.texts(juliet), [])
        self.say(juliet, "new")
        self.assertEqual(self.texts(juliet), ["new"])
        _, reply = self.ask(juliet, field("ids", old["id"]))
        self.assertIn("item-not-found", reply.toXml())
        self.pump(1)
        self.assertEqual(self.count(), 1)

    def test_in_one_packet(self) -> None:
        self.say(self.romeo, "old")
        destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
        self.romeo.send(
            f"<message to='{GARDEN}' type='groupchat' id='x'><body>more</body></message>"
            f"<iq type='set' id='d' to='{GARDEN}'>{destroy}</iq><presence to='{GARDEN}/Romeo'>{JOIN}</presence>"
        )
        self.pump(1)
        self.room().locked = False
        self.say(self.romeo, "new")
        self.assertEqual(self.texts(self.romeo), ["new"])
        self.assertEqual(self.count(), 1)

    def test_killed_before_all_was_deleted(self) -> None:
        self.say(self.romeo, "old")
        patcher = self.patch(archive.RoomArchive, "_clean_up", _nothing)
        self.destroy(self.romeo)
        self.kill()
        patcher.restore()
        self.assertEqual(self.count(), 1)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.make_room(romeo, persistent=True)
        self.assertEqual(self.texts(romeo), [])
        self.pump(601, step=100)
        self.assertEqual((self.count(), self.count(OWNERS)), (0, 0))


async def _nothing(self: Any, *causes: Any) -> None:
    pass
