"""A server whose users have apps, and a push service that a test plays."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase
from tests.plugins.managed import ManagedTestCase
from xmppd.testing import Client
from xmppd.wire.jid import Jid

__all__ = ["NS", "PUBSUB", "SERVICE", "PushTestCase"]

NS = "urn:xmpp:push:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
SERVICE = "push.example.com"
SUMMARY = "urn:xmpp:push:summary"


class PushTestCase(ManagedTestCase, PluginTestCase):
    """Juliet has a phone with an app; Romeo is on another server."""

    plugins: ClassVar[Any] = ("push", "offline", "archive", "carbons", "presence", "roster", "pep", "csi")

    def setUp(self) -> None:
        super().setUp()
        self.service = self.remote(SERVICE)
        self.romeo = self.remote("example.net")
        self.account("juliet@example.org")
        self.pump(5)  # nothing is pushed before that

    # The app

    def enable(self, client: Client, node: str = "n1", content: str = "", service: str = SERVICE) -> None:
        client.send(f"<iq type='set' id='e'><enable xmlns='{NS}' jid='{service}' node='{node}'>{content}</enable></iq>")
        client.expect("<iq type='result' id='e'/>")

    def phone_goes(self, node: str = "n1", content: str = "", resource: str = "phone") -> None:
        """Enable push with a phone, which then is not there any more."""
        phone = self.login(f"juliet@example.org/{resource}")
        self.enable(phone, node, content)
        phone.close()
        self.pump()

    def say(
        self, content: str = "<body>hi</body>", type_: str = "chat", to: str = "juliet@example.org",
        sender: str = "romeo@example.net/orchard",
    ) -> None:  # fmt: skip
        self.romeo.send(f"<message from='{sender}' to='{to}' type='{type_}'>{content}</message>")
        self.pump()

    # The push service

    def published(self) -> Any:
        """Return the next request to the push service."""
        self.pump()
        return self.service.take()

    def answer(self, request: Any, error: str = "", type_: str = "cancel") -> None:
        """Answer a request, with an error if one is named."""
        stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
        content = f"<error type='{type_}'><{error} xmlns='{stanzas}'/></error>" if error else ""
        kind = "error" if error else "result"
        of, to, id_ = (request.getAttribute(name) for name in ("to", "from", "id"))
        self.service.send(f"<iq type='{kind}' from='{of}' to='{to}' id='{id_}'>{content}</iq>")
        self.pump()

    def accepts(self) -> dict[str, str]:
        """Take and accept the next request; return the summary in it."""
        request = self.published()
        self.answer(request)
        return self.summary(request)

    def refuses(self, error: str, type_: str = "cancel") -> None:
        """Take the next request, and refuse it."""
        self.answer(self.published(), error, type_)

    def summary(self, request: Any) -> dict[str, str]:
        (form,) = [e for e in self.notification(request).elements() if e.name == "x"]
        fields = {field["var"]: str(next(field.elements())) for field in form.elements()}
        self.assertEqual(fields.pop("FORM_TYPE"), SUMMARY)
        return fields

    def notification(self, request: Any) -> Any:
        (publish, *_) = next(request.elements()).elements()
        (item,) = publish.elements()
        (notification,) = item.elements()
        self.assertEqual((notification.uri, notification.name), (NS, "notification"))
        return notification

    def quiet(self, seconds: float = 0.0) -> None:
        """Nothing more is published."""
        self.pump(seconds)
        self.service.expect_nothing()

    @property
    def entry(self) -> Any:
        (entry,) = self.plugin("push").registered.of(Jid.parse("juliet@example.org"))
        return entry
