"""Getting a stream for a pair of domains: on one there is already, or one place after the other that DNS names.

Implements the attempts of :class:`xmppd.core.federation.contract.Connector`, and finds streams on which keys of
dialback can be verified. Every step is written down in plain words: whoever operates a server wants to know why a
link failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from xmppd.api.limits import network_of
from xmppd.core.federation.contract import LinkFailure, Pair
from xmppd.net.s2s.initiating import Initiating
from xmppd.net.s2s.refusals import Redirected, Refused, Superseded
from xmppd.net.s2s.stream import ServerStream
from xmppd.net.s2s.targets import Target, static_target
from xmppd.wire.errors import Condition

if TYPE_CHECKING:
    from xmppd.core.federation.policy import Policy
    from xmppd.net.s2s.network import ServerNetwork
    from xmppd.net.s2s.resumption import Session

__all__ = ["Connecting", "IDialer", "ISearch"]

#: Seconds for which a stream that was only opened to verify a key is kept, because answers often need one.
LINGER = 10.0


class ISearch(Protocol):
    """See :class:`xmppd.net.s2s.dialer.Search`."""

    trail: list[str]

    @property
    def problem(self) -> str: ...
    @property
    def lasting(self) -> bool: ...
    def next(self) -> Awaitable[IProtocol | None]: ...
    def stop(self) -> None: ...


class IDialer(Protocol):
    """See :class:`xmppd.net.s2s.dialer.Dialer`."""

    def search(self, domain: str, make: Callable[[Target], Any], route: Target | None = None) -> ISearch: ...


class Connecting:
    """All attempts under way.

    :ivar trails: the steps of the last attempt, by pair, while it is remembered.
    """

    def __init__(self, network: ServerNetwork, dialer: IDialer) -> None:
        self._network = network
        self._dialer = dialer
        self._opening: dict[Pair, list[Deferred[Initiating]]] = {}
        self._searches: set[ISearch] = set()
        self._verifying: Counter[str] = Counter()  # keys, by where they came from
        self._stopped = False

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        for search in list(self._searches):
            search.stop()

    # A stream that stanzas can be sent on

    async def connect(self, pair: Pair) -> ServerStream:
        """Return a stream on which stanzas may be sent for a pair. :raises LinkFailure: there is none to be had."""
        network = self._network
        carrying = await self._carrying(pair)
        if carrying is not None:
            return carrying
        shared = network.shareable(pair)
        if shared is not None:
            try:
                await shared.prove(pair)
            except (LinkFailure, Refused):
                pass  # on a connection of its own it may still be possible
            else:
                return shared
        stream = await self._stream(pair)
        try:
            return await self._authenticated(stream, pair)
        except Superseded as error:
            stream.close()
            carrying = network.carrying(pair)
            if carrying is None:
                raise self._failure(pair, stream.steps, error) from None
            return carrying
        except (LinkFailure, Refused) as error:
            ended = stream.closing
            self._close_unused(stream)
            if not (ended and stream.external_failed):
                raise self._failure(pair, stream.steps, error) from None
        # XEP-0178 3: who refuses EXTERNAL may end the stream; dialback is tried on another.
        stream.steps.append("dialback is tried on another connection")
        stream = await self._stream(pair, external=False)
        try:
            return await self._authenticated(stream, pair)
        except (LinkFailure, Refused) as error:
            self._close_unused(stream)
            raise self._failure(pair, stream.steps, error) from None

    async def _carrying(self, pair: Pair) -> ServerStream | None:
        """Return a stream that is there for a pair, when what was on an earlier one of its streams has its turn."""
        network = self._network
        held = network.sessions.held(pair)
        if held is not None and held.acknowledged and network.carrying(pair) is not None:
            await self._go_first(held)
        elif held is not None and held.pair != pair:
            await self._resumed(held.pair)
        while (putting_off := network.putting_off(pair)) is not None:
            await putting_off.postponed.released()
        return network.carrying(pair)

    async def _resumed(self, pair: Pair) -> None:
        """Resume a stream that carried other pairs as well, if that can be done (XEP-0198 5)."""
        with suppress(LinkFailure):
            await self.connect(pair)

    async def _go_first(self, held: Session) -> None:
        """What was sent on a lost connection comes before what could go on another that is there already.

        It is resumed on a connection of its own, or given back at once if that can't be.
        """
        network = self._network
        network.negotiated.pop(held.pair, None)  # which may be the other one
        try:
            stream = await self._stream(held.pair)
        except LinkFailure:
            network.sessions.end(held)
            return
        try:
            await self._authenticated(stream, held.pair)
        except (LinkFailure, Refused):
            stream.close()
        if held.stream is None and not held.going_on:
            network.sessions.end(held)

    async def _authenticated(self, stream: Initiating, pair: Pair) -> Initiating:
        by = await stream.authenticate(pair)
        stream.steps.append(f"{pair.remote} accepts stanzas from {pair.local}, by {by}")
        self._network.count(f"out: {'certificate' if by == 'EXTERNAL' else by}")
        return stream

    def _close_unused(self, stream: Initiating) -> None:
        if not stream.sending and not stream.dialback.busy:
            stream.close()

    def _failure(self, pair: Pair, steps: list[str], error: Exception) -> LinkFailure:
        steps.append(str(error))
        if isinstance(error, LinkFailure):
            return error
        return LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, f"{pair.remote} could be reached, but {error}")

    # A stream

    async def verify(self, pair: Pair, stream_id: str, key: str, asking: ServerStream) -> bool:
        """Have the authoritative server of `pair.remote` verify a key that came on another stream (XEP-0220 2.1.2).

        XEP-0288: never on the stream on which it came; that one is `asking`.

        :raises LinkFailure: it can't be asked.
        """
        where, counts, network = network_of(asking.peer), self._verifying, self._network
        if counts[where] >= network.settings.keys_per_address and asking.peer not in network.exempt:
            raise LinkFailure(Condition.RESOURCE_CONSTRAINT, "too many keys from one address are being verified")
        counts[where] += 1
        try:
            stream = network.opened_to(pair.remote, asking)
            if stream is None:
                stream = await self._stream(pair, but=asking)
                stream.linger(LINGER)
            return await stream.verify(pair, stream_id, key)
        finally:
            counts[where] -= 1
            if not counts[where]:
                del counts[where]

    async def _stream(self, pair: Pair, external: bool = True, but: ServerStream | None = None) -> Initiating:
        """Return a stream that is negotiated but for authentication; one attempt for all who want the same.

        :param but: a stream that won't do.
        """
        known = self._network.negotiated.get(pair)
        if known is not None and known is not but and not known.closing and external:
            return known
        waiting = self._opening.get(pair)
        if waiting is not None:
            mine: Deferred[Initiating] = Deferred()
            waiting.append(mine)
            return await mine
        waiting = self._opening[pair] = []
        try:
            stream = await self._open(pair)
        except LinkFailure as failure:
            for one in self._opening.pop(pair):
                one.errback(LinkFailure(failure.condition, failure.text, failure.lasting))
            raise
        except BaseException:
            for one in self._opening.pop(pair):
                one.errback(Failure())
            raise
        stream.external = external
        if not stream.closing:
            self._network.negotiated[pair] = stream
        for one in self._opening.pop(pair):
            one.callback(stream)
        return stream

    async def _open(self, pair: Pair) -> Initiating:
        network, policy = self._network, self._network.policy(pair.remote)
        steps = network.begin_trail(pair)
        if network.full:
            raise LinkFailure(Condition.RESOURCE_CONSTRAINT, "this server has as many connections as it may have")
        route = None
        if policy.address:
            try:
                route = static_target(policy.address, policy.direct_tls)
            except ValueError as error:
                raise LinkFailure(Condition.REMOTE_SERVER_NOT_FOUND, str(error), lasting=True) from None
        try:
            return await self._try(pair, policy, steps, route)
        except Redirected as elsewhere:
            return await self._redirected(pair, policy, steps, elsewhere)

    async def _redirected(self, pair: Pair, policy: Policy, steps: list[str], elsewhere: Redirected) -> Initiating:
        """RFC 6120 4.9.3.19: once; who is found there has to prove the same domain as ever."""
        steps.append(str(elsewhere))
        try:
            return await self._try(pair, policy, steps, static_target(elsewhere.address, False))
        except (ValueError, Redirected) as error:
            raise self._failure(pair, steps, Refused(f"it leads nowhere: {error}")) from None

    async def _try(self, pair: Pair, policy: Policy, steps: list[str], route: Target | None) -> Initiating:
        """Try the places where the server may be, until a stream can be negotiated with one."""
        made: list[Initiating] = []
        if self._stopped:
            raise LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, "this server is stopping")

        def make(target: Target) -> Any:
            stream = Initiating(self._network, pair, policy, target.direct_tls)
            stream.steps = steps
            made.append(stream)
            tls = self._network.tls
            if target.direct_tls and tls is not None:
                return tls.wrap_initiating(stream, self._network.host_of(pair.local), pair.remote)
            return stream

        search = self._dialer.search(pair.remote, make, route)
        self._searches.add(search)
        told = 0
        problem: Refused | None = None
        try:
            while True:
                protocol = await search.next()
                steps += search.trail[told:]
                told = len(search.trail)
                if protocol is None:
                    raise self._not_found(pair, search, problem)
                try:
                    await made[-1].negotiate()
                except Refused as error:
                    problem = error
                    steps.append(str(error))
                else:
                    return made[-1]
        finally:
            search.stop()
            self._searches.discard(search)

    def _not_found(self, pair: Pair, search: ISearch, problem: Refused | None) -> LinkFailure:
        if problem is not None:
            text = f"{pair.remote} could be reached, but {problem}"
            return LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, text, problem.lasting)
        condition = Condition.REMOTE_SERVER_NOT_FOUND if search.lasting else Condition.REMOTE_SERVER_TIMEOUT
        why = search.problem or "there is no place to try"
        return LinkFailure(condition, f"{pair.remote} can't be reached: {why}", search.lasting)
