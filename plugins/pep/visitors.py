"""Devices of contacts on other servers: which nodes they want to hear of (XEP-0163 4.3), by their caps (XEP-0115).

They are asked as the devices of our own users are. But who is asked is not trusted: a question may have no answer, or a
wrong one, and there may be very many of them. So there is a bound to everything.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple

from xmppd.api import Condition, IHost, Jid, Presence, StanzaError
from xmppd.plugins.pep.interest import CAPS, Caps, Kinds
from xmppd.wire.xml import SEPARATOR

__all__ = ["Bounds", "Visitors"]

_C = f"{CAPS}{SEPARATOR}c"
#: Seconds that a device elsewhere has to answer.
_PATIENCE = 30.0
#: Contents of presence of which the caps are remembered, and their length: mostly the same come again and again.
_CONTENTS, _OCTETS = 500, 1000
_UNKNOWN = frozenset((Condition.REMOTE_SERVER_TIMEOUT, Condition.REMOTE_SERVER_NOT_FOUND))


class Bounds(NamedTuple):
    """See the options of the plugin."""

    devices: int
    questions: int
    questions_per_server: int
    questions_waiting: int


class _Visitor(NamedTuple):
    caps: Caps
    nodes: tuple[str, ...]


class _Question(NamedTuple):
    """A device that is to be asked.

    :ivar accounts: to which it is new, as long as that is not known.
    """

    caps: Caps
    accounts: dict[Jid, None]


class Visitors:
    """What is known of devices elsewhere, and what is being asked.

    :param arrived: called when a device that is new to an account wants to hear of something.
    """

    def __init__(self, host: IHost, kinds: Kinds, bounds: Bounds, arrived: Callable[[Jid, Jid], None]) -> None:
        self._host, self._kinds, self.bounds, self._arrived = host, kinds, bounds, arrived
        self._devices: OrderedDict[Jid, _Visitor] = OrderedDict()
        self._contents: OrderedDict[bytes, Caps | None] = OrderedDict()
        self._waiting: OrderedDict[Jid, _Question] = OrderedDict()
        self._asked: dict[Jid, Caps] = {}
        self._kinds_asked: set[tuple[str, str]] = set()
        self._servers: Counter[str] = Counter()
        self._going = False

    def wanted(self, device: Jid) -> Collection[str]:
        """Return the nodes that a device wants to hear of."""
        visitor = self._devices.get(device)
        return () if visitor is None else visitor.nodes

    def see(self, account: Jid, presence: Presence, new: bool) -> None:
        """A device has shown an account that it is available. `new`: was it not before?"""
        device, caps = presence.sender, self._caps(presence)
        if caps is None:
            self._devices.pop(device, None)
            self._waiting.pop(device, None)
            return
        visitor = self._devices.get(device)
        if visitor is None or visitor.caps != caps:
            nodes = self._kinds.get(caps)
            if nodes is None:
                self._ask(device, caps, account if new else None)
                return
            self._note(device, caps, nodes)
        else:
            self._devices.move_to_end(device)
        if new:
            self._arrived(account, device)

    def forget(self, domain: str) -> None:
        """A server can't be reached: its devices are asked again when they are seen again."""
        for devices in (self._devices, self._waiting):
            for device in [device for device in devices if device.domain == domain]:
                del devices[device]

    def _caps(self, presence: Presence) -> Caps | None:
        if _C not in presence.raw_names:
            return None
        content = presence.payload
        if content in self._contents:
            self._contents.move_to_end(content)
            return self._contents[content]
        caps = Caps.of(presence)
        if len(content) <= _OCTETS:
            self._contents[content] = caps
            if len(self._contents) > _CONTENTS:
                self._contents.popitem(last=False)
        return caps

    def _note(self, device: Jid, caps: Caps, nodes: tuple[str, ...]) -> None:
        self._devices[device] = _Visitor(caps, nodes)
        self._devices.move_to_end(device)
        while len(self._devices) > self.bounds.devices:
            self._devices.popitem(last=False)

    # Questions

    def _ask(self, device: Jid, caps: Caps, account: Jid | None) -> None:
        question = self._waiting.get(device)
        if question is None or question.caps != caps:
            if question is None and len(self._waiting) >= self.bounds.questions_waiting:
                return  # it will be asked when it is seen again
            accounts: dict[Jid, None] = {} if question is None else question.accounts
            question = self._waiting[device] = _Question(caps, accounts)
            if account is not None:
                accounts[account] = None
            self._begin(device, question)
        elif account is not None:
            question.accounts[account] = None

    def _begin(self, device: Jid, question: _Question) -> None:
        """Ask a device now, if so many may be asked; of those with the same caps one after the other."""
        caps = question.caps
        if (
            device not in self._asked
            and (caps.hash, caps.ver) not in self._kinds_asked
            and len(self._asked) < self.bounds.questions
            and self._servers[device.domain] < self.bounds.questions_per_server
        ):
            self._asked[device] = caps
            self._kinds_asked.add((caps.hash, caps.ver))
            self._servers[device.domain] += 1
            self._host.spawn(self._find_out(device, caps), f"asking {device} for its capabilities")

    def _go_on(self) -> None:
        """Ask those who wait, as many as may be asked."""
        if self._going:
            return  # the answer to a question came at once: whoever asked goes on
        self._going = True
        before = len(self._waiting) + 1
        while 0 < len(self._waiting) < before and len(self._asked) < self.bounds.questions:
            before = len(self._waiting)
            for device, question in list(self._waiting.items()):
                if self._waiting.get(device) is question:
                    self._begin(device, question)
        self._going = False

    async def _find_out(self, device: Jid, caps: Caps) -> None:
        nodes: tuple[str, ...] | None
        try:
            nodes = await self._kinds.ask(device, caps, _PATIENCE)
        except StanzaError as error:
            # Who refuses to say is not asked again; it may never have come to others.
            nodes = None if error.condition in _UNKNOWN else ()
        self._asked.pop(device, None)
        self._kinds_asked.discard((caps.hash, caps.ver))
        self._servers[device.domain] -= 1
        if not self._servers[device.domain]:
            del self._servers[device.domain]
        question = self._waiting.get(device)
        if question is not None and question.caps == caps:
            del self._waiting[device]
            if nodes is not None:
                self._answered(device, question, nodes)
        if self._kinds.get(caps) is not None:
            self._resolve(caps)
        self._go_on()

    def _resolve(self, caps: Caps) -> None:
        """What these caps stand for is proven: who has the same needs not be asked."""
        kind = (caps.hash, caps.ver)
        for device, question in list(self._waiting.items()):
            nodes = self._kinds.get(question.caps) if (question.caps.hash, question.caps.ver) == kind else None
            if nodes is not None:
                del self._waiting[device]
                self._answered(device, question, nodes)

    def _answered(self, device: Jid, question: _Question, nodes: tuple[str, ...]) -> None:
        self._note(device, question.caps, nodes)
        for account in question.accounts:
            self._arrived(account, device)
