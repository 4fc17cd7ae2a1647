"""Bind 2 on clients' streams (XEP-0386), and stream management within it (XEP-0198 section 9)."""

from __future__ import annotations

import re
from collections.abc import Awaitable

from twisted.internet.defer import Deferred

from tests.net.sasl2 import PHONE, SM, STANZAS, Sasl2TestCase, authenticate, bind, user_agent
from xmppd.api import (
    Element,
    ISession,
    Message,
    Plugin,
    SessionBound,
    SessionEnded,
    bind_feature,
    bound_element,
    observe,
    tag,
)
from xmppd.net.c2s.binding import resource_for
from xmppd.testing import Client
from xmppd.wire import ns
from xmppd.wire.jid import Jid

NS = "urn:example:hats"
TABLET = "8d9e4ea0-0c4b-4ed9-9ff8-20ba6ec2cb3e"
_ENABLE = f"<enable xmlns='{SM}' resume='true'/>"
_ENABLED = f"<enabled xmlns='{SM}' id='{{any}}' resume='true' max='{{any}}'/>"
_GONE = f"<item-not-found xmlns='{STANZAS}'/>"
_CONSTRAINT = f"<resource-constraint xmlns='{STANZAS}'/>"
_FEATURES = "<stream:features>{any}</stream:features>"


class Hats(Plugin):
    """A plugin that takes part."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.told: list[str] = []
        self.waits: Deferred[bytes] | None = None

    @bind_feature(NS, "wear")
    def wear(self, element: Element, session: ISession) -> bytes | None:
        """Before anybody knows of the session."""
        assert self.host.session(session.jid) is None
        hat = str(element)
        if hat == "none":
            raise ZeroDivisionError
        session.keep("hat", hat)
        return tag("worn", hat, xmlns=NS) if hat != "cap" else None

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        self.told.append(f"bound with {event.session.state.get('hat')}")

    @bound_element
    def shelf(self, session: ISession) -> bytes | Awaitable[bytes] | None:
        """When it is in place."""
        assert self.host.session(session.jid) is session
        self.told.append("asked")
        if session.state.get("hat") == "heavy":
            raise ZeroDivisionError
        return self.waits or (tag("shelf", xmlns=NS) if "hat" in session.state else None)

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> None:
        self.told.append("ended")


class Resources(Sasl2TestCase):
    """Section 3.2.1."""

    def resource(self, more: str = "", tag: str | None = "AwesomeXMPP") -> str:
        client = self.bound(more, tag=tag)
        self.assertEqual([str(session.jid) for session in self.host.all_sessions()], [client.jid])
        client.close()
        return client.jid.partition("/")[2]

    def test_of_the_tag(self) -> None:
        first, second = self.resource(), self.resource()
        self.assertRegex(first, r"\AAwesomeXMPP/[A-Za-z0-9_-]{12}\Z")
        self.assertNotEqual(first, second)

    def test_without_tag(self) -> None:
        for name in (None, ""):
            self.assertRegex(self.resource(tag=name), r"\A[A-Za-z0-9_-]{12}\Z")

    def test_stable(self) -> None:
        """The same for the same tag and client; nothing of the client's id is in it."""
        phone, again = self.resource(user_agent()), self.resource(user_agent(PHONE.upper()))
        self.assertEqual(phone, again)
        self.assertNotIn(PHONE[:8], phone)
        self.restart()
        self.assertEqual(self.resource(user_agent()), phone)
        self.assertNotEqual(self.resource(user_agent(TABLET)), phone)
        self.assertNotEqual(self.resource(user_agent(), tag="Other"), phone)

    def test_of_another_account(self) -> None:
        one = resource_for(b"secret", Jid.parse("romeo@example.org"), "x", PHONE)
        self.assertNotEqual(one, resource_for(b"secret", Jid.parse("juliet@example.org"), "x", PHONE))
        self.assertNotEqual(one, resource_for(b"another", Jid.parse("romeo@example.org"), "x", PHONE))

    def test_tag_that_is_no_resource(self) -> None:
        for name in ("x" * 1020, "a\ue000"):
            self.assertRegex(self.resource(tag=name), r"\A[A-Za-z0-9_-]{12}\Z")

    def test_tag_is_prepared(self) -> None:
        self.assertTrue(self.resource(tag="e\u0301").startswith("\u00e9/"))

    def test_pipelined(self) -> None:
        """What doesn't wait for the answer ends the stream (XEP-0388 2.4), and with it what has been begun."""
        client = self.opened()
        client.send(authenticate("romeo", more=bind(_ENABLE)) + f"<r xmlns='{SM}'/>")
        client.expect_closed("not-authorized")
        self.assertEqual(self.host.all_sessions(), ())


