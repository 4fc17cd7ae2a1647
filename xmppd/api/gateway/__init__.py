"""What a gateway to another network needs: see :class:`Gateway`, and docs/gateways.md."""

from __future__ import annotations

from xmppd.api.gateway.base import Gateway
from xmppd.api.gateway.fields import RegistrationField
from xmppd.api.gateway.members import Registration
from xmppd.api.gateway.outgoing import Outgoing, TryAgain

__all__ = ["Gateway", "Outgoing", "Registration", "RegistrationField", "TryAgain"]
