"""XEP-0441: what preferences mean, and how they are stored."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid
from xmppd.plugins.archive.preferences import Preferences

JULIET = Jid.parse("juliet@example.org")
BALCONY = Jid.parse("juliet@example.org/balcony")
GARDEN = Jid.parse("juliet@example.org/garden")
ROMEO = Jid.parse("romeo@example.org")


class PreferencesTests(SynchronousTestCase):
    def test_matching(self) -> None:
        """XEP-0441 section 2.3."""
        prefs = Preferences("never", frozenset({JULIET}), frozenset({GARDEN}))
        self.assertEqual([prefs.wants(jid) for jid in (JULIET, BALCONY, GARDEN, ROMEO)], [True, True, False, False])
        full = Preferences("always", frozenset(), frozenset({BALCONY}))
        self.assertEqual([full.wants(jid) for jid in (JULIET, BALCONY, GARDEN)], [True, False, True])
        self.assertIsNone(Preferences("roster").wants(ROMEO))
        both = Preferences("roster", frozenset({ROMEO}), frozenset({ROMEO}))
        self.assertIs(both.wants(ROMEO), False)

    def test_stored(self) -> None:
        for prefs in (
            Preferences("always"),
            Preferences("roster", frozenset({JULIET, BALCONY}), frozenset({Jid.parse("jürgen@example.org")})),
        ):
            self.assertEqual(Preferences.from_text(prefs.to_text()), prefs)
