"""XEP-0045, 7.2.17: the errors that somebody can get who wants to enter a room, row by row."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.muc.coven import ROOM, CovenTestCase, error, joining, presence


class EnteringErrors(CovenTestCase):
    """One test or several for each row of the table; the order of the methods is the table's."""

    def test_not_authorized(self) -> None:
        self.create(passwordprotectedroom="1", roomsecret="cauldronburn")
        hag = self.hag()
        for inside in ("", "<password/>", "<password>cauldron</password>", "<password>CAULDRONBURN</password>"):
            self.refused(hag, "thirdwitch", "auth", "not-authorized", inside)
        self.enter(hag, "thirdwitch", "<password>cauldronburn</password>")

    def test_not_authorized_whoever_it_is(self) -> None:
        """7.2.5 makes no exception for members, admins or owners, who can read it in the form."""
        self.create(passwordprotectedroom="1", roomsecret="cauldronburn")
        hag = self.hag()
        for affiliation in ("member", "admin", "owner"):
            self.affiliate("hag66", affiliation)
            hag.clear()
            self.refused(hag, "thirdwitch", "auth", "not-authorized")

    def test_password_counts_only_in_its_namespace(self) -> None:
        self.create(passwordprotectedroom="1", roomsecret="cauldronburn")
        self.refused(
            self.hag(), "thirdwitch", "auth", "not-authorized", "<password xmlns='other'>cauldronburn</password>"
        )

    def test_forbidden(self) -> None:
        hag = self.hag()
        self.create()
        self.affiliate("hag66", "outcast")
        hag.clear()
        self.refused(hag, "thirdwitch", "auth", "forbidden")
        self.refused(self.login("hag66@example.org/broom", name="broom"), "oldhag", "auth", "forbidden")
        self.affiliate("hag66", "none")
        hag.clear()
        self.enter(hag, "thirdwitch")

    def test_forbidden_comes_first(self) -> None:
        """Who is banned is told so, whatever else would keep them out."""
        self.create(passwordprotectedroom="1", roomsecret="cauldronburn", membersonly="1", maxusers="1")
        hag = self.hag()
        self.affiliate("hag66", "outcast")
        hag.clear()
        self.refused(hag, "firstwitch", "auth", "forbidden")

    def test_item_not_found(self) -> None:
        """The room does not exist for others until its owner has confirmed it (7.2.10)."""
        self.crone.send(joining("firstwitch"))
        self.crone.clear()
        hag = self.hag()
        self.refused(hag, "thirdwitch", "cancel", "item-not-found")
        self.configure()
        self.enter(hag, "thirdwitch")

    def test_registration_required(self) -> None:
        self.create(membersonly="1")
        hag = self.hag()
        self.refused(hag, "thirdwitch", "auth", "registration-required")
        for affiliation in ("member", "admin", "owner"):
            self.affiliate("hag66", affiliation)
            hag.clear()
            self.enter(hag, "thirdwitch")
            hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
            hag.clear()

    def test_conflict_in_use(self) -> None:
        self.create()
        self.refused(self.hag(), "firstwitch", "cancel", "conflict")

    def test_conflict_registered(self) -> None:
        self.create()
        self.affiliate("wiccarocks", "member", nick="secondwitch")
        hag = self.hag()
        self.refused(hag, "secondwitch", "cancel", "conflict")
        wicca = self.wicca()
        wicca.clear()
        self.enter(wicca, "secondwitch")

    def test_service_unavailable(self) -> None:
        self.create(maxusers="1")
        hag = self.hag()
        self.refused(hag, "thirdwitch", "wait", "service-unavailable")
        self.affiliate("hag66", "member")
        hag.clear()
        self.refused(hag, "thirdwitch", "wait", "service-unavailable")

    def test_service_unavailable_is_not_for_admins(self) -> None:
        """7.2.9: the room MUST allow them."""
        self.create(maxusers="1")
        wicca = self.wicca()
        for affiliation in ("admin", "owner"):
            self.affiliate("wiccarocks", affiliation)
            wicca.clear()
            self.enter(wicca, "secondwitch")
            wicca.send(f"<presence to='{ROOM}/secondwitch' type='unavailable'/>")
            wicca.clear()

    def test_jid_malformed(self) -> None:
        """7.2.1, not in the table: no nickname."""
        self.create()
        hag = self.hag()
        hag.send(f"<presence to='{ROOM}' id='p'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        hag.expect(
            f"<presence type='error' id='p' from='{ROOM}' to='{{hag}}'>{{...}}"
            f"{error('modify', 'jid-malformed')}</presence>"
        )
        self.crone.expect_nothing()

    def test_invisible_nickname(self) -> None:
        """17.1, not in the table: one that nobody can see. What the address itself forbids never comes as far."""
        self.create()
        hag = self.hag()
        for nick in (" ", "\u00a0\u2003 "):
            hag.send(joining(nick, id="blank"))
            answer = "".join(hag.received)
            self.assertIn("type='error'", answer.replace('"', "'"))
            self.assertRegex(answer, "jid-malformed|not-acceptable")
            hag.clear()
        self.crone.expect_nothing()

    def test_who_was_refused_is_not_there(self) -> None:
        self.create(membersonly="1")
        hag = self.hag()
        self.refused(hag, "thirdwitch", "auth", "registration-required")
        hag.send(f"<message to='{ROOM}' type='groupchat' id='m'><body>Anybody?</body></message>")
        hag.expect(
            f"<message type='error' id='m' from='{ROOM}'><body>Anybody?</body>"
            f"{error('modify', 'not-acceptable')}</message>"
        )
        self.crone.send(f"<message to='{ROOM}' type='groupchat'><body>Nobody.</body></message>")
        hag.expect_nothing()


