"""The tests of xmppd."""

from hypothesis import settings

# How fast a machine is must not decide whether a test passes.
settings.register_profile("xmppd", deadline=None)
settings.load_profile("xmppd")
