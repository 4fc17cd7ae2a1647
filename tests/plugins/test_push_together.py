"""All of push together: a notification, the user's server, its own push service, and a browser that is away."""

from __future__ import annotations

from typing import Any

from .push_service.kit import SERVICE, App, PushServiceTestCase


class SenderToBrowser(PushServiceTestCase):
    plugins = ("disco", "adhoc", "offline", "push", "push_service", "notifications")

    def setUp(self) -> None:
        super().setUp()
        romeo = self.login("romeo@example.org/browser", presence=True)
        self.app = self.enabled(romeo)
        self.pump(2)
        romeo.close()
        self.pump(2)

    def enabled(self, romeo: Any) -> App:
        """A browser that has registered with our push service, and enabled push with it at its own server."""
        app = self.browser(romeo)
        form_type = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        secret = f"<field var='secret'><value>{app.secret}</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{secret}</x>"
        enable = f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='{app.node}'>{form}</enable>"
        romeo.send(f"<iq type='set' id='enable'>{enable}</iq>")
        self.pump()
        romeo.expect("<iq type='result' id='enable'/>")
        return app

    def notify(self, **options: Any) -> str:
        shown = self.operate("notifications", "notification send", to="all", title="Sale", body="From 9.", **options)
        self.pump(5, step=0.1)
        return str(shown["id"])

    def recipient(self, id: str) -> dict[str, Any]:
        """What became of it at the browser."""
        (row,) = self.operate("notifications", "notification recipients", id=id)
        self.assertEqual(row["account"], "romeo@example.org")
        return dict(row)

    def test_it_arrives(self) -> None:
        id = self.notify(uri="https://shop.example/s", priority="high", collapse="sale", data="item=7")
        (pushed,) = self.vendors.webpush.pushed
        (payload,) = self.payloads()
        expected = {
            "id": id,
            "title": "Sale",
            "body": "From 9.",
            "uri": "https://shop.example/s",
            "data": {"item": "7"},
        }
        self.assertEqual({name: payload.get(name) for name in expected}, expected)
        self.assertEqual(pushed.headers["urgency"], "high")
        row = self.recipient(id)
        self.assertEqual((row["state"], row["road"]), ("sent", "push"))
        self.assertEqual(self.vendors.mistakes, [])

    def test_the_browser_is_gone(self) -> None:
        self.vendors.webpush.unsubscribe(self.app.device)
        row = self.recipient(self.notify(roads="push"))
        self.assertEqual(row["state"], "failed")
        self.assertTrue(row["reason"])
        self.notify(roads="push")
        self.assertEqual(self.vendors.webpush.asked, 1)

    def test_it_comes_back(self) -> None:
        """A push may be lost, so the notification waits until the device has confirmed it."""
        id = self.notify()
        romeo = self.login("romeo@example.org/browser", presence=True)
        self.pump(5, step=0.1)
        (came,) = (stanza for stanza in romeo.received if "From 9." in stanza)
        self.assertIn(f"id='{id}'", came)
        romeo.send(f"<message to='example.org'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")
        self.pump(5, step=0.1)
        self.assertEqual(self.recipient(id)["state"], "delivered")
        self.assertEqual(len(self.vendors.webpush.pushed), 1)
