"""XEP-0047: in-band bytestreams pass within limits. Nothing of them is archived, kept for later or copied."""

from __future__ import annotations

import base64
import random
from typing import Any, cast

from xmppd.testing import Client, ServerTestCase
from xmppd.wire.xml import Element, parse

NS = "http://jabber.org/protocol/ibb"
FAR = "192.0.2.1"
FILE = random.Random(47).randbytes(200_000)


class Sender:
    """One direction of a session: it sends a file in blocks and, if by requests, waits for each answer."""

    def __init__(self, client: Client, to: str, block: int, file: bytes = FILE) -> None:
        self.client, self.to, self.block, self.file = client, to, block, file

    def blocks(self) -> list[str]:
        pieces = [self.file[at : at + self.block] for at in range(0, len(self.file), self.block)]
        return [
            f"<data xmlns='{NS}' seq='{number % 65_536}' sid='i781hf64'>{base64.b64encode(piece).decode()}</data>"
            for number, piece in enumerate(pieces)
        ]

    def by_iq(self) -> list[str]:
        return [f"<iq to='{self.to}' id='{n}' type='set'>{data}</iq>" for n, data in enumerate(self.blocks())]

    def by_message(self, type_: str = "normal") -> list[str]:
        return [
            f"<message to='{self.to}' id='{n}' type='{type_}'>{data}</message>" for n, data in enumerate(self.blocks())
        ]


def joined(stanzas: list[str]) -> bytes:
    """Return the file that data is of; blocks must be in order."""
    found = b""
    for number, xml in enumerate(stanzas):
        assert f"seq='{number % 65_536}'" in xml, xml[:300]
        found += base64.b64decode(xml.partition("sid='i781hf64'>")[2].partition("</data>")[0])
    return found


class InBandTestCase(ServerTestCase):
    plugins = ("archive", "offline", "carbons", "presence", "roster", "disco")
    peer = "127.0.0.1"

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True, peer=self.peer)
        self.juliet = self.login("juliet@example.org/balcony", presence=True, peer=self.peer)

    def act(self, client: Client, what: str, more: str = "") -> None:
        """Open or close a session; the other side agrees."""
        other = self.juliet if client is self.romeo else self.romeo
        client.send(f"<iq to='{other.jid}' id='o' type='set'><{what} xmlns='{NS}' sid='i781hf64' {more}/></iq>")
        other.expect(f"<iq from='{client.jid}' id='o' type='set'><{what} xmlns='{NS}' sid='i781hf64' {more}/></iq>")
        other.send(f"<iq to='{client.jid}' id='o' type='result'/>")
        client.expect(f"<iq from='{other.jid}' id='o' type='result'/>")


class Sessions(InBandTestCase):
    def test_by_requests(self) -> None:
        """XEP-0047, examples 1, 2 and 6 to 9, with the smallest blocks and the largest."""
        for block in (1, 4096, 65_535):
            self.act(self.romeo, "open", f"block-size='{block}' stanza='iq'")
            self.juliet.clear()
            file = FILE[: min(len(FILE), 200 * block)]
            for number, stanza in enumerate(Sender(self.romeo, self.juliet.jid, block, file).by_iq()):
                self.romeo.send_raw(stanza)
                self.juliet.send(f"<iq to='{{romeo}}' id='{number}' type='result'/>")
                self.romeo.expect(f"<iq from='{{juliet}}' id='{number}' type='result'/>")
            self.assertEqual(joined(self.juliet.received), file)
            self.juliet.clear()
            self.act(self.romeo, "close")

    def test_by_messages_in_both_directions(self) -> None:
        """XEP-0047, example 11."""
        self.act(self.juliet, "open", "block-size='4096' stanza='message'")
        self.juliet.clear()
        self.romeo.clear()
        there = Sender(self.romeo, self.juliet.jid, 4096).by_message()
        back = Sender(self.juliet, self.romeo.jid, 4096, FILE[::-1]).by_message()
        for one, other in zip(there, back, strict=True):
            self.romeo.send_raw(one)
            self.juliet.send_raw(other)
        self.assertEqual((joined(self.juliet.received), joined(self.romeo.received)), (FILE, FILE[::-1]))
        self.romeo.clear()
        self.juliet.clear()
        self.act(self.juliet, "close")

    def test_recipient_is_gone(self) -> None:
        """RFC 6121 8.5.3.2 has service-unavailable where XEP-0047 2.2 has recipient-unavailable."""
        self.act(self.romeo, "open", "block-size='4096'")
        self.juliet.close()
        self.romeo.clear()
        sender = Sender(self.romeo, self.juliet.jid, 4096, b"x" * 100)
        for stanza in (*sender.by_iq(), *sender.by_message()):
            self.romeo.send_raw(stanza)
            answer = cast(Any, self.romeo.take())
            self.assertEqual((answer["type"], answer["from"]), ("error", "juliet@example.org/balcony"))
            self.assertEqual(answer.error.firstChildElement().name, "service-unavailable")

    def test_recipient_has_other_devices(self) -> None:
        """They know nothing of the session, so they don't get its data, unless a client calls it chat."""
        phone = self.login("juliet@example.org/phone", presence=True)
        self.juliet.close()
        self.romeo.clear()
        phone.clear()
        for stanza in Sender(self.romeo, "juliet@example.org/balcony", 4096, b"x").by_message():
            self.romeo.send_raw(stanza)
        self.assertEqual(cast(Any, self.romeo.take())["type"], "error")
        phone.expect_nothing()


