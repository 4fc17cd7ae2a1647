"""Who gets a slot for what, and what is answered otherwise."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from xmppd.testing import ServerTestCase

from .kit import BASE, NS, SERVICE, UploadTestCase, taken

PURPOSE = "urn:xmpp:http:upload:purpose:0"


class SlotTests(UploadTestCase):
    def test_urls(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        put, get = self.slot(romeo, "très cool.jpg", 23456, "image/jpeg")
        self.assertRegex(get, rf"^{BASE}/upload/[a-z2-7]{{32}}/tr%C3%A8s%20cool\.jpg$")
        self.assertEqual(put.partition("?")[0], get)
        query = parse_qs(urlsplit(put).query)
        self.assertEqual((query["size"], query["type"], query["until"]), (["23456"], ["image/jpeg"], ["1767269100"]))
        self.assertTrue((put + get).isascii())
        self.assertNotEqual(self.slot(romeo)[1].split("/")[4], get.split("/")[4])

    def test_harmful_names(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for name, kept in (
            ("../../x.png", "x.png"),
            ("a\u202eb.png", "ab.png"),
            ("..", "file"),
            ("a" * 500, "a" * 200),
        ):
            self.assertEqual(unquote(self.slot(romeo, name)[1].split("/")[-1]), kept)

    def test_nonsense(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for name, size, type_ in (
            ("", 1, None), ("a", "", None), ("a", 0, None), ("a", -1, None), ("a", "1.5", None), ("a", "1e3", None),
            ("a", "many", None), ("a", "9" * 30, None), ("a", "١", None), ("a", 1, "png"), ("a", 1, "a/b/c"),
            ("a", 1, "image/png\u202e"), ("a", 1, "image/png; a=" + "b" * 300),
        ):  # fmt: skip
            error = self.refused(romeo, name, size, type_)
            self.assertEqual((str(error.condition), str(error.type)), ("bad-request", "modify"), (name, size, type_))

    def test_no_attributes(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for attributes in ("", "filename='a'", "size='1'"):
            romeo.send(f"<iq type='get' id='1' to='{SERVICE}'><request xmlns='{NS}' {attributes}/></iq>")
            romeo.expect(
                f"<iq type='error' id='1' from='{SERVICE}' to='{{romeo}}'>{{...}}<error type='modify'>"
                "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
            )

    def test_only_get(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(f"<iq type='set' id='1' to='{SERVICE}'><request xmlns='{NS}' filename='a' size='1'/></iq>")
        self.assertIn("service-unavailable", taken(romeo))

    def test_no_type(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        put, _ = self.slot(romeo, type=None)
        self.assertEqual(parse_qs(urlsplit(put).query, keep_blank_values=True)["type"], [""])

    def test_purposes(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.slot(romeo, purpose=f"<message xmlns='{PURPOSE}'/>")
        self.slot(romeo, purpose=f"<profile xmlns='{PURPOSE}'/>")
        self.slot(romeo, purpose=f"<ephemeral xmlns='{PURPOSE}' expire-before='2026-01-01T12:00:01Z'/>")
        self.slot(romeo, purpose="<message xmlns='urn:other'/>")

    def test_wrong_purposes(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for purpose, condition in (
            (f"<permanent xmlns='{PURPOSE}'/>", "feature-not-implemented"),
            (f"<stories xmlns='{PURPOSE}'/>", "feature-not-implemented"),
            (f"<message xmlns='{PURPOSE}'/><profile xmlns='{PURPOSE}'/>", "bad-request"),
            (f"<ephemeral xmlns='{PURPOSE}'/>", "bad-request"),
            (f"<ephemeral xmlns='{PURPOSE}' expire-before='tomorrow'/>", "bad-request"),
            (f"<ephemeral xmlns='{PURPOSE}' expire-before='2026-01-01T12:00:00Z'/>", "bad-request"),
        ):
            self.assertEqual(str(self.refused(romeo, purpose=purpose).condition), condition, purpose)


class ServiceTests(UploadTestCase):
    config = {"http_upload": {"name": "Files", "domain": "files.example.org", "url": "https://cdn.example.org/"}}

    def test_elsewhere(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(
            "<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        )
        self.assertIn("<item jid='files.example.org' name='Files'/>", taken(romeo))
        romeo.send(f"<iq type='get' id='1' to='files.example.org'><request xmlns='{NS}' filename='a' size='1'/></iq>")
        self.assertIn("<get url='https://cdn.example.org/upload/", taken(romeo))

    def test_under_another_domain(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.wait(self.host.registry.reconfigure("http_upload", {"domain": "more.example.org"}))
        romeo.send(f"<iq type='get' id='1' to='more.example.org'><request xmlns='{NS}' filename='a' size='1'/></iq>")
        self.assertIn(f"<get url='{BASE}/upload/", taken(romeo))


class SilentTests(ServerTestCase):
    """Where clients don't reach HTTP nothing is offered."""

    plugins = ("disco", "http_upload")
    config = {"listen": {"c2s": ["tcp:5222"]}}

    def test_silence(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(
            "<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        )
        self.assertNotIn("upload", taken(romeo))
        for payload in (
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>", f"<request xmlns='{NS}' filename='a' size='1'/>",
        ):  # fmt: skip
            romeo.send(f"<iq type='get' id='1' to='{SERVICE}'>{payload}</iq>")
            answered = taken(romeo)
            self.assertIn("service-unavailable", answered)
            self.assertNotIn("<feature", answered)
        self.assertFalse((self.host.data_dir / "http_upload").exists())


class WhoTests(UploadTestCase):
    plugins: ClassVar[tuple[str, ...]] = ("disco", "http_upload", "anonymous")
    hosts = {
        "example.org": {
            "http_url": BASE,
            "mechanisms": ["PLAIN", "ANONYMOUS"],
            "http_upload": {
                "hosts": ["example.net"],
                "remote": ["tybalt@capulet.example", "*@verona.example", "irc.example.com"],
            },
        },
        "example.net": {"plugins": ["-*"]},
        "example.com": {"plugins": ["-*"]},
    }

    def from_remote(self, sender: str) -> str:
        remote = self.remote(sender.partition("/")[0].rpartition("@")[2])
        remote.sender = sender  # type: ignore[attr-defined]
        return self.answer(remote, "a", 1, None, "")

    def test_accounts(self) -> None:
        self.slot(self.login("romeo@example.org/orchard"))

    def test_users_of_other_hosts(self) -> None:
        self.slot(self.login("romeo@example.net/orchard"))
        self.assertEqual(str(self.refused(self.login("romeo@example.com/orchard")).condition), "forbidden")

    def test_users_of_other_servers(self) -> None:
        for sender in ("tybalt@capulet.example/hall", "anybody@verona.example/x", "irc.example.com"):
            self.assertIn("<slot", self.from_remote(sender), sender)
        for sender in ("paris@capulet.example/hall", "verona.example", "romeo@irc.example.com", "a@b.verona.example/x"):
            answered = self.from_remote(sender)
            self.assertIn("<forbidden", answered, sender)
            self.assertIn("<error type='auth'", answered)

    def anonymous(self) -> object:
        client = self.connect()
        client.open("example.org")
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        client.take()
        client.open("example.org")
        client.bind("")
        return client

    def test_guests(self) -> None:
        guest = self.anonymous()
        self.assertEqual(str(self.refused(guest).condition), "forbidden")
        self.wait(self.host.registry.reconfigure("http_upload", {"anonymous": True}))
        self.slot(guest)
