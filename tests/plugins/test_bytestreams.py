"""XEP-0065, the proxy: what clients ask of it by XMPP, and the streams that come of it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from tests.plugins.bytestreams_kit import NS, ProxyTestCase, greeting, hash_of, request
from xmppd.api.network import NoConnection
from xmppd.plugins.bytestreams import Bytestreams
from xmppd.plugins.bytestreams.socks import digest_of
from xmppd.wire.jid import Jid

QUERY = f"<iq type='get' id='q' to='proxy.example.org'><query xmlns='{NS}'/></iq>"


class Address(ProxyTestCase):
    """XEP-0065, examples 3 to 10: finding the proxy."""

    def ask_for_address(self) -> None:
        self.romeo.send(QUERY)

    def expect_address(self, host: str, port: int) -> None:
        streamhost = f"<streamhost host='{host}' jid='proxy.example.org' port='{port}'/>"
        query = f"<query xmlns='{NS}'>{streamhost}</query>"
        self.romeo.expect(f"<iq type='result' id='q' from='proxy.example.org'>{query}</iq>")

    def test_item_of_the_host(self) -> None:
        """XEP-0065, examples 3 and 4."""
        self.romeo.send(
            "<iq type='get' id='i' to='example.org'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        )
        self.romeo.expect(
            "<iq type='result' id='i' from='example.org'><query xmlns='http://jabber.org/protocol/disco#items'>"
            "<item jid='proxy.example.org' name='File Transfer Relay'/></query></iq>"
        )

    def test_what_it_is(self) -> None:
        """XEP-0065, examples 5 and 6."""
        self.romeo.send(
            "<iq type='get' id='d' to='proxy.example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        self.romeo.expect(
            "<iq type='result' id='d' from='proxy.example.org'><query xmlns='http://jabber.org/protocol/disco#info'>"
            "<identity category='proxy' type='bytestreams' name='File Transfer Relay'/>"
            "<feature var='http://jabber.org/protocol/bytestreams'/>"
            "<feature var='http://jabber.org/protocol/disco#info'/>"
            "<feature var='http://jabber.org/protocol/disco#items'/>"
            "</query></iq>"
        )

    def test_address(self) -> None:
        """XEP-0065, examples 7 and 8."""
        self.ask_for_address()
        self.expect_address("example.org", 7777)

    def test_options_say_otherwise(self) -> None:
        self.reconfigure(address="2001:DB8:0::1", port=443, title="Relay")
        self.ask_for_address()
        self.expect_address("2001:db8::1", 443)
        self.assertEqual(self.plugin("bytestreams").identities, (("proxy", "bytestreams", "Relay"),))

    def test_what_is_no_address(self) -> None:
        for address in ("proxy.example.org:7777", "a b", "user@example.org", "[::1]"):
            with self.assertRaises(ValidationError):
                Bytestreams.Options(address=address)

    def test_forbidden(self) -> None:
        """XEP-0065, example 9."""
        mercutio = self.remote("verona.example")
        mercutio.send(QUERY.replace("<iq", "<iq from='mercutio@verona.example/street'"))
        mercutio.expect(
            "<iq type='error' id='q' from='proxy.example.org' to='mercutio@verona.example/street'>{...}<error"
            " type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )

    def test_others_may(self) -> None:
        for users in (("verona.example",), ("mercutio@verona.example",), ("*",)):
            self.reconfigure(users=users)
            mercutio = self.remote("verona.example")
            mercutio.send(QUERY.replace("<iq", "<iq from='mercutio@verona.example/street'"))
            self.assertEqual(mercutio.take()["type"], "result")

    def test_no_others_than_those(self) -> None:
        self.reconfigure(users=("juliet@verona.example", "mantua.example"))
        mercutio = self.remote("verona.example")
        mercutio.send(QUERY.replace("<iq", "<iq from='mercutio@verona.example/street'"))
        self.assertEqual(mercutio.take().error["type"], "auth")

    def test_unable(self) -> None:
        """XEP-0065, example 10, from the address that was asked (RFC 6120 8.3.1)."""
        self.reconfigure(connections=2)
        self.enter(), self.enter()
        self.ask_for_address()
        self.expect_refusal("not-allowed", "cancel", id_="q")

    def reconfigure(self, **options: Any) -> None:
        self.wait(self.host.registry.reconfigure("bytestreams", options))


class Activation(ProxyTestCase):
    """XEP-0065, section 6.3."""

    def test_stream(self) -> None:
        """XEP-0065, examples 18, 19 and 21 to 24."""
        target = self.enter()
        requester = self.enter()
        self.ask()
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")
        requester.send(b"Once more unto the breach")
        target.send(b"dear friends")
        self.assertEqual((target.take(), requester.take()), (b"Once more unto the breach", b"dear friends"))

    def test_once_more(self) -> None:
        self.stream()
        self.ask()
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_one_party_only(self) -> None:
        self.enter()
        self.ask()
        self.expect_refusal("not-allowed", "cancel")

    def test_one_party_has_left(self) -> None:
        for leave in ("hang_up", "cut"):
            target, requester = self.enter(), self.enter()
            getattr(target, leave)()
            self.pump()
            self.ask()
            self.expect_refusal("not-allowed", "cancel")
            requester.cut()

    def test_not_the_requester(self) -> None:
        """The hash has the requester's address in it, so nobody else can activate the stream: not the target either."""
        self.enter(), self.enter()
        self.ask(client=self.juliet)
        self.expect_refusal("not-authorized", "auth", self.juliet)
        desk = self.login("romeo@example.org/desk")
        self.ask(client=desk)
        self.expect_refusal("item-not-found", "cancel", desk)
        self.ask()
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_requested_by_a_bare_address(self) -> None:
        self.enter(requester="romeo@example.org"), self.enter(requester="romeo@example.org")
        self.ask()
        self.expect_refusal("item-not-found", "cancel")

    def test_other_hash(self) -> None:
        self.enter(), self.enter()
        self.ask(sid="other")
        self.expect_refusal("not-authorized", "auth")
        self.ask(target="nurse@example.org/door")
        self.expect_refusal("not-authorized", "auth")

    def test_of_a_stranger(self) -> None:
        tybalt = "tybalt@verona.example/street"
        self.enter(requester=tybalt), self.enter(requester=tybalt)
        verona = self.remote("verona.example")
        activate = f"<activate>{self.juliet.jid}</activate>"
        query = f"<query xmlns='{NS}' sid='{self.sid}'>{activate}</query>"
        verona.send(f"<iq from='{tybalt}' type='set' id='a' to='proxy.example.org'>{query}</iq>")
        self.assertEqual(verona.take().error["type"], "auth")
        self.assertEqual(self.figure("streams"), 0)

    def test_addresses_are_prepared(self) -> None:
        target = "nurse@example.org/Straße"
        self.enter(target=target), self.enter(target=target)
        self.ask(target=" Nurse@Example.ORG/Straße\n")
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_hash_of_the_example(self) -> None:
        """XEP-0065, examples 25 and 26: the hash in them."""
        requester, target = Jid.parse("requester@example.com/foo"), Jid.parse("room@conference.example.net/Tget")
        self.assertEqual(digest_of("yia72g3v49j7", requester, target), "416781edf1ae50bad01cb8509ba35b43952bc345")

    def test_hash_in_capital_letters(self) -> None:
        digest = hash_of(self.sid, self.romeo.jid, self.juliet.jid).upper()
        visitor = self.visit()
        visitor.send(greeting(0) + request(digest))
        self.assertEqual(visitor.take(), b"\5\0\5\0\0\3\x28" + digest.encode() + b"\0\0")
        self.enter()
        self.ask()
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_malformed(self) -> None:
        for content in ("<activate>juliet@example.org</activate>", "<query/>"):
            self.romeo.send(f"<iq type='set' id='a' to='proxy.example.org'><query xmlns='{NS}'>{content}</query></iq>")
            self.expect_refusal("bad-request", "modify")
        self.romeo.send(f"<iq type='set' id='a' to='proxy.example.org'><query xmlns='{NS}' sid='s'/></iq>")
        self.expect_refusal("bad-request", "modify")
        self.ask(target="@example.org")
        self.expect_refusal("jid-malformed", "modify")

    def test_no_udp(self) -> None:
        """Section 8 is left out."""
        self.enter(), self.enter()
        self.ask(attributes="mode='udp'")
        self.expect_refusal("feature-not-implemented", "cancel")
        self.ask(attributes="mode='tcp'")
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_malfunction(self) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no more of it")

        self.enter(), self.enter()
        self.patch(self.plugin("bytestreams").relay, "activate", fail)
        self.ask()
        self.expect_refusal("internal-server-error", "cancel")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_third_party(self) -> None:
        """Two sides, and no more (section 10.1), before the stream is active and after."""
        digest = hash_of(self.sid, self.romeo.jid, self.juliet.jid)
        self.enter(), self.enter()
        for _ in range(2):
            third = self.visit()
            third.send(greeting(0) + request(digest))
            self.assertEqual(third.take(), b"\5\0\5\2\0\3\x28" + digest.encode() + b"\0\0")
            self.pump()
            self.assertTrue(third.closed)
            self.ask()
            self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")

    def test_early_octets_are_ignored(self) -> None:
        target, requester = self.enter(), self.enter()
        target.send(b"too early")
        requester.send(b"as well")
        self.ask()
        requester.send(b"now")
        self.assertEqual((target.take(), requester.take()), (b"now", b""))

    def test_same_id_again(self) -> None:
        requester, target = self.stream()
        requester.hang_up()
        target.hang_up()
        self.pump()
        self.stream()


