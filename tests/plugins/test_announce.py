"""Announcements and the message of the day, by operations and by messages of administrators."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase
from xmppd.testing import Client

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def to_host(what: str, inside: str = "<body>Don't miss it!</body>") -> str:
    return f"<message to='example.org/announce/{what}' id='a'>{inside}</message>"


def headline(client: str, inside: str = "<body>Don't miss it!</body>") -> str:
    return f"<message from='example.org' to='{{{client}}}' type='headline'>{inside}</message>"


class AnnounceTestCase(PluginTestCase):
    plugins = ("announce", "offline")
    hosts: ClassVar[Any] = {"example.org": {"admins": ["bard@example.org"]}}

    def setUp(self) -> None:
        super().setUp()
        self.bard = self.login("bard@example.org/globe")
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.phone = self.login("romeo@example.org/phone", presence=True, name="phone")
        self.hidden = self.login("romeo@example.org/hidden", name="hidden")
        self.account("juliet@example.org")

    def refused(self, client: Client, what: str, kind: str, condition: str, inside: str = "<body>hi</body>") -> None:
        client.send(to_host(what, inside))
        client.expect(
            f"""<message type='error' from='example.org/announce/{what}' id='a'>{{...}}
              <error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"""
        )
        self.romeo.expect_nothing()

    def juliet(self) -> Client:
        return self.login("juliet@example.org/balcony", presence=True)


class Online(AnnounceTestCase):
    def test_message(self) -> None:
        subject = "<subject>Globe</subject><body>Fire!</body><body xml:lang='de'>Feuer!</body>"
        self.bard.send(to_host("online", f"{subject}<request xmlns='urn:xmpp:receipts'/>"))
        self.romeo.expect(headline("romeo", subject))
        self.phone.expect(headline("phone", subject))
        self.hidden.expect_nothing()
        self.bard.expect_nothing()
        self.juliet().expect_nothing()

    def test_operation(self) -> None:
        self.assertEqual(
            self.operate("announce", "announce online", text="<Fire>", subject="Globe"), "Sent to 2 devices."
        )
        self.romeo.expect(headline("romeo", "<subject>Globe</subject><body>&lt;Fire&gt;</body>"))
        self.assertEqual(self.operate("announce", "announce online", text="Fire"), "Sent to 2 devices.")
        self.romeo.expect(headline("romeo", "<body>Fire</body>"))

    def test_administrators_only(self) -> None:
        for what in ("online", "all", "motd", "motd/update", "motd/delete", "nothing"):
            self.refused(self.romeo, what, "auth", "forbidden")

    def test_bad_ones(self) -> None:
        self.refused(self.bard, "online", "modify", "bad-request", "<x xmlns='urn:example:x'/>")
        self.refused(self.bard, "nothing", "cancel", "item-not-found")
        self.bard.send("<message to='example.org/announce' id='a'><body>hi</body></message>")
        self.bard.expect("<message type='error' id='a'>{...}</message>")
        self.bard.send("<message to='example.org/announce/online' type='error'><body>hi</body></message>")
        self.bard.expect_nothing()
        self.romeo.expect_nothing()


class Everybody(AnnounceTestCase):
    def expect_all(self) -> None:
        for client, account in ((self.romeo, "romeo"), (self.phone, "romeo")):
            client.expect(f"<message from='example.org' to='{account}@example.org'><body>We move.</body></message>")
        juliet = self.juliet()
        juliet.expect(
            """<message from='example.org' to='juliet@example.org'><body>We move.</body>
              <delay xmlns='urn:xmpp:delay' from='example.org' stamp='{any}'>Offline Storage</delay></message>"""
        )
        juliet.close()
        self.juliet().expect_nothing()

    def test_message(self) -> None:
        self.bard.send(to_host("all", "<body>We move.</body>"))
        self.expect_all()

    def test_operation(self) -> None:
        heard: list[tuple[int, int]] = []
        told = self.operate("announce", "announce all", text="We move.", progress=lambda *now: heard.append(now))
        self.assertEqual(told, "Sent to 3 accounts.")
        self.assertEqual(heard, [(3, 3)])
        self.expect_all()

    def test_pages(self) -> None:
        self.patch(self.module(), "_PAGE", 1)
        self.bard.send(to_host("all", "<body>We move.</body>"))
        self.expect_all()

    def module(self) -> Any:
        import xmppd.plugins.announce

        return xmppd.plugins.announce


class Motd(AnnounceTestCase):
    def test_everybody_gets_it_once(self) -> None:
        self.bard.send(to_host("motd"))
        self.romeo.expect(headline("romeo"))
        self.phone.expect(headline("phone"))
        self.hidden.send("<presence/>")
        self.hidden.expect_nothing()
        juliet = self.juliet()
        juliet.expect(headline("juliet"))
        juliet.send("<presence type='unavailable'/><presence/>")
        juliet.expect_nothing()
        juliet.close()
        self.juliet().expect_nothing()

    def test_durable(self) -> None:
        self.bard.send(to_host("motd"))
        self.juliet().expect(headline("juliet"))
        self.account("nurse@example.org")
        self.restart()
        self.juliet().expect_nothing()
        self.login("romeo@example.org/orchard", presence=True).expect_nothing()
        self.login("nurse@example.org/hall", presence=True).expect(headline("nurse"))

    def test_update_waits_for_the_next_login(self) -> None:
        self.bard.send(to_host("motd"))
        self.romeo.clear()
        self.phone.clear()
        self.bard.send(to_host("motd/update", "<body>Two</body>"))
        self.romeo.send("<presence><show>dnd</show></presence>")
        self.romeo.expect_nothing()
        self.hidden.send("<presence type='unavailable'/>")
        self.hidden.expect_nothing()
        self.hidden.send("<presence/>")
        self.hidden.expect(headline("hidden", "<body>Two</body>"))
        self.romeo.send("<presence><show>away</show></presence>")
        self.romeo.expect_nothing()

    def test_delete(self) -> None:
        self.bard.send(to_host("motd"))
        self.bard.send(to_host("motd/delete", ""))
        self.juliet().expect_nothing()
        self.restart()
        self.juliet().expect_nothing()

    def test_operations(self) -> None:
        told = "there is no message of the day"
        self.assertEqual(self.refuse_to_operate("announce", "motd show"), told)
        self.assertEqual(self.refuse_to_operate("announce", "motd delete"), told)
        self.assertEqual(self.operate("announce", "motd set", text="One", subject="S"), "Set, and sent to 2 devices.")
        self.romeo.expect(headline("romeo", "<subject>S</subject><body>One</body>"))
        self.assertEqual(self.operate("announce", "motd show"), {"subject": "S", "text": "One"})
        self.assertEqual(self.operate("announce", "motd set", text="Two", later=True), "Set.")
        self.romeo.expect_nothing()
        self.assertEqual(self.operate("announce", "motd show"), {"subject": "", "text": "Two"})
        self.assertEqual(self.operate("announce", "motd delete"), "Deleted.")
        self.assertEqual(self.refuse_to_operate("announce", "motd show"), told)

    def test_deleted_account(self) -> None:
        self.bard.send(to_host("motd"))
        self.juliet().close()
        self.delete_account("juliet@example.org")
        self.juliet().expect(headline("juliet"))
