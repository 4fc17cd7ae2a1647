"""The queue: what vendors answer, what is tried again and when, and what survives the server's death."""

from __future__ import annotations

from typing import Any

from xmppd.api.http import Request, Response
from xmppd.api.push import PushResult
from xmppd.plugins.push_service.registering import Wish
from xmppd.plugins.push_service.tables import PARCELS
from xmppd.wire.jid import Jid

from .kit import App, PushServiceTestCase, summary

TITLED = (
    "<notification xmlns='urn:xmpp:push:0'><json xmlns='urn:xmpp:json:0'>{{\"title\": \"{}\"}}</json></notification>"
)


class QueueTestCase(PushServiceTestCase):
    """One browser, of romeo's."""

    options = {"device_seconds": 0}

    def setUp(self) -> None:
        super().setUp()
        self.app = self.browser(self.login("romeo@example.org/phone"))
        self.vendor = self.vendors.webpush

    def delivered(self) -> int:
        return len(self.vendor.pushed)

    def waiting(self) -> int:
        return len(self.plugin("push_service").queue)

    def results(self) -> list[tuple[str, PushResult]]:
        return [(item, result) for _, item, result, _ in self.settled]

    def rows(self) -> list[Any]:
        return self.wait(self.host.db.read(lambda c: list(c.execute(PARCELS.select()).mappings())))


