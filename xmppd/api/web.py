"""Where a host's HTTP is reached by others: what goes into links, documents of discovery, and slots for uploads.

A plugin has it as ``self.host.web``. Everything is empty if clients can't reach HTTP here, or the operator has not
said how (``http_url`` of the host, ``[listen] https``); then a plugin that depends on it offers nothing.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["IWeb"]


class IWeb(Protocol):
    """The addresses of one host's HTTP. They can change when the settings are reloaded: ask when they are needed."""

    @property
    def base(self) -> str:
        """What URLs begin with, such as ``https://example.org:5281``, without a slash at the end; or ""."""

    def url(self, path: str) -> str:
        """Return the URL of a path on this host, or "".

        :param path: beginning with ``/``, encoded as it has to be in a URL.
        """

    @property
    def websocket(self) -> str:
        """Where clients open WebSockets (RFC 7395), as ``wss://...``; or ""."""

    @property
    def bosh(self) -> str:
        """Where clients send the requests of BOSH (XEP-0206); or ""."""
