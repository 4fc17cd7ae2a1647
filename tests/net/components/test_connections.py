"""Connections of components that come and go: how many there may be, what waits, who is told."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from xmppd.api import Message, Plugin, ToAccount, filter, observe
from xmppd.api.components import ComponentChanged, ComponentConnected, ComponentGone
from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.core import reload
from xmppd.core.settings import Component
from xmppd.testing import Client, ComponentClient, ServerTestCase

IRC = "irc.example.org"
TIMEOUT = "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"


class Witness(Plugin):
    """Remember what happens to components."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[str] = []

    @observe(ServerReachable)
    def reachable(self, event: ServerReachable) -> None:
        self.seen.append(f"reachable {event.domain}")

    @observe(ServerUnreachable)
    def unreachable(self, event: ServerUnreachable) -> None:
        self.seen.append(f"unreachable {event.domain} {event.error.condition}")

    @observe(ComponentConnected)
    def connected(self, event: ComponentConnected) -> None:
        self.seen.append(f"connected {event.component.jid} {event.first}")

    @observe(ComponentGone)
    def gone(self, event: ComponentGone) -> None:
        self.seen.append(f"gone {event.component.jid}")

    @observe(ComponentChanged)
    def changed(self, event: ComponentChanged) -> None:
        self.seen.append(f"changed {event.component.jid}")


