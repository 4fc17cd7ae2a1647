"""The first conversation with aioxmpp on both sides."""

from __future__ import annotations

from tests.interop import scenario
from tests.interop.aio import AioxmppDevice


class AioxmppConversation(scenario.Conversation):
    """Both people use aioxmpp."""

    romeo_class = AioxmppDevice
    juliet_class = AioxmppDevice
