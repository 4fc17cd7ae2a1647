"""A message centre for tests: it speaks SMPP, and does whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smpplib import consts
from twisted.internet.protocol import Protocol

from xmppd.plugins.sms.pdus import BadPdu, Pdu, Reader, encode, is_response

__all__ = ["Centre", "CentreSession"]


class Centre:
    """The centre, with all of its sessions.

    :ivar sessions: all, in order. :ivar heard: every PDU that came, in order.
    :ivar submitted: the short messages, in order; those that were refused, too.
    :ivar statuses: of the next answers to submit_sm; 0 when there are no more.
    :ivar bind_status: of answers to bind_transceiver.
    :ivar mute: commands that get no answer.
    :ivar name: makes the name of a short message.
    :ivar before_answer: called with the session and the number that a short message is given, before it is answered.
    """

    def __init__(self) -> None:
        self.sessions: list[CentreSession] = []
        self.heard: list[Pdu | BadPdu] = []
        self.submitted: list[Pdu] = []
        self.statuses: list[int] = []
        self.bind_status = 0
        self.mute: set[str] = set()
        self.name: Callable[[], str] = lambda: f"m{len(self.submitted)}"
        self.before_answer: Callable[[CentreSession, str], object] = lambda session, name: None

    def __call__(self) -> CentreSession:
        """Make the protocol of a new connection."""
        session = CentreSession(self)
        self.sessions.append(session)
        return session

    def buildProtocol(self, address: Any) -> CentreSession:
        """As a factory of Twisted."""
        return self()

    def doStart(self) -> None:
        """As a factory of Twisted."""

    def doStop(self) -> None:
        """As a factory of Twisted."""

    @property
    def session(self) -> CentreSession:
        """The latest."""
        return self.sessions[-1]

    @property
    def texts(self) -> list[bytes]:
        """What was submitted."""
        return [pdu.fields["short_message"] for pdu in self.submitted]

    def commands(self) -> list[str]:
        """Names of all that was heard."""
        return [pdu.command for pdu in self.heard]


class CentreSession(Protocol):
    """One connection to the centre."""

    transport: Any

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.reader = Reader(100_000)
        self.sequence = 0
        self.over = False

    def dataReceived(self, data: bytes) -> None:
        """Take what the gateway sends."""
        for pdu in self.reader.feed(data):
            self.centre.heard.append(pdu)
            if isinstance(pdu, Pdu) and not is_response(pdu.command):
                self.answer(pdu)

    def connectionLost(self, reason: Any = None) -> None:
        """The gateway has gone."""
        self.over = True

    def answer(self, pdu: Pdu) -> None:
        """Do what is asked for."""
        centre = self.centre
        if pdu.command == "submit_sm":
            centre.submitted.append(pdu)
        if pdu.command in centre.mute:
            return
        if pdu.command == "bind_transceiver":
            self.send("bind_transceiver_resp", pdu.sequence, centre.bind_status, system_id="centre")
        elif pdu.command == "submit_sm":
            status = centre.statuses.pop(0) if centre.statuses else consts.SMPP_ESME_ROK
            name = "" if status else centre.name()
            if name:
                centre.before_answer(self, name)
            self.send("submit_sm_resp", pdu.sequence, status, message_id=name)
        else:
            self.send(f"{pdu.command}_resp", pdu.sequence)

    def send(self, command: str, sequence: int, status: int = 0, **fields: Any) -> None:
        """Send a PDU."""
        self.transport.write(encode(command, sequence, status, **fields))

    def deliver(self, text: bytes, source: str = "491701234567", destination: str = "72524", **more: Any) -> int:
        """Send an incoming message; return its number."""
        self.sequence += 1
        self.send("deliver_sm", self.sequence, source_addr=source, destination_addr=destination, short_message=text,
                  source_addr_ton=_type_of(source), source_addr_npi=1, **more)  # fmt: skip
        return self.sequence

    def report(self, name: str, state: str = "DELIVRD", error: str = "000") -> int:
        """Send a report on a short message; return its number."""
        text = (
            f"id:{name} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:{state} err:{error} text:x"
        )
        return self.deliver(text.encode(), esm_class=consts.SMPP_MSGTYPE_DELIVERYACK)

    def status_of(self, sequence: int) -> int | None:
        """The status that one of our messages was answered with; None if it wasn't."""
        for pdu in self.centre.heard:
            if pdu.command == "deliver_sm_resp" and pdu.sequence == sequence and isinstance(pdu, Pdu):
                return pdu.status
        return None


def _type_of(source: str) -> int:
    """The type of a number: international, national (which nobody says), or a name."""
    if not source.isdigit():
        return consts.SMPP_TON_ALNUM
    return consts.SMPP_TON_UNK if source.startswith("0") or len(source) < 9 else consts.SMPP_TON_INTL
