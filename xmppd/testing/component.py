"""An external component in a test (XEP-0114): a connection in memory to the server's component port."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import ClassVar

from twisted.internet.task import Clock

from xmppd.testing.client import Client
from xmppd.wire import ns

__all__ = ["ComponentClient"]


class ComponentClient(Client):
    """Made by :meth:`ServerTestCase.component`.

    :ivar domain: whose component it is.
    :ivar secret: what it authenticates with.
    """

    content: ClassVar[str] = ns.COMPONENT

    def __init__(
        self, clock: Clock, known: MutableMapping[str, str], domain: str, secret: str, peer: str = "127.0.0.1"
    ) -> None:
        super().__init__(clock, known, domain, peer)
        self.domain = domain
        self.secret = secret

    def open(self, to: str | None = None, **attributes: str | None) -> None:
        """Begin a stream (XEP-0114 section 3), without a version unless `attributes` has one."""
        super().open(to or self.domain, **{"version": None, **attributes})

    def shake_hands(self) -> None:
        """Prove that it knows the secret."""
        header = self.header or {}
        proof = hashlib.sha1((header.get("id", "") + self.secret).encode(), usedforsecurity=False).hexdigest()
        self.send(f"<handshake>{proof}</handshake>")

    def enter(self) -> None:
        """Begin a stream and authenticate. :raises AssertionError: if the server doesn't let it."""
        self.open()
        self.shake_hands()
        self.expect("<handshake/>")
        self.jid = self.domain
