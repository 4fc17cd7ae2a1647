"""xmppd: an XMPP server on Twisted, made of a small kernel and plugins."""

from __future__ import annotations

__version__ = "0.1.0"
