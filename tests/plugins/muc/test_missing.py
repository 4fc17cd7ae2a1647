"""Members who are not in the room: mentions (XEP-0452), activity indicators (XEP-0437), and the event MembersMissed."""

from __future__ import annotations

import re

from tests.plugins.managed import ManagedTestCase
from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.api import Plugin, observe
from xmppd.api.muc import MembersMissed, Missed
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Member
from xmppd.testing import Client
from xmppd.wire.jid import Jid

SERVICE = "conference.example.org"
MUC = "http://jabber.org/protocol/muc"
RAI = "urn:xmpp:rai:0"
PATIENT = {"idle_ping_seconds": 1e9}  # these clients answer no pings


class MissingTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.make_room(self.romeo, persistent=True)
        self.register("juliet", "Juliet")
        self.juliet.clear()

    def register(self, who: str, nick: str, affiliation: str = "member", room: str = GARDEN) -> None:
        """Have the owner make somebody a member, with that nickname."""
        named = f" nick='{nick}'" if nick else ""
        item = f"<item jid='{who}@example.org' affiliation='{affiliation}'{named}/>"
        self.romeo.send(f"<iq type='set' id='a' to='{room}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
        self.romeo.clear()

    def say(self, inside: str = "<body>hi</body>", room: str = GARDEN) -> None:
        self.romeo.send(f"<message to='{room}' type='groupchat' id='1'>{inside}</message>")
        self.romeo.clear()

    def leave(self, client: Client, nick: str = "Juliet", room: str = GARDEN) -> None:
        client.send(f"<presence to='{room}/{nick}' type='unavailable'/>")
        client.clear()


class Mentions(MissingTestCase):
    config = {"muc": {"max_mentions": 2}}

    def mention(self, *uris: str, kind: str = "mention") -> None:
        references = "".join(
            f"<reference xmlns='urn:xmpp:reference:0' type='{kind}' begin='0' end='1' uri='{uri}'/>" for uri in uris
        )
        self.say(f"<body>you there</body>{references}")

    def told(self, client: Client) -> bool:
        told = any("urn:xmpp:mmn:0" in xml for xml in client.received)
        client.clear()
        return told

    def test_by_address(self) -> None:
        self.mention("xmpp:juliet@example.org")
        self.assertTrue(self.told(self.juliet))

    def test_by_nickname(self) -> None:
        self.mention(f"xmpp:{GARDEN}/Juliet")
        self.assertTrue(self.told(self.juliet))

    def test_other_ways_to_write_it(self) -> None:
        for uri in ("xmpp:juliet%40example.org", "xmpp:juliet@example.org/balcony", "xmpp:juliet@example.org?message"):
            self.mention(uri)
            self.assertTrue(self.told(self.juliet), uri)

    def test_once(self) -> None:
        self.mention("xmpp:juliet@example.org", f"xmpp:{GARDEN}/Juliet")
        self.assertEqual(len(self.juliet.received), 1)

    def test_nobody_mentioned(self) -> None:
        for uri in ("xmpp:benvolio@example.org", "https://example.org", "xmpp:@", f"xmpp:{GARDEN}", "xmpp:", "x"):
            self.mention(uri)
        self.mention("xmpp:juliet@example.org", kind="data")
        self.assertFalse(self.told(self.juliet))

    def test_who_is_there(self) -> None:
        """They get the message itself, with whatever device."""
        balcony = self.login("juliet@example.org/tower")
        self.enter(balcony, "Juliet")
        self.mention("xmpp:juliet@example.org")
        self.assertFalse(self.told(self.juliet))
        self.leave(balcony)
        self.mention("xmpp:juliet@example.org")
        self.assertTrue(self.told(self.juliet))

    def test_who_does_not_want_it(self) -> None:
        """Without a registered nickname, nobody is told; nor if they are nothing to the room."""
        for affiliation in ("member", "none", "outcast"):
            self.register("benvolio", "", affiliation)
            benvolio = self.login("benvolio@example.org/street", presence=True)
            benvolio.clear()
            self.mention("xmpp:benvolio@example.org")
            self.assertFalse(self.told(benvolio), affiliation)
        self.room().config = self.room().config.changed({"forward_mentions": False})
        self.mention("xmpp:juliet@example.org")
        self.assertFalse(self.told(self.juliet))

    def test_offline(self) -> None:
        """It is there when they come back."""
        self.juliet.close()
        self.mention("xmpp:juliet@example.org")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.assertFalse(self.told(self.juliet), "the plugin offline isn't loaded")

    def test_max_mentions(self) -> None:
        clients = [self.juliet]
        for name in ("benvolio", "tybalt"):
            self.register(name, name)
            clients.append(self.login(f"{name}@example.org/street", presence=True))
            clients[-1].clear()
        self.mention(*(f"xmpp:{name}@example.org" for name in ("juliet", "benvolio", "tybalt")))
        self.assertEqual([self.told(client) for client in clients], [True, True, False])
        self.mention(*["https://example.org"] * 10, "xmpp:tybalt@example.org")
        self.assertFalse(self.told(clients[-1]), "it is not looked through without an end")


class Offline(MissingTestCase):
    plugins = ("muc", "presence", "roster", "offline")

    def test_mentioned(self) -> None:
        self.juliet.close()
        reference = "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@example.org'/>"
        self.say(f"<body>Juliet</body>{reference}")
        self.juliet = self.login("juliet@example.org/balcony")
        self.juliet.clear()
        self.juliet.send("<presence/>")
        self.assertTrue(any("urn:xmpp:mmn:0" in xml for xml in self.juliet.received))


class Indicators(MissingTestCase):
    config = {
        "limits": PATIENT,
        "muc": {"listener_seconds": 5.0, "listens_per_minute": 15, "max_listeners": 2, "max_listened": 2},
    }

    def subscribe(self, client: Client) -> None:
        client.send(f"<presence to='{SERVICE}'><rai xmlns='{RAI}'/></presence>")

    def told(self, client: Client) -> list[str]:
        """Return the rooms that a client is told of, of all messages in turn."""
        rooms = [re.findall(f"<activity>(.*?)@{SERVICE}</activity>", xml) for xml in client.received]
        client.clear()
        return [room for names in rooms for room in names]

    def test_told(self) -> None:
        self.subscribe(self.juliet)
        self.assertEqual(self.told(self.juliet), [])
        self.say()
        self.assertEqual(self.told(self.juliet), [], "it is gathered")
        self.pump(5)
        self.assertEqual(self.told(self.juliet), ["garden"])
        self.say()
        self.pump(5)
        self.assertEqual(self.told(self.juliet), [], "once is enough")

    def test_again(self) -> None:
        """After they were in the room, they are told again."""
        self.subscribe(self.juliet)
        self.say()
        self.pump(5)
        self.enter(self.juliet, "Juliet")
        self.say()
        self.pump(5)
        self.assertEqual(self.told(self.juliet), [], "they are there")
        self.leave(self.juliet)
        self.say()
        self.pump(5)
        self.assertEqual(self.told(self.juliet), ["garden"])

    def test_before(self) -> None:
        """What was said before, and since they were in the room last, they are told at once (section 4)."""
        self.enter(self.juliet, "Juliet")
        self.say()
        self.pump(1)
        self.leave(self.juliet)
        self.pump(1)
        self.subscribe(self.juliet)
        self.assertEqual(self.told(self.juliet), [])
        self.juliet.send(f"<presence to='{SERVICE}' type='unavailable'/>")
        self.say()
        self.subscribe(self.juliet)
        self.assertEqual(self.told(self.juliet), ["garden"])

    def test_one_message(self) -> None:
        self.make_room(self.romeo, room=f"hall@{SERVICE}", persistent=True)
        self.register("juliet", "Juliet", room=f"hall@{SERVICE}")
        self.juliet.clear()
        self.subscribe(self.juliet)
        self.say()
        self.say(room=f"hall@{SERVICE}")
        self.pump(5)
        self.assertEqual(len(self.juliet.received), 1)
        self.assertEqual(self.told(self.juliet), ["garden", "hall"])

    def test_no_news(self) -> None:
        """Of what is kept, but says nothing to read, nobody is told."""
        self.subscribe(self.juliet)
        for inside in (
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
            "<body>taken back</body><retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
            "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>!</reaction></reactions>",
        ):
            self.say(inside)
            self.pump(5)
            self.assertEqual(self.told(self.juliet), [], inside)
        self.say("<encrypted xmlns='urn:xmpp:omemo:2'/>")
        self.pump(5)
        self.assertEqual(self.told(self.juliet), ["garden"])

    def test_listens_per_minute(self) -> None:
        for _ in range(15):
            self.subscribe(self.juliet)
        self.assertEqual(self.juliet.received, [])
        self.subscribe(self.juliet)
        self.assertIn("resource-constraint", self.juliet.received[-1])
        self.juliet.clear()
        self.pump(60)
        self.subscribe(self.juliet)
        self.assertEqual(self.juliet.received, [])

    def test_not_told(self) -> None:
        """Of what is not kept, and of rooms they don't belong to, or not any more."""
        benvolio = self.login("benvolio@example.org/street")
        for client in (self.juliet, benvolio):
            client.clear()
            self.subscribe(client)
        self.say("<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        self.pump(5)
        self.assertEqual(self.told(self.juliet), [])
        self.say()
        self.pump(5)
        self.assertEqual(self.told(benvolio), [])
        self.assertEqual(self.told(self.juliet), ["garden"])

    def test_affiliation_changes(self) -> None:
        benvolio = self.login("benvolio@example.org/street")
        self.subscribe(benvolio)
        benvolio.clear()
        self.register("benvolio", "")
        benvolio.clear()
        self.say()
        self.register("benvolio", "", "outcast")  # before they are told
        benvolio.clear()
        self.pump(5)
        self.assertEqual(self.told(benvolio), [])
        self.say()
        self.pump(5)
        self.assertEqual(self.told(benvolio), [])

    def test_not_any_more(self) -> None:
        self.subscribe(self.juliet)
        self.juliet.send(f"<presence to='{SERVICE}' type='unavailable'/>")
        self.say()
        self.pump(5)
        self.assertEqual(self.told(self.juliet), [])

    def test_gone(self) -> None:
        self.subscribe(self.juliet)
        self.juliet.close()
        self.say()
        self.pump(5)
        self.assertEqual(self.plugin("muc").indicators.listening, 0)

    def test_restart(self) -> None:
        """Who is there no more is forgotten."""
        self.subscribe(self.juliet)
        self.restart()
        self.pump(10)
        self.assertEqual(self.plugin("muc").indicators.listening, 0)

    def test_blocked(self) -> None:
        """Who may not enter rooms isn't told of them either."""
        self.wait(self.plugin("muc").guard.block(Jid.parse("juliet@example.org"), "No."))
        self.subscribe(self.juliet)
        self.assertIn("<forbidden ", self.juliet.received[-1])
        self.assertEqual(self.plugin("muc").indicators.listening, 0)

    def test_max_listeners(self) -> None:
        for name in ("a", "b", "c"):
            client = self.login(f"{name}@example.org/x")
            client.clear()
            self.subscribe(client)
            self.assertEqual("resource-constraint" in "".join(client.received), name == "c")
        self.subscribe(self.juliet)
        self.assertIn("resource-constraint", "".join(self.juliet.received))

    def test_max_listened(self) -> None:
        names = ("a", "b", "c")
        for name in names:
            self.make_room(self.romeo, room=f"{name}@{SERVICE}", persistent=True)
            self.register("juliet", "Juliet", room=f"{name}@{SERVICE}")
        self.juliet.clear()
        self.subscribe(self.juliet)
        for name in (*names, "garden"):
            self.say(room=f"{name}@{SERVICE}")
        self.pump(5)
        self.assertEqual(len(self.told(self.juliet)), 2)

    def test_room_destroyed(self) -> None:
        self.subscribe(self.juliet)
        destroy = f"<query xmlns='{MUC}#owner'><destroy/></query>"
        self.romeo.send(f"<iq type='set' id='d' to='{GARDEN}'>{destroy}</iq>")
        self.make_room(self.romeo)
        self.say()
        self.pump(5)
        self.assertEqual(self.told(self.juliet), [])


class Restarts(RoomTestCase, ManagedTestCase):
    config = {"limits": PATIENT}

    def test_goes_on(self) -> None:
        """Who asked and comes back to their session is told what was said meanwhile, and from then on."""
        romeo, id_ = self.enabled("romeo@example.org/orchard")
        juliet, other = self.enabled("juliet@example.org/balcony")
        self.make_room(romeo, persistent=True)
        item = "<item jid='juliet@example.org' affiliation='member'/>"
        romeo.send(f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
        juliet.clear()
        juliet.send(f"<presence to='{SERVICE}'><rai xmlns='{RAI}'/></presence>")
        juliet.expect_nothing()
        romeo.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>hi</body></message>")
        self.kill()  # before it was told
        self.pump(6)
        juliet = self.resumed("juliet@example.org/balcony", other, self.sent("juliet@example.org/balcony"))
        juliet.expect(
            f"<message from='{SERVICE}'><rai xmlns='{RAI}'><activity>{GARDEN}</activity></rai>{{...}}</message>"
        )
        juliet.clear()
        romeo = self.resumed("romeo@example.org/orchard", id_, self.sent("romeo@example.org/orchard"))
        romeo.send(f"<message to='{GARDEN}' type='groupchat' id='2'><body>again</body></message>")
        self.pump(6)
        self.assertNotIn(RAI, "".join(juliet.received))


class Observer(Plugin):
    """Writes down who misses what."""

    name = "observer"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.missed: list[tuple[MembersMissed, Jid, Missed]] = []

    @observe(MembersMissed)
    def note(self, event: MembersMissed) -> None:
        for member in event.members:
            if (found := event.find(member)) is not None:
                self.missed.append((event, member, found))


class Misses(MissingTestCase):
    plugins = ("muc", "presence", "roster", Observer)

    def test_event(self) -> None:
        self.register("benvolio", "")  # who has no nickname
        self.say()
        ((event, member, found),) = self.plugin("observer").missed
        self.assertEqual((event.room, member), (Jid.parse(GARDEN), Jid.parse("juliet@example.org")))
        self.assertEqual((found.nick, found.occupant_id), ("Juliet", self.room().occupant_id(member)))
        self.assertEqual(event.message.body, "hi")
        self.assertIn(b"urn:xmpp:sid:0", event.message.payload)
        self.say("<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        self.assertEqual(len(self.plugin("observer").missed), 1)
        self.enter(self.juliet, "Juliet")
        self.say()
        self.assertEqual(len(self.plugin("observer").missed), 1)


class Unobserved(MissingTestCase):
    def test_no_walk(self) -> None:
        """Unless somebody observes it, nobody looks through the members."""

        class Members(dict[Jid, Member]):
            walks = 0

            def __iter__(self):
                Members.walks += 1
                return super().__iter__()

        self.room().members = Members({Jid.parse("romeo@example.org"): Member(Affiliation.OWNER)})
        self.say()
        self.assertEqual(Members.walks, 0)
        self.assertFalse(self.host.observed(MembersMissed))
