"""RFC 6120 section 8.4 and RFC 6121 section 8.5.3: what clients negotiate with each other passes untouched.

Jingle and in-band bytestreams are clients' affair. The server takes their requests and answers to full addresses, and
what it delivers is the same, octet by octet. Stanzas are in ``tests/passing``, as the extensions have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from xmppd.testing import Client, ServerTestCase
from xmppd.testing.federation import FederatedTestCase
from xmppd.wire.jid import Jid

FOLDER = Path(__file__).parent.parent / "passing"
_TYPES = {"iq": "", "message": "normal"}
ORCHARD, BALCONY = "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony"


class Sent(NamedTuple):
    """A stanza as text."""

    text: str
    from_: str
    to: str
    id: str
    type: str
    payload: str


def read_stanza(text: str) -> Sent:
    head = re.match(r"<\w+(?:\s+[\w:]+=(?:'[^']*'|\"[^\"]*\"))*\s*(/?)>", text)
    assert head is not None
    attributes = {name: value for name, _, value in re.findall(r"\s(from|to|id|type)=(['\"])(.*?)\2", head[0])}
    payload = "" if head[1] else text[head.end() : text.rindex("</")]
    kind = re.match(r"<(\w+)", text)
    assert kind is not None
    return Sent(
        text,
        attributes.get("from", ""),
        attributes.get("to", ""),
        attributes.get("id", ""),
        attributes.get("type", _TYPES[kind[1]]),
        payload,
    )


def examples(xep: int) -> Iterator[Sent]:
    """Yield the stanzas of an extension's examples."""
    text = (FOLDER / f"xep{xep:04d}.txt").read_text("utf-8").removeprefix("<examples>").removesuffix("</examples>\n")
    for part in re.split(r"<!--.*?-->", text):
        if part.strip():
            yield read_stanza(part.strip())


class PassingTestCase(FederatedTestCase):
    """Two people whose stanzas must arrive as they were."""

    def people(self) -> dict[str, Client]:
        raise NotImplementedError

    def pass_on(self, stanza: Sent, people: dict[str, Client]) -> None:
        sender, recipient = people[stanza.from_], people[stanza.to]
        before = len(recipient.received)
        sender.send_raw(stanza.text)
        self.pump(1)
        (arrived,) = (read_stanza(xml) for xml in recipient.received[before:])
        self.assertEqual(arrived.payload, stanza.payload)
        self.assertEqual(arrived[1:5], stanza[1:5])


class Examples(PassingTestCase):
    """With all plugins that there are by default, and everybody on one server."""

    plugins = None
    hosts = ("montague.lit", "capulet.lit", "montague.net", "capulet.com", "example.com", "example.org",
             "montague.example", "capulet.example", "shakespeare.lit")  # fmt: skip

    def play(self, *xeps: int) -> None:
        people: dict[str, Client] = {}
        for stanza in (stanza for xep in xeps for stanza in examples(xep)):
            with self.subTest(stanza.text):
                for address in (stanza.from_, stanza.to):
                    if address not in people:
                        people[address] = self.login(address, presence=True)
                        self.pump(1)
                self.pass_on(stanza, people)

    def test_jingle(self) -> None:
        """XEP-0166, examples 1 to 39."""
        self.play(166)

    def test_what_jingle_carries(self) -> None:
        """Some of XEP-0167 (calls), 0176 (ICE), 0320 (DTLS), 0234 (files), 0260 and 0261 (bytestreams)."""
        self.play(167, 176, 320, 234, 260, 261)

    def test_in_band_bytestreams(self) -> None:
        """XEP-0047, examples 1 to 11."""
        self.play(47)

    def test_bytestreams(self) -> None:
        """XEP-0065, examples 1, 2, 11, 12, 15 to 17, 20 and 27 to 29: what requester and target say to each other."""
        self.play(65)


