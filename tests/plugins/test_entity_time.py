"""XEP-0202 by scenarios."""

from __future__ import annotations

import os
import time

from tests.plugins.kit import PluginTestCase


class EntityTime(PluginTestCase):
    plugins = ("entity_time",)

    def zone(self, name: str) -> None:
        """Be in a zone for the rest of the test."""
        before = os.environ.get("TZ")

        def restore() -> None:
            os.environ.pop("TZ", None)
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()

        self.addCleanup(restore)
        os.environ["TZ"] = name
        time.tzset()

    def test_time(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for zone, tzo in (("CST6", "-06:00"), ("UTC0", "+00:00"), ("IST-5:30", "+05:30")):
            self.zone(zone)
            self.clock.rightNow = 1166551115.9  # 2006-12-19T17:58:35Z
            romeo.send("<iq type='get' to='example.org' id='time_1'><time xmlns='urn:xmpp:time'/></iq>")
            romeo.expect(
                f"""<iq type='result' from='example.org' to='{{romeo}}' id='time_1'><time xmlns='urn:xmpp:time'>
                  <tzo>{tzo}</tzo><utc>2006-12-19T17:58:35Z</utc></time></iq>"""
            )
