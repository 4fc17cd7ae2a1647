"""Tells xmppd's plugin registry where the bundled plugins are."""

from xmppd.core.plugins.sources import PackageSource

bundled = PackageSource("xmppd.plugins", bundled=True)
