"""Adds the ``xmppd`` command to ``twist`` and ``twistd``.

It only names the module, so listing the commands imports nothing of the server.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

xmppd = ServiceMaker(
    "xmppd",
    "xmppd.app.service",
    "An XMPP server; without -c it starts on loopback with an embedded database.",
    "xmppd",
)
