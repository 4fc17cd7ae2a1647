"""The first conversation with slixmpp on both sides."""

from __future__ import annotations

from tests.interop import scenario
from tests.interop.slix import SlixmppDevice


class SlixmppConversation(scenario.Conversation):
    """Both people use slixmpp."""

    romeo_class = SlixmppDevice
    juliet_class = SlixmppDevice