class Connections(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = (Witness,)
    components = {
        IRC: {},
        "alone.example.org": {"when_full": "refuse"},
        "many.example.org": {"connections": 3},
        "short.example.org": {"queue_seconds": 5, "queue_stanzas": 2, "queue_octets": 500},
        "brief.example.org": {"queue_seconds": 0},
    }

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony")

    def talk(self, to: str, text: str, client: Client | None = None) -> None:
        (client or self.juliet).send(f"<message to='{to}' id='{text}'><body>{text}</body></message>")

    def hear(self, component: ComponentClient, *texts: str) -> None:
        for text in texts:
            component.expect(f"<message id='{text}'><body>{text}</body></message>")

    def events(self) -> list[str]:
        seen: list[str] = self.plugin("witness").seen
        found, seen[:] = list(seen), []
        return found


class ConflictTests(Connections):
    def test_the_new_one_replaces_the_old(self) -> None:
        old = self.component(IRC)
        new = self.component(IRC)
        old.expect_closed("conflict")
        self.talk(IRC, "1")
        self.hear(new, "1")
        self.assertEqual(len(self.server.server.components.by_domain[IRC].links), 1)

    def test_the_new_one_is_refused(self) -> None:
        old = self.component("alone.example.org")
        new = self.component("alone.example.org", enter=False)
        new.open()
        new.expect_closed("conflict")
        self.talk("alone.example.org", "1")
        self.hear(old, "1")

    def test_two_at_a_time_and_one_is_refused(self) -> None:
        first, second = (self.component("alone.example.org", enter=False) for _ in range(2))
        first.open()
        second.open()
        first.shake_hands()
        first.expect("<handshake/>")
        second.shake_hands()
        second.expect_closed("conflict")

    def test_several(self) -> None:
        """Stanzas from one account stay on one connection, so they stay in order."""
        many = [self.component("many.example.org") for _ in range(3)]
        users = [self.login(f"user{number}@example.org/x") for number in range(12)]
        for text in ("1", "2"):
            for user in users:
                self.talk("many.example.org", text, user)
        ways = [[xml.partition("from='")[2].partition("'")[0] for xml in c.received if "<message" in xml] for c in many]
        self.assertEqual(sum(map(len, ways)), 24)
        for one in ways:
            for sender in set(one):
                self.assertEqual(one.count(sender), 2)
        self.assertGreater(sum(bool(one) for one in ways), 1)
        # Their own stanzas are handled whichever way they come.
        for component in many:
            component.send("<message from='a@many.example.org' to='{juliet}'/>")
            self.juliet.expect("<message from='a@many.example.org'/>")

    def test_one_of_several_goes(self) -> None:
        many = [self.component("many.example.org") for _ in range(2)]
        self.events()
        many[0].disconnect()
        self.talk("many.example.org", "1")
        self.hear(many[1], "1")
        self.assertEqual(self.events(), [])

    def test_one_too_many(self) -> None:
        many = [self.component("many.example.org") for _ in range(4)]
        many[0].expect_closed("conflict")
        for component in many[1:]:
            component.expect_open()


class QueueTests(Connections):
    def test_nothing_is_lost_while_it_restarts(self) -> None:
        self.component(IRC).disconnect()
        self.talk(IRC, "1")
        self.pump(29)
        self.talk(IRC, "2")
        self.juliet.expect_nothing()
        irc = self.component(IRC)
        self.hear(irc, "1", "2")
        self.talk(IRC, "3")
        self.hear(irc, "3")

    def test_while_the_server_has_just_started(self) -> None:
        self.talk(IRC, "1")
        self.hear(self.component(IRC), "1")

    def test_for_too_long(self) -> None:
        self.talk(IRC, "1")
        self.pump(30)
        error = f"<error type='wait'>{TIMEOUT}{{...}}</error>"
        self.juliet.expect(f"<message type='error' id='1'><body>1</body>{error}</message>")
        self.talk(IRC, "2")
        self.juliet.expect(f"<message type='error' id='2'><body>2</body>{error}</message>")
        self.hear(self.component(IRC))

    def test_requests(self) -> None:
        self.pump(30)
        self.juliet.send(f"<iq to='{IRC}' type='get' id='1'><x xmlns='urn:x'/></iq>")
        self.juliet.expect(
            f"<iq type='error' id='1'><x xmlns='urn:x'/><error type='wait'>{TIMEOUT}{{...}}</error></iq>"
        )
        self.juliet.send(f"<iq to='{IRC}' type='result' id='1'/>")
        self.juliet.expect_nothing()

    def test_presence_makes_no_noise(self) -> None:
        self.pump(30)
        for type_ in ("available", "unavailable", "probe"):
            attribute = "" if type_ == "available" else f" type='{type_}'"
            self.juliet.send(f"<presence to='a@{IRC}'{attribute}/>")
        self.juliet.expect_nothing()
        self.juliet.send(f"<presence to='a@{IRC}' type='subscribe'/>")
        self.juliet.expect(f"<presence type='error'><error type='wait'>{TIMEOUT}{{...}}</error></presence>")

    def test_who_enters_a_room_is_told(self) -> None:
        self.pump(30)
        enter = "<x xmlns='http://jabber.org/protocol/muc'/>"
        self.juliet.send(f"<presence to='#verona@{IRC}/j' id='1'>{enter}</presence>")
        error = f"<error type='wait'>{TIMEOUT}{{...}}</error>"
        self.juliet.expect(f"<presence type='error' id='1' from='#verona@{IRC}/j'>{enter}{error}</presence>")

    def test_too_many(self) -> None:
        for text in ("1", "2", "3"):
            self.talk("short.example.org", text)
        self.juliet.expect(
            "<message type='error' id='3'><body>3</body><error type='wait'>"
            "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></message>"
        )
        self.hear(self.component("short.example.org"), "1", "2")

    def test_too_much(self) -> None:
        self.talk("short.example.org", "x" * 600)
        self.juliet.expect("<message type='error'>{...}<error type='wait'>{...}</error></message>")
        self.talk("short.example.org", "1")
        self.hear(self.component("short.example.org"), "1")

    def test_no_patience(self) -> None:
        self.component("brief.example.org").disconnect()
        self.pump()
        self.talk("brief.example.org", "1")
        self.juliet.expect(f"<message type='error' id='1'>{{...}}<error type='wait'>{TIMEOUT}{{...}}</error></message>")

    def test_slow_reader(self) -> None:
        """`output_queue_octets`: whoever doesn't read is cut off."""
        irc = self.component(IRC)
        irc.stall()
        text = "x" * 200_000
        for _ in range(50):
            self.juliet.send(f"<message to='{IRC}'><body>{text}</body></message>")
        self.pump(60)
        self.assertTrue(irc.transport.aborted)


class EventTests(Connections):
    def test_comes_and_goes(self) -> None:
        self.pump()
        self.events()
        irc = self.component(IRC)
        self.assertEqual(self.events(), [f"connected {IRC} True", f"reachable {IRC}"])
        irc.disconnect()
        self.assertEqual(self.events(), [f"gone {IRC}"])
        self.pump(30)
        self.assertIn(f"unreachable {IRC} remote-server-timeout", self.events())
        self.component(IRC)
        self.assertEqual(self.events(), [f"connected {IRC} True", f"reachable {IRC}"])

    def test_back_in_time(self) -> None:
        self.component(IRC).disconnect()
        self.events()
        self.pump(29)
        self.component(IRC)
        self.pump(30)
        self.assertNotIn(f"unreachable {IRC} remote-server-timeout", self.events())


class ReloadTests(Connections):
    def change(self, **components: Component) -> list[str]:
        settings = self.server.server.settings
        known = dict(settings.components)
        for name, wanted in components.items():
            known[name.replace("_", ".")] = wanted
        return self.wait(reload.apply(self.server.server, settings.model_copy(update={"components": known})))

    def test_one_more(self) -> None:
        self.assertEqual(self.change(new_example_org=Component(secret="s")), [])
        self.talk("new.example.org", "1")
        self.hear(self.component("new.example.org", "s"), "1")

    def test_taken_by_a_host(self) -> None:
        problems = self.change(example_org=Component(secret="s"))
        self.assertEqual(problems, ['[components."example.org"]: the domain is taken by a plugin or a host'])

    def test_another_secret(self) -> None:
        old = self.component(IRC)
        self.events()
        self.change(irc_example_org=Component(secret="other"))
        self.assertEqual(self.events(), [f"changed {IRC}"])
        old.expect_open()
        self.component(IRC, "other").expect_open()

    def test_one_less(self) -> None:
        irc = self.component(IRC)
        settings = self.server.server.settings
        left = {name: found for name, found in settings.components.items() if name != IRC}
        self.wait(reload.apply(self.server.server, settings.model_copy(update={"components": left})))
        irc.expect_closed("host-gone")
        self.assertNotIn(IRC, self.server.server.router.owners)
        self.assertIn(f"unreachable {IRC} remote-server-timeout", self.events())
        again = self.component(IRC, enter=False)
        again.open()
        again.expect_closed("host-unknown")

    def test_taken_out_before_the_handshake(self) -> None:
        """Then no secret is any good, not even the one that stands for none."""
        settings = self.server.server.settings
        for secret in ("secret", "gone", ""):
            self.change(irc_example_org=Component(secret="secret"))
            irc = self.component(IRC, secret, enter=False)
            irc.open()
            left = {name: found for name, found in settings.components.items() if name != IRC}
            self.wait(reload.apply(self.server.server, settings.model_copy(update={"components": left})))
            irc.shake_hands()
            self.pump(1)
            irc.expect_closed("host-unknown")

    def test_addresses_that_change_before_the_handshake(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open()
        self.change(irc_example_org=Component(secret="secret", addresses=("192.0.2.0/24",)))
        irc.shake_hands()
        irc.expect_closed("not-authorized")


class OperationTests(Connections):
    def run_operation(self, name: str, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(name, arguments))

    def test_list(self) -> None:
        irc = self.component(IRC)
        self.talk(IRC, "1")
        irc.send(f"<message from='{IRC}' to='{{juliet}}'/>")
        self.talk("short.example.org", "1")
        rows = {row["component"]: row for row in self.run_operation("component list")}
        self.assertEqual(list(rows), list(self.components))
        self.assertEqual(
            rows[IRC],
            {"component": IRC, "kind": "external", "state": "connected", "address": "127.0.0.1", "queued": 0,
             "received": 1, "sent": 1},
        )  # fmt: skip
        self.assertEqual(rows["short.example.org"]["state"], "waiting")
        self.assertEqual(rows["short.example.org"]["queued"], 1)
        self.pump(30)
        self.juliet.clear()
        rows = {row["component"]: row for row in self.run_operation("component list")}
        self.assertEqual(rows["short.example.org"]["state"], "not connected")

    def test_show(self) -> None:
        self.component(IRC)
        self.pump(60)
        shown = self.run_operation("component show", domain=IRC)
        self.assertEqual(shown["hosts"], ["example.org"])
        self.assertEqual(shown["connections"][0]["for"], "1 min")
        self.assertEqual(shown["privileges"], {})

    def test_close(self) -> None:
        irc = self.component(IRC)
        self.assertEqual(self.run_operation("component close", domain=IRC), f"Closed 1 connection of {IRC}.")
        irc.expect_closed("reset")

    def test_unknown(self) -> None:
        with self.assertRaisesRegex(Exception, "the settings name no component other.example.org"):
            self.run_operation("component show", domain="other.example.org")


class DiskTests(Connections):
    plugins = ("archive", "roster", "disco")
    components = {IRC: {"queue_octets": 2000}}

    def setUp(self) -> None:
        super().setUp()
        self.irc = self.component(IRC)

    def test_what_is_archived_is_on_disk_first(self) -> None:
        self.disk.stopped = True
        self.talk(IRC, "1")
        self.pump(1)
        self.irc.expect_nothing()
        self.disk.go_on()
        self.pump(1)
        self.irc.expect("<message id='1'>{...}<body>1</body></message>")

    def test_it_may_leave_meanwhile(self) -> None:
        self.disk.stopped = True
        self.talk(IRC, "1")
        self.irc.disconnect()
        self.disk.go_on()
        self.pump(1)
        again = self.component(IRC)
        again.expect("<message id='1'>{...}<body>1</body></message>")

    def test_order(self) -> None:
        self.disk.stopped = True
        self.talk(IRC, "1")
        self.juliet.send(f"<presence to='{IRC}'/>")
        self.pump(1)
        self.irc.expect_nothing()
        self.disk.go_on()
        self.pump(1)
        self.irc.expect("<message id='1'>{...}<body>1</body></message>", "<presence/>")

    def test_too_much_waits(self) -> None:
        self.disk.stopped = True
        self.talk(IRC, "x" * 1500)
        self.talk(IRC, "y" * 1500)
        self.disk.go_on()
        self.pump(1)
        self.irc.expect("<message>{...}</message>")
        self.juliet.expect("<message type='error'>{...}<error type='wait'>{...}</error></message>")
        self.irc.expect_nothing()


class IdleTests(ServerTestCase):
    components = {IRC: {"octets_per_second": 1000, "octets_burst": 10_000, "stanza_octets": 20_000,
                        "addresses": ["192.0.2.0/24"], "plain_networks": ["192.0.2.0/24"]}}  # fmt: skip

    def setUp(self) -> None:
        super().setUp()
        self.irc = self.component(IRC, peer="192.0.2.7")
        self.written: list[bytes] = []
        write = self.irc.transport.write
        self.irc.transport.write = lambda data: (self.written.append(data), write(data))  # type: ignore[assignment,func-returns-value]

    def test_signs_of_life(self) -> None:
        """RFC 6120 4.6.1: a connection that is dead is noticed by what is written to it."""
        self.pump(700)
        self.assertEqual(set(self.written), {b" "})
        self.irc.expect_open()

    def test_only_if_it_is_silent(self) -> None:
        for _ in range(7):
            self.pump(100)
            self.irc.send_raw(" ")
        self.assertEqual(self.written, [])

    def test_rate(self) -> None:
        for _ in range(12):
            self.irc.send(f"<message from='{IRC}' to='a@{IRC}'><body>{'x' * 1000}</body></message>")
        self.assertTrue(self.irc.transport.paused)
        self.pump(10)
        self.assertFalse(self.irc.transport.paused)

    def test_large_stanzas(self) -> None:
        self.irc.send(f"<message from='{IRC}' to='a@{IRC}'><body>{'x' * 19_000}</body></message>")
        self.pump(60)
        self.irc.clear()
        self.irc.send(f"<message from='{IRC}' to='a@{IRC}'><body>{'x' * 20_000}</body></message>")
        self.irc.expect_closed("policy-violation")


class Tardy(Plugin):
    """Take a while over every message."""

    @filter(ToAccount, kinds=(Message,))
    async def wait(self, event: ToAccount) -> None:
        waited: Deferred[None] = Deferred()
        self.clock.callLater(2, waited.callback, None)
        await waited


class StopTests(ServerTestCase):
    plugins = ("roster", "presence", "offline", Tardy)
    components = {IRC: {}}

    def test_the_server_stops(self) -> None:
        """Whom users had sent presence to is told that they go, before the stream ends."""
        irc = self.component(IRC)
        self.account("nurse@example.org")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send(f"<presence to='a@{IRC}'/>")
        irc.clear()
        self.restart()
        irc.expect(f"<presence from='{{juliet}}' to='a@{IRC}' type='unavailable'/>")
        irc.expect_closed("system-shutdown")

    def test_what_had_come_is_handled(self) -> None:
        irc = self.component(IRC)
        self.account("nurse@example.org")
        irc.send(f"<message from='{IRC}' to='nurse@example.org' type='chat'><body>hi</body></message>")
        self.restart()
        nurse = self.login("nurse@example.org/x")
        nurse.send("<presence/>")
        self.pump(1)
        self.assertTrue(any("<body>hi</body>" in xml for xml in nurse.received))
