"""docs/conformance.md names files that exist, and every file of this folder."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


class PageTests(unittest.TestCase):
    def setUp(self) -> None:
        text = (_ROOT / "docs" / "conformance.md").read_text("utf-8")
        self.named = set(re.findall(r"`([\w/.-]+\.(?:py|txt)|(?:xmppd|plugins|tests)/[\w/]+)`", text))

    def test_files_exist(self) -> None:
        self.assertGreater(len(self.named), 40)
        for name in self.named:
            path = _ROOT / name if "/" in name else _HERE / name
            self.assertTrue(path.exists(), name)

    def test_all_of_this_folder(self) -> None:
        for path in _HERE.glob("test_rfc*.py"):
            self.assertIn(path.name, self.named)
