"""Where the requests of BOSH come in: HTTP, encryption, limits (XEP-0124 sections 4, 17, 19)."""

from __future__ import annotations

from unittest import mock

from tests.net.bosh.test_session import BoshTestCase
from xmppd.net.http.exchange import Exchange
from xmppd.testing.bosh import NS

_FAR = "192.0.2.1"


class Origins(BoshTestCase):
    config = {"http": {"cors_origins": ["https://chat.example.org"]}}

    def test_who_is_let_in(self) -> None:
        """What a page can send without asking first could do something, even though it never sees an answer."""
        for origin, code in (
            ("https://chat.example.org", 200), ("http://example.org:5280", 200), ("https://evil.example", 403),
            ("null", 403),
        ):  # fmt: skip
            self.assertEqual(self.begin(rid="1", fields=(f"Origin: {origin}",))[0], code, origin)
        self.assertEqual(self.begin(rid="1")[0], 200)


class Asking(BoshTestCase):
    def test_get(self) -> None:
        """Who looks at it with a browser is told what it is."""
        code, head, body = self.ask("", method="GET")
        self.assertEqual(code, 200)
        self.assertIn("Content-Type: text/plain", head)
        self.assertIn("BOSH", body)

    def test_other_methods(self) -> None:
        for method in ("PUT", "DELETE", "PATCH"):
            code, head, _ = self.ask("", method=method)
            self.assertEqual(code, 405)
            self.assertIn("Allow: GET, HEAD, POST", head)

    def test_other_origins(self) -> None:
        """Pages of any origin may use it; browsers ask first."""
        origin = "Origin: https://chat.example.net"
        head = self.begin("", rid="1", fields=(origin,))[1]
        self.assertIn("Access-Control-Allow-Origin: *", head)
        code, head, _ = self.ask("", origin, "Access-Control-Request-Method: POST", method="OPTIONS")
        self.assertEqual(code, 204)
        self.assertIn("Access-Control-Allow-Methods: ", head)

    def test_content_types_are_ignored(self) -> None:
        """XEP-0124 section 4."""
        for type_ in ("text/plain", "application/x-www-form-urlencoded", "text/xml; charset=latin-1", "x"):
            self.assertIn("sid=", self.begin(rid="1", fields=(f"Content-Type: {type_}",))[2])

    def test_unknown_session(self) -> None:
        for sid in ("x", "", "a' b='c"):
            answer = self.ask(f"<body rid='1' sid='{sid}' xmlns='{NS}'/>")
            self.assertEqual(answer[0], 200)
            self.assertIn("type='terminate' condition='item-not-found'", answer[2])

    def test_no_rid(self) -> None:
        """It doesn't end the session: who asks does not know enough of it."""
        romeo = self.come("romeo@example.org/x")
        for rid in ("", " rid='x'", " rid='-1'", " rid='0'", " rid='9007199254740992'"):
            answer = self.ask(f"<body{rid} sid='{romeo.sid}' xmlns='{NS}'/>")[2]
            self.assertIn("condition='bad-request'", answer)
        romeo.expect_open()

    def test_starting(self) -> None:
        self.web.serve_clients(None)
        code, head, _ = self.begin()
        self.assertEqual(code, 503)
        self.assertIn("Retry-After: 5", head)

    def test_pipelined(self) -> None:
        """XEP-0124 18.1: nobody should, and it works."""
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        head = "POST /http-bind HTTP/1.1\r\nHost: example.org\r\nContent-Length: "
        data = b""
        for number in (1, 2):
            content = f"<message to='{juliet.jid}' id='{number}'/>"
            body = romeo.body(content, {"rid": romeo.rid + number, "sid": romeo.sid})
            data += f"{head}{len(body)}\r\n\r\n".encode() + body
        romeo.polls = False
        romeo.line().transport.receive(data)
        self.pump(70)
        juliet.expect(
            "<message from='{romeo}' to='{juliet}' id='1'/>", "<message from='{romeo}' to='{juliet}' id='2'/>"
        )


