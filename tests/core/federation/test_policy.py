"""How other domains are dealt with: `[s2s]` and `[s2s.domains]`."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from xmppd.core.federation.policy import Policy, policy_for
from xmppd.core.options import SettingsError
from xmppd.core.settings_file import from_table

DIALBACK = Policy(blocked=False, certificate_only=False, tls_required=True)
CERTIFICATE = Policy(blocked=False, certificate_only=True, tls_required=True)
BLOCKED = Policy(blocked=True, certificate_only=False, tls_required=True)
PLAIN = Policy(blocked=False, certificate_only=False, tls_required=False)

#: (what it is for, the settings, domains with their policies)
TABLE: tuple[tuple[str, dict[str, Any], dict[str, Policy]], ...] = (
    ("nothing is set", {}, {"a.example": DIALBACK}),
    ("certificates only", {"policy": "certificate"}, {"a.example": CERTIFICATE}),
    ("nobody", {"policy": "blocked"}, {"a.example": BLOCKED}),
    ("without TLS", {"tls_required": False}, {"a.example": PLAIN}),
    ("a certificate needs TLS", {"policy": "certificate", "tls_required": False}, {"a.example": CERTIFICATE}),
    (
        "an allow-list",
        {"policy": "blocked", "domains": {"a.example": {"policy": "dialback"}, "b.example": {"policy": "certificate"}}},
        {"a.example": DIALBACK, "b.example": CERTIFICATE, "c.example": BLOCKED, "x.a.example": BLOCKED},
    ),
    (
        "a block-list",
        {"domains": {"spam.example": {"policy": "blocked"}, "*.spam.example": {"policy": "blocked"}}},
        {"spam.example": BLOCKED, "a.spam.example": BLOCKED, "b.a.spam.example": BLOCKED, "notspam.example": DIALBACK},
    ),
    (
        "the nearest above",
        {"domains": {"*.example": {"policy": "blocked"}, "*.a.example": {"policy": "certificate"}}},
        {"b.example": BLOCKED, "b.a.example": CERTIFICATE, "a.example": BLOCKED, "example": DIALBACK},
    ),
    (
        "one's own table before any above",
        {"domains": {"*.example": {"policy": "blocked"}, "good.example": {}}},
        {"good.example": DIALBACK, "bad.example": BLOCKED},
    ),
    (
        "a table that says nothing of the policy leaves the general one",
        {"policy": "blocked", "domains": {"a.example": {"address": "192.0.2.1:5269"}}},
        {"a.example": Policy(True, False, True, "192.0.2.1:5269")},
    ),
    (
        "a place, and TLS from the first octet",
        {"domains": {"a.example": {"address": "192.0.2.1:5270", "direct_tls": True}}},
        {"a.example": Policy(False, False, True, "192.0.2.1:5270", direct_tls=True), "b.example": DIALBACK},
    ),
    (
        "one without TLS",
        {"domains": {"old.example": {"tls_required": False}}},
        {"old.example": PLAIN, "new.example": DIALBACK},
    ),
    (
        "one with TLS",
        {"tls_required": False, "domains": {"a.example": {"tls_required": True}}},
        {"a.example": DIALBACK, "b.example": PLAIN},
    ),
    ("names without dots", {"policy": "certificate"}, {"localhost": CERTIFICATE}),
)


class PolicyTests(unittest.TestCase):
    def test_table(self) -> None:
        for what, table, expected in TABLE:
            settings = from_table({"s2s": table, "hosts": {"example.org": {}}}, "the test", Path("/nowhere"))
            for domain, policy in expected.items():
                with self.subTest(what, domain=domain):
                    self.assertEqual(policy_for(domain, settings.s2s), policy)

    def test_an_unknown_policy(self) -> None:
        with self.assertRaises(SettingsError):
            from_table({"s2s": {"policy": "open"}, "hosts": {"example.org": {}}}, "the test", Path("/nowhere"))
