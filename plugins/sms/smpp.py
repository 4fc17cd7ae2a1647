"""Short messages over SMPP: what is submitted for a user's message, and what comes (SMPP 3.4 sections 4.4 and 4.6)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from smpplib import consts

from xmppd.api import Condition, IClock, StanzaError, StorageUnavailable
from xmppd.api.gateway import TryAgain
from xmppd.api.network import INetwork
from xmppd.plugins.sms.errors import Kind, meaning
from xmppd.plugins.sms.link import Link, NotConnected
from xmppd.plugins.sms.options import Smpp
from xmppd.plugins.sms.parts import TooMany
from xmppd.plugins.sms.pdus import Pdu
from xmppd.plugins.sms.provider import Nobody, Note, Short, number_of
from xmppd.plugins.sms.reports import Report, reference, report_in
from xmppd.plugins.sms.session import SessionLost
from xmppd.plugins.sms.text import Cut, Header, TooLong, cut, decode, headed, split_header

__all__ = ["Inbox", "SmppProvider"]

_UDHI = consts.SMPP_GSMFEAT_UDHI
_INTERNATIONAL, _ALPHANUMERIC, _UNKNOWN = consts.SMPP_TON_INTL, consts.SMPP_TON_ALNUM, consts.SMPP_TON_UNK
#: ESME_RX_R_APPN: for good. ESME_RX_T_APPN: for now.
_REJECT, _LATER = consts.SMPP_ESME_RX_R_APPN, consts.SMPP_ESME_RX_T_APPN


class Inbox(Protocol):
    """Who takes what comes."""

    async def received(self, source: str, destination: str, text: str, *, key: str | None = None) -> None:
        """Take a message. :raises Nobody: it is for nobody."""

    async def received_part(self, source: str, destination: str, header: Header, coding: int, data: bytes) -> None:
        """Take a part of one. :raises Nobody: it is for nobody. :raises TooMany: it can't be kept now."""

    async def reported(self, name: str, delivered: bool, failure: str | None) -> None:
        """Take a report on a message of ours: it was delivered, or it never will be, for that reason; or neither."""