class NothingIsKept(InBandTestCase):
    def test_archives(self) -> None:
        for type_ in ("normal", "chat"):
            for stanza in Sender(self.romeo, self.juliet.jid, 4096).by_message(type_):
                self.romeo.send_raw(stanza)
        self.pump(1)
        for client in (self.romeo, self.juliet):
            client.clear()
            client.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
            self.pump(1)
            answer = cast(Any, client.take())
            self.assertEqual((answer.name, answer["type"], answer.fin["complete"]), ("iq", "result", "true"))

    def test_copies(self) -> None:
        desk = self.login("romeo@example.org/desk", presence=True)
        phone = self.login("juliet@example.org/phone", presence=True)
        for device in (desk, phone):
            device.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
            device.clear()
        for type_ in ("normal", "chat"):
            for stanza in Sender(self.romeo, self.juliet.jid, 4096, b"x").by_message(type_):
                self.romeo.send_raw(stanza)
        desk.expect_nothing()
        phone.expect_nothing()
        self.romeo.send("<message to='{juliet}' type='chat'><body>That is copied.</body></message>")
        self.assertEqual(cast(Any, phone.take()).received.name, "received")

    def test_nobody_there(self) -> None:
        """It is no message to be read later, so its sender is told (section 2.2)."""
        self.juliet.close()
        self.romeo.clear()
        for to in ("juliet@example.org/balcony", "juliet@example.org"):
            for stanza in Sender(self.romeo, to, 4096, b"x").by_message("chat"):
                self.romeo.send_raw(stanza)
            self.refused(self.romeo.take())
        self.assertEqual(self.plugin("offline").count("juliet@example.org"), 0)
        self.login("juliet@example.org/balcony", presence=True).expect_nothing()

    def refused(self, answer: Element) -> None:
        error = cast(Any, answer).error
        self.assertEqual((error["type"], error.firstChildElement().name), ("wait", "recipient-unavailable"))

    def test_lost_in_the_middle(self) -> None:
        """What a device was sent and did not acknowledge goes back to the sender, not to the next device."""
        phone = self.login("juliet@example.org/phone", presence=True)
        phone.send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/>")
        self.romeo.clear()
        for stanza in Sender(self.romeo, phone.jid, 4096, b"x").by_message("chat"):
            self.romeo.send_raw(stanza)
        self.juliet.close()
        phone.disconnect()
        self.pump(120)
        (answer,) = (xml for xml in self.romeo.received if xml.startswith("<message"))
        self.refused(parse(answer.encode())[0])


class FarTestCase(InBandTestCase):
    """Clients on loopback have no limits."""

    peer = FAR
    tls = True

    def login(self, *arguments: Any, **more: Any) -> Client:
        return super().login(*arguments, **{"tls": True, **more})


class Limits(FarTestCase):
    """Limits slow a session down; they don't lose anything of it."""

    config = {
        "limits": {
            "octets_per_second": 20_000, "octets_burst": 50_000, "stanzas_per_second": 5, "stanzas_burst": 10,
            "stanza_octets": 100_000,
        }
    }  # fmt: skip

    def test_rates(self) -> None:
        for stanzas in (
            Sender(self.romeo, self.juliet.jid, 4096).by_iq(),
            Sender(self.romeo, self.juliet.jid, 16_384).by_message(),
        ):
            self.pump(60)
            self.juliet.clear()
            self.romeo.send_raw("".join(stanzas))
            self.assertLess(len(self.juliet.received), len(stanzas))
            self.assertTrue(self.romeo.transport.paused)
            self.pump(60)
            self.assertEqual(joined(self.juliet.received), FILE)
            self.romeo.expect_nothing()
            self.romeo.expect_open()

    def test_every_size_of_blocks_is_a_stanza_that_may_be(self) -> None:
        """XEP-0047 2.1: blocks have 65535 octets at most, which Base64 makes 87380."""
        (stanza,) = Sender(self.romeo, self.juliet.jid, 65_535, FILE[:65_535]).by_iq()
        self.romeo.send_raw(stanza)
        self.pump(60)
        self.assertEqual(joined(self.juliet.received[-1:]), FILE[:65_535])

    def test_larger_blocks(self) -> None:
        """Section 5: who sends overly large packets may be disconnected."""
        (stanza,) = Sender(self.romeo, self.juliet.jid, 80_000, FILE[:80_000]).by_iq()
        self.romeo.send_raw(stanza)
        self.pump(60)
        self.romeo.expect_closed("policy-violation")


class Defaults(FarTestCase):
    def test_every_size_of_blocks(self) -> None:
        for block in (65_535, 48_000):
            (stanza,) = Sender(self.romeo, self.juliet.jid, block, FILE[:block]).by_message()
            self.romeo.send_raw(stanza)
            self.pump(1)
            self.assertEqual(joined(self.juliet.received[-1:]), FILE[:block])
