"""What a status in an answer of a message centre means for the message (SMPP 3.4 section 5.1.3, 5.0 section 4.7.6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from xmppd.api import Condition

__all__ = ["THROTTLING", "Kind", "Meaning", "meaning"]


class Kind(Enum):
    """Will it be otherwise some other time?"""

    PERMANENT = "permanent"
    TEMPORARY = "temporary"
    #: We send more than the centre wants.
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status means.

    :ivar condition: of the error that the sender gets if it is permanent, or stays so.
    """

    kind: Kind
    condition: Condition
    text: str


#: ESME_RMSGQFUL and ESME_RTHROTTLED.
THROTTLING = frozenset((0x14, 0x58))
_OURS = Meaning(Kind.PERMANENT, Condition.INTERNAL_SERVER_ERROR, "the message centre does not accept how it was sent")
_LATER = Meaning(Kind.TEMPORARY, Condition.REMOTE_SERVER_TIMEOUT, "the message centre can't take it now")
_NUMBER = Meaning(Kind.PERMANENT, Condition.ITEM_NOT_FOUND, "there is no such number")
_SENDER = Meaning(Kind.PERMANENT, Condition.NOT_ACCEPTABLE, "the message centre does not accept the sender's number")
_TEXT = Meaning(Kind.PERMANENT, Condition.NOT_ACCEPTABLE, "the message centre does not accept the text")
_REFUSED = Meaning(Kind.PERMANENT, Condition.NOT_ALLOWED, "the message centre does not allow it")
_MEANINGS = {
    0x01: _TEXT,  # ESME_RINVMSGLEN
    0x02: _OURS,  # ESME_RINVCMDLEN
    0x03: _OURS,  # ESME_RINVCMDID
    0x04: _LATER,  # ESME_RINVBNDSTS: the session is not what it was
    0x06: _OURS,  # ESME_RINVPRTFLG
    0x07: _OURS,  # ESME_RINVREGDLVFLG
    0x08: _LATER,  # ESME_RSYSERR
    0x0A: _SENDER,  # ESME_RINVSRCADR
    0x0B: _NUMBER,  # ESME_RINVDSTADR
    0x14: Meaning(Kind.THROTTLED, Condition.RESOURCE_CONSTRAINT, "the message centre's queue is full"),
    0x15: _OURS,  # ESME_RINVSERTYP
    0x33: _NUMBER,  # ESME_RINVNUMDESTS
    0x43: _OURS,  # ESME_RINVESMCLASS
    0x45: _LATER,  # ESME_RSUBMITFAIL
    0x48: _SENDER,  # ESME_RINVSRCTON
    0x49: _SENDER,  # ESME_RINVSRCNPI
    0x50: _NUMBER,  # ESME_RINVDSTTON
    0x51: _NUMBER,  # ESME_RINVDSTNPI
    0x53: _OURS,  # ESME_RINVSYSTYP
    0x58: Meaning(Kind.THROTTLED, Condition.RESOURCE_CONSTRAINT, "the message centre takes no more messages now"),
    0x61: _OURS,  # ESME_RINVSCHED
    0x62: _OURS,  # ESME_RINVEXPIRY
    0xC0: _OURS,  # ESME_RINVOPTPARSTREAM
    0xC1: _OURS,  # ESME_ROPTPARNOTALLWD
    0xC2: _OURS,  # ESME_RINVPARLEN
    0xC3: _OURS,  # ESME_RMISSINGOPTPARAM
    0xC4: _OURS,  # ESME_RINVOPTPARAMVAL
    0xFE: _LATER,  # ESME_RDELIVERYFAILURE
    0xFF: _LATER,  # ESME_RUNKNOWNERR
    0x100: _REFUSED,  # ESME_RSERTYPUNAUTH
    0x101: _REFUSED,  # ESME_RPROHIBITED
    0x102: _REFUSED,  # ESME_RSERTYPUNAVAIL
    0x103: _REFUSED,  # ESME_RSERTYPDENIED
    0x104: _OURS,  # ESME_RINVDCS
    0x105: _SENDER,  # ESME_RINVSRCADDRSUBUNIT
    0x106: _NUMBER,  # ESME_RINVDSTADDRSUBUNIT
}


def meaning(status: int, permanent: Collection[int] = (), temporary: Collection[int] = ()) -> Meaning:
    """Return what a status means; one that nobody knows may be otherwise next time.

    :param permanent: statuses that the operator knows better, as those of a vendor (0x400 to 0x4ff).
    """
    if status in temporary:
        return _LATER
    if status in permanent:
        return _MEANINGS[status] if _kind(status) is Kind.PERMANENT else _REFUSED
    return _MEANINGS.get(status, _LATER)


def _kind(status: int) -> Kind:
    return _MEANINGS.get(status, _LATER).kind
