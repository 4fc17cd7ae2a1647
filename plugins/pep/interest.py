"""Which nodes clients want to hear of: "filtered-notifications" (XEP-0060 section 9.2), by their caps (XEP-0115).

A client that wants to be notified of a node says so by a feature of the node's name with ``+notify`` behind. What it
says is asked for once for all clients of the same software, which have the same verification string.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from itertools import accumulate
from typing import NamedTuple

from xmppd.api import Condition, Element, IHost, Iq, ISession, Jid, Presence, StanzaError, tag
from xmppd.api.disco import Identity, Info
from xmppd.wire import ns
from xmppd.wire.disco import INFO, form_type

__all__ = ["STATE", "Caps", "Interests", "Kinds", "wanted"]

CAPS = "http://jabber.org/protocol/caps"
SUFFIX = "+notify"
#: What a session remembers of its client: the caps, and the nodes that are wanted.
STATE = "pep"
#: How many characters the name of a node has at most, on the average of those that a client wants.
AVERAGE = 100


class Caps(NamedTuple):
    """What a client says it is (XEP-0115 section 4); `hash` is "" for those of before version 1.4."""

    hash: str
    node: str
    ver: str

    @classmethod
    def of(cls, presence: Presence) -> Caps | None:
        """Return those in a presence."""
        c = presence.child(CAPS, "c")
        if c is None:
            return None
        caps = cls(c.getAttribute("hash", ""), c.getAttribute("node", ""), c.getAttribute("ver", ""))
        return caps if caps.ver else None


def read_info(query: Element) -> Info:
    """Read the answer to disco#info."""
    identities = tuple(
        Identity(
            identity.getAttribute("category", ""),
            identity.getAttribute("type", ""),
            identity.getAttribute("name", ""),
            identity.getAttribute((ns.XML, "lang"), ""),
        )
        for identity in query.elements(INFO, "identity")
    )
    features = tuple(feature.getAttribute("var", "") for feature in query.elements(INFO, "feature"))
    return Info(identities, features, tuple(query.elements(ns.DATA_FORMS, "x")))


def verified(caps: Caps, info: Info) -> bool:
    """Is the information what the verification string stands for? (XEP-0115 section 5.4)"""
    for several in (
        [(i.category, i.type, i.lang, i.name) for i in info.identities],
        info.features,
        [name for form in info.forms if (name := form_type(form)) is not None],
    ):
        if len(several) != len(set(several)):
            return False  # ill-formed
    try:
        return bool(caps.hash) and info.verification_string(caps.hash) == caps.ver
    except ValueError:  # a hash function that we don't know
        return False


def wanted(session: ISession) -> Collection[str]:
    """Return the names of the nodes that a device wants to hear of; empty while it is not available."""
    state = session.state.get(STATE)
    return () if state is None or session.presence is None else state["nodes"]


def nodes_of(info: Info, most: int) -> tuple[str, ...]:
    """Return the nodes that a client wants to hear of, no more than `most` of average length."""
    nodes = sorted({feature.removesuffix(SUFFIX) for feature in info.features if feature.endswith(SUFFIX)})
    total = accumulate(map(len, nodes))
    return tuple(node for node, length in zip(nodes, total, strict=True) if length <= most * AVERAGE)[:most]


class Kinds:
    """The kinds of clients that are known: by verification strings that have been verified.

    :param remembered: how many are remembered.
    :param most: how many nodes a client may want.
    """

    def __init__(self, host: IHost, remembered: int, most: int) -> None:
        self._host = host
        self._remembered, self._most = remembered, most
        self._known: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()

    def get(self, caps: Caps) -> tuple[str, ...] | None:
        """Return the nodes that clients of such caps want to hear of; None if that is not known."""
        nodes = self._known.get((caps.hash, caps.ver))
        if nodes is not None:
            self._known.move_to_end((caps.hash, caps.ver))
        return nodes

    async def ask(self, device: Jid, caps: Caps, timeout: float = 60.0) -> tuple[str, ...]:
        """Ask a device what its caps stand for. Return the nodes that it wants to hear of.

        :param timeout: seconds.
        :raises StanzaError: it doesn't say.
        """
        query = tag("query", xmlns=INFO, node=f"{caps.node}#{caps.ver}")
        request = Iq(to=device, from_=self._host.jid, type="get", payload=query)
        element = (await self._host.request(request, timeout)).child(INFO, "query")
        if element is None:
            raise StanzaError(Condition.BAD_REQUEST)
        info = read_info(element)
        nodes = nodes_of(info, self._most)
        if verified(caps, info):
            self._known[caps.hash, caps.ver] = nodes
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return nodes


class Interests:
    """Finds out what devices of our users want."""

    def __init__(self, host: IHost, kinds: Kinds) -> None:
        self._host, self._kinds = host, kinds

    def current(self, session: ISession, caps: Caps | None) -> bool:
        """Is all known about a device whose last presence had those caps? What can be said at once is noted."""
        if caps is None:
            if STATE in session.state:
                session.keep(STATE, None)
            return True
        state = session.state.get(STATE)
        if state is not None and tuple(state["caps"]) == caps:
            return True
        nodes = self._kinds.get(caps)
        if nodes is None:
            return False
        self._note(session, caps, nodes)
        return True

    async def ask(self, session: ISession, caps: Caps) -> bool:
        """Ask a device what its caps stand for; false if it doesn't say, or has said something else meanwhile."""
        try:
            nodes = await self._kinds.ask(session.jid, caps)
        except StanzaError:
            return False
        if self._host.session(session.jid) is not session or session.presence is None:
            return False
        if Caps.of(session.presence) != caps:
            return False
        self._note(session, caps, nodes)
        return True

    def _note(self, session: ISession, caps: Caps, nodes: tuple[str, ...]) -> None:
        session.keep(STATE, {"caps": list(caps), "nodes": list(nodes)})
