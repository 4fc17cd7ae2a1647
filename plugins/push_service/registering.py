"""Registrations of apps: who may have them, how many, and what is kept of them.

A registration is a node of pubsub (XEP-0357 section 4). Its name and its secret are chosen by us, at random: who knows
both can wake the app. Of the secret only a hash is kept, and of what the client calls the device; the token has to be
kept as it is, because the vendor wants to see it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_

from xmppd.api import Condition, IHost, Jid, Message, StanzaError, tag
from xmppd.api.limits import Window
from xmppd.plugins.push_service import store
from xmppd.plugins.push_service.options import PushServiceOptions
from xmppd.plugins.push_service.publishing import PUBSUB
from xmppd.plugins.push_service.store import Device, Limits
from xmppd.plugins.push_service.tables import DEVICES

__all__ = ["Registered", "Registrar", "Wish"]

_HOUR = 3600.0
_DAY = 86_400.0
_NODE_OCTETS, _SECRET_OCTETS = 18, 24


@dataclass(frozen=True, slots=True)
class Wish:
    """What an app wants to be registered.

    :ivar device: what it calls the device, the same each time; "": one app an account has on that road.
    :ivar target: see :class:`xmppd.plugins.push_service.roads.contract.Parcel`.
    """

    road: str
    app: str
    device: str
    target: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registered:
    """What the app has to tell its server (XEP-0357 section 5)."""

    node: str
    secret: str


class Registrar:
    """The registrations of one service.

    :param salt: of the hashes.
    """

    def __init__(self, host: IHost, service: Jid, salt: bytes, options: PushServiceOptions) -> None:
        self._host, self._service, self._salt = host, str(service), salt
        self._accounts, self._domains = Window(1, _HOUR), Window(1, _HOUR)
        self.reconfigure(options)

    def reconfigure(self, options: PushServiceOptions) -> None:
        """Take other options."""
        self._options = options
        self._accounts.set_limits(options.registrations_per_hour, _HOUR)
        self._domains.set_limits(options.domain_registrations_per_hour, _HOUR)

    # Who

    def may(self, asker: Jid) -> bool:
        """May somebody register apps?"""
        return bool(asker.local) and self.serves(asker.domain)

    def serves(self, domain: str) -> bool:
        """May users of that domain register apps, and may it push to them?"""
        listed = self._options.open
        return domain == self._host.jid.domain or domain in listed or "*" in listed

    def check(self, device: Device, publisher: Jid, secret: str) -> bool:
        """Is it the last secret that a publisher has sent? The one before is good until that was used.

        It has to be the server of the account, in its own name or in that of the account: nobody else was told.

        :raises StanzaError: forbidden: it is none, or comes from elsewhere.
        """
        given = self._hash("secret", secret)
        account = Jid.parse(device.account)
        current = hmac.compare_digest(given, device.secret)
        known = current or (bool(device.old_secret) and hmac.compare_digest(given, device.old_secret))
        if not known:
            raise StanzaError(Condition.FORBIDDEN, text="That is not the secret.")
        if publisher not in (account.domain, account):
            raise StanzaError(Condition.FORBIDDEN, text=f"Only {account.domain} may push to this app.")
        if not self.serves(account.domain):
            raise StanzaError(Condition.FORBIDDEN, text="This service is not for users of that server any more.")
        return current

    def _hash(self, kind: str, *parts: str) -> str:
        return hmac.new(self._salt, "\0".join((kind, *parts)).encode(), hashlib.sha256).hexdigest()

    # Registrations

    async def register(self, asker: Jid, wish: Wish) -> Registered:
        """Register an app, or what it has as a token now: an app that asks again keeps its node.

        :raises StanzaError: forbidden; resource-constraint or policy-violation, if there are too many.
        """
        self._count(asker)
        account, service = str(asker.bare), self._service
        target = json.dumps(dict(wish.target), sort_keys=True, separators=(",", ":"))
        secret = secrets.token_urlsafe(_SECRET_OCTETS)
        row = {
            "service": service,
            "node": secrets.token_urlsafe(_NODE_OCTETS),
            "account": account,
            "road": wish.road,
            "app": wish.app,
            "device": self._hash("device", account, wish.road, wish.app, wish.device),
            "target_hash": self._hash("target", wish.road, wish.app, target),
            "target": target,
            "secret": self._hash("secret", secret),
            "old_secret": "",
            "registered_at": self._host.clock.seconds(),
            "published_at": 0.0,
            "accepted_at": 0.0,
            "failure": "",
        }
        limits = Limits(self._options.devices_per_account, self._options.devices)
        node = await self._host.db.write(lambda c: store.put_device(c, row, limits))
        if node is None:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="This service takes no more registrations.")
        return Registered(node, secret)

    def _count(self, asker: Jid) -> None:
        """Refuse those who may not, or who want too much."""
        if not self.may(asker):
            raise StanzaError(Condition.FORBIDDEN, text="This service is not for users of that server.")
        now, account, domain = self._host.clock.seconds(), str(asker.bare), asker.domain
        foreign = domain != self._host.jid.domain
        if self._accounts.full(account, now) or (foreign and self._domains.full(domain, now)):
            raise StanzaError(Condition.POLICY_VIOLATION, "wait", "Too many registrations; try again in an hour.")
        self._accounts.add(account, now)
        if foreign:
            self._domains.add(domain, now)

    async def unregister(self, asker: Jid, wish: Mapping[str, str]) -> Sequence[Device]:
        """Remove registrations of an account, and return them.

        :param wish: ``node``; or ``device``, with ``road`` and ``app`` if they are known; nothing: all.
        """
        account, service = str(asker.bare), self._service
        own = await self._host.db.read(lambda c: store.own(c, service, account))
        chosen = [device.node for device in own if self._is_meant(device, wish)]
        return await self.remove(and_(DEVICES.c.account == account, DEVICES.c.node.in_(chosen)))

    def _is_meant(self, device: Device, wish: Mapping[str, str]) -> bool:
        if wish.get("node", device.node) != device.node or wish.get("road", device.road) != device.road:
            return False
        if "device" not in wish:
            return True
        return device.device == self._hash("device", device.account, device.road, device.app, wish["device"])

    async def own(self, asker: Jid) -> Sequence[Device]:
        """Return what an account has registered."""
        account, service = str(asker.bare), self._service
        return await self._host.db.read(lambda c: store.own(c, service, account))

    async def remove(self, which: ColumnElement[bool]) -> Sequence[Device]:
        """Remove registrations, and return them."""
        service = self._service
        return await self._host.db.write(lambda c: store.remove(c, service, which))

    async def end_unused(self) -> Sequence[Device]:
        """Remove what was not used for long; return it."""
        if not self._options.unused_days:
            return ()
        return await self.remove(store.unused(self._host.clock.seconds() - self._options.unused_days * _DAY))

    def tell(self, devices: Sequence[Device]) -> None:
        """Tell the accounts of registrations that were removed by somebody else (XEP-0357 section 8)."""
        for device in devices:
            account = Jid.parse(device.account)
            affiliation = tag("affiliation", jid=account, affiliation="none")
            payload = tag("pubsub", affiliation, xmlns=PUBSUB, node=device.node)
            self._host.send(Message(account, Jid.parse(self._service), type="headline", payload=payload))
