"""Stream management (XEP-0198) on clients' streams."""

from __future__ import annotations

import re

from xmppd.api.waiting import as_deferred
from xmppd.testing import Client, ServerTestCase
from xmppd.testing.xml import read

SM = "urn:xmpp:sm:3"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class Managed(ServerTestCase):
    """Clients that enable stream management."""

    plugins = ("roster", "presence", "offline", "ping")

    def enabled(self, jid: str, *, presence: bool = True, attributes: str = " resume='true'") -> tuple[Client, str]:
        """Return a client, and what it can resume its session by."""
        client = self.login(jid)
        client.send(f"<enable xmlns='{SM}'{attributes}/>")
        client.expect(f"<enabled xmlns='{SM}' id='{{any}}' resume='true' max='{{any}}'/>")
        id_ = re.search(" id='([^']+)'", client.received[-1])
        assert id_ is not None
        if presence:
            client.send("<presence/>")
            client.expect("<presence from='{me}' to='{any}'/>".replace("{me}", client.jid))
        return client, id_[1]

    def resuming(self, jid: str, id_: str, h: int) -> Client:
        """Return a client that has asked to resume a session."""
        client = self.connect(name=jid)
        client.open("example.org")
        client.authenticate(jid.partition("@")[0], "secret")
        client.send(f"<resume xmlns='{SM}' previd='{id_}' h='{h}'/>")
        client.jid = jid
        return client

    def expect_failed(self, client: Client, condition: str, h: int | None = None) -> None:
        handled = "" if h is None else f" h='{h}'"
        client.expect(f"<failed xmlns='{SM}'{handled}><{condition} xmlns='{STANZAS}'/></failed>")


class Enabling(Managed):
    """Section 3."""

    def test_offered_behind_authentication(self) -> None:
        client = self.connect()
        client.open("example.org")
        self.assertNotIn("sm", [feature.name for feature in read(client.features)[0].elements])  # but within SASL2
        self.account("romeo@example.org")
        client.authenticate("romeo", "secret")
        self.assertIn(f"<sm xmlns='{SM}'/>", client.features)

    def test_before_binding(self) -> None:
        self.account("romeo@example.org")
        client = self.connect()
        client.open("example.org")
        client.send(f"<enable xmlns='{SM}'/>")
        self.expect_failed(client, "unexpected-request")
        client.send(f"<resume xmlns='{SM}' previd='x' h='0'/>")
        self.expect_failed(client, "unexpected-request")
        client.authenticate("romeo", "secret")
        client.send(f"<enable xmlns='{SM}' resume='true'/>")
        self.expect_failed(client, "unexpected-request")
        client.bind("orchard")
        client.send(f"<enable xmlns='{SM}'/>")
        client.expect(f"<enabled xmlns='{SM}'/>")

    def test_twice(self) -> None:
        client, _ = self.enabled("romeo@example.org/orchard")
        client.send(f"<enable xmlns='{SM}'/>")
        self.expect_failed(client, "unexpected-request")
        client.expect_closed("policy-violation")

    def test_without_resumption(self) -> None:
        client = self.login("romeo@example.org/orchard")
        client.send(f"<enable xmlns='{SM}' resume='false'/>")
        client.expect(f"<enabled xmlns='{SM}'/>")

    def test_max(self) -> None:
        client = self.login("romeo@example.org/orchard")
        client.send(f"<enable xmlns='{SM}' resume='1' max='90'/>")
        client.expect(f"<enabled xmlns='{SM}' id='{{any}}' resume='true' max='90'/>")

    def test_max_of_many_digits(self) -> None:
        """It is an xs:positiveInteger, which has no end."""
        client = self.login("romeo@example.org/orchard")
        client.send(f"<enable xmlns='{SM}' resume='1' max='{10**30}'/>")
        client.expect(f"<enabled xmlns='{SM}' id='{{any}}' resume='true' max='3600'/>")

    def test_nonsense(self) -> None:
        client = self.login("romeo@example.org/orchard")
        for attributes in ("resume='yes'", "resume='true' max='soon'", "max='0'", "max='-1'"):
            client.send(f"<enable xmlns='{SM}' {attributes}/>")
            self.expect_failed(client, "bad-request")
        client.send(f"<enable xmlns='{SM}'/>")
        client.expect(f"<enabled xmlns='{SM}'/>")

    def test_asked_for_together(self) -> None:
        """Nothing comes before the answer, which waits for the disk."""
        client = self.login("romeo@example.org/orchard")
        client.send(f"<enable xmlns='{SM}'/><r xmlns='{SM}'/>")
        client.expect(f"<enabled xmlns='{SM}'/>", f"<a xmlns='{SM}' h='0'/>")

    def test_acks_without_management(self) -> None:
        client = self.login("romeo@example.org/orchard")
        for name in ("r", "a"):
            client.send(f"<{name} xmlns='{SM}'/>")
            self.expect_failed(client, "unexpected-request")
        client.send(f"<x xmlns='{SM}'/>")
        client.expect_closed("unsupported-stanza-type")

    def test_resume_with_a_session(self) -> None:
        client, id_ = self.enabled("romeo@example.org/orchard")
        client.send(f"<resume xmlns='{SM}' previd='{id_}' h='0'/>")
        self.expect_failed(client, "unexpected-request")


