"""The push service together with the user's server, which is the same: from a message to a browser that is woken."""

from __future__ import annotations

from .kit import SERVICE, App, PushServiceTestCase


class OurUsers(PushServiceTestCase):
    plugins = ("disco", "adhoc", "offline", "push", "push_service")

    def enabled(self) -> App:
        """A browser of romeo's, who has enabled push with it, and has gone."""
        romeo = self.login("romeo@example.org/browser", presence=True)
        app = self.browser(romeo)
        form_type = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        secret = f"<field var='secret'><value>{app.secret}</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{secret}</x>"
        enable = f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='{app.node}'>{form}</enable>"
        romeo.send(f"<iq type='set' id='enable'>{enable}</iq>")
        self.pump()
        romeo.expect("<iq type='result' id='enable'/>")
        romeo.close()
        self.pump(1)
        return app

    def test_message(self) -> None:
        app = self.enabled()
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<message to='romeo@example.org' type='chat' id='1'><body>Art thou not Romeo?</body></message>")
        self.pump(60)
        (payload,) = self.payloads()
        self.assertEqual((payload["node"], payload["count"]), (app.node, 1))
        self.assertNotIn("Art thou", str(payload))
        self.assertEqual(self.vendors.webpush.pushed[0].headers["urgency"], "high")
        self.assertEqual(self.vendors.mistakes, [])

    def test_app_that_is_gone(self) -> None:
        """The user's server learns it by the first push, and publishes no more."""
        app = self.enabled()
        self.vendors.webpush.unsubscribe(app.device)
        juliet = self.login("juliet@example.org/balcony")
        for number in range(3):
            body = f"<body>{number}</body>"
            juliet.send(f"<message to='romeo@example.org' type='chat' id='{number}'>{body}</message>")
            self.pump(300)
        self.assertEqual(self.vendors.webpush.asked, 1)
        self.assertEqual(self.operate("push_service", "push-service devices"), [])
