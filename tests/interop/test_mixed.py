"""The first conversation with a different library on each side."""

from __future__ import annotations

from tests.interop import scenario
from tests.interop.aio import AioxmppDevice
from tests.interop.slix import SlixmppDevice


class MixedConversation(scenario.Conversation):
    """One uses slixmpp, the other aioxmpp."""

    romeo_class = SlixmppDevice
    juliet_class = AioxmppDevice