class EarlierSessions(Sasl2TestCase):
    """Section 3.2: "the server SHOULD terminate any earlier sessions from the same client"."""

    plugins = ("roster", "presence", "offline")
    config = {"accounts": {"resource_conflict": "refuse"}}

    def test_ended(self) -> None:
        other, nobody = self.bound(user_agent(TABLET)), self.bound()
        for name in ("AwesomeXMPP", "AwesomeXMPP", "Other"):
            with self.subTest(name):
                phone = self.bound(user_agent(), tag="AwesomeXMPP")
                again = self.bound(user_agent(), tag=name)
                phone.expect_closed("conflict")
                again.expect_open()
                again.close()
        other.expect_open()
        nobody.expect_open()
        self.assertEqual(len(self.host.all_sessions()), 2)

    def test_of_somebody_else(self) -> None:
        self.account("juliet@example.org")
        phone = self.bound(user_agent())
        juliet = self.opened()
        juliet.send(authenticate("juliet", more=user_agent() + bind()))
        juliet.expect(f"<success xmlns='{ns.SASL2}'>{{any}}</success>", _FEATURES)
        phone.expect_open()

    def test_hibernating(self) -> None:
        """What its client has not acknowledged waits for the new session."""
        phone = self.bound(user_agent(), _ENABLE, answer=_ENABLED)
        phone.send("<presence/>")
        phone.disconnect()
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<message to='romeo@example.org' type='chat'><body>hi</body></message>")
        phone = self.bound(user_agent(), _ENABLE, answer=_ENABLED)
        self.assertEqual(len(self.host.sessions(Jid.parse("romeo@example.org"))), 1)
        phone.send("<presence/>")
        phone.expect_all(
            "<presence/>",
            "<message type='chat'><body>hi</body><delay xmlns='urn:xmpp:delay' stamp='{any}' from='{any}'>{any}</delay>"
            "</message>",
        )


class TooMany(Sasl2TestCase):
    """There is no error for that in XEP-0386: the client is told when it binds a resource as of old."""

    config = {"limits": {"resources_per_account": 2}}

    def test_refused(self) -> None:
        for _ in range(2):
            self.bound()
        client = self.opened()
        client.send(authenticate("romeo", more=bind()))
        client.expect(
            f"<success xmlns='{ns.SASL2}'><authorization-identifier>romeo@example.org</authorization-identifier>"
            "</success>",
            "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>{...}</stream:features>",
        )
        client.send(f"<iq type='set' id='1'><bind xmlns='{ns.BIND}'/></iq>")
        client.expect(f"<iq type='error' id='1'>{{...}}<error type='wait'>{_CONSTRAINT}{{...}}</error></iq>")

    def test_the_same_client(self) -> None:
        """It gives way to itself."""
        for _ in range(3):
            self.bound(user_agent())


