"""A client of some server of the stage: the slixmpp device, with rooms and without doubts about certificates."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from tests.interop.device import PATIENCE, Event
from tests.interop.slix import SlixmppDevice, answered

MUC = "http://jabber.org/protocol/muc"


@dataclass
class Person(SlixmppDevice):
    """A device at `server` that also goes into rooms (XEP-0045)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The servers' certificates are wrong in many ways, and not for this client to judge.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.client.ssl_context = context

    async def join(self, room: str, nick: str) -> Event:
        """Enter a room, and open it if it is new (section 10.1.2); returns one's own presence there."""
        stanza = self.client.make_presence(pto=f"{room}/{nick}")
        stanza.append(Element(f"{{{MUC}}}x"))
        stanza.send()
        event = await self.expect(kind="presence", from_=f"{room}/{nick}")
        if event.type == "available":
            iq = self.client.make_iq_set(ito=room)
            query = Element(f"{{{MUC}#owner}}query")
            SubElement(query, "{jabber:x:data}x", type="submit")
            iq.append(query)
            iq.send(callback=lambda _: None)  # only the owner may, and only one who waits for it has to
        return event

    async def leave(self, room: str, nick: str) -> None:
        """Leave a room and wait for the word that one has."""
        self.presence("unavailable", f"{room}/{nick}")
        await self.expect(kind="presence", type="unavailable", from_=f"{room}/{nick}")

    def say(self, room: str, body: str) -> None:
        """Send a message to all in a room."""
        self.client.send_message(mto=room, mbody=body, mtype="groupchat")

    async def ask(self, to: str, element: Element, type_: str = "get") -> Any:
        """Send an IQ with this payload and return the answer's stanza; raises Refused."""
        iq = self.client.make_iq(ito=to, itype=type_)
        iq.append(element)
        return await answered(iq.send(timeout=PATIENCE))
