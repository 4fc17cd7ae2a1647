"""A message on its way to another network, and how sending it can fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message
from xmppd.wire.xml import tag

__all__ = ["RECEIPTS", "Outgoing", "TryAgain", "from_row", "header_of", "receipt"]

RECEIPTS = "urn:xmpp:receipts"  # XEP-0184


class TryAgain(Exception):
    """Sending a message has failed for now; it is tried again until the option ``give_up_hours`` says to give up.

    For what will never work a gateway raises :class:`~xmppd.api.StanzaError`, which the sender gets.

    :param reason: for the log, and for the sender if it is given up.
    :param after: seconds until the next attempt at the earliest; None: as the options say.
    :param uncertain: it may have been sent all the same; the next attempt sees that as :attr:`Outgoing.uncertain`.
    :param condition: of the error that the sender gets if it is given up.
    """

    def __init__(
        self,
        reason: str,
        after: float | None = None,
        uncertain: bool = False,
        condition: Condition = Condition.REMOTE_SERVER_TIMEOUT,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.uncertain = uncertain
        self.condition = condition


@dataclass(frozen=True)
class Outgoing:
    """A message that the gateway has accepted, and stored.

    :ivar number: increases, and is never used again by this gateway.
    :ivar user: bare address of the sender.
    :ivar contact: the recipient's address on the other network, as :meth:`~xmppd.api.gateway.Gateway.address` has it.
    :ivar message: the stanza; `from_` is the full address of the device that sent it.
    :ivar accepted_at: when it was accepted, in seconds since the epoch.
    :ivar tries: how many times sending it has been tried before.
    :ivar uncertain: an earlier attempt may have sent it: the server was killed in the middle of it, for example. If the
        other network can't recognize it by :attr:`key`, the gateway has to choose between sending it twice and, by
        raising an error, perhaps not at all.
    :ivar note: what the gateway has noted about it with :meth:`~xmppd.api.gateway.Gateway.note`, or "".
    :ivar cost: what :meth:`~xmppd.api.gateway.Gateway.cost` said.
    """

    number: int
    user: Jid
    contact: str
    message: Message
    accepted_at: float
    tries: int = 0
    uncertain: bool = False
    note: str = ""
    cost: int = 1

    @property
    def key(self) -> str:
        """A name that stays the same when it is tried again, for networks that recognize repetitions by one."""
        return f"{self.number:x}"

    @property
    def body(self) -> str:
        """The text."""
        return self.message.body or ""

    @property
    def subject(self) -> str:
        """The subject, or ""."""
        return self.message.text("subject") or ""

    @property
    def thread(self) -> str:
        """The thread (RFC 6121 5.2.5), or ""."""
        return self.message.text("thread") or ""

    @property
    def wants_receipt(self) -> bool:
        """Does the sender want to be told that it was delivered (XEP-0184)?"""
        return self.message.id is not None and self.message.has(RECEIPTS, "request")


def receipt(message: Message) -> Message:
    """Return the receipt for a message that asks for one (XEP-0184 section 5.4)."""
    payload = tag("received", xmlns=RECEIPTS, id=message.id)
    return Message(message.from_, message.to, uuid4().hex, message.type, None, payload)


def header_of(message: Message) -> str:
    """Return everything about a message that is not its content."""
    header = [message.from_, message.to, message.id, message.type, message.lang]
    return json.dumps(header, ensure_ascii=False, separators=(",", ":"))


def from_row(row: Mapping[str, Any]) -> Outgoing:
    """Return what a row of the queue holds."""
    from_, to, id_, type_, lang = json.loads(row["header"])
    return Outgoing(
        number=row["number"],
        user=Jid.parse(row["account"]),
        contact=row["contact"],
        message=Message(Jid.parse(to), Jid.parse(from_), id_, type_, lang, row["payload"]),
        accepted_at=row["accepted_at"],
        tries=row["tries"],
        uncertain=bool(row["begun"]),
        note=row["note"],
        cost=row["cost"],
    )