class InRooms(ProxyTestCase):
    """Section 7: occupants don't know each other's addresses, so the requester tells the target the hash."""

    plugins = ("bytestreams", "muc")

    def test_stream(self) -> None:
        """XEP-0065, examples 25 and 26."""
        room = "garden@conference.example.org"
        for client, nick in ((self.romeo, "Rter"), (self.juliet, "Tget")):
            client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            form = "<x xmlns='jabber:x:data' type='submit'/>"
            query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>"
            self.romeo.send(f"<iq type='set' id='o' to='{room}'>{query}</iq>")
            client.clear()
        self.romeo.clear()
        digest = hash_of(self.sid, self.romeo.jid, f"{room}/Tget")
        streamhost = "<streamhost host='example.org' jid='proxy.example.org' port='7777'/>"
        query = f"<query xmlns='{NS}' dstaddr='{digest}' sid='{self.sid}'>{streamhost}</query>"
        self.romeo.send(f"<iq type='set' id='npq71g53' to='{room}/Tget'>{query}</iq>")
        offer = self.juliet.take()
        self.assertEqual((offer["from"], offer["type"]), (f"{room}/Rter", "set"))
        self.assertEqual((offer.query["dstaddr"], offer.query["sid"]), (digest, self.sid))
        self.assertEqual(offer.query.streamhost["jid"], "proxy.example.org")
        target = self.enter(target=f"{room}/Tget")
        self.juliet.send(
            f"<iq type='result' id='{offer['id']}' to='{room}/Rter'><query xmlns='{NS}' sid='{self.sid}'>"
            "<streamhost-used jid='proxy.example.org'/></query></iq>"
        )
        answer = self.romeo.take()
        self.assertEqual((answer["from"], answer["type"], answer["id"]), (f"{room}/Tget", "result", "npq71g53"))
        requester = self.enter(target=f"{room}/Tget")
        self.ask(target=f"{room}/Tget")
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")
        requester.send(b"O, she doth teach the torches to burn bright!")
        self.assertEqual(target.take(), b"O, she doth teach the torches to burn bright!")


