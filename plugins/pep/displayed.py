"""XEP-0490 Message Displayed Synchronization: what the server does by itself ("server assist")."""

from __future__ import annotations

import sys
from dataclasses import replace

from sqlalchemy import Connection

from xmppd.api import Jid, Stanza
from xmppd.plugins.pep.config import DEFAULTS
from xmppd.plugins.pep.store import Item, Limits, create, find, put
from xmppd.wire.xml import SEPARATOR, Element, serialise

__all__ = ["ASSIST", "CONFIG", "DISPLAYED", "NODE", "publish", "taken"]

NODE = "urn:xmpp:mds:displayed:0"
ASSIST = "urn:xmpp:mds:server-assist:0"
DISPLAYED = f"{NODE}{SEPARATOR}displayed"

#: Of the node, if it is made by the server: nobody else sees it, and one item for each chat is kept (section 4.2).
CONFIG = DEFAULTS.changed(
    {"access_model": ("whitelist",), "max_items": ("max",), "send_last_published_item": ("never",)}
)


def taken(message: Stanza, account: Jid) -> tuple[Stanza, Item]:
    """Take what was displayed out of a client's message that has it, and return the rest, and the item to publish.

    The item has the id of the address the message is to, as it is (section 4.5.3).

    :param account: who sent it, and whom it is to if it says nothing else.
    """
    displayed: list[Element] = []
    others: list[bytes] = []
    for element in message.elements:
        if (element.uri, element.name) == (NODE, "displayed"):
            displayed.append(element)
        else:
            others.append(serialise(element))
    return message.with_payload(b"".join(others)), Item(str(message.to or account), serialise(displayed[0]))


def publish(connection: Connection, account: str, item: Item, now: float, limits: Limits) -> None:
    """Store what was displayed; the node is made if there is none, in addition to those that an account may have.

    :raises StanzaError: not-acceptable, if the account stores too much.
    """
    node = find(connection, account, NODE)
    if node is None:
        node = create(connection, account, NODE, CONFIG, replace(limits, nodes=sys.maxsize))
    put(connection, account, node, [item], now, limits)
