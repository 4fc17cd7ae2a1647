"""The tables: what is important, what users want, where devices are, whom messages mention."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid, Message
from xmppd.plugins.push.mentions import Self, mentions
from xmppd.plugins.push.rules import DUE, Device, Due, Importance, Setting, device, importance, wanted
from xmppd.plugins.push.settings import NOTIFY, setting
from xmppd.wire.xml import parse

ROOM = Jid.parse("garden@conference.example.org")
ME = Self(Jid.parse("juliet@example.org"), ROOM, "Juliet", "dd1")
HINT = "<store xmlns='urn:xmpp:hints'/>"


def message(content: str, type_: str = "chat") -> Message:
    return Message(ME.account, Jid.parse("romeo@example.net/orchard"), type=type_, payload=content.encode())


class Important(SynchronousTestCase):
    def expect(self, level: Importance, *contents: str, type_: str = "chat") -> None:
        for content in contents:
            self.assertIs(importance(message(content, type_)), level, content)

    def test_calls(self) -> None:
        self.expect(
            Importance.CALL,
            f"<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>{HINT}",
            f"<retract xmlns='urn:xmpp:jingle-message:0' id='1'/>{HINT}",
            "<invite xmlns='urn:xmpp:call-invites:0'/><body>call me</body>",
        )

    def test_messages(self) -> None:
        self.expect(
            Importance.MESSAGE,
            "<body>hi</body>",
            "<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
            "<request xmlns='urn:xmpp:receipts'/>",
            "<encrypted xmlns='urn:xmpp:omemo:2'/>",
            "<x xmlns='jabber:x:encrypted'>x</x>",
            "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>",
        )

    def test_others(self) -> None:
        self.expect(
            Importance.OTHER,
            "<body>hi!</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
            "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>",
            "<retract xmlns='urn:xmpp:message-retract:1' id='1'/><body>It was taken back.</body>",
            f"<accept xmlns='urn:xmpp:jingle-message:0' id='1'/>{HINT}",
        )

    def test_nothing(self) -> None:
        self.expect(
            Importance.NONE,
            "",
            "<subject>A</subject>",
            "<body>new avatar</body><event xmlns='http://jabber.org/protocol/pubsub#event'/>",
            "<sent xmlns='urn:xmpp:carbons:2'/>",
            "<result xmlns='urn:xmpp:mam:2'/>",
            "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>",
        )
        for type_ in ("headline", "error"):
            self.expect(Importance.NONE, "<body>hi</body>", type_=type_)

    def test_rooms(self) -> None:
        self.expect(Importance.MESSAGE, "<body>hi</body>", type_="groupchat")
        history = "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"
        self.expect(
            Importance.NONE,
            f"<body>hi</body>{history}",
            "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>",
            type_="groupchat",
        )


class Wanted(SynchronousTestCase):
    @given(st.sampled_from(Importance), st.sampled_from(Setting), st.sampled_from(list(Importance)[1:]))
    def test_more_important_is_wanted_as_well(self, what: Importance, chosen: Setting, least: Importance) -> None:
        if wanted(what, chosen, least):
            self.assertTrue(all(wanted(more, chosen, least) for more in Importance if more > what))
        self.assertFalse(wanted(what, Setting.NEVER, least))
        self.assertFalse(wanted(Importance.NONE, chosen, least))

    def test_mentions_only(self) -> None:
        told = [what for what in Importance if wanted(what, Setting.ON_MENTION, Importance.OTHER)]
        self.assertEqual(told, [Importance.MENTION, Importance.CALL])


class Devices(SynchronousTestCase):
    def test_every_device_has_a_row(self) -> None:
        self.assertEqual(set(DUE), set(Device))
        found = {
            device(gets=g, hibernating=h, acknowledges=a, inactive=i) for g, h, a, i in product((True, False), repeat=4)
        }
        self.assertEqual(found, set(Device))

    def test_a_device_that_is_not_sent_it_is_pushed(self) -> None:
        for acknowledges, inactive in product((True, False), repeat=2):
            where = device(gets=False, hibernating=False, acknowledges=acknowledges, inactive=inactive)
            self.assertEqual(DUE[where], (Due.PUSH, Due.PUSH))


class Mentions(SynchronousTestCase):
    def said(self, content: str) -> bool:
        return mentions(Message(None, ROOM.with_resource("romeo"), type="groupchat", payload=content.encode()), ME)

    def test_nicknames(self) -> None:
        for body in ("Juliet: hi", "hi, juliet!", "JULIET", "> x\nJuliet?"):
            self.assertTrue(self.said(f"<body>{body}</body>"), body)
        for body in ("Julietta", "hi", "> Juliet said", "sjuliet"):
            self.assertFalse(self.said(f"<body>{body}</body>"), body)

    @given(st.text(min_size=1, max_size=10))
    def test_nicknames_are_no_patterns(self, nick: str) -> None:
        text = Message(None, ROOM, type="groupchat", payload=b"<body>nobody is meant</body>")
        mentions(text, ME._replace(nick=nick))

    def test_references(self) -> None:
        for uri in ("xmpp:juliet@example.org", "xmpp:juliet%40example.org", f"xmpp:{ROOM}/Juliet"):
            self.assertTrue(self.said(f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='{uri}'/>"), uri)
        for uri in ("xmpp:romeo@example.org", f"xmpp:{ROOM}/romeo", f"xmpp:{ROOM}", "https://example.org", "xmpp:@"):
            self.assertFalse(self.said(f"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='{uri}'/>"), uri)
        self.assertFalse(
            self.said("<reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:juliet@example.org'/>")
        )

    def test_replies(self) -> None:
        self.assertTrue(self.said(f"<reply xmlns='urn:xmpp:reply:0' id='1' to='{ROOM}/Juliet'/><body>yes</body>"))
        self.assertFalse(self.said(f"<reply xmlns='urn:xmpp:reply:0' id='1' to='{ROOM}/romeo'/><body>yes</body>"))

    def explicit(self, attributes: str, inside: str = "", body: str = "") -> bool:
        return self.said(f"<body>{body}</body><mention xmlns='urn:xmpp:mentions:0' {attributes}>{inside}</mention>")

    def test_explicit(self) -> None:
        channel = "mentions='urn:xmpp:mentions:0#channel'"
        for attributes in ("occupantid='dd1'", "jid='juliet@example.org'", channel, f"{channel} uri='xmpp:{ROOM}'"):
            self.assertTrue(self.explicit(attributes), attributes)
        for attributes in ("occupantid='dd2'", "jid='romeo@example.org'", f"{channel} uri='xmpp:x@y'", ""):
            self.assertFalse(self.explicit(attributes), attributes)

    def test_who_is_not_to_be_notified(self) -> None:
        """Not even if the text has the nickname."""
        for name in ("noping", "active"):
            self.assertFalse(self.explicit("occupantid='dd1'", f"<{name}/>", "Juliet"), name)
        self.assertTrue(self.explicit("occupantid='dd2'", "<noping/>", "Juliet and Romeo"))


class Notify(SynchronousTestCase):
    """XEP-0492 section 3: the element that is most specific."""

    def chosen(self, content: str) -> Setting | None:
        (notify,) = parse(f"<notify xmlns='{NOTIFY}'>{content}</notify>".encode())
        return setting(notify, "client", "phone")

    def test_examples(self) -> None:
        """XEP-0492, examples 1 and 2."""
        self.assertIs(self.chosen("<never/>"), Setting.NEVER)
        example = (
            "<never identity-category='client' identity-type='pc'/>"
            "<on-mention identity-category='client' identity-type='phone'/>"
            "<on-mention identity-category='gateway'/><always/>"
        )
        self.assertIs(self.chosen(example), Setting.ON_MENTION)

    def test_advanced(self) -> None:
        """XEP-0492, example 3: what is not known says nothing."""
        inside = "<my-custom-extension xmlns='custom:ns-{}'><when day-of-week='monday'/></my-custom-extension>"
        custom = f"<advanced>{inside}</advanced>"
        example = (
            f"<never identity-category='client' identity-type='pc'>{custom.format(1)}</never>"
            "<on-mention identity-category='client' identity-type='phone'/>"
            f"<on-mention identity-category='gateway'/><always>{custom.format(3)}</always>"
        )
        self.assertIs(self.chosen(example), Setting.ON_MENTION)
        (notify,) = parse(f"<notify xmlns='{NOTIFY}'>{example}</notify>".encode())
        self.assertIs(setting(notify, "client", "pc"), Setting.NEVER)
        self.assertIs(setting(notify, "client", "tv"), Setting.ALWAYS)

    def test_order(self) -> None:
        self.assertIs(self.chosen("<always/><never identity-category='client'/>"), Setting.NEVER)
        self.assertIs(self.chosen("<never identity-category='gateway'/>"), None)
        self.assertIs(self.chosen("<x/>"), None)
        self.assertIs(self.chosen("<never><advanced><a xmlns='b'/></advanced></never>"), Setting.NEVER)
