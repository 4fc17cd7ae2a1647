"""Credentials of users for external services, and services as XML."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from xmppd.api import Jid, tag
from xmppd.plugins.external_services.options import Service
from xmppd.wire.delay import format_datetime
from xmppd.wire.stun import time_limited

__all__ = ["Credentials", "credentials_for", "name_of", "service_element"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one logs in with at a service.

    :ivar expires: until when they are good, in seconds since the epoch; None: for ever.
    """

    username: str
    password: str
    expires: int | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


def name_of(account: Jid, secret: bytes) -> str:
    """Return what a service knows an account by: always the same, and nobody there can tell who it is."""
    return hmac.new(secret, b"name " + account.bare.encode(), hashlib.sha256).hexdigest()[:16]


def credentials_for(
    service: Service, common: SecretStr, account: Jid, now: float, ttl_seconds: int
) -> Credentials | None:
    """Return the credentials of an account for a service; None if it has none.

    :param common: the secret of those relays that have no own.
    :param now: in seconds since the epoch.
    """
    if service.username:
        return Credentials(service.username, service.password.get_secret_value())
    secret = service.shared(common)
    if not secret:
        return None
    expires = int(now) + ttl_seconds
    return Credentials(*time_limited(secret, name_of(account, secret), expires), expires)


def service_element(service: Service, host: str, credentials: Credentials | None, action: str | None = None) -> bytes:
    """Return ``<service/>`` (XEP-0215 section 2).

    :param host: where it is, if the service doesn't say.
    :param action: what has become of it, in a push (section 3.2).
    """
    restricted = service.restricted if service.restricted is not None else credentials is not None
    expires = None if credentials is None or credentials.expires is None else format_datetime(credentials.expires)
    return tag(
        "service",
        action=action,
        expires=expires,
        host=service.host or host,
        name=service.name or None,
        password=None if credentials is None else credentials.password,
        port=service.usual_port,
        restricted="true" if restricted else None,
        transport=service.usual_transport,
        type=service.type,
        username=None if credentials is None else credentials.username,
    )
