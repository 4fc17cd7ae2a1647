"""Several people enter a room that is not there, at the same time: one of them makes it (XEP-0045 section 10.1.1)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase
from xmppd.api import Jid


class AtOnce(RoomTestCase):
    def test_one_owner(self) -> None:
        """Whether they may create rooms is looked up in the database, for all of them, before the first has made it."""
        waiting: list[Deferred[None]] = []

        async def may_own(who: Jid) -> None:
            waiting.append(Deferred())
            await waiting[-1]

        self.patch(self.plugin("muc").guard, "may_own", may_own)
        romeo, juliet = (self.login(f"{name}@example.org/a") for name in ("romeo", "juliet"))
        for client, nick in ((romeo, "romeo"), (juliet, "juliet")):
            client.send(f"<presence id='e' to='{GARDEN}/{nick}'>{JOIN}</presence>")
        self.assertEqual(len(waiting), 2)
        for one in waiting:
            one.callback(None)
        self.pump()
        self.assertEqual(self.nicks(), ["romeo"])
        self.assertEqual([str(who) for who in self.room().members], ["romeo@example.org"])
        juliet.expect(
            f"<presence type='error' id='e' from='{GARDEN}/juliet'>{{...}}<error type='cancel' by='{GARDEN}'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>"
        )

    def test_one_reading(self) -> None:
        """The same while the room itself is looked for."""
        romeo, juliet = (self.login(f"{name}@example.org/a") for name in ("romeo", "juliet"))
        muc, waiting = self.plugin("muc"), list[Deferred[None]]()
        load = muc.rooms._load

        async def later(jid: Jid) -> object:
            waiting.append(Deferred())
            await waiting[-1]
            return await load(jid)

        self.patch(muc.rooms, "_load", later)
        for client, nick in ((romeo, "romeo"), (juliet, "juliet")):
            client.send(f"<presence to='{GARDEN}/{nick}'>{JOIN}</presence>")
        waiting[0].callback(None)
        self.pump()
        self.assertEqual(self.nicks(), ["romeo"])
