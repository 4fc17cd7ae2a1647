"""The link to a message centre: connected again whenever it breaks, and never used faster than the centre wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smpplib import consts
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger

from xmppd.api import IClock
from xmppd.api.network import INetwork, NoConnection
from xmppd.plugins.sms.errors import THROTTLING
from xmppd.plugins.sms.options import Smpp
from xmppd.plugins.sms.pace import Pace, sleep
from xmppd.plugins.sms.pdus import Pdu
from xmppd.plugins.sms.session import Deliver, Refused, Session, SessionLost

__all__ = ["Link", "NotConnected"]

_log = Logger(namespace="xmppd.plugins.sms")
#: How many times in a row a short message is submitted when the centre says that it is too much.
_ATTEMPTS = 8
#: The optional parameter congestion_state, and from where on it means congestion (SMPP 5.0 section 4.8.4.18).
_CONGESTION_STATE, _CONGESTED = 0x0428, 90


class NotConnected(Exception):
    """There is no link at the moment: nothing was sent."""


class Link:
    """One link. It lives from :meth:`start` to :meth:`stop`.

    :param up: called whenever messages can be sent again.
    :ivar state: ``connecting``, ``bound``, ``waiting`` or ``stopped``.
    :ivar since: when it came to be so, in seconds since the epoch.
    :ivar problem: why the last connection ended, or could not be made.
    """

    def __init__(
        self, network: INetwork, clock: IClock, options: Smpp, deliver: Deliver, up: Callable[[], object]
    ) -> None:
        self._network = network
        self._clock = clock
        self._options = options
        self._deliver = deliver
        self._up = up
        self._window = DeferredSemaphore(options.window)
        self._running: Deferred[None] | None = None
        self._session: Session | None = None
        self.pace = Pace(clock, options.messages_per_second, options.throttle_seconds, options.throttle_max_seconds)
        self.state = "stopped"
        self.since = clock.seconds()
        self.problem = ""
        self.failures = 0
        self.submitted = 0
        self.received = 0

    def start(self) -> None:
        """Connect, and stay connected."""
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._broken)

    def _broken(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            _log.failure("the link to the message centre has ended", failure=failure)

    async def stop(self) -> None:
        """Take leave."""
        running, self._running = self._running, None
        if self._session is not None:
            await self._session.unbind()
            await self._session.ended()
        if running is not None:
            running.cancel()
        self._set("stopped")

    @property
    def peer(self) -> str:
        """What the centre calls itself."""
        return "" if self._session is None else self._session.peer

    async def submit(self, **fields: Any) -> Pdu:
        """Submit a short message in its turn, and return the answer, whatever its status.

        :raises NotConnected: it was not sent. :raises SessionLost: it was, and nobody knows what has become of it.
        """
        await self._window.acquire()
        try:
            answer = await self._submit(fields)
            for _ in range(_ATTEMPTS - 1):
                if answer.status not in THROTTLING:
                    break
                answer = await self._submit(fields)
            return answer
        finally:
            self._window.release()

    async def _submit(self, fields: Mapping[str, Any]) -> Pdu:
        await self.pace.turn()
        if self._session is None or not self._session.bound:
            raise NotConnected(self.problem or "there is no link to the message centre")
        self.submitted += 1
        answer = await self._session.request("submit_sm", **fields)
        if answer.status in THROTTLING or _congested(answer):
            _log.info("the message centre is overloaded ({why}); nothing is sent for {seconds} seconds",
                      why=consts.DESCRIPTIONS.get(answer.status), seconds=self.pace.throttled())  # fmt: skip
        else:
            self.pace.eased()
        return answer

    async def _run(self) -> None:
        while True:
            self._set("connecting")
            self._session = session = Session(self._clock, self._options, self._take)
            try:
                await self._open(session)
            except (NoConnection, Refused, SessionLost, ValueError) as error:
                self.problem = str(error)
                self.failures += 1
                _log.warn("there is no link to {endpoint}: {why}", endpoint=self._options.endpoint, why=self.problem)
            else:
                await self._serve(session)
            if self._running is None:
                return
            self._set("waiting")
            longest, first = self._options.reconnect_max_seconds, self._options.reconnect_seconds
            await sleep(self._clock, min(longest, first * 2 ** min(max(self.failures - 1, 0), 30)))

    async def _open(self, session: Session) -> None:
        options = self._options
        await self._network.connect(options.endpoint, session, options.connect_seconds)
        try:
            await session.bind()
        except (CancelledError, Refused, SessionLost, ValueError):
            session.close()
            await session.ended()
            raise

    async def _serve(self, session: Session) -> None:
        self.failures = 0
        self._set("bound")
        _log.info("bound to {peer} at {endpoint}", peer=session.peer, endpoint=self._options.endpoint)
        self._up()
        await session.ended()
        self.problem = session.reason
        if self._running is not None:
            _log.warn("the link to {endpoint} is lost: {why}", endpoint=self._options.endpoint, why=self.problem)

    async def _take(self, pdu: Pdu) -> int:
        self.received += 1
        return await self._deliver(pdu)

    def _set(self, state: str) -> None:
        self.state = state
        self.since = self._clock.seconds()


def _congested(answer: Pdu) -> bool:
    state = answer.optional.get(_CONGESTION_STATE, b"")
    return len(state) == 1 and state[0] >= _CONGESTED
