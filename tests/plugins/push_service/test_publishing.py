"""Publishing to the push service (XEP-0357 section 7, XEP-0060 section 7.1): what is taken, and what is sent."""

from __future__ import annotations

import json

from xmppd.api.push import PushResult

from .kit import PUBSUB, PushServiceTestCase, summary

NOTIFICATION = "<notification xmlns='urn:xmpp:push:0'/>"
ENCRYPTED = (
    "<notification xmlns='urn:xmpp:push:0'><encrypted xmlns='tigase:push:encrypt:0' alg='aes-128-gcm' iv='AAAA'>"
    "c2VjcmV0</encrypted></notification>"
)


class Sent(PushServiceTestCase):
    def test_to_each_vendor(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        for app in (self.android(romeo), self.iphone(romeo), self.browser(romeo)):
            self.assertEqual(self.publishes(app), "result")
        for vendor in (self.vendors.fcm, self.vendors.apns, self.vendors.webpush):
            self.assertEqual(len(vendor.pushed), 1, vendor)
        self.assertEqual(self.vendors.mistakes, [])

    def test_vendors_learn_little(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        told = summary(message_count=3, last_message_sender="juliet@example.org/x", last_message_body="I love thee")
        browser, iphone, android = self.browser(romeo), self.iphone(romeo), self.android(romeo)
        for app in (browser, iphone, android):
            self.publishes(app, told)
        self.assertEqual(self.payloads(), [{"node": browser.node, "count": 3}])
        self.assertEqual(self.vendors.webpush.pushed[0].headers["urgency"], "high")
        (pushed,) = self.vendors.apns.pushed
        self.assertEqual(pushed.content["aps"]["alert"], {"body": "New message"})
        self.assertEqual(pushed.content["aps"]["badge"], 3)
        for vendor in (self.vendors.apns, self.vendors.fcm):
            self.assertNotIn("juliet", json.dumps(vendor.pushed[0].content))
            self.assertNotIn("love", json.dumps(vendor.pushed[0].content))

    def test_wake_up_alone(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.assertEqual(self.publishes(app, NOTIFICATION), "result")
        self.assertEqual(self.payloads(), [{"node": app.node}])
        self.assertEqual(self.vendors.webpush.pushed[0].headers["urgency"], "normal")

    def test_silent(self) -> None:
        app = self.iphone(self.login("romeo@example.org/phone"))
        self.publishes(app, summary(message_count=1), silent="true")
        self.assertEqual(self.vendors.apns.pushed[0].headers["apns-push-type"], "background")

    def test_calls(self) -> None:
        app = self.iphone(self.login("romeo@example.org/phone"))
        for child, options in (
            ("<jingle xmlns='tigase:push:jingle:0'/>", {}),
            ("<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", {}),
            ("<encrypted xmlns='tigase:push:encrypt:0' type='voip'>c2VjcmV0</encrypted>", {}),
            ("", {"kind": "call"}),
        ):
            self.publishes(app, f"<notification xmlns='urn:xmpp:push:0'>{child}</notification>", **options)
        kinds = [pushed.headers["apns-push-type"] for pushed in self.vendors.apns.pushed]
        self.assertEqual(kinds, ["voip"] * 4)
        self.assertEqual({pushed.device for pushed in self.vendors.apns.pushed}, {app.device.voip})

    def test_priorities(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        low = "<priority xmlns='tigase:push:priority:0'>low</priority>"
        self.publishes(app, f"<notification xmlns='urn:xmpp:push:0'>{low}</notification>")
        self.publishes(app, summary(message_count=1, last_message_body="x"), priority="normal")
        self.publishes(app, summary(message_count=1), priority="whatever")
        urgencies = [pushed.headers["urgency"] for pushed in self.vendors.webpush.pushed]
        self.assertEqual(urgencies, ["low", "normal", "normal"])

    def test_time_to_live(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.publishes(app)
        self.publishes(app, time_to_live=60)
        self.publishes(app, time_to_live=0)
        self.assertEqual([pushed.headers["ttl"] for pushed in self.vendors.webpush.pushed], ["86400", "60", "0"])

    def test_encrypted(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.publishes(app, ENCRYPTED)
        (payload,) = self.payloads()
        self.assertEqual((payload["encrypted"], payload["iv"], payload["alg"]), ("c2VjcmV0", "AAAA", "aes-128-gcm"))
        self.assertNotIn("topic", self.vendors.webpush.pushed[0].headers)

    def test_notification_with_a_text_of_its_own(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        told = json.dumps({"title": "Sale", "body": "Half price", "uri": "shop:1", "node": "mine", "collapse": "sale"})
        body = f"<payload xmlns='urn:xmpp:json-msg:0'><json xmlns='urn:xmpp:json:0'>{told}</json></payload>"
        self.publishes(app, f"<notification xmlns='urn:xmpp:push:0'>{body}</notification>", item="one")
        (payload,) = self.payloads()
        self.assertEqual((payload["title"], payload["uri"], payload["node"]), ("Sale", "shop:1", app.node))
        self.assertIn("topic", self.vendors.webpush.pushed[0].headers)
        self.assertEqual(self.settled, [(app.node, "one", PushResult.ACCEPTED, "")])

    def test_topics_of_accounts_differ(self) -> None:
        """Two accounts in one app have one token, and must not stand for each other."""
        token, topics = self.vendors.fcm.register(), []
        for name in ("romeo", "juliet"):
            app = self.register(self.login(f"{name}@example.org/x"), "register-push-fcm", token=token)
            self.publishes(app)
            topics.append(self.vendors.fcm.pushed[-1].content["android"]["collapse_key"])
        self.assertEqual(len(set(topics)), 2)


class SentWithText(PushServiceTestCase):
    options = {"content": "body", "alert_title": "Example"}

    def test_text(self) -> None:
        app = self.iphone(self.login("romeo@example.org/phone"))
        told = summary(message_count=1, last_message_sender="juliet@example.org", last_message_body="hi")
        self.publishes(app, told)
        alert = self.vendors.apns.pushed[0].content["aps"]["alert"]
        self.assertEqual((alert["title"], alert["body"]), ("Example", "hi"))


class WordsOfOurOwn(PushServiceTestCase):
    options = {"alert_title": "Example", "alert_body": "There is something new."}

    def test_where_nothing_is_told(self) -> None:
        """Apple's phones show something, so that they are woken."""
        app = self.iphone(self.login("romeo@example.org/phone"))
        self.publishes(app, summary(message_count=1))
        alert = self.vendors.apns.pushed[0].content["aps"]["alert"]
        self.assertEqual((alert["title"], alert["body"]), ("Example", "There is something new."))


class SentWithSender(PushServiceTestCase):
    options = {"content": "sender"}

    def test_sender(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.publishes(app, summary(last_message_sender="juliet@example.org", last_message_body="hi"))
        self.assertEqual(self.payloads(), [{"node": app.node, "sender": "juliet@example.org"}])


class Refused(PushServiceTestCase):
    options = {"open": ["example.net"], "payload_octets": 2000}

    def raw(self, node: str, payload: str) -> str:
        self.publish_raw(f"<pubsub xmlns='{PUBSUB}'><publish{node}>{payload}</publish></pubsub>")
        return self.answer()

    def test_malformed(self) -> None:
        node = " node='x'"
        item = f"<item>{NOTIFICATION}</item>"
        for where, payload, condition in (
            ("", item, "bad-request"),
            (node, "", "bad-request"),
            (node, "<item/>", "bad-request"),
            (node, item + item, "not-allowed"),
            (node, f"<item>{NOTIFICATION}{NOTIFICATION}</item>", "bad-request"),
            (node, "<item><notification xmlns='urn:example:other'/></item>", "bad-request"),
            (node, f"<item>{summary(message_count='many')}</item>", "bad-request"),
            (node, f"<item>{summary(message_count='-1')}</item>", "bad-request"),
            (node, f"<item id='{'x' * 300}'>{NOTIFICATION}</item>", "bad-request"),
            (f" node='{'x' * 300}'", item, "bad-request"),
            (node, f"<item>{summary(last_message_body='x' * 2000)}</item>", "not-acceptable"),
            (node, item, "item-not-found"),
        ):
            with self.subTest(where=where, payload=payload):
                self.assertEqual(self.raw(where, payload), condition)

    def test_json_that_is_none(self) -> None:
        deep = '{"a":' + "[" * 17 + "]" * 17 + "}"
        for text in ("[1]", "{", "[" * 1500, '{"a": NaN}', deep, '{"a":' * 200 + "1" + "}" * 200):
            notification = f"<notification xmlns='urn:xmpp:push:0'><json xmlns='urn:xmpp:json:0'>{text}</json>"
            self.assertEqual(self.raw(" node='x'", f"<item>{notification}</notification></item>"), "bad-request")

    def test_json_that_vendors_do_not_take(self) -> None:
        """No UTF-8 comes of half a character, and JSON has no infinity: neither may get stuck on the way."""
        app = self.browser(self.login("romeo@example.org/phone"))
        for text in ('{"title": "\\ud800"}', '{"collapse": "\\udfff"}', '{"\\ud800": 1}', '{"size": 1e999}'):
            notification = f"<notification xmlns='urn:xmpp:push:0'><json xmlns='urn:xmpp:json:0'>{text}</json>"
            self.assertEqual(self.publishes(app, f"{notification}</notification>"), "bad-request", text)
        self.assertEqual(len(self.plugin("push_service").queue), 0)

    def test_what_nobody_has_thought_of(self) -> None:
        """The publisher gets an answer all the same."""
        app = self.browser(self.login("romeo@example.org/phone"))
        self.patch(self.plugin("push_service").queue, "take", None)
        self.assertEqual(self.publishes(app), "internal-server-error")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_what_a_push_service_does_not_do(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        for kind, child, feature in (
            ("set", "<create node='x'/>", "create-nodes"),
            ("set", "<subscribe node='x' jid='romeo@example.org'/>", "subscribe"),
            ("get", "<items node='x'/>", "retrieve-items"),
            ("set", "", "publish"),
        ):
            answered = self.ask(romeo, kind, f"<pubsub xmlns='{PUBSUB}'>{child}</pubsub>")
            self.assertIn("<feature-not-implemented", answered)
            self.assertIn(f"feature='{feature}'", answered)

    def test_secret(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.assertEqual(self.publishes(app, secret="guessed"), "forbidden")
        self.assertEqual(self.publishes(app, secret=""), "forbidden")
        self.publish_raw(
            f"<pubsub xmlns='{PUBSUB}'><publish node='{app.node}'><item>{NOTIFICATION}</item></publish></pubsub>"
        )
        self.assertEqual(self.answer(), "forbidden")
        self.assertEqual(self.vendors.webpush.pushed, [])

    def test_old_secret(self) -> None:
        """The user's server has the old secret until the app has told it the new one."""
        romeo = self.login("romeo@example.org/phone")
        old, new = self.android(romeo), self.android(romeo)
        self.assertEqual(self.publishes(old), "result")
        self.assertEqual(self.publishes(new), "result")
        self.assertEqual(self.publishes(old), "forbidden")

    def test_only_the_users_server(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        ours = self.browser(romeo)
        theirs = self.browser(self.remote("example.net"), "paris@example.net/phone")
        self.assertEqual(self.publishes(ours, sender="example.net"), "forbidden")
        self.assertEqual(self.publishes(theirs, sender="example.org"), "forbidden")
        self.assertEqual(self.publishes(theirs, sender="nurse@example.net"), "forbidden")
        self.assertEqual(self.publishes(theirs, sender="paris@example.net/phone"), "forbidden")
        self.assertEqual(self.publishes(theirs, sender="example.net"), "result")
        self.assertEqual(self.publishes(theirs, sender="paris@example.net"), "result")

    def test_messages(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        romeo.send("<message to='push.example.org' type='chat' id='1'><body>hi</body></message>")
        romeo.expect("<message type='error' from='push.example.org'>{...}<error type='cancel'>{any}</error></message>")


class TooMany(PushServiceTestCase):
    options = {"domain_per_minute": 2, "open": ["example.net"]}

    def test_per_domain(self) -> None:
        ours = self.browser(self.login("romeo@example.org/phone"))
        theirs = self.browser(self.remote("example.net"), "paris@example.net/phone")
        answers = [self.publishes(theirs, sender="example.net") for _ in range(3)]
        self.assertEqual(answers, ["result", "result", "policy-violation"])
        self.assertEqual({self.publishes(ours) for _ in range(3)}, {"result"})
        self.pump(60)
        self.assertEqual(self.publishes(theirs, sender="example.net"), "result")
