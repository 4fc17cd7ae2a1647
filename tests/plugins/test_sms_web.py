"""Short messages through a provider's HTTP interface: requests from a template, answers, and what it calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.sms_kit import NUMBER, SmsCase
from xmppd.api.http import Headers, HttpError, Request, Response
from xmppd.api.network import NoConnection
from xmppd.net.http.answers import Answer
from xmppd.plugins.sms.options import Http, Webhook
from xmppd.plugins.sms.web import at, filled
from xmppd.plugins.sms.webhook import Guard, incoming_in, reports_in, signature
from xmppd.testing.network import MemoryNetwork

FROM = f"from='{NUMBER}@sms.example.org'"
RECEIPT = "<request xmlns='urn:xmpp:receipts'/>"
URL = "https://sms.example/send"
FORM = "application/x-www-form-urlencoded"
FORMS = b"from=491701234567&text=a+b%E2%82%AC&from=%2B491701234567"


class Templates(SynchronousTestCase):
    def test_filled(self) -> None:
        values = {"to": '"+49"', "text": "{to}"}
        template = {"to": ["{to}"], "message": {"text": "<{text}>"}, "n": 5, "{to}": True, "brace": "{{}}"}
        self.assertEqual(filled(template, values), {"to": ['"+49"'], "message": {"text": "<{to}>"}, "n": 5,
                                                    "{to}": True, "brace": "{}"})  # fmt: skip

    def test_at(self) -> None:
        content = {"messages": [{"id": 5}, {"id": None}], "a": "b"}
        for path, found in (("messages.0.id", 5), ("messages.1.id", None), ("messages.2.id", None), ("a.b", None),
                            ("messages.x", None), ("messages.-1.id", None), ("", content), ("a", "b")):  # fmt: skip
            self.assertEqual(at(content, path), found, path)

    def test_what_is_no_template(self) -> None:
        for body in ({"a": "{nobody}"}, {"a": ["{"]}, {"a": {"b": "{to.__class__}"}}, {"a": "{}"}):
            self.assertRaises(ValidationError, Http, body=body)
        self.assertRaises(ValidationError, Http, url="https://x/{y}")
        for pattern in ("(", "abc", "(a)(b)"):
            self.assertRaises(ValidationError, Http, id_pattern=pattern)


class WebCase(SmsCase):
    http: ClassVar[dict[str, Any]] = {}
    webhook: ClassVar[dict[str, Any]] = {}

    def settings_table(self) -> dict[str, Any]:
        self.answer: Callable[[Request], Response] = lambda request: Response.json({"messages": [{"id": "x1"}]})
        table = super().settings_table()
        for host in table["hosts"].values():
            http = {"url": URL, "messages_per_second": 1000.0, **self.http}
            host["sms"].update(provider="http", http=http, webhook={"secret": "s3cret", **self.webhook})
        return table

    def prepare_network(self, network: MemoryNetwork) -> None:
        network.web = lambda request: self.answer(request)

    def requests(self) -> list[Request]:
        return self.network.requests

    def call(self, path: str, body: bytes, type_: str = "application/json", **headers: str) -> Answer:
        """Have the provider call, with the right signature unless told otherwise."""
        options = self.plugin("sms").options.webhook
        timestamp = headers.get(options.timestamp_header, "")
        given = {"Content-Type": type_, options.signature_header: signature(options, body, timestamp), **headers}
        return self.ask_http(Request("POST", path, headers=Headers(given), body=body))


class Json(WebCase):
    options: ClassVar = {"retry_seconds": 10.0}
    http: ClassVar = {
        "headers": {"Authorization": "Bearer abc"}, "id_field": "messages.0.id",
        "body": {"to": "{to}", "from": "{from}", "messages": [{"text": "{text}"}], "reference": "{id}",
                 "parts": "{parts}"},
        "permanent_statuses": [400],
    }  # fmt: skip

    def test_the_request(self) -> None:
        self.send("Grüße 😀" + "a" * 70)
        (request,) = self.requests()
        self.assertEqual((request.method, request.path), ("POST", URL))
        self.assertEqual(request.headers["authorization"], "Bearer abc")
        self.assertEqual(request.headers["content-type"], "application/json")
        self.assertEqual(json.loads(request.body), {"to": NUMBER, "from": "+4915100000000", "parts": "2",
                         "messages": [{"text": "Grüße 😀" + "a" * 70}], "reference": mock.ANY})  # fmt: skip
        self.romeo.expect_nothing()

    def test_receipts(self) -> None:
        self.send(more=RECEIPT)
        for status in (b"sent", b"delivered", b"delivered"):
            self.assertEqual(self.call("/sms/report", b'{"id": "x1", "status": "%s"}' % status).code, 200)
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
        self.romeo.expect_nothing()

    def test_failures(self) -> None:
        self.send(more=RECEIPT)
        self.call("/sms/report", b'{"id": "x1", "status": "undelivered"}')
        self.romeo.expect(f"<message {FROM} type='error' id='m1'>{{...}}<error type='cancel'>{{any}}</error></message>")
        self.assertIn("the provider says: undelivered", self.romeo.received[-1])

    def test_refused(self) -> None:
        self.answer = lambda request: Response.json({"error": "no such number"}, 400)
        self.send()
        self.romeo.expect(f"<message {FROM} type='error'>{{...}}<error type='modify'>{{any}}</error></message>")
        self.assertEqual(len(self.requests()), 1)

    def test_later(self) -> None:
        answers: list[Any] = [Response(503), Response(401), Response.text("wait", 429), NoConnection("cut")]

        def answer(request: Request) -> Response:
            found: Any = answers.pop(0) if answers else Response.json({"messages": [{"id": "x1"}]})
            if isinstance(found, Exception):
                raise found
            assert isinstance(found, Response)
            return found

        self.answer = answer
        self.send(more=RECEIPT)
        for _ in range(8):
            self.pump(50)
            self.romeo.send(" ")
        self.assertEqual(len(self.requests()), 5)
        self.assertEqual(len({json.loads(request.body)["reference"] for request in self.requests()}), 1)
        self.call("/sms/report", b'{"id": "x1", "status": "delivered"}')
        self.assertIn("<received ", self.romeo.received[-1])

    def test_when_the_provider_says_so(self) -> None:
        self.answer = lambda request: Response(429, headers=Headers({"Retry-After": "120"}))
        self.send()
        self.answer = lambda request: Response(200)
        self.pump(110)
        self.assertEqual(len(self.requests()), 1)
        self.pump(20)
        self.assertEqual(len(self.requests()), 2)

    def test_no_answer(self) -> None:
        self.network.silent = True
        self.send()
        self.pump(40)
        self.network.silent = False
        self.pump(60)
        self.assertEqual(len(self.requests()), 1)

    def test_the_link(self) -> None:
        self.answer = lambda request: Response.text("no money", 402)
        self.send()
        found = self.wait(self.plugin("sms").show_link())
        self.assertEqual((found["provider"], found["url"], found["sent"], found["waiting"]), ("http", URL, 0, 1))
        self.assertIn("402: no money", found["problem"])


class Form(WebCase):
    http: ClassVar = {
        "method": "PUT", "url": "https://sms.example/{to}?x={text}", "format": "form", "plus": False, "window": 1,
        "body": {"text": "{text}"}, "success_statuses": [202], "success_field": "status", "success_values": ["queued"],
        "timeout_seconds": 7.0, "answer_octets": 100, "messages_per_second": 0.5,
    }  # fmt: skip

    def test_the_request(self) -> None:
        self.send("a b&c=d/ä".replace("&", "&amp;"))
        (request,) = self.requests()
        self.assertEqual((request.method, request.path),
                         ("PUT", "https://sms.example/491701234567?x=a%20b%26c%3Dd%2F%C3%A4"))  # fmt: skip
        self.assertEqual((request.headers["content-type"], request.body), (FORM, b"text=a+b%26c%3Dd%2F%C3%A4"))

    def test_success(self) -> None:
        for answer, refused in (
            (Response.json({"status": "queued"}, 202), False),
            (Response.json({"status": "rejected"}, 202), True),
            (Response.text("queued", 202), True),
        ):
            self.answer = partial(self.given, answer)
            self.send()
            self.pump(3)
            self.assertEqual("not-acceptable" in "".join(self.romeo.received[-1:]), refused)
            self.romeo.clear()

    @staticmethod
    def given(answer: Response, request: Request) -> Response:
        return answer

    def test_pace(self) -> None:
        self.answer = lambda request: Response.json({"status": "queued"}, 202)
        for n in range(3):
            self.send(str(n))
        self.assertEqual(len(self.requests()), 2)
        self.pump(2)
        self.assertEqual(len(self.requests()), 3)

    def test_limits(self) -> None:
        with mock.patch.object(self.network, "fetch", side_effect=NoConnection("")) as fetch:
            self.send()
        self.assertEqual(fetch.call_args.kwargs, {"timeout": 7.0, "octets": 100})


class Text(WebCase):
    http: ClassVar = {
        "method": "GET",
        "url": "https://sms.example/?to={to}&key={secret}",
        "secret": "O Romeo",
        "id_pattern": "OK: ([0-9]+)",
    }

    def test_names_in_texts(self) -> None:
        self.answer = lambda request: Response.text("OK: 4711")
        self.send(more=RECEIPT)
        self.assertEqual((self.requests()[0].method, self.requests()[0].body), ("GET", b""))
        self.assertTrue(self.requests()[0].path.endswith("&key=O%20Romeo"))
        self.call("/sms/report", b'{"id": 4711, "status": "delivered"}')
        self.assertIn("<received ", self.romeo.received[-1])

    def test_none(self) -> None:
        self.answer = lambda request: Response.text("fine")
        self.send()
        self.romeo.expect_nothing()


class Unset(WebCase):
    http: ClassVar = {"url": ""}

    def test_refused(self) -> None:
        self.send()
        self.assertIn("http.url is not set", self.romeo.received[-1])


class Incoming(WebCase):
    def test_json(self) -> None:
        self.send()
        body = json.dumps({"from": NUMBER, "to": "+4915100000000", "text": "żółw 😀", "id": 1}).encode()
        answer = self.call("/sms/incoming", body)
        self.assertEqual((answer.code, answer.body), (200, b'{"messages": 1}\n'))
        self.romeo.expect(f"<message {FROM} type='chat'><body>żółw 😀</body></message>")
        self.assertEqual(self.call("/sms/incoming", body).code, 200)  # once more
        self.romeo.expect_nothing()

    def test_form(self) -> None:
        self.send()
        self.assertEqual(self.call("/sms/incoming", FORMS, FORM).code, 200)
        self.romeo.expect(f"<message {FROM} type='chat'><body>a b€</body></message>")

    def test_what_xml_cannot_have(self) -> None:
        self.send()
        self.call("/sms/incoming", b'{"from": "+491701234567", "text": "a\\u0000b\\ud800"}')
        self.romeo.expect(f"<message {FROM} type='chat'><body>a\ufffdb\ufffd</body></message>")

    def test_nobody(self) -> None:
        self.assertEqual(self.call("/sms/incoming", b'{"from": "+491609999999", "text": "a"}').code, 200)

    def test_bad_ones(self) -> None:
        for body in (b"", b"{", b"[]", b"5", b"null", b'{"from": "+49"}', b'{"text": "a"}',
                     b'{"from": [], "text": "a"}',
                     b'{"from": {"a": 1}, "text": "a"}', b'[5]', b'{"from": null, "text": "a"}'):  # fmt: skip
            answer = self.call("/sms/incoming", body)
            self.assertEqual(answer.code, 200 if body == b"[]" else 400, body)
        for body in (b"{}", b'{"id": 5}', b'{"status": "delivered"}'):
            self.assertEqual(self.call("/sms/report", body).code, 400, body)

    def test_forgeries(self) -> None:
        self.send()
        body = b'{"from": "+491701234567", "text": "a"}'
        right = signature(self.plugin("sms").options.webhook, body)
        for headers in ({"X-Signature": ""}, {"X-Signature": right[:-1]}, {"X-Signature": right[:-1] + "é"},
                        {"X-Signature": "0" * 64}, {"X-Signature": f"sha256={right}"}):  # fmt: skip
            self.assertEqual(self.call("/sms/incoming", body, **headers).code, 401, headers)
        self.assertEqual(self.call("/sms/incoming", body + b" ", **{"X-Signature": right}).code, 401)
        self.assertEqual(self.call("/sms/report", body, **{"X-Signature": "0" * 64}).code, 401)
        self.romeo.expect_nothing()
        self.assertEqual(self.call("/sms/incoming", body, **{"X-Signature": right.upper()}).code, 200)


class Off(WebCase):
    webhook: ClassVar = {"secret": ""}

    def test_without_a_secret(self) -> None:
        """A signature with an empty secret is one that everybody can make."""
        self.assertEqual(self.call("/sms/incoming", b'{"from": "+491701234567", "text": "a"}').code, 404)


class Mapped(WebCase):
    http: ClassVar = {"id_field": "id"}
    webhook: ClassVar = {
        "signature_header": "X-Hub", "signature_prefix": "sha256=", "signature_encoding": "base64",
        "timestamp_header": "X-Time", "tolerance_seconds": 60.0, "signed": "v0:{timestamp}:{body}",
        "list_field": "results", "from_field": "sender.number", "to_field": "rcpt", "text_field": "content",
        "id_field": "messageId", "status_field": "state.name", "delivered": ["OK"], "failed": ["KO"],
        "reason_field": "state.why",
    }  # fmt: skip

    def body(self, text: str = "hello", id_: str = "1") -> bytes:
        result = {"sender": {"number": NUMBER}, "rcpt": "+49151", "content": text, "messageId": id_}
        return json.dumps({"results": [result]}).encode()

    def now(self, seconds: float = 0) -> str:
        return str(int(self.clock.seconds() + seconds))

    def test_several_at_once(self) -> None:
        self.send()
        one = {"sender": {"number": NUMBER}, "content": "1"}
        body = json.dumps({"results": [one, {**one, "content": "2"}]}).encode()
        self.assertEqual(self.call("/sms/incoming", body, **{"X-Time": self.now()}).body, b'{"messages": 2}\n')
        for text in "12":
            self.romeo.expect(f"<message {FROM} type='chat'><body>{text}</body></message>")

    def test_reports(self) -> None:
        self.answer = lambda request: Response.json({"id": "x1"})
        self.send()
        body = b'{"results": [{"messageId": "x1", "state": {"name": "KO", "why": "phone is off"}}]}'
        self.assertEqual(self.call("/sms/report", body, **{"X-Time": self.now()}).code, 200)
        self.assertIn("phone is off", self.romeo.received[-1])

    def test_times(self) -> None:
        for seconds, code in ((-61, 403), (61, 403), (-59, 200), (59, 200), (0, 200)):
            headers = {"X-Time": self.now(seconds)}
            self.assertEqual(self.call("/sms/incoming", self.body(id_=str(seconds)), **headers).code, code, seconds)
        for wrong in ("", "now", "nan", "1e9", "-5", "９", "9" * 400):
            self.assertEqual(self.call("/sms/incoming", self.body(), **{"X-Time": wrong}).code, 403, wrong)

    def test_another_time_than_the_one_that_was_signed(self) -> None:
        options = self.plugin("sms").options.webhook
        old = signature(options, self.body(), self.now(-3600))
        self.assertEqual(self.call("/sms/incoming", self.body(), **{"X-Time": self.now(), "X-Hub": old}).code, 401)

    def test_once_only(self) -> None:
        self.send()
        headers = {"X-Time": self.now()}
        self.assertEqual(self.call("/sms/incoming", self.body(), **headers).code, 200)
        self.assertEqual(self.call("/sms/incoming", self.body(), **headers).code, 403)
        self.pump(150)
        self.assertEqual(self.call("/sms/incoming", self.body(), **headers).code, 403)  # too old by now
        self.romeo.expect(f"<message {FROM} type='chat'><body>hello</body></message>")

    def test_what_failed_may_come_again(self) -> None:
        self.send()
        headers = {"X-Time": self.now()}
        with mock.patch.object(self.plugin("sms"), "received", side_effect=ZeroDivisionError):
            self.assertEqual(self.call("/sms/incoming", self.body(), **headers).code, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.call("/sms/incoming", self.body(), **headers).code, 200)

    def test_what_would_not_be_safe(self) -> None:
        self.assertRaises(ValidationError, Webhook, signed="{timestamp}")
        self.assertRaises(ValidationError, Webhook, signed="{body}", timestamp_header="X-Time")
        self.assertRaises(ValidationError, Webhook, signed="{body}{x}")


class Anything(SynchronousTestCase):
    @given(st.binary(max_size=200), st.sampled_from(("application/json", FORM, "")), st.sampled_from(("", "results")))
    def test_bodies(self, body: bytes, type_: str, list_field: str) -> None:
        options = Webhook(list_field=list_field)
        request = Request("POST", "/", headers=Headers({"Content-Type": type_}), body=body)
        for read in (incoming_in, reports_in):
            try:
                read(request, options)
            except HttpError as error:
                self.assertEqual(error.status, 400)

    @given(st.text(max_size=100), st.text(max_size=20))
    def test_headers(self, given: str, time: str) -> None:
        options = Webhook(secret="x", timestamp_header="X-Time")
        headers = Headers({"X-Signature": given, "X-Time": time})
        self.assertRaises(HttpError, Guard(options).check, Request("POST", "/", headers=headers), 0.0)
