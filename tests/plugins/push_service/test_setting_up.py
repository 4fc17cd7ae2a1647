"""Options, credentials, and what operators see and do."""

from __future__ import annotations

import json
import unittest
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from xmppd.api import OperationError
from xmppd.api.waiting import as_deferred
from xmppd.plugins.push_service.options import PushServiceOptions
from xmppd.plugins.push_service.roads.contract import CredentialsError

from .kit import PushServiceTestCase

APNS = {"app": "org.example.chat", "key": "apns.p8", "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ"}


class Options(unittest.TestCase):
    def test_what_is_wrong(self) -> None:
        fcm = {"app": "com.example", "service_account": "x"}
        for wrong, text in (
            ({"fcm": [fcm, fcm]}, "fcm: com.example is there twice"),
            ({"fcm": [{**fcm, "app": "no app"}]}, "com.example.chat"),
            ({"fcm": [{"app": "com.example"}]}, "service_account"),
            ({"apns": [{**APNS, "key_id": "short"}]}, "ten letters and digits"),
            ({"webpush": {"contact": "bard@example.org"}}, "mailto:ADDRESS"),
            ({"webpush": {"networks": ["everywhere"]}}, "everywhere"),
            ({"fcm": [{**fcm, "url": "ftp://x"}]}, "https://HOST"),
            ({"open": ["exa mple"]}, "open"),
        ):
            with self.subTest(wrong=wrong), self.assertRaises(ValidationError) as caught:
                PushServiceOptions.model_validate(wrong)
            self.assertIn(text, str(caught.exception))


