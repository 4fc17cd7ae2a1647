"""All stand-ins together, by the URLs that lead to them."""

from __future__ import annotations

from collections.abc import Callable

from xmppd.api.http import Request, Response
from xmppd.api.network import NoConnection
from xmppd.testing.vendors.apns import Apns
from xmppd.testing.vendors.fcm import Fcm
from xmppd.testing.vendors.vendor import Vendor
from xmppd.testing.vendors.webpush import WebPushService, origin_of

__all__ = ["Vendors"]


class Vendors:
    """A push service of browsers, Google, and Apple; what a test makes the web of its network.

    :param now: the time, in seconds since the epoch.
    :param origin: where all of them are, as ``https://localhost:8443``; "": where they are in the world.
    :ivar down: origins that can't be reached.
    """

    def __init__(self, now: Callable[[], float], origin: str = "") -> None:
        if origin:
            self.webpush = WebPushService(now, f"{origin}")
            self.fcm = Fcm(now, origin, f"{origin}/token")
            self.apns = Apns(now, origin)
        else:
            self.webpush, self.fcm, self.apns = WebPushService(now), Fcm(now), Apns(now)
        self.down: set[str] = set()

    @property
    def mistakes(self) -> list[str]:
        """What was wrong with what all of them were sent."""
        return [*self.webpush.mistakes, *self.fcm.mistakes, *self.apns.mistakes]

    def __call__(self, request: Request) -> Response:
        """Answer a request; its path is the whole URL.

        :raises NoConnection: there is nobody.
        """
        vendor = self._vendor(request.path)
        if vendor is None or origin_of(request.path) in self.down:
            raise NoConnection(f"{origin_of(request.path)} can't be reached: refused")
        return vendor(request)

    def _vendor(self, url: str) -> Vendor | None:
        if url.startswith(f"{self.apns.origin}/3/"):
            return self.apns
        if url == self.fcm.token_url or url.startswith(f"{self.fcm.origin}/v1/"):
            return self.fcm
        return self.webpush if origin_of(url) == self.webpush.origin else None