class SmppProvider:
    """Sends and receives through a message centre.

    :param most: short messages that one message may take.
    :param up: called whenever messages can be sent again.
    """

    def __init__(
        self, network: INetwork, clock: IClock, options: Smpp, most: int, inbox: Inbox, up: Callable[[], object]
    ) -> None:
        self._options = options
        self._most = most
        self._inbox = inbox
        self.link = Link(network, clock, options, self.take, up)
        self.concurrency = options.window
        self.start = self.link.start
        self.stop = self.link.stop

    def describe(self) -> dict[str, Any]:
        """See Provider."""
        link = self.link
        return {
            "provider": "smpp", "endpoint": self._options.endpoint, "state": link.state, "peer": link.peer,
            "problem": link.problem, "submitted": link.submitted, "received": link.received,
        }  # fmt: skip

    # Out

    async def send(self, short: Short, note: Note) -> Sequence[str]:
        """See Provider. Of a message whose first parts were submitted before, only the others are."""
        options = self._options
        whole = options.long_messages == "payload"
        try:
            made = cut(short.text, options.alphabet, options.wide_references, self._most, whole)
        except TooLong as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        done: list[str] = json.loads(short.message.note or "[]")
        common = self._common(short, made)
        for number, part in enumerate(made.parts[len(done) :], len(done) + 1):
            done.append(await self._submit({**common, **self._content(short, made, number, part)}))
            if number < len(made.parts):
                await note(json.dumps(done))
        return [reference(name, options.report_ids) for name in done if name] if options.reports else []

    def _common(self, short: Short, made: Cut) -> dict[str, Any]:
        source, number = _address("source", short.source), _address("dest", short.number)
        minutes = self._options.validity_minutes
        days, hours = divmod(minutes // 60, 24)
        return {
            **source,
            **number,
            "service_type": self._options.service_type,
            "data_coding": made.coding,
            "registered_delivery": int(self._options.reports),
            "validity_period": f"0000{days:02}{hours:02}{minutes % 60:02}00000R" if minutes else "",
        }

    def _content(self, short: Short, made: Cut, number: int, part: bytes) -> dict[str, Any]:
        if len(made.parts) > 1:
            wide = self._options.wide_references
            # The same in each attempt; the last digits of the number are those of the clock.
            header = Header(short.message.number // 1000 % (65_536 if wide else 256), len(made.parts), number)
            return {"esm_class": _UDHI, "short_message": headed(part, header, wide)}
        return {"message_payload": part} if short.parts > 1 else {"short_message": part}

    async def _submit(self, fields: dict[str, Any]) -> str:
        """Submit one short message; return the centre's name for it."""
        try:
            answer = await self.link.submit(**fields)
        except NotConnected as error:
            raise TryAgain(str(error)) from None
        except SessionLost as error:
            raise TryAgain(str(error), uncertain=True) from None
        except ValueError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        if answer.command == "submit_sm_resp" and not answer.status:
            return answer.text("message_id")
        found = meaning(answer.status, self._options.permanent_errors, self._options.temporary_errors)
        text = f"{found.text} ({consts.DESCRIPTIONS.get(answer.status, hex(answer.status))})"
        if found.kind is Kind.PERMANENT:
            raise StanzaError(found.condition, text=text)
        raise TryAgain(text, condition=found.condition)

    # In

    async def take(self, pdu: Pdu) -> int:
        """Take what the centre delivers; return the status to answer with."""
        content = pdu.option("message_payload") or pdu.fields.get("short_message") or b""
        header = _sar(pdu)
        if pdu.number("esm_class") & _UDHI:
            found, content = split_header(content)
            header = found or header
        report = report_in(pdu, content)
        try:
            await (self._take_message(pdu, header, content) if report is None else self._take_report(report))
        except Nobody:
            return _REJECT
        except (TooMany, StorageUnavailable):
            return _LATER
        return consts.SMPP_ESME_ROK

    def _take_report(self, report: Report) -> Awaitable[None]:
        name = reference(report.id, self._options.report_ids, reported=True)
        return self._inbox.reported(name, report.delivered, report.failure)

    def _take_message(self, pdu: Pdu, header: Header | None, content: bytes) -> Awaitable[None]:
        source, coding = _number(pdu, "source_addr", "source_addr_ton"), pdu.number("data_coding")
        destination = _number(pdu, "destination_addr", "dest_addr_ton")
        if header is None or header.total == 1:
            return self._inbox.received(source, destination, decode(content, coding, self._options.alphabet))
        return self._inbox.received_part(source, destination, header, coding, content)


def _address(which: str, text: str) -> dict[str, Any]:
    """The fields of an address (section 5.2.5): the type of a number, and the plan it belongs to."""
    name = "source_addr" if which == "source" else "destination_addr"
    digits = number_of(text)
    if text and not digits.isdigit():
        return {f"{which}_addr_ton": _ALPHANUMERIC, f"{which}_addr_npi": consts.SMPP_NPI_UNK, name: text}
    ton = _INTERNATIONAL if text.startswith("+") else _UNKNOWN
    npi = consts.SMPP_NPI_ISDN if text else consts.SMPP_NPI_UNK
    return {f"{which}_addr_ton": ton, f"{which}_addr_npi": npi, name: digits}


def _number(pdu: Pdu, name: str, ton: str) -> str:
    text = pdu.text(name)
    return f"+{text}" if pdu.number(ton) == _INTERNATIONAL and text.isdigit() else text


def _sar(pdu: Pdu) -> Header | None:
    """Which part of which message, if optional parameters say so (section 5.3.2.22)."""
    reference_, total, number = (
        pdu.optional_number(name) for name in ("sar_msg_ref_num", "sar_total_segments", "sar_segment_seqnum")
    )
    if reference_ is None or not total or not number or number > total:
        return None
    return Header(reference_ & 0xFFFF, total & 0xFF, number & 0xFF)
