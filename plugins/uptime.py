"""XEP-0012 Last Activity of the server itself: its uptime (section 5)."""

from __future__ import annotations

from xmppd.api import Iq, Plugin, Result, iq_get, operation, tag

NS = "jabber:iq:last"


class Uptime(Plugin):
    """Tell how long the server has been running."""

    xep = (12, "2.0")
    features = (NS,)

    @property
    def seconds(self) -> int:
        """Whole seconds since the server was started."""
        return max(0, int(self.clock.seconds() - self.host.started_at))

    @iq_get(NS, "query")
    def uptime(self, request: Iq) -> Iq:
        """Answer with the seconds since the server was started."""
        return request.result(tag("query", xmlns=NS, seconds=self.seconds))

    @operation("server uptime", safe=True, examples=("",))
    async def tell(self) -> Result:
        """Say how long the server has been running."""
        minutes, seconds = divmod(self.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        return f"{days} days, {hours:02d}:{minutes:02d}:{seconds:02d}"
