"""XEP-0045 17.4, XEP-0410: requests between occupants, and errors in answer to private messages (7.5)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase
from xmppd.plugins.muc.room.ranks import Role
from xmppd.testing import Client

PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def failure(kind: str, condition: str, id: str = "1") -> str:
    return f"<iq type='error' id='{id}'>{{...}}<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"


class RelayTestCase(RoomTestCase):
    plugins: ClassVar[Any] = ("muc", "presence", "roster", "vcard", "ping", "disco")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.made = self.make_room(self.romeo)
        self.enter(self.juliet, "Juliet")
        self.forget()

    def forget(self) -> None:
        self.romeo.clear()
        self.juliet.clear()

    def ask(self, client: Client, nick: str, inside: str, id: str = "1", type: str = "get", room: str = GARDEN) -> None:
        client.send(f"<iq type='{type}' id='{id}' to='{room}/{nick}'>{inside}</iq>")

    def relayed(self, client: Any) -> str:
        """Return the id of the request that has come."""
        found = re.search(r"<iq [^>]*\bid=['\"]([^'\"]+)", client.received[-1])
        assert found is not None, client.received
        client.clear()
        return found[1]


class Requests(RelayTestCase):
    def test_answer(self) -> None:
        """It goes to a device, and the answer to the one that has asked; the id is another one."""
        second = self.login("juliet@example.org/chamber", name="second")
        self.enter(second, "Juliet")
        self.forget()
        self.ask(second, "Romeo", VERSION, id="mine")
        self.romeo.expect(f"<iq type='get' from='{GARDEN}/Juliet' to='{{romeo}}' id='{{id}}'>{VERSION}</iq>")
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{{id}}'><query xmlns='jabber:iq:version'/></iq>")
        second.expect(f"<iq type='result' from='{GARDEN}/Romeo' to='{{second}}' id='mine'>{VERSION}</iq>")
        self.juliet.expect_nothing()
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{{id}}'/>")
        second.expect_nothing()

    def test_set(self) -> None:
        """What is no question goes to a device, whatever it looks like."""
        for inside in ("<x xmlns='urn:example'/>", "<vCard xmlns='vcard-temp'/>", PING):
            self.ask(self.juliet, "Romeo", inside, type="set")
            self.romeo.expect(f"<iq type='set' from='{GARDEN}/Juliet' to='{{romeo}}'>{inside}</iq>")
        self.ask(self.juliet, "Juliet", PING, type="set")
        self.juliet.expect(f"<iq type='set' from='{GARDEN}/Juliet' to='{{juliet}}'>{PING}</iq>")

    def test_the_same_id_from_two(self) -> None:
        mercutio = self.login("mercutio@example.org/square")
        self.enter(mercutio, "Mercutio")
        self.forget()
        ids = []
        for client in (self.juliet, mercutio):
            self.ask(client, "Romeo", VERSION)
            ids.append(self.relayed(self.romeo))
        for id_, nick in zip(reversed(ids), ("Mercutio", "Juliet"), strict=True):
            self.romeo.send(f"<iq type='result' to='{GARDEN}/{nick}' id='{id_}'><{nick} xmlns='urn:example'/></iq>")
        self.juliet.expect("<iq type='result' id='1'><Juliet xmlns='urn:example'/></iq>")
        mercutio.expect("<iq type='result' id='1'><Mercutio xmlns='urn:example'/></iq>")

    def test_who_is_not_there(self) -> None:
        stranger = self.login("stranger@example.org/x")
        table = (
            ("Romeo", PING, "cancel", "not-acceptable"),
            ("Romeo", VERSION, "cancel", "not-acceptable"),
            ("Nobody", VERSION, "cancel", "not-acceptable"),
            ("Romeo", INFO, "modify", "bad-request"),
            ("Nobody", INFO, "modify", "bad-request"),
            ("Romeo", INFO.replace("#info", "#items"), "modify", "bad-request"),
        )
        for room in (GARDEN, "nowhere@conference.example.org"):
            for nick, inside, kind, condition in table:
                with self.subTest(room=room, nick=nick, inside=inside):
                    self.ask(stranger, nick, inside, room=room)
                    stranger.expect(failure(kind, condition))
        self.romeo.expect_nothing()

    def test_nobody(self) -> None:
        self.ask(self.juliet, "Nobody", VERSION)
        self.juliet.expect(failure("cancel", "item-not-found"))

    def test_not_allowed(self) -> None:
        """An option of the room: only moderators and others about themselves, then."""
        self.made.config = self.made.config.changed({"requests": False})
        mercutio = self.login("mercutio@example.org/square")
        self.enter(mercutio, "Mercutio")
        self.forget()
        self.ask(mercutio, "Juliet", VERSION)
        mercutio.expect(failure("auth", "forbidden"))
        self.juliet.expect_nothing()
        self.ask(mercutio, "Romeo", VERSION)
        self.romeo.expect(f"<iq type='get'>{VERSION}</iq>")
        self.ask(self.romeo, "Mercutio", VERSION)
        mercutio.expect(f"<iq type='get'>{VERSION}</iq>")
        self.ask(mercutio, "Mercutio", VERSION)
        mercutio.expect(f"<iq type='get' from='{GARDEN}/Mercutio'>{VERSION}</iq>")

    def test_vcard(self) -> None:
        """The account answers, not a device: it may have none that knows."""
        vcard = "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>"
        self.romeo.send(f"<iq type='set' id='v'>{vcard}</iq>")
        self.romeo.clear()
        self.ask(self.juliet, "Romeo", "<vCard xmlns='vcard-temp'/>")
        self.juliet.expect(f"<iq type='result' id='1' from='{GARDEN}/Romeo' to='{{juliet}}'>{vcard}</iq>")
        self.romeo.expect_nothing()

    def test_others_publish(self) -> None:
        """So are avatars asked for (XEP-0084); other nodes are a device's."""
        away = self.remote("verona.example")
        away.send(
            f"<presence from='tybalt@verona.example/sword' to='{GARDEN}/Tybalt'><x xmlns='{USER[:-5]}'/></presence>"
        )
        away.clear()
        for node, to in (
            ("urn:xmpp:avatar:data", "tybalt@verona.example"),
            ("urn:xmpp:avatar:metadata", "tybalt@verona.example"),
            ("urn:xmpp:vcard4", "tybalt@verona.example"),
            ("urn:example", "tybalt@verona.example/sword"),
        ):
            items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
            self.ask(self.juliet, "Tybalt", items)
            away.expect(f"<iq type='get' to='{to}' from='{GARDEN}/Juliet'>{items}</iq>")

    def test_who_answers(self) -> None:
        """Nobody can answer what another was asked, nor to an address that has not asked."""
        mercutio = self.login("mercutio@example.org/square")
        self.enter(mercutio, "Mercutio")
        self.forget()
        self.ask(self.juliet, "Romeo", VERSION)
        id_ = self.relayed(self.romeo)
        forged = f"<iq type='result' to='{GARDEN}/{{}}' id='{id_}'><forged xmlns='urn:example'/></iq>"
        mercutio.send(forged.format("Juliet"))
        self.romeo.send(forged.format("Mercutio"))
        self.romeo.send(forged.format("Romeo"))
        for client in (self.romeo, self.juliet, mercutio):
            client.expect_nothing()
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect("<iq type='result' id='1'/>")

    def test_answers_that_nobody_waits_for(self) -> None:
        for type_ in ("result", "error"):
            for to in (f"{GARDEN}/Juliet", GARDEN, f"{GARDEN}/Nobody", "nowhere@conference.example.org/Juliet"):
                self.romeo.send(f"<iq type='{type_}' to='{to}' id='1'/>")
        for client in (self.romeo, self.juliet):
            client.expect_nothing()

    def test_after_they_left(self) -> None:
        """Both may leave before there is an answer: it arrives nevertheless, from whom it was asked."""
        self.ask(self.juliet, "Romeo", VERSION)
        id_ = self.relayed(self.romeo)
        self.made.config = self.made.config.changed({"persistent": True})
        for client, nick in ((self.romeo, "Romeo"), (self.juliet, "Juliet")):
            client.send(f"<presence to='{GARDEN}/{nick}' type='unavailable'/>")
        self.forget()
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect(f"<iq type='result' id='1' from='{GARDEN}/Romeo'/>")

    def test_no_answer(self) -> None:
        """Who has asked is told, some time after `request_seconds`; an answer that comes then is too late."""
        self.ask(self.juliet, "Romeo", VERSION)
        id_ = self.relayed(self.romeo)
        self.pump(100)
        self.juliet.expect_nothing()
        self.pump(100)
        self.juliet.expect(
            f"<iq type='error' id='1' from='{GARDEN}/Romeo'>"
            f"<error type='wait'><remote-server-timeout xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )
        self.assertEqual(len(self.plugin("muc").between.relay), 0)
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect_nothing()

    def test_ids(self) -> None:
        """Whatever the asker calls it, neither side sees the other's."""
        self.ask(self.juliet, "Romeo", VERSION, id="&lt;&apos;&quot;&amp;")
        id_ = self.relayed(self.romeo)
        self.assertNotIn("&", id_)
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect("<iq type='result' id='&lt;&apos;&quot;&amp;'/>")


class Limits(RelayTestCase):
    config = {"muc": {"max_requests": 2, "max_relayed": 3, "request_seconds": 50}}

    def test_each(self) -> None:
        """`max_requests`: what was answered, or has failed, does not count."""
        for _ in range(2):
            self.ask(self.juliet, "Romeo", VERSION)
        id_ = self.relayed(self.romeo)
        self.ask(self.juliet, "Romeo", VERSION)
        self.juliet.expect(failure("wait", "resource-constraint"))
        self.romeo.send(f"<iq type='result' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect("<iq type='result' id='1'/>")
        self.ask(self.juliet, "Romeo", VERSION)
        self.romeo.expect("<iq type='get'>{...}</iq>")
        self.ask(self.juliet, "Romeo", VERSION)
        self.juliet.expect(failure("wait", "resource-constraint"))
        self.pump(100)
        self.forget()
        self.ask(self.juliet, "Romeo", VERSION)
        self.romeo.expect("<iq type='get'>{...}</iq>")

    def test_all(self) -> None:
        """`max_relayed`."""
        for client, nick, times in ((self.juliet, "Romeo", 2), (self.romeo, "Juliet", 1)):
            for _ in range(times):
                self.ask(client, nick, VERSION)
        self.forget()
        self.ask(self.romeo, "Juliet", VERSION)
        self.romeo.expect(failure("wait", "resource-constraint"))
        self.juliet.expect_nothing()

    def test_private_messages(self) -> None:
        """Of no more than `max_relayed` it is remembered who has sent them, and no longer than that."""
        error = f"<error type='modify'><not-acceptable xmlns='{ERRORS}'/></error>"
        for number in range(5):
            self.juliet.send(f"<message type='chat' id='{number}' to='{GARDEN}/Romeo'><body>hi</body></message>")
        self.assertEqual(len(self.plugin("muc").between.relay), 3)
        self.forget()
        for number in range(5):
            self.romeo.send(f"<message type='error' id='{number}' to='{GARDEN}/Juliet'>{error}</message>")
        self.assertEqual(len(self.juliet.received), 3, self.juliet.received)
        self.juliet.send(f"<message type='chat' to='{GARDEN}/Romeo'><body>hi</body></message>")
        self.pump(200)
        self.assertEqual(len(self.plugin("muc").between.relay), 0)


class SelfPing(RelayTestCase):
    """XEP-0410 section 3.3."""

    def test_joined(self) -> None:
        second = self.login("juliet@example.org/chamber", name="second")
        self.enter(second, "Juliet")
        self.forget()
        self.ask(second, "Juliet", PING, id="s2c1")
        second.expect(f"<iq type='result' id='s2c1' from='{GARDEN}/Juliet' to='{{second}}'/>")
        self.juliet.expect_nothing()

    def test_not_joined(self) -> None:
        second = self.login("juliet@example.org/chamber", name="second")
        for room in (GARDEN, "nowhere@conference.example.org"):
            self.ask(second, "Juliet", PING, room=room)
            second.expect(failure("cancel", "not-acceptable"))
        self.juliet.send(f"<presence to='{GARDEN}/Juliet' type='unavailable'/>")
        self.forget()
        self.ask(self.juliet, "Juliet", PING)
        self.juliet.expect(failure("cancel", "not-acceptable"))

    def test_others(self) -> None:
        """A ping to another occupant is theirs to answer."""
        self.ask(self.juliet, "Romeo", PING)
        self.romeo.expect(f"<iq type='get' from='{GARDEN}/Juliet'>{PING}</iq>")
        self.juliet.expect_nothing()

    def test_by_the_old_nickname(self) -> None:
        """After another device of the same person took the nickname along, the device is still there."""
        self.juliet.send(f"<presence to='{GARDEN}/JuliC'/>")
        self.forget()
        self.ask(self.juliet, "Juliet", PING)
        self.juliet.expect(failure("cancel", "item-not-found"))
        self.ask(self.juliet, "JuliC", PING)
        self.juliet.expect("<iq type='result' id='1'/>")

    def test_feature(self) -> None:
        self.juliet.send(f"<iq type='get' id='1' to='{GARDEN}'>{INFO}</iq>")
        self.assertIn("http://jabber.org/protocol/muc#self-ping-optimization", "".join(self.juliet.received))


class Secrets(RelayTestCase):
    """17.4: real addresses are not told in a semi-anonymous room, whatever the other side's server says."""

    ERROR = (
        "<error type='cancel' by='{by}'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:tybalt@verona.example</gone>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{text}</text><x xmlns='urn:example' jid='{jid}'/></error>"
    )

    def setUp(self) -> None:
        super().setUp()
        self.away = self.remote("verona.example")
        join = f"<x xmlns='{USER[:-5]}'/>"
        self.away.send(f"<presence from='tybalt@verona.example/sword' to='{GARDEN}/Tybalt'>{join}</presence>")
        self.away.clear()
        self.forget()

    def answer(self, by: str, text: str, jid: str) -> str:
        """Return what Juliet gets if that error comes."""
        self.ask(self.juliet, "Tybalt", VERSION)
        id_ = self.relayed(self.away)
        error = self.ERROR.format(by=by, text=text, jid=jid)
        self.away.send(
            f"<iq type='error' from='tybalt@verona.example/sword' to='{GARDEN}/Juliet' id='{id_}'>{VERSION}{error}</iq>"
        )
        got = self.juliet.received[-1]
        self.juliet.clear()
        return got

    def test_request(self) -> None:
        self.ask(self.juliet, "Tybalt", VERSION)
        self.assertNotIn("juliet@", "".join(self.away.received))
        self.assertNotIn("balcony", "".join(self.away.received))

    def test_errors(self) -> None:
        for by, text, jid in (
            ("verona.example", "tybalt is not here", "a@b"),
            ("tybalt@verona.example", "TYBALT@Verona.example", "tybalt@verona.example/sword"),
            ("x", "no sword", "verona.example"),
        ):
            got = self.answer(by, text, jid).lower()
            with self.subTest(got=got):
                self.assertIn("<gone ", got)
                for part in ("tybalt@", "verona", "sword", "tybalt is"):
                    self.assertNotIn(part, got)
                self.assertIn(f"from='{GARDEN}/tybalt'", got.replace('"', "'"))

    def test_publishers(self) -> None:
        """Some servers say with each item who has published it (XEP-0060)."""
        ns = "http://jabber.org/protocol/pubsub"
        items = f"<pubsub xmlns='{ns}'><items node='urn:xmpp:avatar:data'>{{}}</items></pubsub>"
        avatar = "<data xmlns='urn:xmpp:avatar:data'>publisher</data>"
        for anonymous in (True, False):
            with self.subTest(anonymous=anonymous):
                self.made.config = self.made.config.changed({"anonymous": anonymous})
                self.juliet.clear()
                self.ask(self.juliet, "Tybalt", items.format("<item id='1'/>"))
                id_ = self.relayed(self.away)
                item = items.format(f"<item id='1' publisher='tybalt@verona.example/sword'>{avatar}</item>")
                self.away.send(
                    f"<iq type='result' from='tybalt@verona.example' to='{GARDEN}/Juliet' id='{id_}'>{item}</iq>"
                )
                got = self.juliet.received[-1].replace('"', "'")
                self.assertIn(f"id='1'{'' if anonymous else ' publisher='}", got)
                self.assertIn(avatar, got)
                self.assertEqual("tybalt@" in got, not anonymous)

    def test_errors_that_tell_nothing(self) -> None:
        """What they say for people, and for programs, gets through."""
        got = self.answer("x", "come again", "a@b")
        self.assertIn("come again", got)
        self.assertIn("urn:example", got)

    def test_where_all_are_known(self) -> None:
        self.made.config = self.made.config.changed({"anonymous": False})
        self.assertIn("tybalt@verona.example", self.answer("x", "x", "a@b"))

    def test_errors_without_an_error(self) -> None:
        self.ask(self.juliet, "Tybalt", VERSION)
        id_ = self.relayed(self.away)
        self.away.send(f"<iq type='error' from='tybalt@verona.example/sword' to='{GARDEN}/Juliet' id='{id_}'/>")
        self.juliet.expect(failure("cancel", "undefined-condition"))


class PrivateMessages(RelayTestCase):
    def tell(
        self, client: Client, nick: str, id: str = "m", type: str = "chat", inside: str = "<body>hi</body>"
    ) -> None:
        client.send(f"<message type='{type}' id='{id}' to='{GARDEN}/{nick}'>{inside}</message>")

    def fail_it(self, client: Client, nick: str, id: str = "m", by: str = "romeo@example.org") -> None:
        error = f"<error type='cancel' by='{by}'><service-unavailable xmlns='{ERRORS}'/></error>"
        client.send(f"<message type='error' id='{id}' to='{GARDEN}/{nick}'><x xmlns='{USER}'/>{error}</message>")

    def test_error(self) -> None:
        """It goes to the device that sent the message, once; and says no real address."""
        second = self.login("juliet@example.org/chamber", name="second")
        self.enter(second, "Juliet")
        self.forget()
        self.tell(second, "Romeo")
        self.romeo.clear()
        for _ in range(2):
            self.fail_it(self.romeo, "Juliet")
        second.expect(
            f"<message type='error' id='m' from='{GARDEN}/Romeo' to='{{second}}'>"
            f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error></message>"
        )
        for client in (second, self.juliet, self.romeo):
            client.expect_nothing()
        self.assertEqual(self.nicks(), ["Juliet", "Romeo"])

    def test_errors_of_all_devices(self) -> None:
        """A message has failed when no device takes it."""
        second = self.login("romeo@example.org/second", name="second")
        self.enter(second, "Romeo")
        self.forget()
        self.tell(self.juliet, "Romeo")
        self.fail_it(self.romeo, "Juliet")
        self.juliet.expect_nothing()
        self.fail_it(second, "Juliet")
        self.juliet.expect("<message type='error' id='m'>{...}</message>")

    def test_errors_to_nothing(self) -> None:
        """Nobody gets an error who has sent nothing, nor from somebody else."""
        mercutio = self.login("mercutio@example.org/square")
        self.enter(mercutio, "Mercutio")
        self.forget()
        self.fail_it(self.romeo, "Juliet")
        self.tell(self.juliet, "Romeo")
        self.fail_it(mercutio, "Juliet")
        self.fail_it(self.romeo, "Mercutio")
        self.fail_it(self.romeo, "Juliet", id="other")
        for client in (self.juliet, mercutio):
            client.expect_nothing()

    def test_bare_errors(self) -> None:
        """An error need not hold what it answers: who doesn't want a private message is still in the room."""
        self.tell(self.juliet, "Romeo")
        error = f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error>"
        self.romeo.send(f"<message type='error' id='m' to='{GARDEN}/Juliet'>{error}</message>")
        self.juliet.expect(f"<message type='error' id='m' from='{GARDEN}/Romeo'>{error}</message>")
        self.assertEqual(self.nicks(), ["Juliet", "Romeo"])

    def test_who_is_gone(self) -> None:
        """Other errors mean that a device can't be reached (18.1.2): the sender learns both."""
        self.made.config = self.made.config.changed({"persistent": True})
        self.tell(self.juliet, "Romeo")
        self.juliet.clear()
        error = f"<error type='wait'><recipient-unavailable xmlns='{ERRORS}'/></error>"
        self.romeo.send(f"<message type='error' id='m' to='{GARDEN}/Juliet'>{error}</message>")
        self.juliet.expect(
            f"<message type='error' id='m' from='{GARDEN}/Romeo'>{error}</message>",
            f"<presence type='unavailable' from='{GARDEN}/Romeo'>{{...}}</presence>",
        )
        self.assertEqual(self.nicks(), ["Juliet"])

    def test_without_an_id(self) -> None:
        self.juliet.send(f"<message type='chat' to='{GARDEN}/Romeo'><body>hi</body></message>")
        error = f"<error type='modify'><not-acceptable xmlns='{ERRORS}'/></error>"
        self.romeo.send(f"<message type='error' to='{GARDEN}/Juliet'>{error}</message>")
        self.juliet.expect(f"<message type='error' from='{GARDEN}/Romeo'>{{...}}</message>")

    def test_types(self) -> None:
        """7.5: of any type but groupchat, with whatever is in it (17.2)."""
        inside = (
            "<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"
            "<markable xmlns='urn:xmpp:chat-markers:0'/><thread>t</thread><any xmlns='urn:example'/>"
        )
        for type_ in ("chat", "normal", "headline"):
            self.tell(self.juliet, "Romeo", type=type_, inside=inside)
            got = self.romeo.take()
            self.assertEqual(got.getAttribute("type", "normal"), type_)
            names = [child.name for child in got.elements()]
            self.assertEqual(names[:6], ["body", "active", "request", "markable", "thread", "any"])
            self.assertEqual(sorted(names[6:]), ["occupant-id", "x"])

    def test_what_only_the_room_says(self) -> None:
        """XEP-0421 section 4, XEP-0359 section 4, 17.2: who has written it, and under which id the room keeps it."""
        forged = (
            f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><x xmlns='{USER}'><status code='110'/></x>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{GARDEN}' id='forged'/>"
            f"<delay xmlns='urn:xmpp:delay' from='{GARDEN}' stamp='2004-09-29T01:54:37Z'/>"
        )
        self.tell(self.juliet, "Romeo", inside=f"<body>hi</body>{forged}")
        for got in self.romeo.received:
            self.assertNotIn("forged", got)
            self.assertNotIn("110", got)
            self.assertNotIn("2004", got)
            self.assertEqual(got.count("<occupant-id "), 1)

    def test_who_may_not(self) -> None:
        stranger = self.login("stranger@example.org/x")
        self.made.occupants["Juliet"].role = Role.VISITOR
        self.made.config = self.made.config.changed({"private_messages": "participants"})
        mercutio = self.login("mercutio@example.org/square")
        self.enter(mercutio, "Mercutio")
        self.forget()
        for client, nick, kind, condition in (
            (stranger, "Romeo", "modify", "not-acceptable"),
            (self.juliet, "Mercutio", "auth", "forbidden"),
            (self.romeo, "Nobody", "cancel", "item-not-found"),
        ):
            self.tell(client, nick)
            client.expect(
                f"<message type='error' id='m' from='{GARDEN}/{nick}'>{{...}}"
                f"<error type='{kind}' by='{GARDEN}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"
            )
            client.clear()
        mercutio.expect_nothing()


class Copies(RelayTestCase):
    """XEP-0280 6.1: private messages are copied to devices that are there under the same nickname, by the room."""

    plugins: ClassVar[Any] = ("muc", "presence", "roster", "carbons")

    def test_private_message(self) -> None:
        enable = "<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
        there, elsewhere = (self.login(f"juliet@example.org/{name}", presence=True, name=name) for name in ("a", "b"))
        self.enter(there, "Juliet")
        for client in (self.juliet, there, elsewhere):
            client.send(enable)
        self.forget()
        there.clear()
        elsewhere.clear()
        self.juliet.send(f"<message type='chat' id='1' to='{GARDEN}/Romeo'><body>hi</body></message>")
        self.romeo.expect("<message type='chat' id='1'>{...}</message>")
        there.expect("<message type='chat'><sent xmlns='urn:xmpp:carbons:2'>{any}</sent></message>")
        self.romeo.send(f"<message type='chat' id='2' to='{GARDEN}/Juliet'><body>hi</body></message>")
        for client in (self.juliet, there):
            client.expect(f"<message type='chat' id='2' from='{GARDEN}/Romeo'>{{...}}</message>")
            client.expect_nothing()
        elsewhere.expect_nothing()
