"""Taking mail for users (RFC 5321), with Twisted's SMTP server; meant to stand behind one that others can reach.

Import it when it is needed, and not before: Twisted's module asks the resolver for the machine's name when it is
imported, and every server looks into every plugin when it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.mail.smtp import ESMTP, IMessage, SMTPBadRcpt, SMTPFactory, SMTPServerError, User
from zope.interface import implementer

from xmppd.api import StorageUnavailable
from xmppd.api.waiting import as_deferred
from xmppd.plugins.email.inbox import Answer, Inbox

__all__ = ["Receiver"]

_log = Logger()
_RECIPIENTS = 20  # of one mail
_SILENT = frozenset({b"AUTH", b"STARTTLS"})  # there is neither


class Receiver(SMTPFactory):
    """The port that mail comes to."""

    noisy = False

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self.inbox = inbox
        self.open: set[_Connection] = set()

    def buildProtocol(self, addr: Any) -> _Connection | None:
        """See IProtocolFactory."""
        if len(self.open) >= self.inbox.connections:
            return None
        connection = _Connection(self)
        connection.factory = self
        return connection

    def close(self) -> None:
        """Cut all connections: whoever was sending tries again."""
        for connection in list(self.open):
            connection.transport.loseConnection()


class _Connection(ESMTP):
    """One server that brings mail. Bytes that are no SMTP are answered with an error, and never with a traceback."""

    noisy = False
    transport: Any

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self.receiver = receiver
        self.inbox = receiver.inbox
        self.host = self.inbox.name
        self.timeout = self.inbox.timeout
        self.sender = ""
        self.recipients: list[str] = []
        self.answer: Answer | None = None

    def callLater(self, period: float, function: Any) -> Any:
        """Have timeouts by the server's clock."""
        return self.inbox.clock.callLater(period, function)

    def connectionMade(self) -> None:
        """See IProtocol."""
        self.receiver.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Any = None) -> None:
        """See IProtocol."""
        self.receiver.open.discard(self)
        super().connectionLost(reason)

    def lineReceived(self, line: bytes) -> Any:
        """Take a line; what Twisted can't make sense of is a syntax error."""
        try:
            return super().lineReceived(line)
        except (UnicodeError, ValueError, IndexError, AttributeError, TypeError):
            self.sendSyntaxError()
            return None

    def lineLengthExceeded(self, line: bytes) -> Any:
        """Refuse to go on: the rest of a mail must not be taken for commands."""
        self.sendCode(500, b"5.5.6 Line too long")
        self.transport.loseConnection()

    def lookupMethod(self, command: bytes) -> Any:
        """Return what does a command."""
        return None if command.upper() in _SILENT else super().lookupMethod(command)

    def extensions(self) -> dict[bytes, list[bytes] | None]:
        """Say what we can do."""
        return {b"SIZE": [b"%d" % self.inbox.octets], b"8BITMIME": None, b"ENHANCEDSTATUSCODES": None}

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """Return no header: the mail ends here."""
        return b""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Anybody may send; a report comes from nobody."""
        self.sender = str(origin) if str(origin) != "<>" else ""
        self.recipients = []
        return origin

    def validateTo(self, user: User) -> Any:
        """Take mail for addresses that there are."""
        return as_deferred(self._validate(user))

    async def _validate(self, user: User) -> Callable[[], _Content]:
        if len(self.recipients) >= _RECIPIENTS:
            raise SMTPServerError(452, "4.5.3 Too many recipients")
        address = str(user.dest)
        try:
            known = await self.inbox.exists(address)
        except StorageUnavailable:
            raise SMTPServerError(451, "4.3.0 Not now") from None
        if not known:
            raise SMTPBadRcpt(user, 550, "5.1.1 There is no such address")
        self.recipients.append(address)
        recipients = list(self.recipients)
        content = _Content(self, recipients)
        return lambda: content

    def sendCode(self, code: int, message: bytes = b"") -> None:
        """Answer; a mail that was taken with what became of it."""
        answer, self.answer = self.answer, None
        if answer is not None:
            code, message = answer.code, answer.text.encode("ascii", "replace")
        super().sendCode(code, message)


@implementer(IMessage)
class _Content:
    """The mail for one recipient; the last of several brings it to all."""

    def __init__(self, connection: _Connection, recipients: list[str]) -> None:
        self._connection = connection
        self._recipients = recipients
        self._lines: list[bytes] = []
        self._octets = 0

    @property
    def _last(self) -> bool:
        return self._recipients == self._connection.recipients

    def lineReceived(self, line: bytes) -> None:
        """See IMessage."""
        if not self._last:
            return
        self._octets += len(line) + 2
        if self._octets > self._connection.inbox.octets:
            raise SMTPServerError(552, b"5.3.4 The mail is too long")
        self._lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        """See IMessage; it never fails."""
        return as_deferred(self._take())

    async def _take(self) -> None:
        if not self._last:
            return
        connection, content = self._connection, b"\r\n".join(self._lines) + b"\r\n"
        try:
            answer = await connection.inbox.take(connection.sender, self._recipients, content)
        except StorageUnavailable:
            answer = Answer(451, "4.3.0 Not now")
        except Exception:
            _log.failure("a mail could not be taken")
            answer = Answer(451, "4.3.0 Local error in processing")
        connection.answer = answer

    def connectionLost(self) -> None:
        """See IMessage: the rest doesn't come."""
        self._lines.clear()
