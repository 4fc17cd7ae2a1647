"""What the tests of the push service share: vendors, apps that are registered with them, and pushes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from xmppd.api.push import PushResult, PushSettled
from xmppd.testing.client import Client
from xmppd.testing.network import MemoryNetwork
from xmppd.testing.remote import Remote
from xmppd.testing.vendors import Vendors
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import escape_attribute, escape_text, parse, serialise

from ..kit import PluginTestCase

__all__ = ["COMMANDS", "PUBSUB", "SERVICE", "App", "PushServiceTestCase", "summary"]

COMMANDS = "http://jabber.org/protocol/commands"
PUBSUB = "http://jabber.org/protocol/pubsub"
OURS = "example.org"
SERVICE = "push.example.org"
_FIELD = re.compile(r"<field var='([\w-]+)'><value>([^<]*)</value></field>")


class App:
    """An app that is registered: what it told its user's server."""

    def __init__(self, account: str, node: str, secret: str, device: Any = None) -> None:
        self.account, self.node, self.secret, self.device = account, node, secret, device


def summary(**fields: object) -> str:
    """Return a notification with a summary form (XEP-0357 section 7), or with none."""
    values = {name.replace("_", "-"): str(value) for name, value in fields.items()}
    shown = "".join(f"<field var='{n}'><value>{escape_text(v)}</value></field>" for n, v in values.items())
    form_type = "<field var='FORM_TYPE'><value>urn:xmpp:push:summary</value></field>"
    form = f"<x xmlns='jabber:x:data'>{form_type}{shown}</x>" if fields else ""
    return f"<notification xmlns='urn:xmpp:push:0'>{form}</notification>"


