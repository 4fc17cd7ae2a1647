"""The old HTTP addresses: the reference's sections 2 and 4."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.plugins.androidpn.kit import NAME, AndroidCase
from xmppd.api.http import Headers, Request
from xmppd.core.options import SettingsError
from xmppd.net.http.answers import Answer

TOKEN = "a token that nobody guesses"
TAG = "say hi or all"
BOUNDARY = "----WebKitFormBoundary7MA4YWxk"


class FacadeCase(AndroidCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {"androidpn": {"facade_token": TOKEN}}

    def setUp(self) -> None:
        super().setUp()
        self.account(f"{NAME}@example.org")

    def get(self, path: str, **parameters: str) -> Answer:
        return self.ask_http(Request("GET", path, urlencode(parameters), peer="192.0.2.1"))

    def post(self, path: str, query: Mapping[str, str] | None = None, **fields: str) -> Answer:
        """Send a form as programs do."""
        headers = Headers({"Content-Type": "application/x-www-form-urlencoded"})
        body = urlencode(fields).encode()
        return self.ask_http(Request("POST", path, urlencode(query or {}), headers, body, peer="192.0.2.1"))

    def upload(self, fields: Mapping[str, str], file: bytes = b"") -> Answer:
        """Send a form as browsers do when there is a file in it."""
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts.append(b'name="image"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n' + file)
        body = b"".join(b"--%s\r\nContent-Disposition: form-data; %s\r\n" % (BOUNDARY.encode(), part) for part in parts)
        headers = Headers({"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        request = Request("POST", "/notification.do", "", headers, body + f"--{BOUNDARY}--\r\n".encode())
        return self.ask_http(request)

    def sent(self) -> list[dict[str, Any]]:
        """Return what was sent, the oldest first."""
        self.pump(2)
        rows = self.operate("notification list")
        return [self.operate("notification show", id=row["id"]) for row in reversed(rows)]


class SendingTests(FacadeCase):
    def test_form(self) -> None:
        """As androidpn-pyclient sends, with the token in its URL; the answer leads back to the form."""
        answer = self.post(
            "/notification.do", {"token": TOKEN}, title="Sale", message="Now", action="send", broadcast="Y",
            uri="None", username="None",
        )  # fmt: skip
        self.assertEqual(answer.code, 302)
        [sent] = self.sent()
        self.assertEqual((sent["title"], sent["body"], sent["uri"], sent["audience"]), ("Sale", "Now", "", "all"))
        self.assertEqual(dict(answer.headers)[b"location"], f"notification.do?sent={sent['id']}".encode())
        self.assertEqual(self.get("/notification.do", sent="1").code, 200)

    def test_kinds_of_audience(self) -> None:
        """Y and N of the original, 0 to 3 of its fork; all is what is meant by saying nothing."""
        notifications, account = self.plugin("notifications"), self.host.jid.of(NAME, "example.org")
        self.wait(notifications.set_alias(account, "bob"))
        self.wait(notifications.set_tags(account, [TAG]))
        for fields, audience in (
            ({"broadcast": "N", "username": NAME}, f"user:{NAME}@example.org"),
            ({"broadcast": "1", "username": f"{NAME.upper()}@example.org"}, f"user:{NAME}@example.org"),
            ({"broadcast": "2", "alias": "bob"}, "alias:bob"),
            ({"broadcast": "3", "tag": TAG}, 'tag:"say hi or all"'),
            ({"broadcast": "0"}, "all"),
            ({}, "all"),
        ):
            answer = self.get("/notification.do", action="send", token=TOKEN, title="t", message="m", **fields)
            self.assertEqual(answer.code, 302, answer.body)
            self.assertEqual(self.sent()[-1]["audience"], audience)

    def test_api(self) -> None:
        answer = self.get("/notification_api.do", action="send", title="t", message="m", broadcast="Y", token=TOKEN)
        self.assertEqual((answer.code, json.loads(answer.body)["result"]), (200, "0"))
        self.assertEqual(len(self.sent()), 1)

    def test_api_says_what_is_wrong(self) -> None:
        """It said "success" whatever had happened."""
        for fields in (
            {"broadcast": "N", "username": "nobody"},
            {"broadcast": "N"},
            {"broadcast": "None", "username": "None"},
            {"broadcast": "2"},
            {"broadcast": "N", "username": "b@d@"},
            {"title": "", "message": ""},
        ):
            answer = self.post("/notification_api.do", None, **{"token": TOKEN, "title": "t", "message": "m", **fields})
            self.assertEqual((answer.code, json.loads(answer.body)["result"]), (400, "1"), fields)
            self.assertTrue(json.loads(answer.body)["description"])
        self.assertEqual(self.sent(), [])

    def test_multipart(self) -> None:
        fields = {
            "token": TOKEN,
            "broadcast": "0",
            "title": "Zürich",
            "message": "9 & all",
            "imageUrl": "https://x.example/y",
        }
        self.assertEqual(self.upload(fields).code, 302)
        [sent] = self.sent()
        self.assertEqual((sent["title"], sent["body"], sent["image"]), ("Zürich", "9 & all", "https://x.example/y"))

    def test_files_are_refused(self) -> None:
        answer = self.upload({"token": TOKEN, "title": "t", "message": "m"}, b"\x89PNG")
        self.assertEqual(answer.code, 400)
        self.assertEqual(self.sent(), [])

    def test_forms_within_forms_are_not_looked_into(self) -> None:
        """A stranger's body costs no more than it is long."""
        inner = "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(1000))
        headers = Headers({"Content-Type": "multipart/form-data; boundary=b0"})
        answer = self.ask_http(Request("POST", "/notification.do", "", headers, inner.encode()))
        self.assertEqual(answer.code, 400)

    def test_no_form(self) -> None:
        for kind, body in (
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b""),
            ("multipart/form-data; boundary=b", b"x"),
            ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=title\r\n\r\nt"),
        ):
            headers = Headers({"Content-Type": kind})
            answer = self.ask_http(Request("POST", "/notification.do", f"token={TOKEN}", headers, body))
            self.assertEqual(answer.code, 400, body)


