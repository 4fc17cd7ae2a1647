"""XEP-0054 by scenarios: every example, limits, and that strangers learn nothing of who exists."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
CARD = """<vCard xmlns='vcard-temp'>
    <FN>Peter Saint-Andre</FN>
    <N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N>
    <NICKNAME>stpeter</NICKNAME>
    <URL>http://www.xmpp.org/xsf/people/stpeter.shtml</URL>
    <ORG><ORGNAME>XMPP Standards Foundation</ORGNAME><ORGUNIT/></ORG>
    <TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>
    <DESC>
      More information about me is located on my
      personal website: http://www.saint-andre.com/
    </DESC>
  </vCard>"""


def get(to: str = "") -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='get' id='v1'{address}><vCard xmlns='vcard-temp'/></iq>"


def put(card: str = CARD, to: str = "") -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='set' id='v2'{address}>{card}</iq>"


def refusal(condition: str, kind: str = "cancel", id_: str = "v1", of: str = "stpeter@example.org") -> str:
    error = f"<error type='{kind}'><{condition} xmlns='{ERRORS}'/></error>"
    return f"<iq type='error' id='{id_}' from='{of}'>{{...}}{error}</iq>"


class VcardTestCase(PluginTestCase):
    plugins = ("disco", "vcard")

    def setUp(self) -> None:
        super().setUp()
        self.peter = self.login("stpeter@example.org/roundabout", name="peter")
        self.jer = self.login("jer@example.org/x")

    def publish(self, card: str = CARD) -> None:
        self.peter.send(put(card))
        self.peter.expect("<iq type='result' id='v2' to='{peter}'/>")


class Own(VcardTestCase):
    def test_none(self) -> None:
        self.peter.send(get())
        self.peter.expect(refusal("item-not-found"))

    def test_publish_and_retrieve(self) -> None:
        self.publish()
        for to in ("", "stpeter@example.org"):
            self.peter.send(get(to))
            self.peter.expect(f"<iq type='result' id='v1' from='stpeter@example.org' to='{{peter}}'>{CARD}</iq>")

    def test_update(self) -> None:
        self.publish()
        other = CARD.replace("More information", "Less information")
        self.peter.send(put(other, to="stpeter@example.org"))
        self.peter.expect("<iq type='result' id='v2'/>")
        self.peter.send(get())
        self.peter.expect(f"<iq type='result' id='v1'>{other}</iq>")

    def test_empty(self) -> None:
        self.publish("<vCard xmlns='vcard-temp'/>")
        self.peter.send(get())
        self.peter.expect("<iq type='result' id='v1'><vCard xmlns='vcard-temp'/></iq>")

    def test_durable(self) -> None:
        self.publish()
        self.restart()
        peter = self.login("stpeter@example.org/roundabout", name="peter")
        peter.send(get())
        peter.expect(f"<iq type='result' id='v1'>{CARD}</iq>")


class Others(VcardTestCase):
    def test_view(self) -> None:
        self.publish()
        self.jer.send(get("stpeter@example.org"))
        self.jer.expect(f"<iq type='result' id='v1' from='stpeter@example.org' to='{{jer}}'>{CARD}</iq>")
        self.peter.expect_nothing()

    def test_no_card_and_no_user_look_the_same(self) -> None:
        for of in ("stpeter@example.org", "nobody@example.org"):
            self.jer.send(get(of))
            self.jer.expect(refusal("service-unavailable", of=of))

    def test_change(self) -> None:
        self.publish()
        for of in ("stpeter@example.org", "nobody@example.org"):
            self.jer.send(put("<vCard xmlns='vcard-temp'><FN>Fool</FN></vCard>", of))
            self.jer.expect(refusal("forbidden", "auth", "v2", of))
        self.jer.send(get("stpeter@example.org"))
        self.jer.expect(f"<iq type='result' id='v1'>{CARD}</iq>")

    def test_full_addresses(self) -> None:
        self.jer.send(put(to="nobody@example.org/x"))
        self.jer.expect(refusal("service-unavailable", id_="v2", of="nobody@example.org/x"))
        self.jer.send(get("stpeter@example.org/roundabout"))
        self.peter.expect("<iq type='get' id='v1' from='{jer}'><vCard xmlns='vcard-temp'/></iq>")

    def test_deleted_account(self) -> None:
        self.publish()
        self.delete_account("stpeter@example.org")
        self.jer.send(get("stpeter@example.org"))
        self.jer.expect(refusal("service-unavailable"))

    def test_support(self) -> None:
        self.jer.send(
            "<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        self.jer.expect(
            """<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#info'>
              <feature var='vcard-temp'/>{...}</query></iq>"""
        )


class Limits(VcardTestCase):
    config: ClassVar[Any] = {"vcard": {"max_octets": 100}}

    def test_octets(self) -> None:
        fits = "<vCard xmlns='vcard-temp'><FN>{}</FN></vCard>"
        fits = fits.format("x" * (100 - len(fits) + 2))
        self.publish(fits)
        self.peter.send(put(fits.replace("xxx", "xxxx", 1)))
        self.peter.expect(
            f"""<iq type='error' id='v2'>{{...}}<error type='modify'><policy-violation xmlns='{ERRORS}'/>
              <text xmlns='{ERRORS}' xml:lang='en'>a vCard may have 100 octets, this one has 101</text></error></iq>"""
        )
        self.peter.send(get())
        self.peter.expect(f"<iq type='result' id='v1'>{fits}</iq>")