class Taking(Sasl2TestCase):
    """Plugins take part: section 3.2, "any additional features requested by the client"."""

    plugins = (Hats,)
    config = {"limits": {"output_queue_octets": 100_000}}

    def hats(self) -> Hats:
        plugin = self.plugin("hats")
        assert isinstance(plugin, Hats)
        return plugin

    def wear(self, hat: str) -> str:
        return f"<wear xmlns='{NS}'>{hat}</wear>"

    def test_offered(self) -> None:
        self.assertIn(f"<inline><feature var='{NS}'/><feature var='{SM}'/></inline>", self.opened().features)
        self.wait(self.host.registry.disable("hats"))
        self.assertNotIn(NS, self.opened().features)

    def test_asked_for(self) -> None:
        self.bound(wishes=self.wear("king"), answer=f"<worn xmlns='{NS}'>king</worn><shelf xmlns='{NS}'/>")
        self.assertEqual(self.hats().told, ["bound with king", "asked"])

    def test_without_an_answer(self) -> None:
        self.bound(wishes=self.wear("cap"), answer=f"<shelf xmlns='{NS}'/>")

    def test_not_asked_for(self) -> None:
        self.bound(wishes="<x xmlns='urn:example:x'/>")
        self.assertEqual(self.hats().told, ["bound with None", "asked"])

    def test_not_without_bind(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo", more=self.wear("king")))
        client.expect(f"<success xmlns='{ns.SASL2}'>{{any}}</success>", _FEATURES)
        client.bind("orchard")
        self.assertEqual(self.hats().told, ["bound with None"])

    def test_not_if_it_fails(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo", "wrong", more=bind(self.wear("king"))))
        self.pump(2)
        self.failed(client, "not-authorized")
        self.assertEqual(self.hats().told, [])
        # Nor is it remembered for the next attempt.
        client.send(authenticate("romeo"))
        client.expect(f"<success xmlns='{ns.SASL2}'>{{any}}</success>", _FEATURES)
        self.assertEqual(self.host.all_sessions(), ())

    def test_broken(self) -> None:
        """Whatever a plugin does wrong, there is a session."""
        self.bound(wishes=self.wear("none"))
        self.bound(wishes=self.wear("heavy"), answer=f"<worn xmlns='{NS}'>heavy</worn>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def waiting(self) -> tuple[Client, Deferred[bytes]]:
        """A client whose session is there, but that waits to be told."""
        waits = self.hats().waits = Deferred()
        client = self.opened()
        client.send(authenticate("romeo", more=bind(self.wear("cap") + _ENABLE)))
        client.expect_nothing()
        return client, waits

    def test_what_is_sent_meanwhile_comes_behind(self) -> None:
        client, waits = self.waiting()
        (session,) = self.host.all_sessions()
        for number in (1, 2):
            session.send(Message(session.jid, self.host.jid, payload=tag("body", str(number))))
            self.pump()
        client.expect_nothing()
        waits.callback(tag("shelf", xmlns=NS))
        client.expect(
            f"<success xmlns='{ns.SASL2}'><authorization-identifier>{session.jid}</authorization-identifier>"
            f"<bound xmlns='{ns.BIND2}'>{_ENABLED}<shelf xmlns='{NS}'/></bound></success>",
            _FEATURES,
            "<message><body>1</body></message>",
            "<message><body>2</body></message>",
        )
        session.send(Message(session.jid, self.host.jid, payload=tag("body", "3")))
        client.expect("<message><body>3</body></message>")

    def test_too_much_meanwhile(self) -> None:
        client, waits = self.waiting()
        (session,) = self.host.all_sessions()
        session.send(Message(session.jid, self.host.jid, payload=tag("body", "x" * 60_000)))
        self.pump()
        client.expect_nothing()
        self.assertFalse(client.transport.closed)
        session.send(Message(session.jid, self.host.jid, payload=tag("body", "x" * 60_000)))
        self.pump()
        self.assertTrue(client.transport.closed)
        waits.callback(b"")
        self.assertEqual(self.host.all_sessions(), ())

    def test_left_meanwhile(self) -> None:
        for how in ("disconnect", "close", "slow"):
            with self.subTest(how):
                client, waits = self.waiting()
                if how == "slow":
                    self.pump(60)
                else:
                    getattr(client, how)()
                waits.callback(b"")
                self.pump()
                self.assertEqual(self.host.all_sessions(), ())
                self.assertEqual(self.hats().told[-1], "ended")

    def test_ended_meanwhile(self) -> None:
        client, waits = self.waiting()
        self.wait(self.server.server.operations.run("session kick", {"jid": "romeo@example.org"}))
        client.expect_closed("policy-violation")
        waits.callback(b"")
        self.assertEqual(self.host.all_sessions(), ())

    def test_deleted_meanwhile(self) -> None:
        client, waits = self.waiting()
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        waits.callback(b"")
        self.assertEqual(self.host.all_sessions(), ())
        client.clear()
        self.assertTrue(client.transport.disconnecting)


class Managed(Sasl2TestCase):
    """XEP-0198, section 9."""

    plugins = ("ping",)
    config = {"stream_management": {"hibernation_seconds": 600}}

    def managed(self, more: str = "") -> tuple[Client, str]:
        client = self.bound(more, _ENABLE, answer=_ENABLED)
        found = re.search(" id='([^']+)'", client.received[-2])
        assert found is not None
        return client, found[1]

    def test_no_further_offer(self) -> None:
        client, _ = self.managed()
        self.assertNotIn(SM, client.received[-1])
        client.send(_ENABLE)
        client.expect(f"<failed xmlns='{SM}'><unexpected-request xmlns='{STANZAS}'/></failed>")
        client.expect_closed("policy-violation")

    def test_later(self) -> None:
        """Who doesn't ask for it in Bind 2 may do so later."""
        client = self.bound()
        self.assertIn(f"<sm xmlns='{SM}'/>", client.received[-1])
        client.send(_ENABLE)
        client.expect(_ENABLED)

    def test_counts_begin_at_zero(self) -> None:
        client, id_ = self.managed()
        for _ in range(3):
            client.send("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            client.expect("<iq type='result' id='p'/>")
        client.send(f"<r xmlns='{SM}'/>")
        client.expect(f"<a xmlns='{SM}' h='3'/>")
        client.disconnect()
        client = self.opened()
        client.send(authenticate("romeo", more=f"<resume xmlns='{SM}' h='1' previd='{id_}'/>"))
        client.expect(
            f"<success xmlns='{ns.SASL2}'>{{...}}<resumed xmlns='{SM}' h='3' previd='{id_}'/></success>",
            "<iq type='result' id='p'/>",
            "<iq type='result' id='p'/>",
            f"<r xmlns='{SM}'/>",
        )

    def test_not_before_it_is_on_disk(self) -> None:
        client = self.opened()
        self.disk.stopped = True
        client.send(authenticate("romeo", more=bind(_ENABLE)))
        client.expect_nothing()
        self.disk.go_on()
        client.expect(f"<success xmlns='{ns.SASL2}'>{{any}}</success>", _FEATURES)

    def test_after_a_crash(self) -> None:
        """A session that the client was told of is there, with what is known of its client."""
        client, id_ = self.managed(user_agent())
        self.kill()
        (session,) = self.host.all_sessions()
        self.assertEqual(session.state["user_agent"]["device"], "Kiva's Phone")
        client = self.opened()
        other = user_agent(TABLET)
        client.send(authenticate("romeo", more=f"<resume xmlns='{SM}' h='0' previd='{id_}'/>" + other))
        client.expect(f"<success xmlns='{ns.SASL2}'>{{...}}<resumed xmlns='{SM}' h='0' previd='{id_}'/></success>")
        self.assertEqual(session.state["user_agent"]["id"], TABLET)

    def test_nonsense(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo", more=bind(f"<enable xmlns='{SM}' max='soon'/>")))
        client.expect(
            f"<success xmlns='{ns.SASL2}'>{{...}}<bound xmlns='{ns.BIND2}'><failed xmlns='{SM}'>"
            f"<bad-request xmlns='{STANZAS}'/></failed></bound></success>",
            "<stream:features><sm xmlns='urn:xmpp:sm:3'/>{...}</stream:features>",
        )

    def test_failing(self) -> None:
        """XEP-0198, examples 29 and 31."""

        def broken(*_: object) -> bytes:
            raise ZeroDivisionError

        self.patch(self.server.server.management, "enable", broken)
        failed = f"<failed xmlns='{SM}'><{{}} xmlns='{STANZAS}'/></failed>"
        broke, gone = failed.format("internal-server-error"), failed.format("item-not-found")
        for resume, answer in (("", ""), (f"<resume xmlns='{SM}' h='0' previd='x'/>", gone)):
            client = self.opened()
            client.send(authenticate("romeo", more=resume + bind(_ENABLE)))
            client.expect(
                f"<success xmlns='{ns.SASL2}'><authorization-identifier>{{any}}</authorization-identifier>"
                f"{answer}<bound xmlns='{ns.BIND2}'>{broke}</bound></success>",
                _FEATURES,
            )
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_timed_out(self) -> None:
        """How many stanzas were handled is told of a session that is gone."""
        client, id_ = self.managed()
        client.send("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        client.disconnect()
        self.pump(1200, 60)
        client = self.opened()
        client.send(authenticate("romeo", more=f"<resume xmlns='{SM}' h='0' previd='{id_}'/>" + bind()))
        client.expect(
            f"<success xmlns='{ns.SASL2}'>{{...}}<failed xmlns='{SM}' h='1'>{_GONE}</failed>"
            f"<bound xmlns='{ns.BIND2}'/></success>",
            _FEATURES,
        )

    def test_acknowledging_too_much(self) -> None:
        client, id_ = self.managed()
        client.disconnect()
        client = self.opened()
        client.send(authenticate("romeo", more=f"<resume xmlns='{SM}' h='7' previd='{id_}'/>"))
        client.expect_closed("undefined-condition")

    def test_of_somebody_else(self) -> None:
        _, id_ = self.managed()
        self.account("juliet@example.org")
        client = self.opened()
        client.send(authenticate("juliet", more=f"<resume xmlns='{SM}' h='0' previd='{id_}'/>"))
        client.expect(
            f"<success xmlns='{ns.SASL2}'>{{...}}<failed xmlns='{SM}'>{_GONE}</failed></success>",
            _FEATURES,
        )


class Archives(Sasl2TestCase):
    """What has come meanwhile is in the archive (section 3.2)."""

    plugins = ("roster", "presence", "offline", "archive")

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony")

    def sent(self, body: str, more: str = "") -> None:
        self.juliet.send(f"<message to='romeo@example.org' type='chat'><body>{body}</body>{more}</message>")

    def test_metadata(self) -> None:
        """XEP-0386, example 4."""
        self.bound(answer="<metadata xmlns='urn:xmpp:mam:2'/>").close()
        self.sent("hi")
        self.pump(60)
        self.sent("hi again")
        self.bound(
            answer="<metadata xmlns='urn:xmpp:mam:2'><start id='{first}' timestamp='2026-01-01T12:00:00.000001Z'/>"
            "<end id='{last}' timestamp='2026-01-01T12:01:00.000001Z'/></metadata>"
        )
        self.assertNotEqual(self.names["first"], self.names["last"])

    def test_not_sent_again(self) -> None:
        """Offline messages are cleared; but those that are nowhere else are not."""
        for number in range(150):
            self.sent(str(number))
        offline = self.plugin("offline")
        romeo = Jid.parse("romeo@example.org")
        self.assertEqual(offline.count(romeo), 150)
        archive_id = self.plugin("archive").archive_id

        def kept_elsewhere(account: Jid, message: Message) -> str | None:
            return None if message.body in ("7", "149") else archive_id(account, message)

        self.patch(self.plugin("archive"), "archive_id", kept_elsewhere)
        client = self.bound(answer="<metadata xmlns='urn:xmpp:mam:2'>{any}</metadata>")
        self.assertEqual(offline.count(romeo), 2)
        client.send("<presence/>")
        client.expect(
            "<message type='chat'><body>7</body>{...}</message>",
            "<message type='chat'><body>149</body>{...}</message>",
            "<presence/>",
        )
        client.expect_nothing()

    def test_legacy_clients_get_them(self) -> None:
        self.sent("hi")
        client = self.login("romeo@example.org/orchard")
        client.send("<presence/>")
        client.expect("<message type='chat'><body>hi</body>{...}</message>", "<presence/>")
