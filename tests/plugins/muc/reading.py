"""What tests of rooms' archives share."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import func, select

from tests.plugins.managed import ManagedTestCase
from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.plugins.muc.service.archive import TABLES
from xmppd.wire.xml import Element, parse

__all__ = ["MAM", "MESSAGES", "OWNERS", "SEARCH", "ReadingTestCase", "body", "field", "forwarded"]

MAM = "urn:xmpp:mam:2"
SEARCH = "{urn:xmpp:fulltext:0}fulltext"
OWNERS, MESSAGES, _ = TABLES


class ReadingTestCase(RoomTestCase, ManagedTestCase):
    """Romeo has made a room, which stays, and is in it."""

    config: ClassVar[Any] = {"limits": {"idle_ping_seconds": 1e9}}  # these clients answer no pings
    options: ClassVar[Any] = {}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.made = self.make_room(self.romeo, persistent=True, **self.options)

    def say(self, client: Any, *texts: str, room: str = GARDEN) -> None:
        """Have a client say something, and forget what came."""
        for text in texts:
            client.send(f"<message to='{room}' type='groupchat' id='{text}'><body>{text}</body></message>")
        client.clear()

    def ask(
        self, client: Any, fields: str = "", page: str = "", more: str = "", room: str = GARDEN
    ) -> tuple[list[Element], Element]:
        """Return the results of a query, and what came after them."""
        form = ""
        if fields:
            type_ = f"<field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"
            form = f"<x xmlns='jabber:x:data' type='submit'>{type_}{fields}</x>"
        page = f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>" if page else ""
        client.clear()
        inside = form + page + more
        client.send(f"<iq type='set' id='q' to='{room}'><query xmlns='{MAM}' queryid='x'>{inside}</query></iq>")
        self.pump(1)
        came = [parse(xml.encode())[0] for xml in client.received]
        client.clear()
        results = [next(e.elements()) for e in came if e.name == "message"]
        self.assertEqual([e.name for e in came], ["message"] * len(results) + ["iq"])
        return results, came[-1]

    def texts(self, client: Any, fields: str = "", page: str = "", more: str = "", room: str = GARDEN) -> list[str]:
        """Return the bodies, or the names of what messages hold."""
        results, reply = self.ask(client, fields, page, more, room)
        self.assertEqual(reply["type"], "result", reply.toXml())
        return [body(result) for result in results]

    def refused(self, client: Any, condition: str, room: str = GARDEN) -> None:
        """Have a client be refused all there is of the archive."""
        _, reply = self.ask(client, room=room)
        self.assertIn(condition, reply.toXml())
        for what in (f"<metadata xmlns='{MAM}'/>", f"<query xmlns='{MAM}'/>"):
            client.send(f"<iq type='get' id='m' to='{room}'>{what}</iq>")
            self.assertIn(condition, client.received[-1])
        client.clear()

    def count(self, table: Any = MESSAGES) -> int:
        """Return how many rows a table has."""
        found: int = self.wait(
            self.server.db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())
        )
        return found


def field(name: str, *values: str) -> str:
    """Return a field of a query."""
    return f"<field var='{name}'>" + "".join(f"<value>{value}</value>" for value in values) + "</field>"


def forwarded(result: Element) -> Element:
    """Return the message that a result holds."""
    (inside,) = result.elements()
    message: Element = list(inside.elements())[1]
    return message


def body(result: Element) -> str:
    """Return what the message of a result says, or the name of what it holds."""
    held = [e for e in forwarded(result).elements() if e.name not in ("occupant-id", "x")]
    return str(held[0]) or held[0].name
