"""Copies of a stanza for many sessions with stream management: written down once, and all there after a kill."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from sqlalchemy import select

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.api import Component, Jid, Message, settled
from xmppd.core.durable import tables
from xmppd.testing import Client

BODY = "Wherefore art thou Romeo?"


class Hall(Component):
    """Tells everybody what somebody says."""

    label = "hall"
    people = tuple(Jid.parse(f"{name}@example.org/here") for name in ("romeo", "juliet", "nurse"))

    def message(self, message: Message) -> Awaitable[None] | None:
        said = Message(None, message.to, message.id, payload=message.payload).along(message)
        pending = [self.host.route(copy) for copy in said.copies(self.people)]
        return settled(*(wait for wait in pending if wait is not None))


class Common(ManagedTestCase):
    plugins: ClassVar[Any] = (Hall,)
    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 600}}

    def setUp(self) -> None:
        super().setUp()
        self.clients: dict[Client, str] = {}
        for jid in Hall.people:
            client, id_ = self.enabled(str(jid))
            self.clients[client] = id_
            client.clear()

    def say(self, id: str) -> None:
        next(iter(self.clients)).send(f"<message to='hall.example.org' id='{id}'><body>{BODY}</body></message>")
        self.pump()

    def test_written_down_once(self) -> None:
        self.say("1")
        for client, jid in zip(self.clients, Hall.people, strict=True):
            message = f"<message from='hall.example.org' to='{jid}' id='1'><body>{BODY}</body></message>"
            self.assertEqual(client.received, [message])
        entries = self.wait(self.disk.read(lambda c: c.execute(select(tables.JOURNAL.c.data)).scalars().all()))
        self.assertEqual(b"".join(entries).count(BODY.encode()), 1)

    def test_all_are_there_after_a_kill(self) -> None:
        for id_ in "12":
            self.say(id_)
        first = next(iter(self.clients))
        first.send(f"<a xmlns='{SM}' h='1'/>")
        self.pump(2)
        self.kill()
        self.restart()
        for (client, id_), jid in zip(self.clients.items(), Hall.people, strict=True):
            missing = "2" if client is first else "12"
            again = self.resumed(str(jid), id_, 2 - len(missing))
            sent = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='{any}'/>"
            for number in missing:
                header = f"from='hall.example.org' to='{jid}' id='{number}'"
                again.expect(f"<message {header}><body>{BODY}</body>{sent}</message>")