class Verdicts(QueueTestCase):
    def test_failure_of_the_vendor(self) -> None:
        """10, 20, 40 seconds; the publisher is told at once that it was taken."""
        self.vendor.fail("503", times=3)
        self.assertEqual(self.publishes(self.app, item="a"), "result")
        for seconds, asked in ((9, 1), (1, 2), (19, 2), (1, 3), (39, 3), (1, 4)):
            self.pump(seconds)
            self.assertEqual(self.vendor.asked, asked, seconds)
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])
        self.assertEqual((self.delivered(), self.waiting()), (1, 0))

    def test_nobody_there(self) -> None:
        self.vendors.down.add(self.vendor.origin)
        self.assertEqual(self.publishes(self.app), "result")
        self.pump(60)
        self.vendors.down.clear()
        self.pump(60)
        self.assertEqual(self.delivered(), 1)

    def test_too_much(self) -> None:
        """60, 120 seconds, or what the vendor says."""
        self.vendor.fail("429", times=2)
        self.publishes(self.app)
        for seconds, asked in ((59, 1), (1, 2), (119, 2), (1, 3)):
            self.pump(seconds)
            self.assertEqual(self.vendor.asked, asked, seconds)
        self.vendor.fail("429", retry_after="7")
        self.publishes(self.app)
        self.pump(6)
        self.assertEqual(self.vendor.asked, 4)
        self.pump(1)
        self.assertEqual((self.vendor.asked, self.delivered()), (5, 2))

    def test_its_time_is_over(self) -> None:
        self.vendor.fail_always("503")
        self.publishes(self.app, item="a", time_to_live=60)
        self.pump(120)
        self.assertEqual(self.vendor.asked, 3)  # at 0, 10 and 30 seconds; at 70 it would be too late
        ((_, item, result, reason),) = self.settled
        self.assertEqual((item, result), ("a", PushResult.FAILED))
        self.assertIn("its time was over", reason)

    def test_gone(self) -> None:
        """Who publishes learns it, and whoever had more to say as well."""
        self.vendor.fail("503", times=2)
        for item in ("a", "b"):
            self.publishes(self.app, TITLED.format(item), item=item)
        self.vendor.unsubscribe(self.app.device)
        self.assertEqual(self.publishes(self.app, item="c"), "item-not-found")
        self.assertCountEqual(self.results(), [(item, PushResult.GONE) for item in "abc"])
        self.assertEqual((self.waiting(), self.rows()), (0, []))
        self.assertEqual(self.publishes(self.app), "item-not-found")
        self.assertEqual(self.vendors.mistakes, [])

    def test_gone_when_nobody_waits_for_the_answer(self) -> None:
        self.vendor.fail("503")
        self.assertEqual(self.publishes(self.app, item="a"), "result")
        self.vendor.unsubscribe(self.app.device)
        self.pump(10)
        self.assertEqual(self.results(), [("a", PushResult.GONE)])
        self.assertEqual(self.publishes(self.app), "item-not-found")

    def test_all_accounts_of_a_token_are_gone(self) -> None:
        token = self.vendors.fcm.register()
        apps = [
            self.register(self.login(f"{name}@example.org/x"), "register-push-fcm", token=token, device_id="x")
            for name in ("romeo", "juliet")
        ]
        self.vendors.fcm.devices.clear()
        self.assertEqual(self.publishes(apps[0]), "item-not-found")
        self.assertEqual(self.publishes(apps[1]), "item-not-found")
        self.assertEqual(len(self.vendors.fcm.pushed), 0)

    def test_token_that_was_replaced_meanwhile(self) -> None:
        """The old one is gone, but the app has told us the new one: it is pushed to."""
        romeo = self.login("romeo@example.org/tablet")
        app = self.android(romeo)
        self.vendors.fcm.fail("UNAVAILABLE")
        self.publishes(app, item="a")
        self.vendors.fcm.devices.clear()
        again = self.android(romeo)
        self.assertEqual(again.node, app.node)
        self.pump(10)
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])

    def test_token_that_is_replaced_during_the_push(self) -> None:
        romeo = self.login("romeo@example.org/tablet")
        app, web = self.android(romeo), self.network.web
        replaced: list[str] = []

        def answer(request: Request) -> Response:
            if "messages:send" in request.path and not replaced:
                self.vendors.fcm.devices.clear()
                response = self.vendors(request)
                replaced.append(self.vendors.fcm.register())
                self.spawn(self._replace(app, replaced[0]))
                return response
            return self.vendors(request)

        self.network.web = answer
        self.publish(app, item="a")
        self.pump(1)
        self.network.web = web
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])

    async def _replace(self, app: App, token: str) -> None:
        registrar = self.plugin("push_service").registrar
        wish = Wish("fcm", "org.example.chat.android", "phone", {"token": token})
        await registrar.register(Jid.parse(f"{app.account}/x"), wish)

    def test_too_large(self) -> None:
        """Once more without a text; and then not again."""
        self.vendor.fail("413")
        self.assertEqual(self.publishes(self.app, TITLED.format("x"), item="a"), "result")
        self.assertEqual(self.payloads(), [{"node": self.app.node}])
        self.vendor.fail("413", times=2)
        self.assertEqual(self.publishes(self.app, TITLED.format("x"), item="b"), "not-acceptable")
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED), ("b", PushResult.FAILED)])

    def test_texts_are_cut(self) -> None:
        """What has more text than a vendor takes loses its end, and nothing else."""
        self.assertEqual(self.publishes(self.app, TITLED.format("x" * 5_000), item="a"), "result")
        (payload,) = self.payloads()
        self.assertEqual(set(payload), {"node", "title"})
        self.assertRegex(payload["title"], r"\Ax{3900,}…\Z")

    def test_refused(self) -> None:
        self.vendor.fail("400")
        self.assertEqual(self.publishes(self.app, item="a"), "not-acceptable")
        self.assertEqual(self.results(), [("a", PushResult.FAILED)])
        self.assertEqual(self.publishes(self.app, item="a"), "result")  # it may be tried again, of course
        self.assertEqual((self.delivered(), self.results()[1:]), (1, [("a", PushResult.ACCEPTED)]))

    def test_slow_vendor(self) -> None:
        """The answer waits for three seconds, and no longer."""
        self.network.silent = True
        self.publish(self.app)
        self.pump(2)
        self.assertEqual(self.answers(), {})
        self.pump(1)
        self.assertEqual(self.answer(), "result")
        self.pump(27)
        self.network.silent = False
        self.pump(10)
        self.assertEqual(self.delivered(), 1)


