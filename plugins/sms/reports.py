"""Delivery reports: what has become of a message (SMPP 3.4 appendix B, sections 5.2.28 and 5.3.2.35)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from xmppd.plugins.sms.pdus import Pdu

__all__ = ["Report", "reference", "report_in"]

#: The bits of esm_class that tell the type of a message (section 5.2.12), and those of reports.
_TYPE, _RECEIPT, _DELIVERED, _USER, _INTERMEDIATE = 0x3C, 0x04, 0x08, 0x10, 0x20
_STATES = ("SCHEDLD", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "SKIPPED")
_FAILURES = {
    "EXPIRED": "the phone could not be reached in time",
    "DELETED": "it was deleted",
    "UNDELIV": "it can't be delivered",
    "REJECTD": "it was rejected",
    "SKIPPED": "it was left out",
}
_FIELD = re.compile(rb"\b(id|stat|err):\s*([^\s]+)", re.IGNORECASE)
Ids = Literal["same", "hex-to-decimal", "decimal-to-hex"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a centre says of a message.

    :ivar id: the centre's name for it.
    :ivar state: as ``DELIVRD``.
    :ivar error: the network's error code, or "".
    """

    id: str
    state: str
    error: str = ""

    @property
    def delivered(self) -> bool:
        """Has the phone got it?"""
        return self.state == "DELIVRD"

    @property
    def failure(self) -> str | None:
        """Why it will never be delivered, in words; None if it was, or still may be."""
        words = _FAILURES.get(self.state)
        return words and (f"{words} (error {self.error})" if self.error.strip("0") else words)


def report_in(pdu: Pdu, content: bytes) -> Report | None:
    """Return what a deliver_sm or data_sm reports; None if it is no report but a message.

    :param content: its text.
    """
    kind = pdu.number("esm_class") & _TYPE
    id_, state = pdu.option("receipted_message_id"), pdu.optional_number("message_state")
    if kind not in (_RECEIPT, _DELIVERED, _USER, _INTERMEDIATE) and id_ is None:
        return None
    found = {name.lower(): value.decode("ascii", "replace") for name, value in reversed(_FIELD.findall(content))}
    name = id_.rstrip(b"\0").decode("ascii", "replace") if id_ else found.get(b"id", "")
    if state is None:
        words = found.get(b"stat", "UNKNOWN").upper()[:7]
    else:
        words = _STATES[state] if state < len(_STATES) else "UNKNOWN"
    return Report(name, "ENROUTE" if kind == _INTERMEDIATE else words, found.get(b"err", ""))


def reference(id_: str, ids: Ids, reported: bool = False) -> str:
    """Return the one form of a message's name, by which an answer and a report are brought together.

    :param ids: how the name in a report is made of that in the answer: many centres write one as a hexadecimal number
        and the other as a decimal one.
    :param reported: is it from a report?
    """
    hexadecimal = ids == ("decimal-to-hex" if reported else "hex-to-decimal")
    if ids != "same":
        try:
            return str(int(id_, 16 if hexadecimal else 10))
        except ValueError:
            return id_
    return id_