class Acknowledging(Managed):
    """Section 4."""

    def test_every_stanza_counts(self) -> None:
        client, _ = self.enabled("romeo@example.org/orchard", presence=False)
        client.send(f"<r xmlns='{SM}'/>")
        client.expect(f"<a xmlns='{SM}' h='0'/>")
        client.send("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        client.send("<message to='no address @'/>")
        client.send("<message to='nobody@example.org' type='chat'><body>hi</body></message>")
        client.clear()
        client.send(f"<r xmlns='{SM}'/>")
        client.expect(f"<a xmlns='{SM}' h='3'/>")

    def test_nothing_is_acknowledged_before_it_is_on_disk(self) -> None:
        client, _ = self.enabled("romeo@example.org/orchard")
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.disk.stopped = True
        client.send("<message to='{juliet}' type='chat'><body>hi</body></message>")
        client.send(f"<r xmlns='{SM}'/>")
        client.expect_nothing()
        juliet.expect_nothing()
        self.disk.go_on()
        client.expect(f"<a xmlns='{SM}' h='2'/>")
        juliet.expect("<message from='{romeo}' to='{juliet}' type='chat'><body>hi</body></message>")

    def test_an_answer_is_not_withheld_for_long(self) -> None:
        client, _ = self.enabled("romeo@example.org/orchard")
        self.disk.stopped = True
        client.send("<message to='nobody@example.org' type='chat'><body>hi</body></message>")
        client.send(f"<r xmlns='{SM}'/>")
        client.clear()
        self.pump(4)
        self.assertNotIn(f"<a xmlns='{SM}' h='1'/>", client.received)
        self.pump(3)
        self.assertIn(f"<a xmlns='{SM}' h='1'/>", client.received)

    def test_the_client_is_asked(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.pump(1)
        juliet.expect(f"<r xmlns='{SM}'/>")
        juliet.send(f"<a xmlns='{SM}' h='1'/>")
        romeo = self.login("romeo@example.org/orchard")
        for number in range(10):
            romeo.send(f"<message to='{{juliet}}' type='chat'><body>{number}</body></message>")
        for number in range(10):
            juliet.expect(f"<message from='{{romeo}}' to='{{juliet}}' type='chat'><body>{number}</body></message>")
        juliet.expect(f"<r xmlns='{SM}'/>")

    def test_too_many(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony")
        juliet.send(f"<a xmlns='{SM}' h='5'/>")
        juliet.expect(
            "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"
            "You acknowledged 5 stanzas, but I only sent you 1 so far.</text>"
            f"<handled-count-too-high xmlns='{SM}' h='5' send-count='1'/></stream:error>"
        )
        juliet.expect_closed()

    def test_less_than_before(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony")
        juliet.send(f"<a xmlns='{SM}' h='1'/><a xmlns='{SM}' h='0'/><r xmlns='{SM}'/>")
        juliet.expect(f"<a xmlns='{SM}' h='1'/>")

    def test_no_number(self) -> None:
        for text in ("", " h='x'", " h='-1'", " h='4294967296'"):
            client, _ = self.enabled("romeo@example.org/orchard")
            client.send(f"<a xmlns='{SM}'{text}/>")
            client.expect_closed("invalid-xml")

    def test_a_client_that_does_not_acknowledge(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        self.pump(1)
        juliet.expect(f"<r xmlns='{SM}'/>")
        self.pump(62)
        juliet.expect_closed("connection-timeout")
        again = self.resuming(juliet.jid, id_, 1)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")


class Hurried(Managed):
    """The settings say when acknowledgements are asked for and given."""

    config = {
        "stream_management": {
            "request_after_stanzas": 3, "acknowledge_within_seconds": 10.0, "answer_within_seconds": 20.0,
        }
    }  # fmt: skip

    def test_asked_after_fewer(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony", presence=False)
        romeo = self.login("romeo@example.org/orchard")
        for number in range(3):
            juliet.expect_nothing()
            romeo.send("<message to='{juliet}'/>")
            juliet.expect("<message from='{romeo}' to='{juliet}'/>")
            if number == 2:
                juliet.expect(f"<r xmlns='{SM}'/>")

    def test_lost_sooner(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.pump(1)
        juliet.expect(f"<r xmlns='{SM}'/>")
        self.pump(7)
        juliet.expect_nothing()
        self.pump(5)
        juliet.expect_closed("connection-timeout")

    def test_answered_later(self) -> None:
        client, _ = self.enabled("romeo@example.org/orchard", presence=False)
        self.disk.stopped = True
        client.send("<message to='nobody@example.org' type='chat'><body>hi</body></message>")
        client.send(f"<r xmlns='{SM}'/>")
        client.clear()
        self.pump(18)
        client.expect_nothing()
        self.pump(3)
        client.expect(f"<a xmlns='{SM}' h='0'/>")


class Resuming(Managed):
    """Section 5."""

    def test_nothing_is_lost(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        romeo.send("<message to='{juliet}' type='chat'><body>1</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}' type='chat'><body>1</body></message>")
        romeo.send("<message to='{juliet}' type='chat'><body>2</body></message>")
        juliet.disconnect()
        self.pump(30)
        romeo.send("<message to='juliet@example.org' type='chat'><body>3</body></message>")
        romeo.expect_nothing()
        again = self.resuming(juliet.jid, id_, 2)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")
        stamp = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-01T12:00:00Z'/>"
        again.expect(f"<message from='{{romeo}}' to='{{juliet}}' type='chat'><body>2</body>{stamp}</message>")
        stamp = stamp.replace("12:00:00", "12:00:30")
        again.expect("<message from='{romeo}' to='juliet@example.org' type='chat'><body>3</body></message>")
        again.expect(f"<r xmlns='{SM}'/>")
        again.send("<message to='{romeo}' type='chat'><body>4</body></message>")
        romeo.expect("<message from='{juliet}' to='{romeo}' type='chat'><body>4</body></message>")
        again.send(f"<r xmlns='{SM}'/>")
        again.expect(f"<a xmlns='{SM}' h='2'/>")

    def test_a_connection_that_is_half_open(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        again = self.resuming(juliet.jid, id_, 1)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")
        juliet.expect_closed("conflict")
        self.assertEqual(len(self.host.all_sessions()), 1)

    def test_unknown(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        self.account("romeo@example.org")
        thief = self.resuming("romeo@example.org/orchard", id_, 0)
        self.expect_failed(thief, "item-not-found")
        thief.bind("orchard")
        juliet.expect_open()

    def test_nonsense(self) -> None:
        self.account("romeo@example.org")
        client = self.connect()
        client.open("example.org")
        client.authenticate("romeo", "secret")
        for attributes in ("", "previd='x'", "h='0'", "previd='x' h='many'"):
            client.send(f"<resume xmlns='{SM}' {attributes}/>")
            self.expect_failed(client, "bad-request")

    def test_too_many(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        juliet.disconnect()
        again = self.resuming(juliet.jid, id_, 9)
        again.expect(
            "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{...}"
            f"<handled-count-too-high xmlns='{SM}' h='9' send-count='1'/></stream:error>"
        )

    def test_less_than_before(self) -> None:
        """The server has nothing of what the client lacks."""
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        juliet.send(f"<a xmlns='{SM}' h='1'/>")
        juliet.disconnect()
        again = self.resuming(juliet.jid, id_, 0)
        self.expect_failed(again, "item-not-found", 1)
        again.bind("balcony")

    def test_timed_out(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony", attributes=" resume='true' max='60'")
        juliet.send("<message to='{juliet}' type='chat'><body>to myself</body></message>")
        juliet.disconnect()
        self.pump(62)
        self.assertEqual(list(self.host.all_sessions()), [])
        again = self.resuming(juliet.jid, id_, 1)
        self.expect_failed(again, "item-not-found", 2)

    def test_closed_in_good_order(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        juliet.close()
        self.assertEqual(list(self.host.all_sessions()), [])
        self.expect_failed(self.resuming(juliet.jid, id_, 1), "item-not-found", 1)

    def test_what_was_not_handled_is_sent_again(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        romeo = self.login("romeo@example.org/orchard")
        self.disk.stopped = True
        juliet.send("<message to='{romeo}' type='chat'><body>1</body></message>")
        juliet.disconnect()
        again = self.resuming(juliet.jid, id_, 1)
        again.expect_nothing()
        self.disk.go_on()
        self.pump()
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='2'/>")
        romeo.expect("<message from='{juliet}' to='{romeo}' type='chat'><body>1</body></message>")
        romeo.expect_nothing()


class Losing(Managed):
    """What becomes of stanzas when the session is not resumed."""

    def lost(self) -> tuple[Client, Client]:
        """Return Romeo, and Juliet who has just lost her connection; one message was not acknowledged."""
        romeo = self.login("romeo@example.org/orchard")
        juliet, _ = self.enabled("juliet@example.org/balcony", attributes=" resume='true' max='60'")
        romeo.send("<message to='{juliet}' type='chat'><body>1</body></message>")
        juliet.disconnect()
        return romeo, juliet

    MESSAGE = (
        "<message from='{romeo}' to='{juliet}' type='chat'><body>1</body>"
        "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-01T12:00:00Z'/></message>"
    )

    def test_to_the_offline_store(self) -> None:
        self.lost()
        self.pump(62)
        juliet = self.login("juliet@example.org/garden", name="garden")
        juliet.send("<presence/>")
        juliet.expect_all("<presence from='{garden}' to='{any}'/>", self.MESSAGE)
        juliet.expect_nothing()

    def test_to_another_device(self) -> None:
        self.lost()
        garden = self.login("juliet@example.org/garden", presence=True)
        garden.clear()
        self.pump(62)
        garden.expect(self.MESSAGE)

    def test_not_to_a_device_that_has_it(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        juliet, _ = self.enabled("juliet@example.org/balcony", attributes=" resume='true' max='60'")
        garden = self.login("juliet@example.org/garden", presence=True)
        romeo.send("<message to='juliet@example.org' type='chat'><body>1</body></message>")
        garden.clear()
        juliet.disconnect()
        self.pump(62)
        garden.expect("<presence from='{juliet}' to='{any}' type='unavailable'/>")
        garden.expect_nothing()

    def test_requests_are_refused(self) -> None:
        romeo, _ = self.lost()
        romeo.send("<iq to='{juliet}' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>")
        romeo.expect_nothing()
        self.pump(62)
        romeo.expect(
            "<iq from='{juliet}' to='{romeo}' type='error' id='v'><query xmlns='jabber:iq:version'/>"
            f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error></iq>"
        )

    def test_too_much(self) -> None:
        romeo, _ = self.lost()
        for number in range(self.host.server.settings.stream_management.queue_stanzas):
            romeo.send(f"<message to='{{juliet}}' type='headline'><body>{number}</body></message>")
        self.pump()
        self.assertEqual([session.jid for session in self.host.all_sessions()], [romeo.jid])

    config = {"stream_management": {"queue_stanzas": 20}}


class Stopped(Managed):
    def test_a_disk_that_can_not_be_written(self) -> None:
        """The server stops all the same, and what it could not write was promised to nobody."""
        romeo, id_ = self.enabled("romeo@example.org/orchard")
        self.disk.broken = "the disk is full"
        romeo.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        stopping = as_deferred(self.server.server.stop())
        self.pump(9)
        self.assertNoResult(stopping)
        self.pump(2)
        self.successResultOf(stopping)
        self.disk.broken = None
        self.kill()
        again = self.resuming(romeo.jid, id_, 1)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")


class Killed(Managed):
    """SIGKILL, and the server started again."""

    def test_both_sides(self) -> None:
        romeo, romeos = self.enabled("romeo@example.org/orchard")
        juliet, juliets = self.enabled("juliet@example.org/balcony")
        romeo.send("<message to='{juliet}' type='chat'><body>1</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}' type='chat'><body>1</body></message>")
        romeo.send("<message to='{juliet}' type='chat'><body>2</body></message>")
        self.disk.stopped = True
        romeo.send("<message to='{juliet}' type='chat'><body>3</body></message>")
        self.kill()
        self.assertEqual({s.jid for s in self.host.all_sessions()}, {romeo.jid, juliet.jid})
        romeo = self.resuming(romeo.jid, romeos, 1)
        romeo.expect(f"<resumed xmlns='{SM}' previd='{romeos}' h='3'/>")
        romeo.send("<message to='{juliet}' type='chat'><body>3</body></message>")
        juliet = self.resuming(juliet.jid, juliets, 2)
        juliet.expect(f"<resumed xmlns='{SM}' previd='{juliets}' h='1'/>")
        juliet.expect("<message from='{romeo}' to='{juliet}' type='chat'><body>2</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}' type='chat'><body>3</body></message>")
        juliet.expect(f"<r xmlns='{SM}'/>")
        juliet.expect_nothing()

    def test_not_resumed_in_time(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.enabled("juliet@example.org/balcony", attributes=" resume='true' max='60'")
        romeo.send("<message to='{juliet}' type='chat'><body>1</body></message>")
        self.kill()
        self.pump(62)
        garden = self.login("juliet@example.org/garden", name="garden")
        garden.send("<presence/>")
        garden.expect_all("<presence from='{garden}' to='{any}'/>", Losing.MESSAGE)

    def test_a_restart_keeps_sessions(self) -> None:
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        self.restart()
        juliet.expect_closed("system-shutdown")
        again = self.resuming(juliet.jid, id_, 1)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")
        session = self.host.all_sessions()[0]
        self.assertIsNotNone(session.presence)

    def test_what_plugins_keep(self) -> None:
        self.enabled("juliet@example.org/balcony")
        self.host.all_sessions()[0].keep("colour", ["red", {"and": 1}])
        self.pump()
        self.kill()
        self.assertEqual(self.host.all_sessions()[0].state, {"colour": ["red", {"and": 1}]})
