"""A client on an old phone, as far as a server can tell: what Smack 3 with androidpn's client on it does, in asyncio.

It opens its stream without an XML declaration to whatever it was told to connect to; starts TLS 1.0 if that is on
offer (and gives up if it should be, or must not be); registers two random names; logs in without SASL; asks for its
roster and sends presence; begins to listen for notifications only then; answers requests it doesn't know with the error
501; takes the closing tag for an end it has asked for; and sends nothing but white space while nothing happens.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal
from xml.parsers import expat

from twisted.words.xish.domish import Element

from xmppd.wire.xml import escape_text

__all__ = ["REPLY_TIMEOUT", "Dropped", "Lost", "Refused", "Smack", "old_tls"]

#: Seconds that it waits for each answer (its ``packetReplyTimeout``).
REPLY_TIMEOUT = 5.0
Security = Literal["required", "disabled"]
_STREAMS = "http://etherx.jabber.org/streams"
_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
_NOTIFICATION = "androidpn:iq:notification"


class Lost(Exception):
    """It gives up: what the server said, or didn't say, leaves it nothing else."""


class Dropped(Lost):
    """The connection has ended."""


class Refused(Exception):
    """A request was answered with an error. What it shows is the old number, of which androidpn's client lives."""

    def __init__(self, error: Element) -> None:
        self.code = int(error.getAttribute("code", "-1"))
        self.condition = next((child.name for child in error.elements()), "")
        super().__init__(f"{self.condition}({self.code})")


