"""An SMPP session (SMPP 3.4 section 2): requests and their answers in both directions over one connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from service_identity import VerificationError
from smpplib import consts
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from xmppd.api import IClock, IDelayedCall
from xmppd.plugins.sms.options import Smpp
from xmppd.plugins.sms.pdus import BadPdu, Pdu, Reader, encode, is_response

__all__ = ["Refused", "Session", "SessionLost"]

_log = Logger(namespace="xmppd.plugins.sms")
_LAST_SEQUENCE = 0x7FFFFFFF  # section 3.2
_VERSIONS = {"3.4": 0x34, "5.0": 0x50}
#: Seconds that the other side gets to take our last words.
_FAREWELL = 5.0
Deliver = Callable[[Pdu], Awaitable[int]]


class SessionLost(Exception):
    """The session has ended, or no answer has come: what was asked may have been done, or not."""


class Refused(Exception):
    """The centre doesn't let us bind.

    :ivar status: why, as a command_status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the message centre refuses us: {consts.DESCRIPTIONS.get(status, hex(status))}")
        self.status = status


class Session:
    """One session with a message centre; as a protocol of Twisted, it is given a connection.

    :param deliver: takes a message that comes, or a report, and returns the command_status to answer with.
    :ivar bound: may messages be sent?
    :ivar reason: why it has ended, in words.
    :ivar peer: what the centre calls itself.
    """

    def __init__(self, clock: IClock, options: Smpp, deliver: Deliver) -> None:
        self._clock = clock
        self._options = options
        self._deliver = deliver
        self._reader = Reader(options.pdu_octets)
        self._sequence = 0
        self._waiting: dict[int, tuple[Deferred[Pdu], IDelayedCall]] = {}
        self._transport: Any = None
        self._idle: IDelayedCall | None = None
        self._farewell: IDelayedCall | None = None
        self._handling = 0
        self._ended = False
        self._watching: list[Deferred[None]] = []
        self.reason = ""
        self.bound = False
        self.peer = ""

    # As a protocol

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self._transport = transport

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        for pdu in self._reader.feed(data):
            if self._ended:
                return
            if isinstance(pdu, BadPdu):
                self._complain(pdu)
            elif is_response(pdu.command):
                self._answered(pdu)
            else:
                self._asked(pdu)
        self._rest()

    def connectionLost(self, reason: Any) -> None:
        """See IProtocol."""
        if reason.check(VerificationError):
            self.reason = self.reason or "the certificate of the message centre is for another name"
        self._end(self.reason or f"the connection was lost: {reason.value}")

    async def ended(self) -> None:
        """Wait until it has ended; at once if it has never begun."""
        if self._transport is not None and not self._ended:
            end: Deferred[None] = Deferred()
            self._watching.append(end)
            await end

    # What we ask

    async def bind(self) -> None:
        """Say who we are, to send and to receive (section 4.1.5).

        :raises Refused: the centre doesn't want us. :raises SessionLost: the connection has ended.
        """
        options = self._options
        answer = await self.request(
            "bind_transceiver",
            system_id=options.system_id,
            password=options.password.get_secret_value(),
            system_type=options.system_type,
            interface_version=_VERSIONS[options.version],
            address_range=options.address_range,
        )
        if answer.status:
            self.reason = str(Refused(answer.status))
            self.close()
            raise Refused(answer.status)
        self.peer = answer.text("system_id")
        self.bound = True
        self._rest()

    async def request(self, command: str, **fields: Any) -> Pdu:
        """Send a request and return the answer, whatever its status.

        :raises SessionLost: there is none. :raises ValueError: it can't be sent as it is.
        """
        if self._ended:
            raise SessionLost(self.reason)
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        sequence = self._sequence
        data = encode(command, sequence, **fields)
        answer: Deferred[Pdu] = Deferred()
        longest = self._options.response_seconds
        seconds = min(longest, _FAREWELL) if command == "unbind" else longest
        timer = self._clock.callLater(seconds, self._unanswered, sequence, command)
        self._waiting[sequence] = answer, timer
        self._transport.write(data)
        try:
            return await answer
        except CancelledError:
            self._waiting.pop(sequence, None)
            if timer.active():
                timer.cancel()
            raise

    async def unbind(self) -> None:
        """Take leave (section 4.2), and close the connection."""
        if self.bound:
            self.bound = False
            self.reason = "we have taken leave"
            try:
                await self.request("unbind")
            except SessionLost:
                return
        self.close()

    def close(self) -> None:
        """Close the connection; cut it if the other side doesn't."""
        self.reason = self.reason or "we have closed the connection"
        self.bound = False
        if self._transport is not None and self._farewell is None and not self._ended:
            self._transport.loseConnection()
            self._farewell = self._clock.callLater(_FAREWELL, self._transport.abortConnection)

    def _unanswered(self, sequence: int, command: str) -> None:
        answer, _ = self._waiting.pop(sequence)
        if command in ("enquire_link", "unbind"):
            self._cut("the message centre does not answer any more")
        answer.errback(SessionLost(f"no answer to {command} within {self._options.response_seconds:g} seconds"))

    def _answered(self, pdu: Pdu) -> None:
        answer, timer = self._waiting.pop(pdu.sequence, (None, None))
        if answer is not None and timer is not None:
            timer.cancel()
            answer.callback(pdu)
        else:
            _log.debug("an answer that nobody waits for: {command}, number {sequence}",
                       command=pdu.command, sequence=pdu.sequence)  # fmt: skip

    # What we are asked

    def _asked(self, pdu: Pdu) -> None:
        if pdu.command == "enquire_link":
            self._reply(pdu, 0)
        elif pdu.command == "unbind":
            self._reply(pdu, 0)
            self.reason = "the message centre has taken leave"
            self.close()
        elif pdu.command in ("deliver_sm", "data_sm"):
            self._take(pdu)
        elif pdu.command != "alert_notification":  # which has no answer
            self._send("generic_nack", pdu.sequence, consts.SMPP_ESME_RINVCMDID)

    def _take(self, pdu: Pdu) -> None:
        if not self.bound:
            self._reply(pdu, consts.SMPP_ESME_RINVBNDSTS)
        elif self._handling >= self._options.incoming_window:
            self._reply(pdu, consts.SMPP_ESME_RMSGQFUL)
        else:
            self._handling += 1
            Deferred.fromCoroutine(self._handle(pdu))

    async def _handle(self, pdu: Pdu) -> None:
        try:
            status = await self._deliver(pdu)
        except CancelledError:
            status = consts.SMPP_ESME_RX_T_APPN
        except Exception:
            _log.failure("what the message centre has sent could not be taken: {command}, number {sequence}",
                         command=pdu.command, sequence=pdu.sequence)  # fmt: skip
            status = consts.SMPP_ESME_RX_T_APPN
        self._handling -= 1
        self._reply(pdu, status)

    def _complain(self, bad: BadPdu) -> None:
        """Answer what is no PDU (section 4.3)."""
        _log.warn("the message centre has sent something that is wrong: {bad}", bad=bad)
        if bad.command in ("deliver_sm", "data_sm"):
            self._send(f"{bad.command}_resp", bad.sequence, bad.status, message_id="")
        elif not bad.command or not is_response(bad.command):
            self._send("generic_nack", bad.sequence, bad.status)
        if bad.fatal:
            self.reason = "the message centre has sent something that can't be understood"
            self.close()

    def _reply(self, pdu: Pdu, status: int) -> None:
        fields = {"message_id": ""} if pdu.command in ("deliver_sm", "data_sm") else {}
        self._send(f"{pdu.command}_resp", pdu.sequence, status, **fields)

    def _send(self, command: str, sequence: int, status: int, **fields: Any) -> None:
        if not self._ended:
            self._transport.write(encode(command, sequence, status, **fields))

    # Being there

    def _rest(self) -> None:
        """Something has come: the link is alive. After some silence, ask if it still is (section 4.11)."""
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        if self.bound and not self._ended:
            self._idle = self._clock.callLater(self._options.enquire_seconds, self._enquire)

    def _enquire(self) -> None:
        Deferred.fromCoroutine(self.request("enquire_link")).addErrback(lambda failure: failure.trap(SessionLost))

    def _cut(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.bound = False
        self._transport.abortConnection()

    def _end(self, reason: str) -> None:
        self._ended = True
        self.bound = False
        self.reason = reason
        for timer in (self._idle, self._farewell):
            if timer is not None and timer.active():
                timer.cancel()
        waiting, self._waiting = self._waiting, {}
        for answer, timer in waiting.values():
            timer.cancel()
            answer.errback(SessionLost(reason))
        watching, self._watching = self._watching, []
        for end in watching:
            end.callback(None)