class TokenTests(FacadeCase):
    def test_missing_or_wrong(self) -> None:
        for token in ("", "another"):
            for path in ("/notification.do", "/notification_api.do", "/user_api.do"):
                self.assertEqual(self.get(path, action="send", token=token).code, 401)
        self.assertEqual(self.sent(), [])

    def test_bearer(self) -> None:
        headers = Headers({"Authorization": f"Bearer {TOKEN}"})
        self.assertEqual(self.ask_http(Request("GET", "/user_api.do", "", headers)).code, 200)

    def test_guessing_is_stopped(self) -> None:
        """Together with log-ins from that address."""
        codes = [self.get("/user_api.do", token=f"{number}").code for number in range(51)]
        self.assertEqual(codes, [401] * 50 + [429])
        self.assertEqual(self.get("/user_api.do", token=TOKEN).code, 429)

    def test_too_short(self) -> None:
        plugin = type(self.plugin("androidpn"))
        for wrong in ({"facade_token": "short"}, {"usernames": "("}):
            self.assertRaises((SettingsError, ValueError), plugin.Options.model_validate, wrong)


class OffTests(AndroidCase):
    def test_not_there(self) -> None:
        """Unless there is a token."""
        for path in ("/notification.do", "/notification_api.do", "/user_api.do"):
            self.assertEqual(self.ask_http(Request("GET", path, "action=send&token=")).code, 404)


class UsersTests(FacadeCase):
    def users(self, **parameters: str) -> list[str]:
        names: list[str] = json.loads(self.get("/user_api.do", token=TOKEN, **parameters).body)["data"]
        return names

    def test_users(self) -> None:
        self.phone("1" * 32)
        self.assertEqual(self.users(), [NAME, "1" * 32][::-1] if NAME > "1" else [NAME, "1" * 32])
        self.assertEqual(self.users(online="1"), ["1" * 32])
        self.assertEqual(self.users(online="0"), [NAME])
        self.assertEqual(self.users(**{"from": "2030-01-01 00:00:00"}), [])
        self.assertEqual(len(self.users(**{"from": "2026-01-01 00:00:00"})), 2)
        self.assertEqual(self.get("/user_api.do", token=TOKEN, **{"from": "yesterday"}).code, 400)


class OnlineOnlyTests(FacadeCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "androidpn": {"facade_token": TOKEN, "facade_online_only": True}
    }

    def test_online_only(self) -> None:
        """As the original did: who isn't there doesn't get it."""
        self.get("/notification.do", action="send", token=TOKEN, title="t", message="m")
        [sent] = self.sent()
        self.assertTrue(sent["online_only"])