class Operators(ProxyTestCase):
    def test_list(self) -> None:
        self.assertEqual(self.operate("bytestreams", "bytestreams list"), [])
        requester, target = self.stream()
        requester.send(b"x" * 100)
        target.send(b"x" * 11)
        self.pump(5)
        (found,) = self.operate("bytestreams", "bytestreams list")
        id_ = found.pop("id")
        self.assertEqual(
            found,
            {
                "requester": "romeo@example.org/orchard", "target": "juliet@example.org/balcony",
                "from": "192.0.2.2, 192.0.2.1", "octets": 111, "seconds": 5,
            },
        )  # fmt: skip
        said = self.operate("bytestreams", "bytestreams cut", id=id_)
        self.assertIn("cut after 111 octets", said)
        self.pump()
        self.assertTrue(requester.aborted and target.aborted)
        self.assertEqual(self.operate("bytestreams", "bytestreams list"), [])
        self.assertIn("no stream", self.refuse_to_operate("bytestreams", "bytestreams cut", id=id_))

    def test_figures(self) -> None:
        requester, target = self.stream()
        requester.send(b"x" * 1000)
        names = ("streams", "connections", "activated", "octets", "refused")
        self.assertEqual([self.figure(name) for name in names], [1, 2, 1, 1000, 0])
        target.cut()
        self.pump()
        self.visit().send(b"GET / HTTP/1.1\r\n")
        self.pump()
        self.assertEqual([self.figure(name) for name in names], [0, 0, 1, 1000, 1])

    def test_account_is_deleted(self) -> None:
        requester, target = self.stream()
        self.delete_account("juliet@example.org")
        self.pump()
        self.assertFalse(requester.closed or target.closed)
        self.delete_account("romeo@example.org")
        self.pump()
        self.assertTrue(requester.closed and target.closed)

    def test_session_ends(self) -> None:
        """A stream is not bound to the session that it was asked for on."""
        requester, target = self.stream()
        self.romeo.disconnect()
        requester.send(b"on")
        self.assertEqual(target.take(), b"on")

    def test_end_of_the_server(self) -> None:
        requester, target = self.stream()
        third = self.visit()
        self.restart()
        self.assertTrue(requester.aborted and target.aborted and third.aborted)

    def test_a_port_that_is_taken(self) -> None:
        """Then it is closed, and says so; with other options it is there again."""
        self.wait(self.network.accept("tcp:1080", lambda host: None))
        with self.assertRaises(NoConnection):
            self.wait(self.host.registry.reconfigure("bytestreams", {"listen": ["tcp:7778", "tcp:1080"]}))
        self.assertEqual(list(self.network.doors), ["tcp:1080"])
        self.romeo.send(QUERY)
        self.expect_refusal("not-allowed", "cancel", id_="q")
        self.wait(self.host.registry.reconfigure("bytestreams", {"listen": ["tcp:7777"]}))
        self.visit()

    def test_other_ports(self) -> None:
        requester, target = self.stream()
        self.wait(self.host.registry.reconfigure("bytestreams", {"listen": ["tcp:1080", "tcp6:1080"]}))
        with self.assertRaises(NoConnection):
            self.visit()
        for endpoint in ("tcp:1080", "tcp6:1080"):
            self.network.visit(endpoint).send(greeting(1))
        requester.send(b"on")
        self.assertEqual(target.take(), b"on")
        self.pump()
