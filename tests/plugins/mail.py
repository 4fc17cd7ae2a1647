"""What the tests of the mail gateway share: a mail server in memory, and one that brings mail."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message as Mail
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.mail.smtp import ESMTP, IMessage, SMTPBadRcpt, SMTPServerError
from zope.interface import implementer

from tests.plugins.kit import PluginTestCase
from xmppd.testing.network import MemoryNetwork

__all__ = ["FRIAR", "GATEWAY", "REGISTER", "MailServer", "MailTestCase", "Script"]

GATEWAY = "email.example.org"
FRIAR = rf"friar\40lawrence.example@{GATEWAY}"
REGISTER = f"<iq type='set' to='{GATEWAY}' id='r'><query xmlns='jabber:iq:register'>{{}}</query></iq>"


class MailServer:
    """Takes mail.

    :ivar mails: (envelope sender, recipient, content) of each.
    :ivar refuse: code and text for every recipient, or None.
    :ivar refuse_mail: the same for what is sent.
    :ivar open: the connections.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, bytes]] = []
        self.refuse: tuple[int, str] | None = None
        self.refuse_mail: tuple[int, str] | None = None
        self.open: set[Any] = set()

    def __call__(self) -> Any:
        return _Protocol(self)


class _Protocol(ESMTP):
    noisy = False

    def __init__(self, server: MailServer) -> None:
        super().__init__()
        self.server = server
        self.host = "mail.example.org"
        self.sender = ""
        self.answer: tuple[int, str] | None = None

    def connectionMade(self) -> None:
        self.server.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Any = None) -> None:
        self.server.open.discard(self)
        super().connectionLost(reason)

    def setTimeout(self, timeOut: int | None = None) -> None:
        """Have all the time there is."""

    def extensions(self) -> dict[bytes, Any]:
        return {b"8BITMIME": None}

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        return b""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        self.sender = str(origin)
        return origin

    def validateTo(self, user: Any) -> Any:
        if self.server.refuse is not None:
            code, text = self.server.refuse
            raise SMTPBadRcpt(user, code, text) if code >= 500 else SMTPServerError(code, text)
        return lambda: _Content(self, str(user.dest))

    def sendCode(self, code: int, message: bytes = b"") -> None:
        if code == 250 and message == b"Delivery in progress" and self.server.refuse_mail is not None:
            code, text = self.server.refuse_mail
            message = text.encode()
        super().sendCode(code, message)


@implementer(IMessage)
class _Content:
    def __init__(self, connection: _Protocol, recipient: str) -> None:
        self.connection, self.recipient = connection, recipient
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        server = self.connection.server
        if server.refuse_mail is None:
            server.mails.append((self.connection.sender, self.recipient, b"\n".join(self.lines) + b"\n"))
        return succeed(None)

    def connectionLost(self) -> None:
        self.lines.clear()


class Script:
    """A client that sends bytes and keeps what it is answered.

    :ivar answers: the lines that came.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.lost = False

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any) -> None:
        self.lost = True

    @property
    def answers(self) -> list[str]:
        return self.received.decode("ascii").splitlines()

    def codes(self) -> list[int]:
        """The codes of the answers, which are forgotten then."""
        found = [int(line[:3]) for line in self.answers if line[3:4] != "-"]
        self.received = b""
        return found


class MailTestCase(PluginTestCase):
    """A server with the gateway, a registered user, and a mail server on loopback."""

    plugins = ("roster", "presence", "offline", "email")

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.smarthost = MailServer()
        network.peers["tcp:127.0.0.1:25"] = self.smarthost

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.romeo.send(REGISTER.format(self.registration()))
        self.romeo.clear()

    def registration(self) -> str:
        """What Romeo fills in."""
        return ""

    def chat(self, body: str, content: str = "", to: str = FRIAR, id: str = "m1") -> None:
        """Have Romeo send a message."""
        self.romeo.send(f"<message to='{to}' type='chat' id='{id}'>{content}<body>{body}</body></message>")
        self.pump(1)

    def mail(self) -> Mail:
        """Take the mail that was sent first."""
        self.pump(1)
        return message_from_bytes(self.smarthost.mails.pop(0)[2])

    def text(self, mail: Mail) -> str:
        """Return what is in a mail."""
        content: Any = mail.get_payload(decode=True)
        return str(content, "utf-8")

    def address(self) -> str:
        """Return the address at which the friar can answer; Romeo writes to him for that."""
        self.chat("hi")
        sender = self.smarthost.mails.pop(0)[0]
        self.romeo.clear()
        return sender

    def connect_mail(self) -> Script:
        """Return a client of the port that mail comes to."""
        script = Script()
        self.wait(self.host.network.connect("tcp:2525:interface=127.0.0.1", script), 1)
        self.pump()
        return script

    def bring(self, to: str, content: str | bytes, sender: str = "friar@lawrence.example") -> str:
        """Bring a mail; return the last answer."""
        script = self.connect_mail()
        data = content.encode() if isinstance(content, str) else content
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        for line in ("EHLO mx.example.org", f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"):
            script.transport.write(line.encode() + b"\r\n")
            self.pump()
        if script.answers[-1].startswith("250"):
            script.transport.write(b"DATA\r\n")
            self.pump()
            script.transport.write(data + b"\r\n.\r\n")
            self.pump(1)
        answer = script.answers[-1]
        script.transport.loseConnection()
        self.pump()
        return answer
