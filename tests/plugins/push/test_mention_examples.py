"""Whether the examples of XEP-0372 and XEP-0513 mention somebody, who would be pushed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid, Message
from xmppd.plugins.push.mentions import Self, mentions

BALCONY = Jid.parse("balcony@channels.shakespeare.lit")
NEWS = Jid.parse("news@chat.commons.example")


def told(payload: str, who: Self) -> bool:
    """Say whether what somebody says in a room mentions a user."""
    said = Message(None, who.room.with_resource("romeo"), type="groupchat", payload=payload.encode())
    return mentions(said, who)


class References(SynchronousTestCase):
    def test_mention(self) -> None:
        """XEP-0372, example 3; by the address, as she is called something else there."""
        text = (
            "<body>But, soft! what light through yonder window breaks? It is the east, and Juliet is the sun.</body>"
            "<reference xmlns='urn:xmpp:reference:0' begin='72' end='78' type='mention' uri='xmpp:juliet@capulet.lit'/>"
        )
        self.assertTrue(told(text, Self(Jid.parse("juliet@capulet.lit"), BALCONY, "Jule")))
        self.assertFalse(told(text, Self(Jid.parse("nurse@capulet.lit"), BALCONY, "Nurse")))


class Explicit(SynchronousTestCase):
    """XEP-0513. Nobody's nickname is in a text, so that only the element counts."""

    def reaches(self, body: str, *elements: str, occupant_id: str = "alice@occupant-id", nick: str = "al") -> bool:
        given = "".join(element.replace("<mention", "<mention xmlns='urn:xmpp:mentions:0'") for element in elements)
        who = Self(Jid.parse("alice@commons.example"), NEWS, nick, occupant_id)
        return told(f"<body>{body}</body>{given}", who)

    def test_user(self) -> None:
        """XEP-0513, example 1."""
        example = ("Hello, Alice!", "<mention begin='7' end='12' occupantid='alice@occupant-id'/>")
        self.assertTrue(self.reaches(*example))
        self.assertFalse(self.reaches(*example, occupant_id="bob@occupant-id"))

    def test_room(self) -> None:
        """XEP-0513, example 2."""
        self.assertTrue(self.reaches("Hey all!", "<mention mentions='urn:xmpp:mentions:0#channel'/>"))

    def test_other_groups(self) -> None:
        """XEP-0513, examples 3 to 6: spaces, servers, moderators and hats are groups that nobody is pushed for."""
        for group in (
            "mentions='urn:xmpp:mentions:0#space' uri='xmpp:spaces.commons.example;node=space'",
            "mentions='urn:xmpp:mentions:0#server' uri='xmpp:commons.example'",
            "mentions='urn:xmpp:mentions:0#moderators'",
            "mentions='urn:xmpp:mentions:0#hats' uri='http://schemas.example.com/hats#students'",
        ):
            self.assertFalse(self.reaches("To all [..]", f"<mention {group}/>"), group)

    def test_several(self) -> None:
        """XEP-0513, example 7."""
        names = ("rosa", "clara", "karl")
        three = [f"<mention begin='3' end='14' occupantid='{name}@occupant-id'/>" for name in names]
        for name in names:
            self.assertTrue(self.reaches("Hi Spartacists!", *three, occupant_id=f"{name}@occupant-id"), name)
        self.assertFalse(self.reaches("Hi Spartacists!", *three))

    def test_languages(self) -> None:
        """XEP-0513, example 8."""
        mention = "<mention begin='{}' end='{}' hreflang='{}' occupantid='ddfe47eabacabr2q1'/>"
        inside = (
            mention.format(3, 8, "en"),
            "<body xml:lang='ja'>こんにちは、アリス。お元気ですか？</body>",
            mention.format(6, 9, "ja"),
        )
        self.assertTrue(self.reaches("Hi Alice, how are you doing?", *inside, occupant_id="ddfe47eabacabr2q1"))
        self.assertFalse(self.reaches("Hi Alice, how are you doing?", *inside))

    def test_active(self) -> None:
        """XEP-0513, example 9, as it is there and with the "#" that it lacks: who is active needs no push."""
        for group in ("urn:xmpp:mentions:0channel", "urn:xmpp:mentions:0#channel"):
            example = f"<mention mentions='{group}'><active/></mention>"
            self.assertFalse(self.reaches("Hello, everybody!", example), group)

    def test_without_notifying(self) -> None:
        """XEP-0513, example 10: not even by the nickname."""
        text = "Sorry, I was referring to Alice there."
        example = "<mention begin='26' end='31' occupantid='alice@occupantid'><noping/></mention>"
        self.assertFalse(self.reaches(text, example, occupant_id="alice@occupantid", nick="Alice"))
        self.assertTrue(self.reaches(text, occupant_id="alice@occupantid", nick="Alice"))