class Credentials(PushServiceTestCase):
    def refused(self, files: Mapping[str, str], options: Mapping[str, Any]) -> str:
        """Return why the plugin doesn't take options."""
        plugin = self.plugin("push_service")
        for name, text in files.items():
            (self.host.data_dir / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        plugin._options = PushServiceOptions.model_validate(options)
        with self.assertRaises(CredentialsError) as caught:
            self.wait(plugin._make_carriers())
        return str(caught.exception)

    def test_in_plain_words(self) -> None:
        fcm = {"fcm": [{"app": "com.example", "service_account": "bad.json"}]}
        apns = {"apns": [{**APNS, "key": "bad.p8"}]}
        account = json.loads(self.vendors.fcm.service_account)
        cases: list[tuple[dict[str, str], dict[str, Any], str, str]] = [
            ({}, fcm, "fcm: com.example: service_account: ", "bad.json can't be read: No such file"),
            ({"bad.json": "\udcff"}, fcm, "fcm: com.example: service_account: ", "is no text"),
            ({"bad.json": "{"}, fcm, "fcm: com.example: ", "no JSON"),
            ({"bad.json": "{}"}, fcm, "fcm: com.example: ", "not that of a service account"),
            ({"bad.json": json.dumps({**account, "private_key": "x"})}, fcm, "fcm: com.example: ", "private key"),
            ({"bad.p8": "x"}, apns, "apns: org.example.chat: ", "no private key in PEM"),
            ({"bad.pem": "x"}, {"webpush": {"key": "bad.pem"}}, "webpush: key: ", "no private key in PEM"),
        ]
        for files, options, place, text in cases:
            with self.subTest(text=text):
                told = self.refused(files, options)
                self.assertIn(place, told)
                self.assertIn(text, told)
                self.assertNotIn("PRIVATE KEY-----\n", told)

    def test_start_fails(self) -> None:
        registry = self.host.registry
        self.wait(registry.disable("push_service"))
        (self.host.data_dir / "apns.p8").write_text("x")
        failed = self.failureResultOf(self._enable())
        self.assertIn("apns: org.example.chat: the signing key is no private key", str(failed.value))
        self.flushLoggedErrors()

    def _enable(self) -> Any:
        return as_deferred(self.host.registry.enable("push_service"))

    def test_key_of_web_push_stays(self) -> None:
        key = self.operate("push_service", "push-service key")
        self.assertEqual((len(key), key[0]), (87, "B"))
        self.restart()
        self.assertEqual(self.operate("push_service", "push-service key"), key)


class Operating(PushServiceTestCase):
    def test_status(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        browser, android = self.browser(romeo), self.android(romeo)
        self.publishes(browser)
        self.vendors.fcm.fail("UNAVAILABLE")
        self.publishes(android)
        rows = {(row["road"], row["app"]): row for row in self.operate("push_service", "push-service status")}
        apple, google = rows["apns", "org.example.chat"], rows["fcm", "org.example.chat.android"]
        web = rows["webpush", self.vendors.webpush.origin.removeprefix("https://")]
        self.assertEqual((web["state"], web["devices"], web["accepted"]), ("ready", 1, 1))
        self.assertEqual(web["last_accepted"], "2026-01-01 12:00:00")
        self.assertEqual((google["waiting"], google["failed"], google["last_accepted"]), (1, 1, ""))
        self.assertIn("2026-01-01 12:00:00: ", google["last_error"])
        self.assertIn("ABC123DEFG", apple["credentials"])

    def test_app_that_is_not_set_up_any_more(self) -> None:
        android = self.android(self.login("romeo@example.org/phone"))
        plugin = self.plugin("push_service")
        plugin._options = PushServiceOptions()
        self.wait(plugin.reconfigured(plugin.options))
        self.assertEqual(self.publishes(android), "service-unavailable")
        (row,) = self.operate("push_service", "push-service status")
        self.assertEqual((row["state"], row["devices"]), ("not set up", 1))
        told = self.refuse_to_operate("push_service", "push-service test", node=android.node)
        self.assertIn("no credentials for fcm of org.example.chat.android", told)

    def test_devices_page_by_page(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        nodes = [self.android(romeo, device_id=str(number)).node for number in range(5)]
        first = self.operate("push_service", "push-service devices", limit=3)
        rest = self.operate("push_service", "push-service devices", limit=3, after=first[-1]["node"])
        self.assertEqual(len(first), 3)
        self.assertCountEqual([row["node"] for row in first + rest], nodes)
        self.assertEqual(self.operate("push_service", "push-service devices", user="juliet@example.org"), [])

    def test_test(self) -> None:
        iphone = self.iphone(self.login("romeo@example.org/phone"))
        self._operate_later("push-service test", node=iphone.node)
        alert = self.vendors.apns.pushed[0].content["aps"]["alert"]
        self.assertEqual(alert, {"title": "Test", "body": "This is a test."})
        self.assertIn("apns of org.example.chat has taken it", self.told)
        self.vendors.apns.fail("BadDeviceToken")
        self._operate_later("push-service test", node=iphone.node)
        self.assertIn("apns of org.example.chat: gone:", self.told)

    def _operate_later(self, name: str, **arguments: Any) -> None:
        """Run an operation that asks the network; what it says is in `told`."""
        self.told = ""

        async def run() -> None:
            try:
                self.told = str(await self.server.server.operations.run(name, arguments))
            except Exception as error:
                self.told = str(error)

        self.spawn(run())
        self.pump(1)

    def test_figures(self) -> None:
        app = self.browser(self.login("romeo@example.org/phone"))
        self.publishes(app)
        self.publishes(app, secret="x")
        self.vendors.webpush.unsubscribe(app.device)
        self.publishes(app)
        figures = {figure.name: figure.value for figure in self.plugin("push_service").figures()}
        told = {name: figures[name] for name in ("published", "refused", "accepted", "gone", "waiting")}
        self.assertEqual(told, {"published": 2, "refused": 2, "accepted": 1, "gone": 1, "waiting": 0})


class TwoHosts(PushServiceTestCase):
    hosts = ("example.org", "example.net")

    def test_each_has_its_own(self) -> None:
        """Keys, registrations and pushes of one are not those of the other, in the same tables."""
        operations = self.server.server.operations
        keys = {host: self.wait(operations.run("push-service key", {"host": host})) for host in self.hosts}
        self.assertEqual(len(set(keys.values())), 2)
        app = self.browser(self.login("romeo@example.org/phone"))
        self.assertEqual(self.publishes(app), "result")
        listed: dict[str, Any] = {
            host: self.wait(operations.run("push-service devices", {"host": host})) for host in self.hosts
        }
        self.assertEqual({host: len(rows) for host, rows in listed.items()}, {"example.org": 1, "example.net": 0})
        with self.assertRaises(OperationError) as caught:
            self.wait(operations.run("push-service key", {}))
        self.assertIn("several hosts have push-service key", str(caught.exception))
        paris = self.login("paris@example.net/phone")
        answered = self.command(paris, "register-push-fcm", token="x")
        self.assertIn("<forbidden", answered)
