"""The way to one domain over the connections it has at the moment: stanzas wait for the disk, and for a connection."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred

from xmppd.api.waiting import settled
from xmppd.core.arrivals import Arrivals
from xmppd.core.durable.turn import InTurn
from xmppd.wire.errors import Condition, StanzaError, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence, Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.durable.units import Batch, Spread
    from xmppd.core.server import Server

__all__ = ["Line", "LineSettings", "Link"]

#: Presence that nobody waits for an answer to.
_SILENT = frozenset(("available", "unavailable", "probe"))
#: But who wants to enter a room (XEP-0045 section 7.2) does.
_MUC = "http://jabber.org/protocol/muc"


class LineSettings(Protocol):
    """How much may wait, and for how long."""

    @property
    def queue_seconds(self) -> float: ...
    @property
    def queue_stanzas(self) -> int: ...
    @property
    def queue_octets(self) -> int: ...
    @property
    def input_queue_stanzas(self) -> int: ...


class Wire(Protocol):
    """A stream, as far as the core needs it."""

    @property
    def peer(self) -> str: ...
    @property
    def secured(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    def close(self, error: StreamError | None = None) -> None: ...
    def pause(self, why: str = "inbox") -> None: ...
    def resume(self, why: str = "inbox") -> None: ...


class Link:
    """One connection.

    :ivar number: no other connection of the line ever has the same.
    :ivar since: when it was made, in seconds since the epoch.
    :ivar received: stanzas that came over it. `sent`: that went.
    """

    __slots__ = ("_arrivals", "_line", "number", "received", "sent", "since", "stream")

    def __init__(self, line: Line, stream: Wire, number: int) -> None:
        self._line = line
        self.stream = stream
        self.number = number
        self.since = line.server.clock.seconds()
        self.received = self.sent = 0
        self._arrivals = Arrivals(line.server, stream, line.settings.input_queue_stanzas)

    def receive(self, stanza: Stanza) -> None:
        """Handle a stanza that came, with addresses that this connection may use."""
        self.received += 1
        self._line.received[stanza.kind] += 1
        self._arrivals.take(stanza)

    def handled(self) -> Deferred[None]:
        """Return a Deferred that fires when everything that has come is handled."""
        handled: Deferred[None] = Deferred()
        self._arrivals.when_idle(lambda: handled.callback(None))
        return handled

    def send(self, stanza: Stanza) -> None:
        """Write a stanza."""
        self.sent += 1
        self._line.sent[stanza.kind] += 1
        self.stream.write(stanza.to_bytes())


class Line(InTurn[Stanza]):
    """Connections to one domain. Implements :class:`xmppd.core.durable.turn.Recipient`.

    :param jid: the domain.
    :param what: what errors call it.
    :ivar links: the connections there are, the oldest first.
    :ivar received: stanzas that came, by kind. `sent`: that went.
    :ivar refused: stanzas that could not be sent and came back, or were dropped.
    """

    account: Jid | None = None

    def __init__(self, server: Server, jid: Jid, settings: LineSettings, what: str) -> None:
        self.server = server
        self.jid = jid
        self.settings = settings
        self.links: list[Link] = []
        self.received: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.refused = 0
        self._what = what
        self._number = 0
        self._waiting: deque[tuple[int, Stanza]] | None = None  # for the disk
        self._queue: deque[Stanza] = deque()  # for a connection
        self._octets = 0  # of both
        self._patience: IDelayedCall | None = None

    @property
    def connected(self) -> bool:
        """Is there a connection?"""
        return bool(self.links)

    @property
    def patient(self) -> bool:
        """Do stanzas wait for a connection?"""
        return self._patience is not None

    @property
    def queued(self) -> int:
        """How many stanzas wait for a connection."""
        return len(self._queue)

    # Connections

    def attach(self, stream: Wire, before: Callable[[Link, bool], object] = lambda link, first: None) -> Link:
        """There is one more connection.

        :param before: called before what has waited is sent, with whether it is the only connection.
        """
        self._number += 1
        link = Link(self, stream, self._number)
        self.links.append(link)
        first = len(self.links) == 1
        before(link, first)
        if first:
            self._no_patience()
            queue, self._queue = self._queue, deque()
            for stanza in queue:
                self._octets -= len(stanza.payload)
                self._pass_on(stanza)
            self.reachable()
        return link

    def detach(self, link: Link) -> None:
        """A connection is gone."""
        if link in self.links:
            self.links.remove(link)
            if not self.links:
                self.wait()

    def wait(self) -> None:
        """Be patient for a while: from now on stanzas wait for a connection."""
        self._no_patience()
        self._patience = self.server.clock.callLater(self.settings.queue_seconds, self._give_up)

    def stop(self) -> None:
        """Be patient no more; what waits is dropped without a word."""
        self._no_patience()
        self._queue.clear()

    def _no_patience(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None and patience.active():
            patience.cancel()

    def _give_up(self) -> None:
        self._patience = None
        self.abandon()
        self.unreachable(self.absence())

    def abandon(self) -> None:
        """Send back what waits for a connection."""
        queue, self._queue = self._queue, deque()
        for stanza in queue:
            self._octets -= len(stanza.payload)
            self._refuse(stanza, self.absence())

    def reachable(self) -> None:
        """There is a connection again."""

    def unreachable(self, error: StanzaError) -> None:
        """There has been no connection for too long."""

    def absence(self) -> StanzaError:
        """Return what senders are told while there is no connection."""
        return StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=f"{self._what} {self.jid} is not connected")

    # Out

    def emit(self, stanza: Stanza, batch: Batch | None, spread: Spread | None = None) -> None:
        """See :class:`xmppd.core.durable.turn.Recipient`."""
        if spread is not None:
            spread.taken = True
        if self._waiting is None and (batch is None or batch.committed):
            self._pass_on(stanza)
        elif self._octets + len(stanza.payload) > self.settings.queue_octets:
            self._refuse(stanza, _too_much())
        else:
            self._octets += len(stanza.payload)
            self.put_off(stanza, batch)

    def committed(self, batch: Batch) -> None:
        """A batch is on disk: send what waited for it."""
        for stanza in self.due(batch):
            self._octets -= len(stanza.payload)
            self._pass_on(stanza)

    def _pass_on(self, stanza: Stanza) -> None:
        links = self.links
        if len(links) == 1:
            links[0].send(stanza)
        elif links:
            self.choose(stanza).send(stanza)
        elif self._patience is None:
            self._refuse(stanza, self.absence())
        elif (
            len(self._queue) >= self.settings.queue_stanzas
            or self._octets + len(stanza.payload) > self.settings.queue_octets
        ):
            self._refuse(stanza, _too_much())
        else:
            self._octets += len(stanza.payload)
            self._queue.append(stanza)

    def choose(self, stanza: Stanza) -> Link:
        """Return one of several connections: the same for all stanzas from one account, so that they stay in order.

        When a connection comes or goes, only the accounts that it gets or had move (rendezvous hashing).
        """
        sender = stanza.sender.bare
        return max(self.links, key=lambda link: hash((sender, link.number)))

    def _refuse(self, stanza: Stanza, error: StanzaError) -> None:
        self.refused += 1
        if isinstance(stanza, Presence) and stanza.type in _SILENT and not stanza.has(_MUC, "x"):
            return
        pending = self.server.router.bounce(stanza, error)
        if pending is not None:
            self.server.spawn(settled(pending), f"telling {stanza.from_} that {self.jid} can't be reached")


def _too_much() -> StanzaError:
    return StanzaError(Condition.RESOURCE_CONSTRAINT, text="too much waits for it")