class CreatingErrors(CovenTestCase):
    """The row about rooms that are not there (10.1.1)."""

    config: ClassVar[Any] = {"muc": {"create": "admins"}}
    hosts: ClassVar[Any] = {"example.org": {"admins": ["crone1@example.org"]}}

    def test_not_allowed(self) -> None:
        hag = self.hag()
        self.refused(hag, "thirdwitch", "cancel", "not-allowed")
        self.create()
        self.enter(hag, "thirdwitch")


class ReservedNicknames(CovenTestCase):
    """The row about nicknames that must be used, where the room's owner says so (7.2.2, 7.6, 7.10)."""

    def setUp(self) -> None:
        super().setUp()
        self.create(fixednick="1")
        self.affiliate("hag66", "member", nick="thirdwitch")
        self.witch = self.hag()

    def test_not_acceptable(self) -> None:
        self.enter(self.witch, "thirdwitch")
        self.witch.send(f"<presence to='{ROOM}/oldhag' id='n'/>")
        self.witch.expect(
            f"<presence type='error' id='n' from='{ROOM}/oldhag'>{{...}}{error('cancel', 'not-acceptable')}</presence>"
        )
        self.crone.expect_nothing()

    def test_given_instead(self) -> None:
        """7.10: who enters by another nickname SHOULD get theirs, not an error; so do further devices."""
        for client in (self.witch, self.login("hag66@example.org/broom", name="broom")):
            client.clear()
            client.send(joining("oldhag"))
            client.expect(presence("firstwitch", "owner", "moderator"))
            name = "hag" if client is self.witch else "broom"
            client.expect(presence("thirdwitch", "member", "participant", 210, 110, jid=name))

    def test_who_has_registered_none(self) -> None:
        wicca = self.wicca()
        self.enter(wicca, "secondwitch")
        wicca.send(f"<presence to='{ROOM}/scullion' id='n'/>")
        self.crone.expect(
            presence("secondwitch", "none", "participant", 303, jid="wicca", gone=True, item=" nick='scullion'"),
            presence("scullion", "none", "participant", jid="wicca"),
        )
