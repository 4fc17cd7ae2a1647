"""XEP-0045 section 5: who may change what, row by row of its tables."""

from __future__ import annotations

import unittest
from itertools import product

from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.ranks import Affiliation, Role, default_role, may_change_affiliation, may_change_role
from xmppd.plugins.muc.room.roles import role_after
from xmppd.plugins.muc.room.state import Room, Service
from xmppd.wire.jid import Jid

VISITOR, PARTICIPANT, MODERATOR = Role.VISITOR, Role.PARTICIPANT, Role.MODERATOR
OUTCAST, NONE, MEMBER, ADMIN, OWNER = Affiliation
OPEN, MODERATED, MEMBERS_ONLY = RoomConfig(), RoomConfig(moderated=True), RoomConfig(members_only=True)


class DefaultRoleTests(unittest.TestCase):
    """Section 5.1.2, initial role based on affiliation."""

    def test_table(self) -> None:
        entering = (MEMBER, ADMIN, OWNER)
        for config, expected in (
            (MODERATED, (PARTICIPANT, MODERATOR, MODERATOR)),
            (OPEN, (PARTICIPANT, MODERATOR, MODERATOR)),
            (MEMBERS_ONLY, (PARTICIPANT, MODERATOR, MODERATOR)),
        ):
            self.assertEqual(tuple(default_role(config, one) for one in entering), expected)
        for config, role in ((MODERATED, VISITOR), (OPEN, PARTICIPANT), (MEMBERS_ONLY, Role.NONE)):
            self.assertIs(default_role(config, NONE), role)

    def test_outcasts_never_enter(self) -> None:
        for config in (OPEN, MODERATED, MEMBERS_ONLY):
            self.assertIs(default_role(config, OUTCAST), Role.NONE)

    def test_both(self) -> None:
        self.assertIs(default_role(RoomConfig(moderated=True, members_only=True), NONE), Role.NONE)


class RoleChangeTests(unittest.TestCase):
    """Section 5.1.3, the role state chart, with who may do what by sections 8 and 9."""

    def may(self, actor: tuple[Role, Affiliation], target: tuple[Role, Affiliation], role: Role) -> bool:
        return may_change_role(actor, target, role)

    def test_it_takes_a_moderator(self) -> None:
        for acting, standing, before, role in product((Role.NONE, VISITOR, PARTICIPANT), (NONE, MEMBER), Role, Role):
            self.assertFalse(self.may((acting, standing), (before, NONE), role))

    def test_grant_voice(self) -> None:
        for standing, target in product((NONE, MEMBER, ADMIN, OWNER), (NONE, MEMBER)):
            self.assertTrue(self.may((MODERATOR, standing), (VISITOR, target), PARTICIPANT))

    def test_revoke_voice(self) -> None:
        """Section 8.4: from nobody at or above the moderator's level, and from no admin or owner at all."""
        allowed = {(MEMBER, NONE), (ADMIN, NONE), (ADMIN, MEMBER), (OWNER, NONE), (OWNER, MEMBER)}
        for pair in product((NONE, MEMBER, ADMIN, OWNER), repeat=2):
            with self.subTest(pair):
                actor, target = pair
                self.assertIs(self.may((MODERATOR, actor), (PARTICIPANT, target), VISITOR), pair in allowed)

    def test_kick(self) -> None:
        """Section 8.2: nobody is kicked by a moderator with a lower affiliation."""
        for actor, target, before in product((NONE, MEMBER, ADMIN, OWNER), (NONE, MEMBER), (VISITOR, PARTICIPANT)):
            with self.subTest((actor, target)):
                self.assertIs(self.may((MODERATOR, actor), (before, target), Role.NONE), actor.rank >= target.rank)

    def test_kick_moderators(self) -> None:
        """Section 5.1.3: that is for admins and owners; section 8.2 holds as well."""
        allowed = {(ADMIN, NONE), (ADMIN, MEMBER), (ADMIN, ADMIN), *product((OWNER,), (NONE, MEMBER, ADMIN, OWNER))}
        for pair in product((NONE, MEMBER, ADMIN, OWNER), repeat=2):
            with self.subTest(pair):
                actor, target = pair
                self.assertIs(self.may((MODERATOR, actor), (MODERATOR, target), Role.NONE), pair in allowed)

    def test_grant_moderator(self) -> None:
        for actor, target, before in product((NONE, MEMBER, ADMIN, OWNER), (NONE, MEMBER), (VISITOR, PARTICIPANT)):
            allowed = actor in (ADMIN, OWNER)
            self.assertIs(self.may((MODERATOR, actor), (before, target), MODERATOR), allowed)

    def test_revoke_moderator(self) -> None:
        """Section 9.7: by admins and owners, from members and from those who are nothing."""
        allowed = set(product((ADMIN, OWNER), (NONE, MEMBER)))
        for pair, role in product(product((NONE, MEMBER, ADMIN, OWNER), repeat=2), (PARTICIPANT, VISITOR)):
            with self.subTest((pair, role)):
                actor, target = pair
                self.assertIs(self.may((MODERATOR, actor), (MODERATOR, target), role), pair in allowed)


