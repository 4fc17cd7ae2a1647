"""Handing a mail to the mail server that sends it on (RFC 5321, RFC 6409), with Twisted's SMTP client.

Import it when it is needed, and not before: see :mod:`.smtp_in`.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.mail.smtp import ESMTPSender, SMTPClient

from xmppd.api import Condition, IClock, StanzaError
from xmppd.api.gateway import TryAgain

__all__ = ["Submission"]


class Submission(ESMTPSender):
    """A connection on which one mail is handed over.

    :ivar outcome: fires when the server has taken the mail; fails with TryAgain, or with StanzaError if it never will.
    """

    debug = False  # its log would hold the password

    def __init__(
        self,
        clock: IClock,
        *,
        sender: str,
        recipient: str,
        content: bytes,
        identity: str,
        login: tuple[str, str] | None,
        starttls: str | None,
        timeout: int,
    ) -> None:
        """Prepare.

        :param identity: our name.
        :param login: user name and password, if the server wants them.
        :param starttls: the name that the server's certificate has to have after STARTTLS; None: there is none.
        :param timeout: seconds that the server may be silent.
        """
        user, password = login or ("", "")
        super().__init__(
            user.encode("utf-8"), password.encode("utf-8") if login else None, None, identity, hostname=starttls
        )
        self.heloFallback = login is None and starttls is None
        self.requireAuthentication = login is not None
        self.requireTransportSecurity = starttls is not None
        self._silence = timeout
        self.outcome: Deferred[None] = Deferred(lambda _: self.transport.abortConnection() if self.transport else None)
        self._clock = clock
        self._sender, self._recipient = sender, recipient
        self._content = BytesIO(content)
        self._begun = self._sent = False

    def callLater(self, period: float, function: Any) -> Any:
        """Have timeouts by the server's clock."""
        return self._clock.callLater(period, function)

    def connectionMade(self) -> None:
        """See IProtocol."""
        super().connectionMade()
        self.setTimeout(self._silence)

    # What ESMTPSender asks for

    def getMailFrom(self) -> str | None:
        """Return the sender's address once: there is one mail."""
        if self._begun:
            return None
        self._begun = True
        return self._sender

    def getMailTo(self) -> Sequence[bytes]:
        """Return the recipient."""
        return [self._recipient.encode("ascii")]

    def getMailData(self) -> BytesIO:
        """Return the mail; from now on it may have been taken."""
        self._sent = True
        return self._content

    # How it ends

    def sentMail(
        self, code: int, resp: bytes, numOk: int, addresses: Sequence[tuple[bytes, int, bytes]], log: object
    ) -> None:
        """See SMTPClient: the server has decided."""
        if 200 <= code < 300 and numOk:
            self._end(None)
            return
        refused = not numOk and bool(addresses)  # it was the recipient, and not the mail
        if refused:
            _, code, resp = addresses[0]
        text = _readable(resp)
        if 500 <= code < 600:
            condition = Condition.ITEM_NOT_FOUND if refused else Condition.NOT_ACCEPTABLE
            self._end(StanzaError(condition, text=f"the mail server refused it: {text}"))
        else:
            self._end(TryAgain(f"the mail server has put it off: {code} {text}"))

    def sendError(self, exc: Any) -> None:
        """See SMTPClient: it didn't come to that."""
        SMTPClient.sendError(self, exc)  # SenderMixin's needs a factory
        self._end(
            TryAgain(f"the mail server: {_readable(getattr(exc, 'resp', b'') or str(exc))}", uncertain=self._sent)
        )

    def connectionLost(self, reason: Any = None) -> None:
        """See IProtocol."""
        super().connectionLost(reason)
        why = reason.getErrorMessage() if reason is not None else "it is gone"
        self._end(TryAgain(f"the connection to the mail server was lost: {why}", uncertain=self._sent))

    def _end(self, error: Exception | None) -> None:
        if self.outcome.called:
            return
        if error is None:
            self.outcome.callback(None)
        else:
            self.outcome.errback(error)


def _readable(text: bytes | str) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return " ".join(text.split())[:300]
