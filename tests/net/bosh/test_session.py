"""BOSH sessions from end to end, through the HTTP server (XEP-0124, XEP-0206)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred

from xmppd.api import FromClient, Message, Plugin, filter
from xmppd.testing import ServerTestCase
from xmppd.testing.bosh import NS, BoshClient, Line
from xmppd.testing.case import Over
from xmppd.wire import ns

_FAR = "192.0.2.1"
_SM = "urn:xmpp:sm:3"
_XBOSH = "urn:xmpp:xbosh"


class BoshTestCase(ServerTestCase):
    """Clients that come by BOSH."""

    over = "bosh"
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("roster", "presence")

    def bosh(self, peer: str = "127.0.0.1") -> BoshClient:
        """Return a client that has no session yet."""
        return cast(BoshClient, self.connect(peer))

    def come(self, jid: str, **options: Any) -> BoshClient:
        """Return a client that has logged in."""
        return cast(BoshClient, self.login(jid, **options))

    def ask(
        self, body: str | bytes, *fields: str, method: str = "POST", peer: str = "127.0.0.1"
    ) -> tuple[int, str, str]:
        """Return what is answered to a request: code, head and body."""
        answers: list[tuple[int, str, str]] = []
        line = Line(self.clock, peer, lambda line, code, head, data: answers.append((code, head, data.decode())))
        self._dial(line.transport)
        data = body if isinstance(body, bytes) else body.encode()
        line.post(data, "/http-bind", *fields, method=method)
        self.pump()
        line.transport.hang_up()
        return answers[0]

    def begin(
        self, more: str = "", to: str = "example.org", rid: str = "1573741820", fields: tuple[str, ...] = (),
        peer: str = "127.0.0.1",
    ) -> tuple[int, str, str]:  # fmt: skip
        """Return what is answered to a request for a session."""
        to = f" to='{to}'" if to else ""
        return self.ask(f"<body rid='{rid}'{to} ver='1.11' xmlns='{NS}' {more}/>", *fields, peer=peer)


class Beginning(BoshTestCase):
    """XEP-0124 section 7, XEP-0206 sections 3 and 4."""

    def test_example(self) -> None:
        """XEP-0124, examples 1 to 3; XEP-0206, examples 1 to 3: everything is in the first answer."""
        client = self.bosh()
        client.polls = False
        client.open(content="text/xml; charset=utf-8", from_="user@example.org", route="xmpp:example.org:9999", ack="1")
        terms = client.terms
        self.assertEqual(
            {key: terms[key] for key in ("wait", "requests", "hold", "inactivity", "polling", "maxpause", "ver")},
            {
                "wait": "60", "requests": "2", "hold": "1", "inactivity": "60", "polling": "5", "maxpause": "120",
                "ver": "1.11",
            },
        )  # fmt: skip
        self.assertEqual((terms["from"], terms["ack"]), ("example.org", "1573741820"))
        self.assertEqual((terms[f"{_XBOSH} version"], terms[f"{_XBOSH} restartlogic"]), ("1.0", "true"))
        self.assertTrue(terms["authid"])
        self.assertGreaterEqual(len(terms["sid"]), 32)
        client.expect_features(
            "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{...}</mechanisms>{...}"
            "</stream:features>"
        )

    def test_sids_are_unpredictable(self) -> None:
        clients = [self.bosh() for _ in range(5)]
        for client in clients:
            client.open()
        self.assertEqual(len({client.sid for client in clients}), 5)

    def test_less_is_granted(self) -> None:
        for wanted, granted in (("30", "30"), ("60", "60"), ("900", "60"), ("0", "0")):
            self.assertIn(f" wait='{granted}'", self.begin(f"wait='{wanted}'")[2])
        for wanted, granted in (("0", "0"), ("1", "1"), ("2", "2"), ("255", "2")):
            answer = self.begin(f"hold='{wanted}'")[2]
            self.assertIn(f" hold='{granted}'", answer)
            self.assertIn(f" requests='{int(granted) + 1}'", answer)
        answer = self.begin()[2]
        self.assertIn(" wait='60' requests='2' hold='1' ", answer)
        self.assertNotIn("ack=", answer)

    def test_versions(self) -> None:
        for wanted, granted in (("1.6", "1.6"), ("1.11", "1.11"), ("1.12", "1.11"), ("2.0", "1.11"), ("x", "1.11")):
            answer = self.ask(f"<body rid='1' to='example.org' ver='{wanted}' xmlns='{NS}'/>")[2]
            self.assertIn(f" ver='{granted}'", answer)

    def test_content_type(self) -> None:
        self.assertIn("Content-Type: text/xml; charset=utf-8\r", self.begin()[1])
        for wanted in ("text/html", "text/html; charset=utf-8", "application/x-javascript"):
            _, head, _ = self.begin(f"content='{wanted}'")
            self.assertIn(f"Content-Type: {wanted}\r", head)
            self.assertIn("Content-Security-Policy: default-src 'none'", head, "what others say must not run as a page")
        for wrong in ("text", "a/b&#10;X: y", "a/b\N{EM DASH}", f"a/{'b' * 99}", ""):
            self.assertIn("condition='bad-request'", self.begin(f"content='{wrong}'")[2], wrong)

    def test_wrong(self) -> None:
        for more in ("wait='x'", "wait='-1'", "hold='1.5'", "wait='99999'", "hold=''"):
            code, _, answer = self.begin(more)
            self.assertEqual((code, "condition='bad-request'" in answer), (200, True), more)
        for rid in ("", "0", "-1", "x", "9007199254740992"):
            self.assertIn("condition='bad-request'", self.begin(rid=rid)[2], rid)
        self.assertIn(" sid='", self.begin(rid="9007199254740991")[2])

    def test_hosts(self) -> None:
        self.assertIn("condition='host-unknown'", self.begin(to="example.net")[2])
        self.assertIn("condition='improper-addressing'", self.begin("to=''", to="")[2])
        self.assertIn(" from='example.org'", self.begin(to="")[2])

    def test_stream_errors(self) -> None:
        """XEP-0124, example 34; XEP-0206, example 12."""
        answer = self.begin(f"xmpp:version='0.9' xmlns:xmpp='{_XBOSH}'")[2]
        self.assertIn("type='terminate' condition='remote-stream-error' xmlns:stream='", answer)
        self.assertIn(f"<stream:error><unsupported-version xmlns='{ns.STREAM_ERRORS}'/>", answer)
        self.assertNotIn("sid=", answer)

    def test_unreadable(self) -> None:
        for body in ("", "x", "<body/>", f"<body rid='1' to='example.org' ver='1.11' xmlns='{NS}'>x</body>"):
            self.assertIn("type='terminate' condition='bad-request'", self.ask(body)[2], body)

    def test_errors_of_http(self) -> None:
        """XEP-0124 17.1: for who names no version. Nobody knows that of who names no session either."""
        self.assertEqual(self.ask(f"<body rid='x' to='example.org' xmlns='{NS}'/>")[0], 400)
        self.assertEqual(self.ask(f"<body rid='1' to='example.net' xmlns='{NS}'/>")[0], 200)
        self.assertEqual(self.ask(f"<body rid='1' sid='x' xmlns='{NS}'/>")[0], 200)


class Granting(BoshTestCase):
    config = {
        "bosh": {
            "wait_seconds": 20, "hold": 1, "inactivity_seconds": 30, "polling_seconds": 0, "pause_seconds": 0,
            "polling_inactivity_seconds": 90,
        }
    }  # fmt: skip

    def test_all(self) -> None:
        answer = self.begin("wait='60' hold='3'")[2]
        self.assertIn(" wait='20' requests='2' hold='1' inactivity='30' ver=", answer)
        self.assertIn(" inactivity='90'", self.begin("hold='0'")[2])


class Polling(BoshTestCase):
    config = {"bosh": {"inactivity_seconds": 60, "polling_seconds": 30, "polling_inactivity_seconds": 10}}

    def test_inactivity(self) -> None:
        self.assertIn(" inactivity='91'", self.begin("wait='0'")[2])


class AskingAgainAndAgain(BoshTestCase):
    """XEP-0124 section 12: a client behind a network that allows nothing but short requests."""

    def test_all_of_it(self) -> None:
        self.account("romeo@example.org")
        for options in ({"hold": "0"}, {"wait": "0"}):
            romeo = self.bosh()
            romeo.open(**options)
            secret = base64.b64encode(b"\0romeo\0secret").decode()
            for content, more in (
                (f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{secret}</auth>", {}),
                ("", {"xmpp__restart": "true", "xmlns__xmpp": _XBOSH}),
                (f"<iq type='set' id='1' xmlns='jabber:client'><bind xmlns='{ns.BIND}'/></iq>", {}),
            ):
                romeo.post(content, **more)
                for _ in range(2):
                    self.pump(5)
                    self.assertEqual(romeo.waiting, {}, "everything is answered at once")
                    romeo.post()
                self.pump(5)
            came = "".join(romeo.received)
            for what in ("<success", "<stream:features>", "<jid>romeo@example.org/"):
                self.assertIn(what, came)
            romeo.expect_open()
            self.pump(170)
            romeo.expect_open()
            self.pump(20)
            self.assertEqual(self.host.all_sessions(), ())


class LoggingIn(BoshTestCase):
    """XEP-0206 section 5."""

    def test_examples(self) -> None:
        """XEP-0206, examples 4 to 11."""
        self.account("user@example.org")
        client = self.bosh()
        client.open()
        client.authenticate("user", "secret")
        client.expect_features(
            "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>{...}</stream:features>"
        )
        client.bind("httpclient")
        self.assertEqual(client.jid, "user@example.org/httpclient")

    def test_restart_with_content(self) -> None:
        """What a client says while it restarts its stream is ignored."""
        self.account("user@example.org")
        client = self.bosh()
        client.open()
        client.authenticate("user", "secret")
        client.post("<message to='user@example.org'/>", xmpp__restart="1", xmlns__xmpp=_XBOSH, to="example.org")
        self.pump()
        self.assertIn("<bind", client._unread.pop())
        client.bind("x")

    def test_restart_of_a_session(self) -> None:
        client = self.come("romeo@example.org/x")
        client.post(xmpp__restart="true", xmlns__xmpp=_XBOSH)
        client.expect_closed("bad-format")

    def test_restart_for_another_host(self) -> None:
        self.account("user@example.org")
        client = self.bosh()
        client.open()
        client.authenticate("user", "secret")
        client.post(xmpp__restart="true", xmlns__xmpp=_XBOSH, to="example.net")
        client.expect_closed("host-unknown")

    def test_language(self) -> None:
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.send("<message to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message xml:lang='en' from='{romeo}' to='{juliet}'><body>hi</body></message>")

    def test_too_slow(self) -> None:
        client = self.bosh()
        client.open()
        self.pump(61)
        client.expect_closed("connection-timeout")

    def test_no_starttls(self) -> None:
        client = self.bosh()
        client.open()
        self.assertNotIn("starttls", client.features)
        client.send(f"<starttls xmlns='{ns.TLS}'/>")
        client.expect(f"<failure xmlns='{ns.TLS}'/>")
        client.expect_closed()


class Talking(BoshTestCase):
    def test_message(self) -> None:
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.send("<message to='{juliet}'><body>hi</body></message><message to='{juliet}'><body>ho</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}'><body>ho</body></message>")
        self.assertEqual(len(juliet.waiting), 1, "both came in one answer")

    def test_another_sender(self) -> None:
        romeo = self.come("romeo@example.org/x")
        romeo.send("<message from='juliet@example.org'/>")
        romeo.expect_closed("invalid-from")

    def test_too_large(self) -> None:
        romeo = self.come("romeo@example.org/x")
        romeo.send(f"<message><body>{'x' * 262_144}</body></message>")
        romeo.expect_closed("policy-violation")

    def test_not_well_formed(self) -> None:
        """All of it is refused: nobody gets the first message."""
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.send_raw(f"<message to='{juliet.jid}'/><message>")
        romeo.expect_closed()
        self.assertEqual(romeo.last["condition"], "bad-request")
        juliet.expect_nothing()

    def test_unavailable(self) -> None:
        """XEP-0124, example 15: what is said with the last words."""
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.send("<presence to='{juliet}'/>")
        juliet.expect("<presence from='{romeo}' to='{juliet}'/>")
        romeo.post(f"<presence type='unavailable' to='{juliet.jid}'/>", type="terminate")
        romeo.expect_closed()
        self.assertNotIn("condition", romeo.last)
        juliet.expect("<presence type='unavailable' from='{romeo}' to='{juliet}'/>")
        self.assertEqual([session.jid for session in self.host.all_sessions()], ["juliet@example.org/y"])

    def test_after_the_last_words(self) -> None:
        romeo = self.come("romeo@example.org/x")
        sid, rid = romeo.sid, romeo.rid
        romeo.close()
        answer = self.ask(f"<body rid='{rid + 2}' sid='{sid}' xmlns='{NS}'/>")[2]
        self.assertIn("condition='item-not-found'", answer)

    def test_lost(self) -> None:
        """XEP-0206 section 7: what is sent to a client that has gone meanwhile comes back."""
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.fade()
        self.pump(63)
        self.assertEqual([session.jid for session in self.host.all_sessions()], ["juliet@example.org/y"])
        juliet.send("<message to='romeo@example.org/x' type='chat'><body>hi</body></message>")
        juliet.expect("<message type='error' from='romeo@example.org/x' to='{juliet}'>{...}</message>")

    def test_lines_break(self) -> None:
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        for number in range(5):
            juliet.break_lines()
            romeo.send(f"<message to='{{juliet}}' id='{number}'/>")
            juliet.resend_all()
            juliet.expect(f"<message from='{{romeo}}' to='{{juliet}}' id='{number}'/>")

    def test_multiple_streams_are_not_known(self) -> None:
        """XEP-0124, example 25: without the feature it is an empty request like others."""
        romeo = self.come("romeo@example.org/x")
        self.pump(6)
        romeo.post(to="example.org", route="xmpp:example.org:9999", xml__lang="en")
        self.pump()
        self.assertFalse(romeo.ended)
        self.assertNotIn("stream", romeo.terms)

    def test_pings(self) -> None:
        """A client that asks again and again is there."""
        romeo = self.come("romeo@example.org/x")
        self.pump(400)
        romeo.expect_nothing()
        romeo.expect_open()


class Slow(Plugin):
    """Messages take a second."""

    @filter(FromClient, kinds=(Message,))
    def sent(self, event: FromClient) -> Awaitable[None]:
        done: Deferred[None] = Deferred()
        self.clock.callLater(1, done.callback, None)
        return done


class Ending(BoshTestCase):
    plugins = ("roster", "presence", Slow)

    def test_what_comes_behind_the_end(self) -> None:
        """What was asked for before is done; nothing else is, though the session has not ended yet."""
        romeo, juliet = self.come("romeo@example.org/x"), self.come("juliet@example.org/y")
        romeo.send("<message to='{juliet}' id='1'/>")
        romeo.post(type="terminate")
        romeo.post(f"<message to='{juliet.jid}' id='2'/>")
        romeo.expect_open()
        self.pump(3)
        romeo.expect_closed()
        juliet.expect("<message from='{romeo}' to='{juliet}' id='1'/>")
        juliet.expect_nothing()


class Resuming(BoshTestCase):
    """XEP-0198 over BOSH, and between BOSH and TCP."""

    def enabled(self, jid: str, over: Over) -> tuple[Any, str]:
        client = self.login(jid, over=over)
        client.send(f"<enable xmlns='{_SM}' resume='true'/>")
        client.expect(f"<enabled xmlns='{_SM}' id='{{any}}' resume='true' max='{{any}}'/>")
        return client, client.received[-1].partition(" id='")[2].partition("'")[0]

    def test_between_both(self) -> None:
        ways: tuple[tuple[Over, Over], ...] = (
            ("bosh", "tcp"),
            ("tcp", "bosh"),
            ("bosh", "bosh"),
            ("bosh", "websocket"),
        )
        for first, then in ways:
            with self.subTest(f"{first} to {then}"):
                romeo, id_ = self.enabled(f"romeo@example.org/{first}-{then}", first)
                romeo.disconnect()
                juliet = self.login("juliet@example.org/y")
                juliet.send(f"<message to='{romeo.jid}'><body>hi</body></message>")
                again = self.connect(over=then)
                again.open()
                again.authenticate("romeo", "secret")
                again.send(f"<resume xmlns='{_SM}' previd='{id_}' h='0'/>")
                again.expect(f"<resumed xmlns='{_SM}' h='0' previd='{id_}'/>")
                again.expect(f"<message from='{{juliet}}' to='{romeo.jid}'><body>hi</body>{{...}}</message>")
                again.close()
                juliet.close()

    def test_cut_off(self) -> None:
        """Who breaks the rules of BOSH may resume what there is of the session."""
        romeo, _ = self.enabled("romeo@example.org/x", "bosh")
        romeo.rid += 1_000
        romeo.post()
        romeo.expect_closed()
        self.assertEqual(romeo.last["condition"], "other-request", "which the request before is told first")
        self.assertTrue(next(iter(self.host.all_sessions())).hibernating)


class Stopping(BoshTestCase):
    def test_told(self) -> None:
        romeo = self.come("romeo@example.org/x")
        sid, rid = romeo.sid, romeo.rid
        assert self._listener is not None
        stopping = self._listener.drain()
        self.spawn(stopping)
        romeo.expect_closed("system-shutdown")
        self.assertIn("condition='system-shutdown'", self.begin()[2])
        self.assertIn("condition='item-not-found'", self.ask(f"<body rid='{rid}' sid='{sid}' xmlns='{NS}'/>")[2])

    def test_not_there(self) -> None:
        romeo = self.come("romeo@example.org/x")
        romeo.fade()
        assert self._listener is not None
        self.wait(self._listener.drain(), 3)
        self.assertEqual(len(self._listener.streams), 0)