class PushServiceTestCase(PluginTestCase):
    """A server whose push service has an app with each vendor; the vendors are stand-ins."""

    plugins: ClassVar[tuple[str, ...]] = ("disco", "adhoc", "push_service")
    options: ClassVar[Mapping[str, Any]] = {}
    config = {"server": {"data_dir": ""}}

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.vendors = Vendors(self.clock.seconds)
        network.web = self.vendors
        folder = self._settings.server.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fcm.json").write_text(self.vendors.fcm.service_account)
        (folder / "apns.p8").write_text(self.vendors.apns.key)
        self._asked = 0
        self._servers: dict[str, Remote] = {}
        self._answers: dict[int, str] = {}
        self.settled: list[tuple[str, str, PushResult, str]] = []

    def settings_table(self) -> dict[str, Any]:
        table = super().settings_table()
        del table["server"]["data_dir"]
        apns = {"app": "org.example.chat", "key": "apns.p8", "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ"}
        fcm = {"app": "org.example.chat.android", "service_account": "fcm.json"}
        for host in table["hosts"].values():
            host["push_service"] = {"fcm": [fcm], "apns": [apns], **self.options}
        return table

    def _start(self) -> None:
        super()._start()
        notify = self.host.notify

        def note(event: object) -> Any:
            if isinstance(event, PushSettled):
                self.settled.append((event.node, event.item, event.result, event.reason))
            return notify(event)

        self.host.notify = note  # type: ignore[method-assign]

    # Asking

    def ask(self, client: Any, type: str, payload: str, sender: str = "") -> str:
        """Return what the service answers at once."""
        self._asked += 1
        origin = "" if isinstance(client, Client) else f" from='{sender}'"
        client.send(f"<iq type='{type}' id='ask{self._asked}' to='{SERVICE}'{origin}>{payload}</iq>")
        self.pump()
        return serialise(client.take()).decode()

    def command(self, client: Any, command: str, sender: str = "", **values: str) -> str:
        """Return what is answered to a command whose form is filled in at once."""
        fields = "".join(
            f"<field var='{name.replace('_', '-')}'><value>{escape_text(value)}</value></field>"
            for name, value in values.items()
        )
        form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>" if values else ""
        payload = f"<command xmlns='{COMMANDS}' node='{command}' action='execute'>{form}</command>"
        return self.ask(client, "set", payload, sender)

    def register(self, client: Any, node: str, sender: str = "", device: Any = None, **values: str) -> App:
        """Register an app; it has to work."""
        answered = self.command(client, node, sender, **values)
        found = dict(_FIELD.findall(answered))
        self.assertEqual(found.get("jid"), SERVICE, answered)
        account = sender.partition("/")[0] or str(client.jid).partition("/")[0]
        return App(account, found["node"], found["secret"], device)

    def android(self, client: Any, sender: str = "", device_id: str = "phone") -> App:
        """Register an Android app, as Conversations does."""
        token = self.vendors.fcm.register()
        return self.register(client, "register-push-fcm", sender, token, token=token, android_id=device_id)

    def iphone(self, client: Any, sender: str = "", device_id: str = "iphone") -> App:
        """Register an app of Apple's."""
        device = self.vendors.apns.register()
        values = {"token": device.token, "voip_token": device.voip, "device_id": device_id}
        return self.register(client, "register-push-apns", sender, device, **values)

    def browser(self, client: Any, sender: str = "", device_id: str = "browser") -> App:
        """Register a browser."""
        device = self.vendors.webpush.subscribe(self.plugin("push_service").vapid)
        return self.register(client, "register-push-webpush", sender, device, device_id=device_id, **device.target)

    # Publishing

    def publish(
        self, app: App, notification: str = summary(message_count=1), item: str = "", sender: str = "",
        secret: str | None = None, **options: object,
    ) -> int:  # fmt: skip
        """Publish, and return the request's number; what is answered to it is in :meth:`answers`."""
        values = {"secret": app.secret if secret is None else secret, **options}
        fields = "".join(
            f"<field var='{name}'><value>{escape_text(str(value))}</value></field>" for name, value in values.items()
        )
        form_type = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{fields}</x>"
        attribute = f" id='{escape_attribute(item)}'" if item else ""
        return self.publish_raw(
            f"<pubsub xmlns='{PUBSUB}'><publish node='{app.node}'><item{attribute}>{notification}</item></publish>"
            f"<publish-options>{form}</publish-options></pubsub>",
            sender or app.account.partition("@")[2],
        )

    def publish_raw(self, payload: str, sender: str = OURS) -> int:
        """Send a request as the server of a domain does; our own does it as plugins do."""
        self._asked += 1
        if sender == OURS:
            iq = Iq(Jid.parse(SERVICE), self.host.jid, type="set", payload=payload.encode())
            self.spawn(self._own(self._asked, iq))
        else:
            domain = sender.partition("@")[2].partition("/")[0] or sender
            if domain not in self._servers:
                self._servers[domain] = self.remote(domain)
            self._servers[domain].send(
                f"<iq type='set' id='push{self._asked}' from='{sender}' to='{SERVICE}'>{payload}</iq>"
            )
        self.pump()
        return self._asked

    async def _own(self, number: int, iq: Iq) -> None:
        try:
            await self.host.request(iq)
            self._answers[number] = "result"
        except StanzaError as error:
            self._answers[number] = str(error.condition)

    def answers(self) -> dict[int, str]:
        """Return what was answered since the last time, by number: "result", or the condition of the error."""
        for server in self._servers.values():
            while server._unread:
                (iq,) = parse(server._unread.pop(0).encode())
                if iq.name == "iq":
                    error = next((child for child in iq.elements() if child.name == "error"), None)
                    answered = "result" if error is None else str(StanzaError.from_element(error).condition)
                    self._answers[int(iq["id"].removeprefix("push"))] = answered
        found, self._answers = self._answers, {}
        return found

    def answer(self) -> str:
        """Return the only answer."""
        (answered,) = self.answers().values()
        return answered

    def publishes(self, app: App, *arguments: Any, **options: Any) -> str:
        """Publish, and return what is answered."""
        self.publish(app, *arguments, **options)
        return self.answer()

    def payloads(self) -> list[dict[str, Any]]:
        """What Web Push has delivered, decrypted."""
        return [json.loads(pushed.text) if pushed.content else {} for pushed in self.vendors.webpush.pushed]
