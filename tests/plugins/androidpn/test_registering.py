"""Registering (XEP-0077) as androidpn's clients do: the reference's section 1.3, and its traps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.plugins.androidpn.kit import ERRORS, JID, NAME, SECRET, AndroidCase
from xmppd.api import StorageUnavailable

DONE = "<iq type='result' id='reg'/>"
CONFLICT = f"<iq type='error' id='reg'><error code='409' type='cancel'><conflict xmlns='{ERRORS}'/></error></iq>"


class RegisteringTests(AndroidCase):
    def test_registers_and_logs_in(self) -> None:
        """Without `to`, children in any order, without a question before; success needs no content."""
        client = self.stranger()
        self.assertIn("<register xmlns='http://jabber.org/features/iq-register'/>", client.features)
        self.registers(client)
        client.expect(DONE)
        self.logs_in(client)
        client.expect(f"<iq type='result' id='auth' to='{JID}'/>")

    def test_register_repeat(self) -> None:
        """The same name with the same password is no error: the client may never have seen the answer."""
        for _ in range(3):
            client = self.stranger()
            self.registers(client)
            client.expect(DONE)

    def test_another_password(self) -> None:
        self.registers(self.stranger())
        client = self.stranger()
        self.registers(client, password=SECRET[::-1])
        self.pump(2)
        client.expect(CONFLICT)
        self.logs_in(client)
        client.expect(f"<iq type='result' id='auth' to='{JID}'/>")

    def test_guessing_by_registering(self) -> None:
        """It counts as a failed log-in: who guesses is stopped, by waiting for the answer."""
        self.registers(self.stranger())
        for number in range(10):
            client = self.stranger("127.0.0.7")
            self.registers(client, password=f"{number:032x}")
            self.pump(2)
            client.expect(CONFLICT)
        client = self.stranger("127.0.0.7")
        self.registers(client)
        self.pump(30)
        client.expect_nothing()
        client.expect_open()
        self.pump(600)
        client.expect(DONE)

    def test_locked(self) -> None:
        """A lock is for the log-in to tell, where it does no harm."""
        self.registers(self.stranger())
        self.wait(self.server.accounts.lock(self.host.jid.of(NAME, "example.org"), "not now"))
        client = self.stranger()
        self.registers(client)
        client.expect(DONE)

    def test_no_password(self) -> None:
        client = self.stranger()
        self.registers(client, password="")
        unfit = f"<not-acceptable xmlns='{ERRORS}'/>{{any}}"
        client.expect(f"<iq type='error' id='reg'><error code='406' type='modify'>{unfit}</error></iq>")

    def test_database_trouble_means_waiting(self) -> None:
        """Any error would be the client's end: it gets its answer when the account is there."""
        create, trouble = self.server.server.keeper.create, [True, True]

        async def fails(*arguments: Any) -> None:
            if trouble:
                trouble.pop()
                raise StorageUnavailable("the disk is full")
            await create(*arguments)

        self.patch(self.server.server.keeper, "create", fails)
        client = self.stranger()
        self.registers(client)
        self.pump(9)
        client.expect_nothing()
        self.pump(1)
        client.expect(DONE)

    def test_others_register_by_the_usual_rules(self) -> None:
        client = self.stranger()
        self.registers(client, name="romeo")
        client.expect("<iq type='error' id='reg'><error code='405' type='cancel'>{...}</error></iq>")

    def test_fields_are_told(self) -> None:
        """Clients never ask; a program that does is told."""
        client = self.stranger()
        client.send("<iq id='reg' type='get'><query xmlns='jabber:iq:register'/></iq>")
        client.expect("<iq type='result' id='reg'><query xmlns='jabber:iq:register'>{...}</query></iq>")


class PaceTests(AndroidCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "androidpn": {"registrations_per_address_per_minute": 2, "registrations_per_second": 100}
    }

    def test_too_many_wait(self) -> None:
        """Throttled by delay: never by an error or a drop, and not by the time that logging in may take."""
        clients = [self.stranger() for _ in range(5)]
        for number, client in enumerate(clients):
            self.registers(client, name=f"{number:032x}")
        for client in clients[:2]:
            client.expect(DONE)
        self.pump(89)
        clients[2].expect(DONE)
        clients[4].expect_nothing()
        clients[4].expect_open()
        self.pump(2)
        clients[4].expect(DONE)
        self.logs_in(clients[4], name=f"{4:032x}")
        clients[4].expect("<iq type='result' id='auth' to='{any}'/>")

    def test_another_address_does_not_wait(self) -> None:
        for number in range(5):
            self.registers(self.stranger(), name=f"{number:032x}")
        client = self.stranger("127.0.0.8")
        self.registers(client)
        client.expect(DONE)

    def test_whoever_leaves_gets_no_account(self) -> None:
        clients = [self.stranger() for _ in range(3)]
        for number, client in enumerate(clients):
            self.registers(client, name=f"{number:032x}")
        clients[2].disconnect()
        self.pump(60)
        self.assertEqual(self.wait(self.server.accounts.count("example.org")), 2)


class ClosedTests(AndroidCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {"androidpn": {"registration": False}}

    def test_not_offered(self) -> None:
        client = self.stranger()
        self.assertNotIn("iq-register", client.features)
        self.registers(client)
        client.expect("<iq type='error' id='reg'><error code='405' type='cancel'>{...}</error></iq>")


class OtherNamesTests(AndroidCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {"androidpn": {"usernames": ".+"}}
    hosts = {"example.org": {"admins": ["lear@example.org"]}}

    def test_any_name(self) -> None:
        client = self.stranger()
        self.registers(client, name="13800138000")
        client.expect(DONE)

    def test_bad_node(self) -> None:
        client = self.stranger()
        self.registers(client, name="a@b")
        malformed = f"<jid-malformed xmlns='{ERRORS}'/>{{...}}"
        client.expect(f"<iq type='error' id='reg'><error code='400' type='modify'>{malformed}</error></iq>")

    def test_administrators(self) -> None:
        """Nobody becomes one by being the first to register the name."""
        client = self.stranger()
        self.registers(client, name="lear")
        client.expect("<iq type='error' id='reg'><error code='406' type='modify'>{...}</error></iq>")