class Credentials(QueueTestCase):
    def test_they_are_refused(self) -> None:
        """Nothing is lost, nothing is pruned, the operator is told; and it goes on by itself."""
        app = self.iphone(self.login("juliet@example.org/phone"))
        apns = self.vendors.apns
        apns.fail_always("InvalidProviderToken")
        for item in "abc":
            self.assertEqual(self.publishes(app, TITLED.format(item), item=item), "result")
        self.pump(290)
        asked = apns.asked
        self.assertLessEqual(asked, 3)
        (row,) = [r for r in self.operate("push_service", "push-service status") if r["road"] == "apns"]
        self.assertEqual((row["state"], row["waiting"], row["devices"]), ("credentials refused", 3, 1))
        self.assertTrue(row["last_error"])
        figures = {figure.name: figure.value for figure in self.plugin("push_service").figures()}
        self.assertEqual((figures["refused_credentials"], figures["waiting"]), (1, 3))
        self.pump(10)
        self.assertEqual(apns.asked, asked + 1)  # one alone is tried
        for item in "de":
            self.publishes(app, TITLED.format(item), item=item)
        self.assertEqual(apns.asked, asked + 1)
        apns.fail_always()
        self.pump(300)
        self.assertCountEqual(self.results(), [(item, PushResult.ACCEPTED) for item in "abcde"])
        (row,) = [r for r in self.operate("push_service", "push-service status") if r["road"] == "apns"]
        self.assertEqual(row["state"], "ready")

    def test_a_device_for_which_they_are_refused(self) -> None:
        """That it alone is refused may be its own fault, and is no matter to the others."""
        odd, other = (self.android(self.login(f"{name}@example.org/phone")) for name in ("juliet", "nurse"))
        self.vendors.fcm.fail("PERMISSION_DENIED")
        self.assertEqual(self.publishes(odd), "result")
        self.assertEqual(self.publishes(other), "result")
        self.assertEqual(len(self.vendors.fcm.pushed), 1)

    def test_subscriptions_that_are_not_for_us(self) -> None:
        """Made with another key, by somebody who wants the push service of all the others to be left alone."""
        odd = self.browser(self.login("juliet@example.org/phone"))
        self.vendor.fail("403", times=4)
        for item in "abcd":
            self.assertEqual(self.publishes(odd, TITLED.format(item), item=item), "result")
        self.assertEqual(self.publishes(self.app, item="e"), "result")
        self.assertEqual(self.results(), [("e", PushResult.ACCEPTED)])

    def test_tokens_of_another_kind(self) -> None:
        """Firebase lacks keys for Apple's devices or browsers: that is no matter to Android's."""
        odd, other = (self.android(self.login(f"{name}@example.org/phone")) for name in ("juliet", "nurse"))
        self.vendors.fcm.fail("THIRD_PARTY_AUTH_ERROR", times=4)
        for item in "abcd":
            self.publishes(odd, TITLED.format(item), item=item)
        self.assertEqual(self.publishes(other), "result")
        self.assertEqual(len(self.vendors.fcm.pushed), 1)

    def test_other_credentials_are_tried_at_once(self) -> None:
        app = self.android(self.login("juliet@example.org/phone"))
        self.vendors.fcm.fail("PERMISSION_DENIED")
        self.assertEqual(self.publishes(app, item="a"), "result")
        plugin = self.plugin("push_service")
        self.pump(1)
        self.wait(plugin.reconfigured(plugin.options))
        self.pump(1)
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])

    def test_a_push_service_that_somebody_made_up(self) -> None:
        """One that refuses our key, or is slow, holds nobody else up."""
        evil = self.vendors.webpush.subscribe()
        target = {**evil.target, "endpoint": "https://evil.example/push"}
        paris = self.register(self.login("paris@example.org/x"), "register-push-webpush", device_id="x", **target)
        self.network.web = lambda request: Response(401) if "evil" in request.path else self.vendors(request)
        self.assertEqual(self.publishes(paris), "result")
        self.assertEqual(self.publishes(self.app), "result")
        self.assertEqual(self.delivered(), 1)


class Patience(QueueTestCase):
    """How long something waits can be set."""

    options = {"device_seconds": 0, "throttled_seconds": 5, "hold_seconds": 30, "call_seconds": 100}

    def test_too_much(self) -> None:
        self.vendor.fail("429")
        self.publishes(self.app)
        self.pump(4)
        self.assertEqual(self.vendor.asked, 1)
        self.pump(1)
        self.assertEqual(self.vendor.asked, 2)

    def test_our_credentials(self) -> None:
        app = self.android(self.login("romeo@example.org/android"))
        self.vendors.fcm.fail("PERMISSION_DENIED")
        self.publishes(app, item="a")
        self.pump(29)
        self.assertEqual(self.results(), [])
        self.pump(2)
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])

    def test_calls(self) -> None:
        self.publishes(self.app, kind="call")
        self.assertEqual(self.vendor.pushed[0].headers["ttl"], "100")