def description(octets: int) -> str:
    """Return a session description that long, written in ways that a careless server would change."""
    line = (
        "<parameter  name=\"fmtp:111&#10;minptime=10\" value='&quot;a&quot; &lt; b &amp; c &gt; d'\n\t/>"
        "<j:text xmlns:j='urn:example:j' xml:lang='it' >E quindi uscimmo &#x2605; ★\u00a0\u2028</j:text >"
        "<raw><![CDATA[a=candidate:1 1 UDP 2130706431 <10.0.1.1> 8998 typ host]]></raw><empty></empty>"
    )
    start = (
        f"<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' initiator='{ORCHARD}' sid=\"a73sjjvkla37jfea\">"
    )
    content = "<content creator='initiator' name='voice'>"
    return start + content + line * (octets // len(line.encode())) + "</content></jingle>"


class Large(PassingTestCase):
    """Large session descriptions, in both directions, between two servers."""

    plugins = None
    hosts = ("montague.lit",)

    def setUp(self) -> None:
        super().setUp()
        self.capulet = self.neighbour("capulet.lit")
        self.romeo = self.login(ORCHARD, presence=True)
        self.juliet = self.capulet.login(BALCONY, presence=True)
        self.everybody = {ORCHARD: self.romeo, BALCONY: self.juliet}

    def test_whole_sessions(self) -> None:
        for xep in (166, 167, 176, 320, 260):
            for stanza in examples(xep):
                if {stanza.from_, stanza.to} <= set(self.everybody):
                    self.pass_on(stanza, self.everybody)

    def test_large_ones(self) -> None:
        for octets in (1_000, 20_000, 250_000):
            for from_, to in ((ORCHARD, BALCONY), (BALCONY, ORCHARD)):
                for kind in ("set", "result"):
                    head = f"<iq from='{from_}' to='{to}' id='s{octets}' type='{kind}'>"
                    self.pass_on(read_stanza(f"{head}{description(octets)}</iq>"), self.everybody)

    def test_nobody_there(self) -> None:
        """RFC 6121 8.5.3.2.3: a request is answered by the server, and answers are ignored."""
        for to in ("juliet@capulet.lit/chamber", "nobody@capulet.lit/x"):
            for kind in ("get", "set"):
                self.romeo.send(f"<iq to='{to}' id='n' type='{kind}'><jingle xmlns='urn:xmpp:jingle:1'/></iq>")
                self.pump(1)
                answer = self.romeo.take()
                self.assertEqual((answer["type"], answer["from"], answer["id"]), ("error", to, "n"))
                self.assertEqual(answer.error["type"], "cancel")
                self.assertEqual(answer.error.firstChildElement().name, "service-unavailable")
            self.romeo.send(f"<iq to='{to}' id='n' type='result'/>")
            self.romeo.send(f"<iq to='{to}' id='n' type='error'><error type='cancel'/></iq>")
            self.pump(1)
            self.romeo.expect_nothing()
        self.juliet.expect_nothing()

    def test_gone_in_the_middle(self) -> None:
        initiate = next(iter(examples(166)))
        self.pass_on(initiate, self.everybody)
        self.juliet.close()
        self.pump(1)
        self.romeo.clear()
        self.romeo.send_raw(initiate.text)
        self.pump(1)
        self.assertEqual(self.romeo.take().error.firstChildElement().name, "service-unavailable")


class NobodyThere(ServerTestCase):
    """The same on one server, and for requests to bare addresses, which are not passed on (RFC 6121 8.5.2.1.3)."""

    plugins = None

    def test_requests(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        romeo.clear()
        juliet.clear()
        for to in ("juliet@example.org/chamber", "juliet@example.org", "nobody@example.org/x"):
            romeo.send(f"<iq to='{to}' id='n' type='set'><jingle xmlns='urn:xmpp:jingle:1'/></iq>")
            answer = cast(Any, romeo.take())
            self.assertEqual((answer["type"], Jid.parse(answer["from"]), answer["id"]), ("error", to, "n"))
            self.assertEqual(answer.error.firstChildElement().name, "service-unavailable")
        romeo.send("<iq to='juliet@example.org/chamber' id='n' type='result'/>")
        romeo.expect_nothing()
        juliet.expect_nothing()
