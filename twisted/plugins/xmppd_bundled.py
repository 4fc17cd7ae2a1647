"""Tells xmppd's plugin registry where the bundled plugins are."""

from xmppd.core.sources import PackageSource

bundled = PackageSource("xmppd.plugins", bundled=True)