def old_tls() -> ssl.SSLContext:
    """Return the TLS of an old phone: version 1.0, and no question about certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@dataclass
class Smack:
    """One client.

    :param host: what it connects to, and says its stream is to.
    :param source: the address it connects from.
    :param service: what its stream is to, if it isn't the host; later, what the server says it is.
    :param confirms: does it send ``deliverconfirm``, as some forks do?
    :ivar notifications: those its app was shown: the fields of each.
    :ivar unseen: those that came before it listened.
    :ivar answered: how many requests it has answered with 501.
    :ivar seconds: how long each step took.
    :ivar clean: did the connection end in a way upon which it doesn't connect again?
    """

    host: str
    port: int
    security: Security = "required"
    source: str | None = None
    resource: str = "AndroidpnClient"
    confirms: bool = False
    tls: ssl.SSLContext | None = None
    service: str = ""
    username: str = ""
    password: str = ""
    jid: str = ""
    notifications: list[dict[str, str]] = field(default_factory=list)
    unseen: list[dict[str, str]] = field(default_factory=list)
    answered: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    clean: bool | None = None

    def __post_init__(self) -> None:
        self._listens = False
        self._ids = 0
        self._waiting: dict[str, asyncio.Future[Element]] = {}
        self._features: asyncio.Future[Element] | None = None
        self._proceed: asyncio.Future[None] | None = None
        self._new = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    # The tasks of androidpn's client, in their order

    async def run(self, register: bool | None = None) -> None:
        """Connect, register unless it has done so before, log in."""
        await self.connect()
        if register if register is not None else not self.username:
            await self.register()
        await self.log_in()

    async def connect(self) -> None:
        """Open the stream, and begin TLS. :raises Lost: it doesn't get what it needs."""
        began = perf_counter()
        source = (self.source, 0) if self.source else None
        self._reader, self._writer = await asyncio.open_connection(self.host, self.port, local_addr=source)
        self.seconds["tcp"] = perf_counter() - began
        features = await self._timed("features", self._open())
        offered = features.firstChildElement() if features.children else None
        starttls = next((e for e in features.elements() if e.uri == _TLS), None)
        if self.security == "disabled":
            if starttls is not None and any(True for _ in starttls.elements()):
                raise Lost("TLS required by server but not allowed by connection configuration")
            return
        if starttls is None:
            raise Lost(f"Server does not support security (TLS), but security required by connection: {offered}")
        self._proceed = asyncio.get_running_loop().create_future()
        self._send(f'<starttls xmlns="{_TLS}"/>')
        await self._timed("tls", self._encrypt())
        await self._timed("features after tls", self._open())

    async def _encrypt(self) -> None:
        assert self._proceed is not None and self._reading is not None
        await self._proceed
        await asyncio.wait([self._reading])
        await self._writer.start_tls(self.tls or old_tls())

    async def register(self) -> None:
        """Make an account of two random names (XEP-0077). It waits for ever; an error is its end."""
        self.username = self.username or uuid.uuid4().hex
        self.password = self.password or uuid.uuid4().hex
        fields = f"<password>{self.password}</password><username>{self.username}</username>"
        await self.ask("set", f'<query xmlns="jabber:iq:register">{fields}</query>', timeout=None)

    async def log_in(self) -> None:
        """XEP-0078, the roster, presence. :raises Refused: 401 makes androidpn's client throw its account away."""
        name = self.username.lower().strip()
        question = f'<query xmlns="jabber:iq:auth"><username>{name}</username></query>'
        asked = await self._timed("auth get", self.ask("get", question))
        query = next((e for e in asked.elements() if e.uri == "jabber:iq:auth"), None)
        if query is None:
            raise Lost("ClassCastException")
        found = {child.name for child in query.elements()}
        if "digest" in found:
            proof = f"<digest>{hashlib.sha1((self.stream_id + self.password).encode()).hexdigest()}</digest>"
        elif "password" in found:
            proof = f"<password>{self.password}</password>"
        else:
            raise Lost("Server does not support compatible authentication mechanism.")
        inside = f"<username>{name}</username>{proof}<resource>{self.resource}</resource>"
        answer = await self._timed("auth set", self.ask("set", f'<query xmlns="jabber:iq:auth">{inside}</query>'))
        self.jid = answer.getAttribute("to") or f"{name}@{self.service}/{self.resource}"
        roster = self.ask("get", '<query xmlns="jabber:iq:roster"></query>')
        coming = asyncio.ensure_future(self._timed("roster", roster))
        await asyncio.sleep(0)  # the roster is asked for first, and not waited for
        self._send(f'<presence id="{self._id()}"></presence>')
        self._coming = coming

    def listen(self) -> None:
        """Log-in has returned: from now on notifications are shown."""
        self._listens = True

    async def roster(self) -> None:
        """Wait for the answer that nothing else waits for."""
        await self._coming

    @property
    def tls_version(self) -> str:
        """The version of TLS that is spoken, as ``TLSv1``; "" if none is."""
        spoken = self._writer.get_extra_info("ssl_object")
        return spoken.version() if spoken else ""

    # What forks send

    def tell(self, name: str, namespace: str, **children: str) -> None:
        """Send one of their IQs: with a stray space behind each child, and nothing escaped."""
        inside = "".join(f"<{key}>{value}</{key}> " for key, value in children.items())
        self._send(f'<iq id="{self._id()}" type="set"><{name} xmlns="{namespace}">{inside}</{name}></iq>')

    def space(self) -> None:
        """Keep the connection alive, as it does every 30 seconds."""
        self._send(" ")

    async def notified(self, count: int, timeout: float = 10.0) -> None:
        """Wait until so many notifications were shown."""
        async with asyncio.timeout(timeout):
            while len(self.notifications) < count:
                self._new.clear()
                await self._new.wait()

    # XMPP

    async def ask(self, type: str, content: str, timeout: float | None = REPLY_TIMEOUT) -> Element:
        """Send a request and return the answer. :raises Refused: it is an error. :raises Lost: none came in time."""
        id = self._id()
        answer = self._waiting[id] = asyncio.get_running_loop().create_future()
        self._send(f'<iq id="{id}" type="{type}">{content}</iq>')
        try:
            async with asyncio.timeout(timeout):
                iq = await answer
        except TimeoutError:
            raise Lost("No response from the server.") from None
        finally:
            del self._waiting[id]
        if iq.getAttribute("type") == "error":
            raise Refused(next(e for e in iq.elements() if e.name == "error"))
        return iq

    def close(self) -> None:
        """Lose the connection without a word."""
        if self._reading is not None:
            self._reading.cancel()
        self._writer.transport.abort()

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        assert self._reading is not None
        await asyncio.wait([self._reading])

    async def _timed(self, step: str, work: Any) -> Any:
        began = perf_counter()
        outcome = await work
        self.seconds[step] = perf_counter() - began
        return outcome

    def _id(self) -> str:
        self._ids += 1
        return f"x-{self._ids}"

    def _send(self, text: str) -> None:
        self._writer.write(text.encode())

    async def _open(self) -> Element:
        self._features = asyncio.get_running_loop().create_future()
        namespaces = f'xmlns="jabber:client" xmlns:stream="{_STREAMS}"'
        self._send(f'<stream:stream to="{self.service or self.host}" {namespaces} version="1.0">')
        self._reading = asyncio.ensure_future(self._read())
        return await self._features

    async def _read(self) -> None:
        parser = _Parser(self._opened, self._take)
        problem: Exception = Dropped("the connection was lost")
        try:
            while not parser.ended and not (self._proceed is not None and self._proceed.done()):
                data = await self._reader.read(8192)
                if not data:
                    break
                parser.feed(data)
            else:
                if not parser.ended:
                    self._proceed = None
                    return  # TLS begins
        except (Lost, OSError, expat.ExpatError) as error:
            problem = error
        self.clean = parser.ended and isinstance(problem, Dropped)
        for future in (self._features, *self._waiting.values()):
            if future is not None and not future.done():
                future.set_exception(problem)

    def _opened(self, attributes: dict[str, str]) -> None:
        self.stream_id, self.service = attributes["id"], attributes["from"]
        if attributes["version"] != "1.0":
            raise Lost("no features will come")

    def _take(self, element: Element) -> None:
        if element.name == "features" and self._features is not None:
            self._features.set_result(element)
        elif element.name == "proceed" and self._proceed is not None:
            self._proceed.set_result(None)
        elif element.name == "error" and element.uri == _STREAMS:
            raise Lost(f"stream:error ({next(iter(element.elements())).name})")
        elif element.name == "iq":
            self._take_iq(element)

    def _take_iq(self, iq: Element) -> None:
        waiting = self._waiting.get(iq.getAttribute("id", ""))
        if iq.getAttribute("type") in ("result", "error"):
            if waiting is not None and not waiting.done():
                waiting.set_result(iq)
            return
        child = next(iq.elements(), None)
        if child is not None and child.uri == _NOTIFICATION:
            self._notified(child)
        else:  # PacketReader.parseIQ: whoever asked, and whatever for
            self.answered += 1
            condition = '<feature-not-implemented xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>'
            error = f'<error code="501" type="CANCEL">{condition}</error>'
            ids = f'id="{iq.getAttribute("id")}" to="{iq.getAttribute("from", "")}" from="{iq.getAttribute("to", "")}"'
            self._send(f'<iq {ids} type="error">{error}</iq>')

    def _notified(self, notification: Element) -> None:
        """NotificationIQProvider: every start tag is a field, until an end tag of that name; there is no answer."""
        given = {child.name: str(child) for child in notification.elements()}
        if any(True for child in notification.elements() for _ in child.elements()):
            raise Lost("XmlPullParserException: a field has children")
        missing = {"id", "apiKey", "title", "message", "uri"} - given.keys()
        if missing:
            raise Lost(f"NullPointerException: {missing}")
        (self.notifications if self._listens else self.unseen).append(given)
        self._new.set()
        if self._listens and self.confirms:
            self.tell("deliverconfirm", "androidpn:iq:deliverconfirm", uuid=escape_text(given["id"]))


class _Parser:
    """Bytes to the header's attributes and first-level elements."""

    def __init__(self, opened: Callable[[dict[str, str]], None], take: Callable[[Element], None]) -> None:
        self._opened, self._take = opened, take
        self._stack: list[Element] = []
        self._depth = 0
        self.ended = False
        parser: Any = expat.ParserCreate("UTF-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._text
        self.feed: Callable[[bytes], None] = parser.Parse

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._opened(attributes)
            return
        uri, _, local = name.rpartition(" ")
        element = Element((uri, local), attribs=attributes)
        if self._stack:
            self._stack[-1].addChild(element)
        self._stack.append(element)

    def _text(self, data: str) -> None:
        if self._stack:
            self._stack[-1].addContent(data)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.ended = True
            return
        element = self._stack.pop()
        if not self._stack:
            self._take(element)
