"""Stand-ins for the vendors of push: what a road sends is checked as strictly as they do, and read.

In memory they answer a :class:`~xmppd.testing.network.MemoryNetwork`::

    vendors = Vendors(self.clock.seconds)
    self.network.web = vendors
    phone = vendors.webpush.subscribe()

and as a process, ``python -m xmppd.testing.vendors``, they listen on loopback, with TLS and HTTP/2.
"""

from xmppd.testing.vendors.apns import Apns, ApnsDevice
from xmppd.testing.vendors.fcm import Fcm
from xmppd.testing.vendors.vendors import Vendors
from xmppd.testing.vendors.webpush import Subscriber, WebPushService

__all__ = ["Apns", "ApnsDevice", "Fcm", "Subscriber", "Vendors", "WebPushService"]
