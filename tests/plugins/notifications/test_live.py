"""Notifications over the devices' own connections: sent, sent again, confirmed, and over."""

from __future__ import annotations

import json

from tests.plugins.notifications.kit import PING, NotificationCase

STANZA = (
    "<message type='headline' id='{id}' from='example.org'><subject>Sale</subject><body>From 9.</body>"
    "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:xmppd:notification:0'>{any}</payload>"
    "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
    "<no-permanent-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/></message>"
)
DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/>"
ROMEO = "romeo@example.org"


class LiveTests(NotificationCase):
    config = {"notifications": {"retry_seconds": [30, 120], "fence_seconds": 20}}

    def test_sent_and_confirmed(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("user:romeo@example.org")
        romeo.expect(STANZA, PING)
        self.assertEqual(self.names["id"], id)
        self.assertEqual(self.counts(id), {"sent": 1})
        self.confirm(romeo, id)
        self.assertEqual(self.counts(id), {"delivered": 1})
        self.confirm(romeo, id, DISPLAYED)
        self.assertEqual(self.counts(id), {"opened": 1})
        self.confirm(romeo, id)
        self.assertEqual(self.counts(id), {"opened": 1})
        self.assertEqual(self.run_operation("notification show", id=id)["status"], "done")
        (row,) = self.run_operation("notification recipients", id=id)
        for time in ("queued", "sent", "delivered", "opened"):
            self.assertTrue(row[time].startswith("2026-01-01T12:00:0"), row)

    def test_all_of_it(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all", "a<b", "c&d", uri="geo:48.2,16.4", image="https://example.org/a.png",
                       data='{"order": 7, "kind": "x"}', priority="high", collapse="k", ttl="1h")  # fmt: skip
        message = romeo.take()
        parts = {(element.uri, element.name): element for element in message.elements()}
        self.assertEqual(str(parts["jabber:client", "subject"]), "a<b")
        self.assertEqual(str(next(parts["jabber:x:oob", "x"].elements())), "geo:48.2,16.4")
        now = self.clock.seconds()
        found = json.loads(str(next(parts["urn:xmpp:json-msg:0", "payload"].elements())))
        self.assertAlmostEqual(found.pop("created_at"), now, -1)
        self.assertAlmostEqual(found.pop("expires_at"), now + 3600, -1)
        self.assertEqual(found, {
            "id": id, "title": "a<b", "body": "c&d", "uri": "geo:48.2,16.4", "image": "https://example.org/a.png",
            "data": {"order": "7", "kind": "x"}, "priority": "high", "collapse": "k",
        })  # fmt: skip

    def test_fence(self) -> None:
        """Whoever answers the ping, with a result or an error, has read the notification."""
        unknown = "<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        answers = ("<iq type='result' {0}/>", f"<iq type='error' {{0}}><error type='cancel'>{unknown}</error></iq>")
        for number, answer in enumerate(answers):
            romeo = self.login(f"romeo@example.org/{number}", presence=True)
            id = self.send("online")
            romeo.take()
            ping = romeo.take()
            romeo.send(answer.format(f"to='example.org' id='{ping['id']}'"))
            self.settle()
            self.assertEqual(self.counts(id), {"reached": 1})
            romeo.close()
            self.settle()

    def test_no_answer_is_no_answer(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all")
        romeo.expect(STANZA, PING)
        self.pump(25)
        self.assertEqual(self.counts(id), {"sent": 1})
        romeo.disconnect()
        self.pump(60)
        self.assertEqual(self.counts(id), {"sent": 1})

    def test_sent_again_under_the_same_id(self) -> None:
        """With growing gaps while the device is there, and when it comes again."""
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all")
        romeo.expect(STANZA, PING)
        self.pump(27)
        romeo.expect_nothing()
        self.pump(5)
        romeo.expect(STANZA, PING)
        self.pump(115)
        romeo.expect_nothing()
        self.pump(8)
        romeo.expect(STANZA, PING)
        self.pump(200, step=10)
        romeo.expect_nothing()
        romeo.disconnect()
        self.settle()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.settle()
        romeo.expect(STANZA, PING)
        self.confirm(romeo, id)
        self.pump(200, step=10)
        romeo.expect_nothing()
        self.assertEqual(self.counts(id), {"delivered": 1})
        (row,) = self.run_operation("notification recipients", id=id)
        self.assertEqual((row["attempts"], row["road"]), (4, "message"))

    def test_whoever_confirms_is_spared_the_fence(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.confirm(romeo, self.send("all"))
        romeo.clear()
        self.send("all")
        romeo.expect("<message type='headline'>{any}</message>")
        romeo.expect_nothing()
        romeo.disconnect()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(3)
        romeo.clear()
        self.confirm(romeo, self.send("all"))
        romeo.expect("<message type='headline'>{any}</message>")
        romeo.expect_nothing()
        (device,) = self.run_operation("device list", account=ROMEO)
        self.assertTrue(device["confirms"])

    def test_reached_is_not_enough_for_who_confirms(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.confirm(romeo, self.send("all"))
        romeo.clear()
        id = self.send("all")
        self.pump(31)
        romeo.take(), romeo.take()
        ping = romeo.take()
        romeo.send(f"<iq type='result' to='example.org' id='{ping['id']}'/>")
        self.settle()
        self.assertEqual(self.counts(id), {"reached": 1})
        self.pump(121)
        self.assertEqual(romeo.take()["id"], id)
        self.confirm(romeo, id)
        self.assertEqual(self.counts(id), {"delivered": 1})

    def test_waits_for_who_is_not_there(self) -> None:
        self.account("juliet@example.org")
        id = self.send("all")
        self.assertEqual(self.counts(id), {"queued": 1})
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        juliet.expect(STANZA, PING)
        (row,) = self.run_operation("notification recipients", id=id)
        self.assertEqual((row["recipient"], row["state"]), ("juliet@example.org/balcony", "sent"))

    def test_a_new_device_gets_what_no_other_has_read(self) -> None:
        for resource in ("phone", "tablet"):
            self.login(f"juliet@example.org/{resource}", presence=True).close()
        self.pump(3)
        id = self.send("all")
        self.assertEqual(self.counts(id), {"queued": 2})
        juliet = self.login("juliet@example.org/new", presence=True)
        self.settle()
        juliet.expect(STANZA, PING)
        self.assertEqual(self.counts(id), {"queued": 2, "sent": 1})
        self.confirm(juliet, id)
        another = self.login("juliet@example.org/newer", presence=True)
        self.settle()
        another.expect_nothing()
        self.assertEqual(self.counts(id), {"queued": 2, "delivered": 1})

    def test_expires(self) -> None:
        self.account("juliet@example.org")
        self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all", ttl="2h")
        self.pump(2 * 3600 + 10, step=600)
        self.assertEqual(self.counts(id), {"expired": 2})
        self.assertEqual(self.run_operation("notification show", id=id)["status"], "done")
        reasons = [row["reason"] for row in self.run_operation("notification recipients", id=id)]
        self.assertEqual(reasons, ["the device did not come", "nobody confirmed it"])
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        juliet.expect_nothing()

    def test_a_device_knows_better_than_its_end(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all", ttl="1min")
        self.pump(70)
        self.assertEqual(self.counts(id), {"expired": 1})
        self.confirm(romeo, id)
        self.assertEqual(self.counts(id), {"delivered": 1})

    def test_others_confirm_nothing(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        id = self.send(f"user:{ROMEO}")
        self.confirm(juliet, id)
        self.confirm(romeo, "f" * 32)
        self.confirm(romeo, "none")
        self.assertEqual(self.counts(id), {"sent": 1})
        self.remote("example.net").send(
            f"<message from='a@example.net' to='example.org'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"
        )
        self.settle()
        self.assertEqual(self.counts(id), {"sent": 1})


class StubbornTests(NotificationCase):
    config = {"notifications": {"retry_seconds": [30, 120], "max_attempts": 3}}

    def test_attempts_end(self) -> None:
        self.account(ROMEO)
        id = self.send("all")
        for count in range(4):
            romeo = self.login("romeo@example.org/orchard", presence=True)
            self.settle()
            self.assertEqual("<body>" in "".join(romeo.received), count < 3)
            romeo.disconnect()
        self.pump(130, step=10)
        self.assertEqual(self.counts(id), {"failed": 1})
        (row,) = self.run_operation("notification recipients", id=id)
        self.assertEqual(row["reason"], "it was sent 3 times, and never confirmed")


class FewTests(NotificationCase):
    config = {"notifications": {"waiting_per_device": 3}}

    def test_only_so_many_wait(self) -> None:
        self.account(ROMEO)
        ids = [self.send("all", f"Number {number}") for number in range(5)]
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.settle()
        got = [str(next(romeo.take().elements())) for _ in range(3)]
        self.assertEqual(got, ["Number 2", "Number 3", "Number 4"])
        romeo.expect(PING)
        romeo.expect_nothing()
        self.assertEqual([self.counts(id) for id in ids], [{"failed": 1}] * 2 + [{"sent": 1}] * 3)


class CollapseTests(NotificationCase):
    def test_the_newest_takes_the_place(self) -> None:
        self.account(ROMEO)
        first, second = self.send("all", "1:0", collapse="score"), self.send("all", "2:0", collapse="score")
        other = self.send("all", "3:0", collapse="other")
        self.assertEqual(self.counts(first), {"superseded": 1})
        self.assertEqual(self.run_operation("notification show", id=first)["status"], "done")
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.settle()
        self.assertEqual([romeo.take()["id"], romeo.take()["id"]], [second, other])

    def test_what_was_overtaken(self) -> None:
        """What counts is when a message began, not when it was made; what goes on later was overtaken."""
        self.account(ROMEO)
        older = self.run_operation("notification send", to="all", title="1:0", body="", collapse="score", at="1h")["id"]
        newer = self.run_operation("notification send", to="all", title="2:0", body="", collapse="score", at="2h")["id"]
        self.run_operation("notification pause", id=older)
        self.pump(7300, step=60)
        self.assertEqual(self.counts(newer), {"queued": 1})
        self.run_operation("notification resume", id=older)
        self.settle()
        self.assertEqual((self.counts(older), self.counts(newer)), ({"superseded": 1}, {"queued": 1}))