class Outage(QueueTestCase):
    def test_a_vendor_that_is_down_is_left_alone(self) -> None:
        self.vendor.fail_always("503")
        apps = [self.browser(self.login(f"user{n}@example.org/x")) for n in range(12)]
        for app in apps:
            self.publish(app)
        self.pump(9)
        self.assertEqual(self.vendor.asked, 10)
        self.pump(1)
        self.assertEqual(self.vendor.asked, 11)  # one is sent to see whether it is back
        self.vendor.fail_always()
        self.pump(60)
        self.assertEqual((self.delivered(), self.waiting()), (12, 0))
        self.assertEqual(set(self.answers().values()), {"result"})


class Spacing(QueueTestCase):
    options = {"burst": 2, "device_seconds": 10}

    def test_newest_wins(self) -> None:
        for count in range(1, 6):
            self.assertEqual(self.publishes(self.app, summary(message_count=count), item=str(count)), "result")
        self.assertEqual([payload["count"] for payload in self.payloads()], [1, 2])
        self.pump(10)
        self.assertEqual([payload["count"] for payload in self.payloads()], [1, 2, 5])
        self.assertEqual(
            self.results(),
            [("1", PushResult.ACCEPTED), ("2", PushResult.ACCEPTED), ("3", PushResult.FAILED), ("4", PushResult.FAILED),
             ("5", PushResult.ACCEPTED)],
        )  # fmt: skip
        self.pump(60)
        self.assertEqual(self.delivered(), 3)

    def test_texts_of_their_own_are_all_sent(self) -> None:
        for count in range(5):
            self.publishes(self.app, TITLED.format(count))
        self.pump(30)
        self.assertEqual([payload["title"] for payload in self.payloads()], list("01234"))

    def test_calls_do_not_wait(self) -> None:
        for _ in range(4):
            self.publishes(self.app, kind="call")
        self.assertEqual(self.delivered(), 4)

    def test_other_devices_do_not_wait(self) -> None:
        other = self.browser(self.login("juliet@example.org/x"))
        for _ in range(3):
            self.publishes(self.app)
        self.publishes(other)
        self.assertEqual(self.delivered(), 3)


class Room(QueueTestCase):
    options = {"domain_waiting": 2, "device_seconds": 0, "open": ["example.net"]}

    def test_no_more_than_so_many_of_another_server(self) -> None:
        theirs = self.browser(self.remote("example.net"), "paris@example.net/phone")
        self.vendor.fail_always("503")
        answers = [self.publishes(theirs, TITLED.format(n), sender="example.net") for n in range(3)]
        self.assertEqual(answers, ["result", "result", "resource-constraint"])
        self.assertEqual({self.publishes(self.app, TITLED.format(n)) for n in range(3)}, {"result"})


class RoomInAll(QueueTestCase):
    options = {"waiting": 2, "device_seconds": 0}

    def test_no_more_than_so_many(self) -> None:
        self.vendor.fail_always("503")
        answers = [self.publishes(self.app, TITLED.format(n)) for n in range(3)]
        self.assertEqual(answers, ["result", "result", "resource-constraint"])


class AtOnce(QueueTestCase):
    options = {"answer_seconds": 0}

    def test_the_answer_does_not_wait(self) -> None:
        self.vendor.unsubscribe(self.app.device)
        self.assertEqual(self.publishes(self.app, item="a"), "result")
        self.assertEqual(self.results(), [("a", PushResult.GONE)])
        self.assertEqual(self.publishes(self.app), "item-not-found")


class UnderWay(QueueTestCase):
    options = {"webpush": {"concurrency": 1}}

    def test_no_more_than_so_many_in_all(self) -> None:
        """What waits for another push service goes on when this one has answered."""
        target = {**self.app.device.target, "endpoint": "https://other.example/push"}
        paris = self.register(self.login("paris@example.org/x"), "register-push-webpush", device_id="x", **target)
        reached: list[str] = []
        self.network.web = lambda request: reached.append(request.path) or Response(201)  # type: ignore[func-returns-value]
        self.network.silent = True
        for app in (self.app, paris):
            self.publish(app)
        self.pump(5)
        load = self.plugin("push_service").carriers.web_load
        self.assertEqual((load.running, self.waiting()), (1, 2))
        self.network.silent = False
        self.pump(30)
        self.assertEqual(reached, [self.app.device.endpoint, "https://other.example/push"])
        self.assertEqual((load.running, self.waiting()), (0, 0))


