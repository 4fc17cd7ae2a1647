"""XEP-0492, and rooms: what users want to be told of, and where."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.push.kit import PushTestCase
from xmppd.api.muc import MembersMissed
from xmppd.testing import Client

BOOKMARKS = "urn:xmpp:bookmarks:1"
PUBSUB = "http://jabber.org/protocol/pubsub"
NOTIFY = "urn:xmpp:notification-settings:1"
GARDEN = "garden@conference.example.org"
MUC = "http://jabber.org/protocol/muc"
FAR = "street@rooms.example.net"


class SettingsTestCase(PushTestCase):
    def bookmark(self, client: Client, jid: str, notify: str = "", nick: str = "") -> None:
        extensions = f"<extensions><notify xmlns='{NOTIFY}'>{notify}</notify></extensions>" if notify else ""
        nick = f"<nick>{nick}</nick>" if nick else ""
        conference = f"<conference xmlns='{BOOKMARKS}'>{nick}{extensions}</conference>"
        publish = f"<publish node='{BOOKMARKS}'><item id='{jid}'>{conference}</item></publish>"
        client.send(f"<iq type='set' id='b'><pubsub xmlns='{PUBSUB}'>{publish}</pubsub></iq>")
        self.pump()
        client.expect("<iq type='result' id='b'/>")


class Direct(SettingsTestCase):
    def test_never(self) -> None:
        phone = self.login("juliet@example.org/phone")
        self.enable(phone)
        self.bookmark(phone, "romeo@example.net", "<never/>")
        phone.close()
        self.say()
        self.quiet(60)
        self.say(sender="tybalt@example.net/street")
        self.accepts()

    def test_it_changes(self) -> None:
        self.phone_goes()
        self.say()
        self.accepts()
        desk = self.login("juliet@example.org/desk")
        self.bookmark(desk, "romeo@example.net", "<always/><never identity-category='client' identity-type='phone'/>")
        self.say()
        self.quiet(60)
        self.bookmark(desk, "romeo@example.net", "<always/>")
        self.say()
        self.accepts()

    def test_after_a_restart(self) -> None:
        """The settings are read before anything is decided."""
        phone = self.login("juliet@example.org/phone")
        self.enable(phone)
        self.bookmark(phone, "romeo@example.net", "<never/>")
        self.restart()
        self.service, self.romeo = self.remote("push.example.com"), self.remote("example.net")
        self.say()
        self.quiet(60)


class Elsewhere(SettingsTestCase):
    """A room on another server, and a phone that has lost its connection while it was in it."""

    def setUp(self) -> None:
        super().setUp()
        self.rooms = self.remote("rooms.example.net")
        self.phone, _ = self.enabled("juliet@example.org/phone")
        self.enable(self.phone)

    def goes(self) -> None:
        self.phone.send(f"<presence to='{FAR}/Juliet'><x xmlns='{MUC}'/></presence>")
        self.pump()
        self.phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent('juliet@example.org/phone')}'/>")
        self.phone.disconnect()
        self.pump()
        self.rooms.clear()

    def hear(self, text: str, nick: str = "romeo", content: str = "", id_: str = "") -> None:
        sid = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{FAR}' id='{id_}'/>" if id_ else ""
        to = "juliet@example.org/phone"
        message = f"<body>{text}</body>{content}{sid}"
        self.rooms.send(f"<message type='groupchat' from='{FAR}/{nick}' to='{to}'>{message}</message>")
        self.pump()

    def room_is(self, *features: str) -> None:
        request = self.rooms.take()
        self.assertEqual(request.name, "iq")
        given = "".join(f"<feature var='{feature}'/>" for feature in features)
        query = f"<query xmlns='http://jabber.org/protocol/disco#info'>{given}</query>"
        self.rooms.send(f"<iq type='result' id='{request['id']}' from='{FAR}' to='example.org'>{query}</iq>")
        self.pump()

    def test_public(self) -> None:
        self.goes()
        self.hear("hi all")
        self.room_is(MUC, "muc_open")
        self.quiet(60)
        self.hear("hi all")  # it is not asked again
        self.hear("Juliet?", nick="Juliet")  # her own
        self.rooms.expect_nothing()
        self.quiet(60)
        self.hear("Juliet?")
        self.assertEqual(self.accepts()["message-count"], "1")

    def test_private(self) -> None:
        self.goes()
        self.hear("hi all")
        self.room_is(MUC, "muc_membersonly")
        self.accepts()

    def test_it_does_not_say(self) -> None:
        self.goes()
        self.hear("hi all")
        self.pump(11)
        self.quiet(60)

    def test_always(self) -> None:
        self.bookmark(self.phone, FAR, "<always/>")
        self.goes()
        self.hear("hi all")
        self.accepts()
        self.rooms.expect_nothing()

    def test_never(self) -> None:
        self.bookmark(self.phone, FAR, "<never/>")
        self.goes()
        self.hear("Juliet?")
        self.quiet(60)

    def test_on_mention(self) -> None:
        self.bookmark(self.phone, FAR, "<on-mention/>")
        self.goes()
        self.hear("hi all")
        self.quiet(60)
        self.hear("This is encrypted.", content="<encrypted xmlns='urn:xmpp:omemo:2'/>")
        self.accepts()

    def test_another_device_is_there_as_well(self) -> None:
        """It is told of each message once, by its own copy."""
        self.goes()
        desk = self.login("juliet@example.org/desk", presence=True)
        desk.send(f"<presence to='{FAR}/Juliet'><x xmlns='{MUC}'/></presence>")
        self.hear("Juliet?", id_="1")
        copy = f"<body>Juliet?</body><stanza-id xmlns='urn:xmpp:sid:0' by='{FAR}' id='1'/>"
        self.rooms.send(f"<message type='groupchat' from='{FAR}/romeo' to='juliet@example.org/desk'>{copy}</message>")
        self.assertEqual(self.accepts()["message-count"], "1")
        self.quiet(30)


class Here(SettingsTestCase):
    """A room on this server, and a member who is not in it (MembersMissed)."""

    plugins: ClassVar[Any] = (*PushTestCase.plugins, "muc")

    def setUp(self) -> None:
        super().setUp()
        self.benvolio = self.login("benvolio@example.org/street")
        self.benvolio.send(f"<presence to='{GARDEN}/Benvolio'><x xmlns='{MUC}'/></presence>")
        form = "<x xmlns='jabber:x:data' type='submit'/>"
        self.benvolio.send(f"<iq type='set' id='o' to='{GARDEN}'><query xmlns='{MUC}#owner'>{form}</query></iq>")
        item = "<item affiliation='member' jid='juliet@example.org' nick='Juliet'/>"
        self.benvolio.send(f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
        self.pump()

    def hear(self, text: str, content: str = "") -> None:
        self.benvolio.send(f"<message type='groupchat' to='{GARDEN}'><body>{text}</body>{content}</message>")
        self.pump()

    def test_mentioned(self) -> None:
        self.phone_goes()
        self.hear("hi all")
        self.quiet(60)
        self.hear("Juliet?")
        self.assertEqual(self.accepts()["message-count"], "1")

    def test_told_of_in_two_ways(self) -> None:
        """The room forwards the mention as well (XEP-0452)."""
        self.phone_goes()
        self.hear("Juliet?", "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@example.org'/>")
        self.assertEqual(self.accepts()["message-count"], "1")
        self.quiet(60)

    def test_always(self) -> None:
        phone = self.login("juliet@example.org/phone")
        self.enable(phone)
        self.bookmark(phone, GARDEN, "<always/>")
        phone.close()
        self.hear("hi all")
        self.accepts()

    def test_private(self) -> None:
        self.phone_goes()
        fields = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        fields += "<field var='muc#roomconfig_membersonly'><value>1</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        self.benvolio.send(f"<iq type='set' id='o' to='{GARDEN}'><query xmlns='{MUC}#owner'>{form}</query></iq>")
        self.pump()
        self.hear("hi all")
        self.accepts()

    def test_nobody_is_looked_for_without_apps(self) -> None:
        self.assertFalse(self.host.observed(MembersMissed))
        self.phone_goes()
        self.assertTrue(self.host.observed(MembersMissed))
