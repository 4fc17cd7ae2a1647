"""XEP-0202 Entity Time."""

from __future__ import annotations

import time

from xmppd.api import Iq, Plugin, iq_get, tag
from xmppd.wire.delay import format_datetime, format_offset

NS = "urn:xmpp:time"


class EntityTime(Plugin):
    """Tell what time it is at the server."""

    xep = (202, "2.0")
    features = (NS,)

    @iq_get(NS, "time")
    def tell(self, request: Iq) -> Iq:
        """Answer with the time in UTC and the offset of the server (section 2)."""
        now = self.clock.seconds()
        tzo = format_offset(time.localtime(now).tm_gmtoff)
        return request.result(tag("time", tag("tzo", tzo), tag("utc", format_datetime(now)), xmlns=NS))