class Turns(QueueTestCase):
    options = {"webpush": {"origin_concurrency": 1}, "open": ["example.net"], "device_seconds": 0}

    def test_publishers_take_turns(self) -> None:
        theirs = self.browser(self.remote("example.net"), "paris@example.net/phone")
        self.network.silent = True
        for number in range(3):
            self.publish(self.app, TITLED.format(f"ours {number}"))
        self.publish(theirs, TITLED.format("theirs"), sender="example.net")
        self.publish(self.app, kind="call")
        self.network.silent = False
        self.pump(60)
        sent = [payload.get("title", "call") for payload in self.payloads()]
        self.assertEqual(sent, ["ours 0", "call", "ours 1", "theirs", "ours 2"])


class Survival(QueueTestCase):
    def test_killed_while_it_waits(self) -> None:
        self.vendor.fail("503")
        self.assertEqual(self.publishes(self.app, TITLED.format("x"), item="a"), "result")
        self.kill()
        self.pump(10)
        self.assertEqual([payload["title"] for payload in self.payloads()], ["x"])
        self.assertEqual(self.results(), [("a", PushResult.ACCEPTED)])
        self.assertEqual(self.publishes(self.app, item="a"), "result")
        self.assertEqual(self.delivered(), 1)

    def test_killed_during_an_attempt(self) -> None:
        """Nobody knows whether the vendor has it: it is sent again, and is the same to the device."""
        self.network.silent = True
        self.publish(self.app, item="a")
        self.pump(3)
        self.assertEqual(self.answer(), "result")
        self.network.silent = False
        self.kill()
        self.pump(1)
        self.assertEqual((self.delivered(), self.waiting()), (1, 0))

    def test_killed_before_it_is_written_down_that_it_was_sent(self) -> None:
        self.network.web = self._answer_and_hold
        self.publish(self.app, item="a")
        self.pump(1)
        self.assertEqual(self.delivered(), 1)
        self.network.web = self.vendors
        self.kill()
        self.pump(1)
        self.assertEqual(self.delivered(), 2)
        self.assertEqual(len({pushed.headers["topic"] for pushed in self.vendor.pushed}), 1)

    def _answer_and_hold(self, request: Request) -> Response:
        response = self.vendors(request)
        self.disk.stopped = True
        return response

    def test_nothing_is_taken_that_is_not_on_disk(self) -> None:
        self.disk.stopped = True
        number = self.publish(self.app)
        self.pump(1)
        self.assertEqual((self.answers(), self.delivered()), ({}, 0))
        self.disk.go_on()
        self.pump(1)
        self.assertEqual((self.answers(), self.delivered()), ({number: "result"}, 1))

    def test_disk_is_full(self) -> None:
        self.disk.broken = "disk full"
        self.assertEqual(self.publishes(self.app), "resource-constraint")
        self.disk.broken = None
        self.assertEqual(self.publishes(self.app), "result")

    def test_restart(self) -> None:
        self.vendor.fail("503")
        self.publishes(self.app)
        self.restart()
        self.pump(10)
        self.assertEqual(self.delivered(), 1)

    def test_killed_when_a_newer_one_has_just_come(self) -> None:
        """Both are on disk; the newest wins now as it would have then."""
        self.vendor.fail("503")
        self.publishes(self.app, summary(message_count=1))
        write = self.disk.write
        self.patch(self.disk, "write", lambda fn: write(fn) if not self.waiting() else self._only_take(write, fn))
        self.publish(self.app, summary(message_count=2))
        self.kill()
        self.pump(60)
        self.assertEqual([payload["count"] for payload in self.payloads()], [2])

    def _only_take(self, write: Any, fn: Any) -> Any:
        """Let what is taken be written, and nothing after that."""
        done = write(fn)
        self.disk.stopped = True
        return done

    def test_restart_during_an_attempt(self) -> None:
        self.network.silent = True
        self.publish(self.app)
        self.pump(1)
        self.network.silent = False
        self.restart()
        self.pump(40)
        self.assertEqual((self.delivered(), self.waiting()), (1, 0))

    def test_asked_twice(self) -> None:
        """A publisher that got no answer asks again; the device is woken once."""
        for _ in range(2):
            self.assertEqual(self.publishes(self.app, item="same"), "result")
        self.assertEqual(self.delivered(), 1)
        self.pump(2 * 3600, step=600)
        self.assertEqual(self.rows(), [])
