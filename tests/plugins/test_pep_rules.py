"""The pure parts of PEP: access models and configurations, as tables."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.api import Jid, RosterItem, StanzaError, Subscription
from xmppd.plugins.pep.access import notified, refusal
from xmppd.plugins.pep.config import DEFAULTS, SETTINGS, Config, changes, preconditions
from xmppd.plugins.pep.interest import nodes_of
from xmppd.wire.disco import Info

ROMEO = Jid.parse("romeo@example.org")
NOBODY = None
STRANGER = RosterItem(ROMEO, groups=("Friends",))
SEEN = RosterItem(ROMEO, groups=("Friends",), subscription=Subscription.TO)
SUBSCRIBER = RosterItem(ROMEO, subscription=Subscription.FROM)
FRIEND = RosterItem(ROMEO, groups=("Other", "Friends"), subscription=Subscription.BOTH)
EVERYBODY = (NOBODY, STRANGER, SEEN, SUBSCRIBER, FRIEND)


class AccessTests(unittest.TestCase):
    def test_models(self) -> None:
        for model, who in (
            ("open", EVERYBODY),
            ("presence", (SUBSCRIBER, FRIEND)),
            ("roster", (FRIEND,)),
            ("whitelist", ()),
        ):
            config = DEFAULTS.changed({"access_model": (model,), "roster_groups_allowed": ("Friends",)})
            for contact in EVERYBODY:
                with self.subTest(model=model, contact=contact):
                    self.assertEqual(refusal(config, contact) is None, contact in who)
                    subscribed = contact in (SUBSCRIBER, FRIEND)
                    self.assertEqual(notified(config, contact), subscribed and contact in who)

    def test_no_groups(self) -> None:
        self.assertIsNotNone(refusal(DEFAULTS.changed({"access_model": ("roster",)}), FRIEND))


class ConfigTests(unittest.TestCase):
    def test_defaults(self) -> None:
        """XEP-0163 section 5."""
        self.assertEqual(DEFAULTS.access_model, "presence")
        self.assertEqual(DEFAULTS.sends_last, "on_sub_and_presence")
        self.assertTrue(DEFAULTS.flag("deliver_notifications"))
        self.assertEqual(DEFAULTS.kept(100), 1)

    def test_kept(self) -> None:
        for persist, wanted, kept in (("true", "7", 7), ("true", "max", 10), ("true", "11", 10), ("false", "7", 0)):
            config = DEFAULTS.changed({"persist_items": (persist,), "max_items": (wanted,)})
            self.assertEqual(config.kept(10), kept)

    def test_values(self) -> None:
        for name, given_, kept in (
            ("persist_items", ("1",), ("true",)),
            ("persist_items", (), ("true",)),
            ("max_items", ("007",), ("7",)),
            ("title", (), ()),
            ("roster_groups_allowed", ("b", "a", "b"), ("a", "b")),
            ("publish_model", ("publishers",), ("publishers",)),
        ):
            self.assertEqual(changes({name: given_}, 10), {name: kept})
        for name, wrong in (
            ("persist_items", ("yes",)),
            ("max_items", ("11",)),
            ("max_items", ("1", "2")),
            ("max_items", ("٣",)),
            ("send_last_published_item", ("always",)),
            ("publish_model", ("open",)),
            ("unknown", ("1",)),
        ):
            with self.subTest(name=name, wrong=wrong), self.assertRaises(StanzaError):
                changes({name: wrong}, 10)

    @given(
        st.fixed_dictionaries(
            {name: st.sampled_from(s.allowed or s.default or ("a", "b'<")) for name, s in SETTINGS.items()}
        )
    )
    def test_stored_and_read(self, chosen: dict[str, str]) -> None:
        config = Config({name: (value,) for name, value in chosen.items()})
        self.assertEqual(Config.from_json(config.to_json()).values, config.values)
        preconditions(config.values, config, 10)


class InterestTests(unittest.TestCase):
    def test_nodes(self) -> None:
        def of(*features: str, most: int = 3) -> tuple[str, ...]:
            return nodes_of(Info((), features), most)

        self.assertEqual(of("b+notify", "a", "a+notify", "a+notify", "+notifyx"), ("a", "b"))
        self.assertEqual(of(*(f"{n}+notify" for n in "dcba")), ("a", "b", "c"))
        self.assertEqual(of("a+notify", "b" * 300 + "+notify"), ("a",))
