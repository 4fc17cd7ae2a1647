"""Voice lasts from visit to visit (XEP-0045 section 5.1)."""

from __future__ import annotations

import json
from unittest import mock

from tests.plugins.muc.court import CourtTestCase, item
from tests.plugins.muc.kit import GARDEN
from xmppd.api import AccountDeleted, settled
from xmppd.plugins.muc.room import owner, remembering
from xmppd.wire.jid import Jid


class RememberingTests(CourtTestCase):
    def again(self, name: str, nick: str = "") -> str:
        """Have somebody leave and enter again. Return their role."""
        self.people[name].send(f"<presence type='unavailable' to='{GARDEN}/{name}'/>")
        self.enter(self.people[name], nick or name)
        return self.role(nick or name)

    def kept(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads(self.room().notes.get("voice", "{}"))
        return kept

    def test_moderated(self) -> None:
        self.court(moderated=True)
        self.assertEqual(self.again("guest"), "visitor")
        self.granted("owner", item(nick="guest", role="participant"))
        self.assertEqual(self.again("guest"), "participant")
        self.granted("owner", item(nick="guest", role="visitor"))
        self.assertEqual(self.again("guest"), "visitor")
        self.assertEqual(self.kept(), {})

    def test_taken(self) -> None:
        """Nor is it given back to those who come by another nickname, or are kicked."""
        self.court()
        self.granted("owner", item(nick="guest", role="visitor"), item(nick="member", role="visitor"))
        self.assertEqual(self.again("guest", "angel"), "visitor")
        self.granted("owner", item(nick="member", role="none"))
        self.assertEqual(self.again("member"), "visitor")

    def test_after_a_restart(self) -> None:
        self.court(moderated=True, persistent=True)
        self.granted("owner", item(nick="guest", role="participant"))
        self.restart()
        self.people = {"guest": self.login("guest@example.org/x", name="guest")}
        self.enter(self.people["guest"], "guest")
        self.assertEqual(self.role("guest"), "participant")

    def test_moderators_are_not_remembered(self) -> None:
        self.court()
        self.granted("owner", item(nick="guest", role="moderator"))
        self.assertEqual(self.kept(), {})
        self.assertEqual(self.again("guest"), "participant")

    def test_affiliation_comes_first(self) -> None:
        self.court()
        self.granted("owner", item(nick="guest", role="visitor"))
        self.granted("owner", item(jid="guest@example.org", affiliation="admin"))
        self.assertEqual(self.again("guest"), "moderator")
        self.assertEqual(self.kept(), {})

    def test_nickname_is_no_affiliation(self) -> None:
        self.court()
        self.granted("owner", item(nick="member", role="visitor"))
        self.granted("owner", item(jid="member@example.org", affiliation="member", nick="Rose"))
        self.assertEqual(self.kept(), {"member@example.org": "visitor"})

    def test_rooms_that_become_moderated(self) -> None:
        self.court()
        self.granted("owner", item(nick="guest", role="visitor"))
        room = self.room()
        for moderated in (True, False):
            room.notes["voice"] = '{"guest@example.org": "visitor"}'
            outcome = owner.reconfigure(room, room.config.changed({"moderated": moderated}), 0.0)
            self.assertEqual(self.kept(), {})
            self.assertIn("voice", [getattr(change, "name", "") for change in outcome.changes])

    def test_members_only(self) -> None:
        """Whoever may not enter has no role."""
        self.court()
        self.granted("owner", item(nick="guest", role="visitor"))
        self.room().config = self.room().config.changed({"members_only": True})
        self.assertEqual(remembering.entering_role(self.room(), Jid.parse("guest@example.org/x")), "none")

    def test_how_many(self) -> None:
        self.court("guest2", "guest3")
        with mock.patch.object(remembering, "_MOST", 2):
            for name in ("guest", "guest2", "guest3"):
                self.granted("owner", item(nick=name, role="visitor"))
        self.assertEqual(list(self.kept()), ["guest2@example.org", "guest3@example.org"])

    def test_account_is_deleted(self) -> None:
        self.court(persistent=True)
        self.granted("owner", item(nick="guest", role="visitor"))
        self.people["guest"].close()
        self.wait(settled(self.host.notify(AccountDeleted(Jid.parse("guest@example.org")))))
        self.assertEqual(self.kept(), {})