class Encrypted(BoshTestCase):
    """XEP-0124 section 19.1."""

    tls = True

    def secure(self, yes: bool) -> mock._patch[mock.PropertyMock]:
        return mock.patch.object(Exchange, "secure", new_callable=mock.PropertyMock, return_value=yes)

    def test_all_of_it(self) -> None:
        with self.secure(True):
            client = self.bosh(_FAR)
            client.open()
        self.assertIn("PLAIN", client.features)
        with self.secure(False):
            line = client.line()
            line.post(f"<body rid='{client.rid + 1}' sid='{client.sid}' xmlns='{NS}'/>".encode(), "/http-bind")
            self.pump()
            self.assertTrue(line.transport.closed, "nothing is answered")
        with self.secure(True):
            self.account("romeo@example.org")
            client.authenticate("romeo", "secret")


class NotEncrypted(BoshTestCase):
    config = {"listen": {"http": ["tcp:5280"]}}

    def test_required(self) -> None:
        """Who does not come encrypted has to."""
        code, _, answer = self.begin(peer=_FAR)
        self.assertEqual(code, 200)
        self.assertIn("condition='remote-stream-error'", answer)
        self.assertIn("<policy-violation", answer)


class Elsewhere(BoshTestCase):
    tls = True
    hosts = {"example.org": {"http_url": "https://chat.example.org/a&b"}}

    def test_uri(self) -> None:
        """XEP-0124, example 33."""
        answer = self.begin(peer=_FAR)[2]
        self.assertIn("type='terminate' condition='see-other-uri'", answer)
        self.assertIn("<uri>https://chat.example.org/a&amp;b/http-bind</uri>", answer)


class Limits(BoshTestCase):
    config = {
        "limits": {"connections_per_address": 2, "exempt_networks": ["::1"], "stanza_octets_before_auth": 10_000},
        "bosh": {"body_octets": 20_000, "repeats": 3, "answer_octets": 16_384},
    }

    def test_sessions_count_as_connections(self) -> None:
        """So many from one address; those that are over don't count."""
        clients = [self.bosh() for _ in range(3)]
        for client in clients:
            client.open()
        clients[2].expect_closed("resource-constraint")
        clients[1].close()
        another = self.bosh()
        another.open()
        self.assertTrue(another.sid)

    def test_body_octets(self) -> None:
        self.assertEqual(self.ask("<" * 20_001)[0], 413)
        self.assertEqual(self.ask("<" * 20_000)[0], 200)

    def test_before_login(self) -> None:
        large = f"<x xmlns='y'>{'x' * 10_000}</x>"
        self.assertIn(
            "condition='policy-violation'", self.ask(f"<body rid='1' ver='1.6' xmlns='{NS}'>{large}</body>")[2]
        )
        client = self.bosh()
        client.open()
        client.post(large)
        client.expect_closed()
        self.assertEqual(client.last["condition"], "other-request", "which the request before is told first")

    def test_start_tag(self) -> None:
        answer = self.ask(f"<body rid='1' x='{'x' * 5_000}' xmlns='{NS}'/>")
        self.assertEqual(answer[0], 200)
        self.assertIn("condition='bad-request'", answer[2])

    def test_repeats(self) -> None:
        client = self.bosh()
        client.open()
        client.polls = False
        body = client.body("", {"rid": client.rid - 1, "sid": client.sid})
        answers = [self.ask(body)[2] for _ in range(4)]
        self.assertEqual(len(set(answers[:3])), 1, "the answer is the one that there was")
        self.assertIn("condition='policy-violation'", answers[3])

    def test_rate(self) -> None:
        """Who sends too much is read more slowly; nothing is lost."""
        romeo = self.come("romeo@example.org/x")
        juliet = self.come("juliet@example.org/y", peer="127.0.0.2")
        for number in range(110):
            romeo.send(f"<message to='{{juliet}}' id='{number}'><body>{'x' * 15_000}</body></message>")
        self.assertTrue(romeo.waiting or romeo._queue)
        self.pump(30)
        ids = [xml.partition(" id='")[2].partition("'")[0] for xml in juliet.received if " id='" in xml][-110:]
        self.assertEqual(ids, [str(number) for number in range(110)])
