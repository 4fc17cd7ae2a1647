"""What owners do with their nodes (XEP-0060 sections 7 and 8). It is on disk before anybody is told of it."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import TypeVar
from weakref import WeakValueDictionary

from sqlalchemy import Connection
from twisted.internet.defer import DeferredLock

from xmppd.api import Condition, Element, IHost, Iq, StanzaError, settled, tag
from xmppd.api.pep import ItemsChanged
from xmppd.plugins.pep import store
from xmppd.plugins.pep.config import DEFAULTS, NODE_CONFIG, Config, changes, node_of, preconditions, submitted
from xmppd.plugins.pep.errors import not_acceptable, unsupported
from xmppd.plugins.pep.notices import Notices, published
from xmppd.plugins.pep.requests import NS, OWNER, Publication, Retraction, event, pubsub

__all__ = ["Owner"]

T = TypeVar("T")


class Owner:
    """Carries out the requests of owners, those of one account one after the other.

    :param limits: returns what is allowed now.
    """

    def __init__(self, host: IHost, notices: Notices, limits: Callable[[], store.Limits]) -> None:
        self._host, self._notices, self._limits = host, notices, limits
        self._locks: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()
        self._commands = {
            (NS, "publish"): self._publish,
            (NS, "retract"): self._retract,
            (NS, "create"): self._create,
            (OWNER, "configure"): self._configure,
            (OWNER, "delete"): self._delete,
            (OWNER, "purge"): self._purge,
        }

    async def change(self, request: Iq, command: Element) -> Iq:
        """Carry out a request of type set; `command` is the child of ``<pubsub/>`` that says what to do.

        :raises StanzaError: see the sections.
        """
        work = self._commands.get((command.uri or "", command.name))
        if work is None:
            raise StanzaError(Condition.BAD_REQUEST)
        account = str(request.sender.bare)
        lock = self._locks.get(account)
        if lock is None:
            lock = self._locks[account] = DeferredLock()
        # Notifications are sent in the order in which the changes were stored.
        await lock.acquire()
        try:
            reply = request.result(await work(request, command))
        finally:
            lock.release()
        node: str = command.getAttribute("node", "")
        if node and self._host.observed(ItemsChanged):
            await settled(self._host.notify(ItemsChanged(request.sender.bare, node)))
        return reply

    async def _write(self, fn: Callable[[Connection], T]) -> T:
        return await self._host.db.write(fn)

    # Section 7

    async def _publish(self, request: Iq, command: Element) -> bytes:
        account, limits, now = str(request.sender.bare), self._limits(), self._host.clock.seconds()
        wanted = Publication.read(request.request, limits.item)
        item = wanted.item
        if item is not None and not item.id:
            item = store.Item(token_hex(16), item.payload)

        def put(connection: Connection) -> Config:
            node = store.find(connection, account, wanted.node)
            if node is None:
                config = _sized(wanted.node, DEFAULTS.changed(changes(wanted.options, limits.items)), limits)
                wanted.check(config)
                node = store.create(connection, account, wanted.node, config, limits)
            else:
                preconditions(wanted.options, node.config, limits.items)
                wanted.check(node.config)
            if item is not None:
                store.put(connection, account, node, [item], now, limits)
            return node.config

        config = await self._write(put)
        await self._notify(request, wanted.node, config, published(wanted.node, config, item))
        if item is None or (wanted.item is not None and wanted.item.id):
            return b""
        return pubsub(tag("publish", tag("item", id=item.id), node=wanted.node))

    async def _retract(self, request: Iq, command: Element) -> bytes:
        account, wanted = str(request.sender.bare), Retraction.read(request.request)

        def remove(connection: Connection) -> Config:
            node = store.need(connection, account, wanted.node)
            _persistent(node)
            store.retract(connection, node, [wanted.item])
            return node.config

        config = await self._write(remove)
        if wanted.notify or config.flag("notify_retract"):
            gone = tag("items", tag("retract", id=wanted.item), node=wanted.node)
            await self._notify(request, wanted.node, config, event(gone))
        return b""

    # Section 8

    async def _create(self, request: Iq, command: Element) -> bytes:
        account, limits = str(request.sender.bare), self._limits()
        asked: str = command.getAttribute("node", "")
        name = asked or token_hex(16)
        configure = next(request.request.elements(NS, "configure"), None)
        if configure is not None and configure.hasAttribute("node"):
            raise StanzaError(Condition.BAD_REQUEST, text="which node is said by <create/>")  # 8.1.3
        fields = submitted(configure, NODE_CONFIG)
        if fields is None:
            raise StanzaError(Condition.BAD_REQUEST, text="a creation can't be cancelled")
        config = _sized(name, DEFAULTS.changed(changes(fields, limits.items)), limits)

        def create(connection: Connection) -> None:
            if store.find(connection, account, name) is not None:
                raise StanzaError(Condition.CONFLICT)
            store.create(connection, account, name, config, limits)

        await self._write(create)
        return b"" if asked else pubsub(tag("create", node=name))

    async def _configure(self, request: Iq, command: Element) -> bytes:
        account, limits, name = str(request.sender.bare), self._limits(), node_of(command)
        fields = submitted(command, NODE_CONFIG)

        def configure(connection: Connection) -> None:
            node = store.need(connection, account, name)
            if fields is not None:
                config = _sized(name, node.config.changed(changes(fields, limits.items)), limits)
                store.configure(connection, node, config, limits)

        await self._write(configure)
        return b""

    async def _delete(self, request: Iq, command: Element) -> bytes:
        account, name = str(request.sender.bare), node_of(command)

        def remove(connection: Connection) -> Config:
            node = store.need(connection, account, name)
            store.remove(connection, node)
            return node.config

        config = await self._write(remove)
        if config.flag("notify_delete"):
            await self._notify(request, name, config, event(tag("delete", node=name)))
        return b""

    async def _purge(self, request: Iq, command: Element) -> bytes:
        account, name = str(request.sender.bare), node_of(command)

        def purge(connection: Connection) -> Config:
            node = store.need(connection, account, name)
            _persistent(node)
            store.purge(connection, node)
            return node.config

        config = await self._write(purge)
        await self._notify(request, name, config, event(tag("purge", node=name)))
        return b""

    async def _notify(self, request: Iq, node: str, config: Config, payload: bytes) -> None:
        if config.flag("deliver_notifications"):
            await self._notices.to_all(request.sender.bare, node, config, payload, request)


def _persistent(node: store.Node) -> None:
    if not node.config.flag("persist_items"):
        raise unsupported("persistent-items")


def _sized(name: str, config: Config, limits: store.Limits) -> Config:
    """Return a configuration that is not too long to be stored."""
    if len(name.encode()) + len(config.to_json()) > limits.item:
        raise not_acceptable(f"name and configuration of a node may have {limits.item} octets")
    return config
