"""The XMPP side of an upload: a client that asks for slots, without stream management; it comes back when it is cut."""

from __future__ import annotations

import asyncio
import itertools
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from tests.faults.reading import CLIENT
from tests.faults.servers import PASSWORD
from tests.faults.stream import BIND, Stream
from tests.faults.web.doors import Carrier, Doors
from tests.interop.server import DOMAIN

NS = "urn:xmpp:http:upload:0"
_BROKEN = (OSError, TimeoutError, ET.ParseError)


class Asker:
    """A client of one account."""

    def __init__(self, account: str, doors: Doors, carrier: Carrier) -> None:
        self.account, self._doors, self._carrier = account, doors, carrier
        self._stream: Stream | None = None
        self._ids = itertools.count(1)

    async def slot(self, name: str, size: int) -> tuple[str, str] | str:
        """Return the paths to put a file to and to get it from, or why there is no slot."""
        try:
            async with asyncio.timeout(8):
                stream = await self._connected()
                return await self._ask(stream, name, size)
        except _BROKEN as error:
            self.drop()
            return str(error) or type(error).__name__

    async def _connected(self) -> Stream:
        if self._stream is not None and self._stream.open:
            return self._stream
        stream = self._stream = await self._doors.open(self._carrier, lambda _why: None)
        await stream.log_in(self.account, PASSWORD)
        stream.write(f"<iq type='set' id='bind'><bind xmlns='{BIND}'/></iq>")
        answer = await stream.next()
        if answer.get("type") != "result":
            raise ConnectionError("not bound")
        return stream

    async def _ask(self, stream: Stream, name: str, size: int) -> tuple[str, str] | str:
        id_ = f"s{next(self._ids)}"
        request = f"<request xmlns='{NS}' filename={quoteattr(name)} size='{size}'/>"
        stream.write(f"<iq type='get' id='{id_}' to='upload.{DOMAIN}'>{request}</iq>")
        while True:
            answer = await stream.next()
            if answer.tag == f"{{{CLIENT}}}iq" and answer.get("id") == id_:
                break
            if answer.tag.endswith("error"):
                raise ConnectionError(ET.tostring(answer, "unicode"))
        put, get = answer.find(f".//{{{NS}}}put"), answer.find(f".//{{{NS}}}get")
        if put is None or get is None:
            return ET.tostring(answer, "unicode")
        to, of = urlsplit(put.get("url", "")), urlsplit(get.get("url", ""))
        return f"{to.path}?{to.query}", of.path

    def drop(self) -> None:
        """Break the connection."""
        if self._stream is not None:
            self._stream.drop("dropped")
            self._stream = None