class AffiliationChangeTests(unittest.TestCase):
    """Section 5.2.2, the affiliation state chart."""

    def test_table(self) -> None:
        for before, after in product(Affiliation, repeat=2):
            by_admin = before in (OUTCAST, NONE, MEMBER) and after in (OUTCAST, NONE, MEMBER)
            with self.subTest((before, after)):
                self.assertTrue(may_change_affiliation(OWNER, before, after))
                self.assertIs(may_change_affiliation(ADMIN, before, after), by_admin)
                for actor in (MEMBER, NONE, OUTCAST):
                    self.assertFalse(may_change_affiliation(actor, before, after))


class RoleAfterTests(unittest.TestCase):
    """The roles that go with affiliations (notes in sections 5.1.3 and 10.7)."""

    def after(self, config: RoomConfig, role: Role, before: Affiliation, after: Affiliation) -> Role:
        jid = Jid.parse("coven@conference.example.org")
        return role_after(Room(Service(Jid.parse(jid.domain), b""), jid, 1, config, 0.0), role, before, after)

    def test_gained(self) -> None:
        for config, (role, before) in product((OPEN, MODERATED), product(Role, (NONE, MEMBER))):
            self.assertIs(self.after(config, role, before, ADMIN), MODERATOR)
            self.assertIs(self.after(config, role, before, OWNER), MODERATOR)
        self.assertIs(self.after(MODERATED, VISITOR, NONE, MEMBER), PARTICIPANT)
        self.assertIs(self.after(OPEN, MODERATOR, NONE, MEMBER), MODERATOR)

    def test_lost(self) -> None:
        for config, before, after, role in (
            (OPEN, OWNER, ADMIN, MODERATOR),
            (OPEN, ADMIN, MEMBER, PARTICIPANT),
            (OPEN, ADMIN, NONE, PARTICIPANT),
            (MODERATED, ADMIN, MEMBER, PARTICIPANT),
            (MODERATED, ADMIN, NONE, VISITOR),
            (MEMBERS_ONLY, OWNER, NONE, Role.NONE),
            (OPEN, MEMBER, NONE, MODERATOR),
        ):
            self.assertIs(self.after(config, MODERATOR, before, after), role, (config, before, after))

    def test_membership_lost(self) -> None:
        for config, before, role in (
            (OPEN, PARTICIPANT, PARTICIPANT),
            (OPEN, VISITOR, VISITOR),
            (MODERATED, PARTICIPANT, VISITOR),
            (MEMBERS_ONLY, PARTICIPANT, Role.NONE),
        ):
            self.assertIs(self.after(config, before, MEMBER, NONE), role)

    def test_banned(self) -> None:
        for config, before in product((OPEN, MODERATED, MEMBERS_ONLY), (NONE, MEMBER, ADMIN, OWNER)):
            self.assertIs(self.after(config, MODERATOR, before, OUTCAST), Role.NONE)
