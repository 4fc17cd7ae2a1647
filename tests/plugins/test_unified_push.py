"""A push provider as UnifiedPush has them: endpoints, pushes, devices that are not there, and limits."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any, ClassVar
from urllib.parse import urlsplit

from sqlalchemy import update
from twisted.internet.defer import Deferred

from tests.net.fetching import Connection
from tests.plugins.kit import PluginTestCase
from tests.plugins.managed import SM, ManagedTestCase
from xmppd.api.http import Headers, Request
from xmppd.api.waiting import as_deferred
from xmppd.net.http.answers import Answer
from xmppd.plugins.push_service.roads.encryption import encrypt, subscription
from xmppd.plugins.unified_push.store import ENDPOINTS
from xmppd.testing.client import Client
from xmppd.testing.http import answered
from xmppd.testing.vendors import WebPushService
from xmppd.testing.vendors.webpush import decrypt

NS = "http://gultsch.de/xmpp/drafts/unified-push"
BASE = "https://example.org:5281"
APP = (
    "application='VSUKmxeZ+cjVz1Q3lD0Xk3kBFBJzdqRgNJYqGzbmiqE=' instance='w0cUpWmYSGZsBGYHs2XhFMVmCp7T5PsgnGAX1Ib7Kog='"
)
PUSH = f"<push xmlns='{NS}' {APP}>{{}}</push>"


def refused(condition: str, type: str) -> str:
    found = f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    return f"<iq type='error' id='1'>{{...}}<error type='{type}'>{{...}}{found}</error></iq>"


class Case(PluginTestCase):
    plugins: ClassVar[Any] = ("unified_push",)
    hosts = {"example.org": {"http_url": BASE}}

    def register(self, client: Client, app: str = APP) -> str:
        """Return the endpoint that an app is given."""
        client.send(f"<iq type='set' id='r' to='example.org'><register xmlns='{NS}' {app}/></iq>")
        self.pump()
        client.expect(
            "<iq type='result' id='r' from='example.org'>"
            f"<registered xmlns='{NS}' endpoint='{{any}}' expiration='{{any}}'/></iq>"
        )
        found = re.search(r"endpoint='([^']+)'", client.received[-1])
        assert found is not None
        return found[1]

    def request(self, endpoint: str, body: bytes = b"hi", peer: str = "192.0.2.1", **headers: str) -> Request:
        path = urlsplit(endpoint).path
        return Request("POST", path, headers=Headers(headers), body=body, host="example.org", peer=peer, secure=True)

    def post(self, endpoint: str, *args: Any, **more: Any) -> Deferred[Answer]:
        """Push, without waiting for what comes of it."""
        request = self.request(endpoint, *args, **more)
        posted = as_deferred(answered(request, [request.body], self.server.server.hosts, self._settings))
        self.pump()
        return posted

    def posted(self, endpoint: str, *args: Any, **more: Any) -> int:
        """Push, and return the status that is answered."""
        return self.successResultOf(self.post(endpoint, *args, **more)).code

    def expect_push(self, client: Client, content: bytes = b"hi", confirm: bool = True) -> None:
        """The client is handed a push."""
        text = b64encode(content).decode()
        client.expect(f"<iq type='set' from='example.org' id='{{push}}'>{PUSH.format(text)}</iq>")
        if confirm:
            client.send("<iq type='result' id='{push}' to='example.org'/>")
        self.names.pop("push")
        self.pump()


class Registering(Case):
    def test_an_endpoint(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        self.assertRegex(endpoint, rf"\A{BASE}/unified-push/[A-Za-z0-9_-]{{32}}\Z")
        self.assertIn("expiration='2026-01-31T12:00:00Z'", romeo.received[-1])

    def test_renewed(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        self.pump(29 * 86_400, step=3_600)
        romeo = self.login("romeo@example.org/phone")
        self.assertEqual(self.register(romeo), endpoint)
        self.assertIn("expiration='2026-03-01", romeo.received[-1])

    def test_each_app_on_each_device_has_its_own(self) -> None:
        phone, tablet = self.login("romeo@example.org/phone"), self.login("romeo@example.org/tablet")
        juliet = self.login("juliet@example.org/phone")
        other = "application='a' instance='b'"
        endpoints = {self.register(client, app) for client in (phone, tablet, juliet) for app in (APP, other)}
        self.assertEqual(len(endpoints), 6)

    def test_what_is_no_app(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        for app in ("", "application='a'", "application='a' instance=''", f"application='{'a' * 129}' instance='b'"):
            for verb in ("register", "unregister"):
                romeo.send(f"<iq type='set' id='1' to='example.org'><{verb} xmlns='{NS}' {app}/></iq>")
                romeo.expect(refused("bad-request", "modify"))

    def test_nobody_from_elsewhere(self) -> None:
        paris = self.remote("example.net")
        paris.send(
            f"<iq type='set' id='1' from='paris@example.net/x' to='example.org'><register xmlns='{NS}' {APP}/></iq>"
        )
        paris.expect(refused("forbidden", "auth"))

    def test_as_many_as_may_be(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        self.plugin("unified_push")._options = type(self.plugin("unified_push").options)(endpoints=2)
        first = self.register(romeo, "application='a' instance='1'")
        self.register(romeo, "application='a' instance='2'")
        romeo.send(f"<iq type='set' id='1' to='example.org'><register xmlns='{NS}' application='a' instance='3'/></iq>")
        self.pump()
        romeo.expect(refused("resource-constraint", "wait"))
        self.assertEqual(self.register(romeo, "application='a' instance='1'"), first)

    def test_unregistered(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        for answer in ("<iq type='result' id='2'/>", "<iq type='error' id='2'>{any}</iq>"):
            romeo.send(f"<iq type='set' id='2' to='example.org'><unregister xmlns='{NS}' {APP}/></iq>")
            self.pump()
            romeo.expect(answer)
        self.assertEqual(self.posted(endpoint), 410)
        self.assertNotEqual(self.register(romeo), endpoint)

    def test_what_has_ended_does_not_pile_up(self) -> None:
        """Who registers and unregisters all the time makes the database no larger than who has all there may be."""
        romeo = self.login("romeo@example.org/phone")
        self.plugin("unified_push")._options = type(self.plugin("unified_push").options)(endpoints=3)
        for n in range(30):
            self.register(romeo, f"application='a{n}' instance='b'")
            romeo.send(f"<iq type='set' id='u' to='example.org'><unregister xmlns='{NS}' application='a{n}'"
                       " instance='b'/></iq>")  # fmt: skip
            romeo.expect("<iq type='result' id='u' from='example.org'/>")
        found = self.wait(self.host.db.read(lambda c: c.execute(ENDPOINTS.select()).all()))
        self.assertLessEqual(len(found), 2 * self.plugin("unified_push").options.endpoints)

    def test_expired(self) -> None:
        endpoint = self.register(self.login("romeo@example.org/phone"))
        self.pump(30 * 86_400 + 1, step=3_600)
        self.assertEqual(self.posted(endpoint), 410)
        self.pump(31 * 86_400, step=3_600)  # nobody remembers it any more
        self.assertEqual(self.posted(endpoint), 404)

    def test_deleted_account(self) -> None:
        endpoint = self.register(self.login("romeo@example.org/phone"))
        self.delete_account("romeo@example.org")
        self.assertEqual(self.posted(endpoint), 404)


class NobodyByHttp(Case):
    hosts = {"example.org": {}}

    def settings_table(self) -> dict[str, Any]:
        return super().settings_table() | {"listen": {"c2s": ["tcp:5222"]}}

    def test_no_endpoints(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        romeo.send(f"<iq type='set' id='1' to='example.org'><register xmlns='{NS}' {APP}/></iq>")
        romeo.expect(refused("service-unavailable", "cancel"))


class Pushing(Case):
    def test_to_a_device(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        posted = self.post(endpoint, b"\0hello", TTL="60")
        self.assertNoResult(posted)
        self.expect_push(romeo, b"\0hello")
        answer = self.successResultOf(posted)
        self.assertEqual((answer.code, dict(answer.headers)[b"ttl"]), (201, b"60"))

    def test_what_only_the_app_can_read(self) -> None:
        """A push with Web Push's encryption is handed on as it is, and the app decrypts it."""
        romeo = self.login("romeo@example.org/phone")
        app = WebPushService(self.clock.seconds).subscribe()
        endpoint = self.register(romeo)
        sealed = encrypt("Grüße".encode(), subscription({**app.target, "endpoint": endpoint}))
        self.post(endpoint, sealed, TTL="60", content_encoding="aes128gcm")
        self.expect_push(romeo, sealed)
        self.assertEqual(decrypt(sealed, app.key, app.auth), "Grüße".encode())

    def test_other_devices_hear_nothing(self) -> None:
        romeo, tablet = self.login("romeo@example.org/phone"), self.login("romeo@example.org/tablet")
        self.post(self.register(romeo))
        tablet.expect_nothing()

    def test_no_such_app_any_more(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        posted = self.post(endpoint)
        romeo.expect("<iq type='set' id='{push}'>{any}</iq>")
        error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        romeo.send(f"<iq type='error' id='{{push}}' to='example.org'>{error}</iq>")
        self.pump()
        self.assertEqual(self.successResultOf(posted).code, 410)
        self.assertEqual(self.posted(endpoint), 410)

    def test_a_device_that_does_not_answer(self) -> None:
        romeo = self.login("romeo@example.org/phone", presence=True)
        posted = self.post(self.register(romeo))
        self.expect_push(romeo, confirm=False)
        self.pump(10)
        self.assertEqual(self.successResultOf(posted).code, 202)
        romeo.disconnect()
        romeo = self.login("romeo@example.org/phone", presence=False)
        romeo.send("<presence/>")
        self.pump()
        self.expect_push(romeo)

    def test_discovery(self) -> None:
        for path in ("/unified-push/", "/unified-push/anything"):
            answer = self.ask_http(Request("GET", path, host="example.org"))
            self.assertEqual((answer.code, json.loads(answer.body)), (200, {"unifiedpush": {"version": 1}}))

    def test_pages_of_other_origins(self) -> None:
        """What a browser asks before it pushes is answered by the server, for paths that say so."""
        connection = Connection(self.web.site)
        connection.send(
            "OPTIONS /unified-push/x HTTP/1.1\nHost: example.org\nOrigin: https://app.example\n"
            "Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: ttl\n\n"
        )
        found = connection.value().decode()
        connection.leave()
        self.assertIn("204 No Content", found)
        self.assertRegex(found, "Access-Control-Allow-Methods: .*POST")


class Refused(Case):
    config = {"unified_push": {"endpoint_per_minute": 3, "address_per_minute": 8, "misses_per_minute": 2, "waiting": 2}}

    def test_no_such_endpoint(self) -> None:
        for path in ("x", "A" * 32, "A" * 33, "", "a/b"):
            self.pump(61)
            self.assertEqual(self.posted(f"{BASE}/unified-push/{path}"), 404, path)

    def test_mistakes(self) -> None:
        endpoint = self.register(self.login("romeo@example.org/phone"))
        for body, headers, code in (
            (b"x" * 4_097, {}, 413), (b"x", {"ttl": "soon"}, 400), (b"x", {"ttl": "-1"}, 400),
            (b"x", {"ttl": "²"}, 400), (b"x", {"topic": "not a topic"}, 400), (b"x", {"topic": "x" * 33}, 400),
        ):  # fmt: skip
            self.pump(61)
            self.assertEqual(self.posted(endpoint, body, **headers), code, headers)

    def test_too_many_for_an_endpoint(self) -> None:
        endpoint = self.register(self.login("romeo@example.org/phone"))
        for number in range(3):
            self.post(endpoint, peer=f"192.0.2.{number}", ttl="0")
        answer = self.successResultOf(self.post(endpoint, peer="192.0.2.9"))
        self.assertEqual((answer.code, dict(answer.headers)[b"retry-after"]), (429, b"60"))
        self.pump(61)
        self.assertNoResult(self.post(endpoint))

    def test_too_many_from_an_address(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoints = [self.register(romeo, f"application='a' instance='{number}'") for number in range(9)]
        for number, endpoint in enumerate(endpoints[:8]):
            self.post(endpoint, peer=f"2001:db8::{number}")
        self.assertEqual(self.posted(endpoints[8], peer="2001:db8::ffff"), 429)
        self.assertNoResult(self.post(endpoints[8], peer="2001:db8:0:1::1"))

    def test_guessing(self) -> None:
        endpoint = self.register(self.login("romeo@example.org/phone"))
        for _ in range(2):
            self.assertEqual(self.posted(f"{BASE}/unified-push/{'A' * 32}"), 404)
        self.assertEqual(self.posted(endpoint), 429)
        self.assertNoResult(self.post(endpoint, peer="192.0.2.2"))

    def test_too_many_wait(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        romeo.close()
        self.assertEqual([self.posted(endpoint) for _ in range(3)], [202, 202, 429])


class Waiting(Case):
    config = {"unified_push": {"ttl_seconds": 100, "ttl_max_seconds": 1_000}}

    def leave(self) -> str:
        """Return the endpoint of a device that is not there."""
        romeo = self.login("romeo@example.org/phone")
        endpoint = self.register(romeo)
        romeo.close()
        return endpoint

    def come(self) -> Client:
        romeo = self.login("romeo@example.org/phone")
        romeo.expect_nothing()  # it may have a lot to say before
        romeo.send("<presence/>")
        self.pump()
        return romeo

    def test_delivered_in_order(self) -> None:
        endpoint = self.leave()
        for content in (b"1", b"2", b"3"):
            self.assertEqual(self.posted(endpoint, content), 202)
        romeo = self.come()
        for content in (b"1", b"2", b"3"):
            self.expect_push(romeo, content)
        romeo.expect_nothing()
        romeo.close()
        self.come().expect_nothing()

    def test_as_long_as_it_says(self) -> None:
        endpoint = self.leave()
        for content, headers, kept in (
            (b"1", {"ttl": "50"}, b"50"), (b"2", {}, b"100"), (b"3", {"ttl": "999999999999999"}, b"1000"),
        ):  # fmt: skip
            answer = self.successResultOf(self.post(endpoint, content, **headers))
            self.assertEqual((answer.code, dict(answer.headers)[b"ttl"]), (202, kept))
        self.pump(101)
        romeo = self.come()
        self.expect_push(romeo, b"3")
        romeo.expect_nothing()

    def test_now_or_never(self) -> None:
        self.assertEqual(self.posted(self.leave(), ttl="0"), 201)
        self.come().expect_nothing()

    def test_the_newest_of_a_topic(self) -> None:
        endpoint = self.leave()
        for content, topic in ((b"1", "a"), (b"2", "b"), (b"3", "a"), (b"4", ""), (b"5", "")):
            self.posted(endpoint, content, **({"topic": topic} if topic else {}))
        romeo = self.come()
        for content in (b"2", b"3", b"4", b"5"):
            self.expect_push(romeo, content)
        romeo.expect_nothing()

    def test_over_a_restart(self) -> None:
        endpoint = self.leave()
        self.posted(endpoint)
        self.kill()
        self.expect_push(self.come())

    def test_what_comes_meanwhile_comes_after(self) -> None:
        endpoint = self.leave()
        self.posted(endpoint, b"1")
        romeo = self.come()
        self.assertEqual(self.posted(endpoint, b"2"), 202)
        self.expect_push(romeo, b"1")
        self.expect_push(romeo, b"2")
        romeo.expect_nothing()

    def test_what_comes_just_after_it_was_looked(self) -> None:
        """It doesn't stay behind while the device is there."""
        endpoint, plugin, late = self.leave(), self.plugin("unified_push"), [b"2"]
        self.assertEqual(self.posted(endpoint, b"1"), 202)
        read = plugin.db.read

        async def slow(fn: Any) -> Any:
            found = await read(fn)
            if found == [] and late:
                self.assertEqual(self.posted(endpoint, late.pop()), 202)
            return found

        romeo = self.come()
        self.patch(plugin.host.db, "read", slow)
        self.expect_push(romeo, b"1")
        self.pump()
        self.assertEqual(late, [])
        self.expect_push(romeo, b"2")
        romeo.expect_nothing()

    def test_the_app_is_gone_when_it_comes(self) -> None:
        endpoint = self.leave()
        self.posted(endpoint, b"1")
        self.posted(endpoint, b"2")
        romeo = self.come()
        romeo.expect("<iq type='set' id='{push}'>{any}</iq>")
        error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        romeo.send(f"<iq type='error' id='{{push}}' to='example.org'>{error}</iq>")
        self.pump()
        self.assertEqual(self.posted(endpoint), 410)

    def test_a_device_that_leaves_in_the_middle(self) -> None:
        endpoint = self.leave()
        self.posted(endpoint, b"1")
        self.posted(endpoint, b"2")
        self.expect_push(romeo := self.come(), b"1")
        self.expect_push(romeo, b"2", confirm=False)
        romeo.disconnect()
        self.pump(11)
        self.expect_push(self.come(), b"2")

    def test_what_another_host_has_is_not_listed(self) -> None:
        """Its administrators can name nothing of another host, and all there is are those of their own."""
        self.leave()
        plugin = self.plugin("unified_push")
        moved = update(ENDPOINTS).values(account="romeo@example.net")
        self.wait(plugin.db.write(lambda connection: connection.execute(moved) and None))
        self.assertEqual(self.operate("unified_push", "unified-push list"), [])

    def test_operations(self) -> None:
        endpoint = self.leave()
        self.login("juliet@example.org/phone")
        (row,) = self.operate("unified_push", "unified-push list")
        self.assertEqual((row["account"], row["device"]), ("romeo@example.org", "phone"))
        self.assertNotIn(endpoint.rpartition("/")[2], str(row))
        self.assertEqual(self.operate("unified_push", "unified-push list", after=str(row["id"])), [])
        for after in ("x", "9" * 30, "\u0663"):
            self.refuse_to_operate("unified_push", "unified-push list", after=after)
        self.assertEqual(
            self.operate("unified_push", "unified-push end", account="romeo@example.org"), "Ended 1 endpoint."
        )
        self.assertEqual(self.posted(endpoint), 410)
        self.assertEqual({figure.name for figure in self.plugin("unified_push").figures()},
                         {"endpoints", "waiting", "delivered", "refused"})  # fmt: skip


class Resuming(ManagedTestCase, Case):
    """A phone that has lost its connection gets what came meanwhile when it resumes its session."""

    plugins: ClassVar[Any] = ("unified_push", "roster", "presence")

    def test_resumed(self) -> None:
        phone, id_ = self.enabled("romeo@example.org/phone", name="phone")
        endpoint = self.register(phone)
        phone.disconnect()
        self.pump()
        self.assertEqual(self.posted(endpoint), 202)
        handled = self.sent("romeo@example.org/phone")
        phone = self.resuming("romeo@example.org/phone", id_, handled)
        phone.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='{{any}}'/>")
        self.pump()
        self.expect_push(phone)
