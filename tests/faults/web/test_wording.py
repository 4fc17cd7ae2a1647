"""Elements that stand for themselves."""

from __future__ import annotations

import unittest

from tests.faults.web.wording import qualified


class Wording(unittest.TestCase):
    def test_stanza(self) -> None:
        self.assertEqual(qualified("<presence/>"), "<presence xmlns='jabber:client'/>")
        self.assertEqual(
            qualified("<iq type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>"),
            "<iq xmlns='jabber:client' type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>",
        )

    def test_has_one(self) -> None:
        self.assertEqual(qualified("<r xmlns='urn:xmpp:sm:3'/>"), "<r xmlns='urn:xmpp:sm:3'/>")
